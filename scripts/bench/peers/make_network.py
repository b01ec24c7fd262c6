"""Keras' network with seeded weights, and the same as ONNX that takes NCHW: python make_network.py <ResNet50|…> <out.keras> <out.onnx>"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def seed(model: keras.Model) -> None:
    """He's kernels; normalisations near the identity."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            continue
        for weight in layer.weights:
            shape = weight.shape
            if "variance" in weight.path or "gamma" in weight.path:
                value = rng.uniform(0.9, 1.1, shape)
            elif len(shape) == 1:
                value = rng.standard_normal(shape) * 0.1
            else:
                fan_in = np.prod(shape[:2]) if "depthwise" in weight.path else np.prod(shape[:-1])
                value = rng.standard_normal(shape) * np.sqrt(1 / fan_in)
            weight.assign(value.astype("f4"))


def main(name: str, file: str, onnx: str) -> None:
    model = getattr(keras.applications, name)(weights=None)
    seed(model)
    model.save(file)
    spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="input")
    call = tf.function(lambda x: {"output": model(x, training=False)}).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(call)
    names = [[tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs)]
    more = {"input_names": names[0], "output_names": names[1], "inputs_as_nchw": names[0]}
    proto, _ = tf2onnx.convert.from_graph_def(frozen.graph.as_graph_def(), opset=17, **more)
    # Runtimes are fed by this name.
    (given,) = proto.graph.input
    for node in proto.graph.node:
        node.input[:] = ["input" if each == given.name else each for each in node.input]
    given.name = "input"
    with open(onnx, "wb") as out:
        out.write(proto.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:4])
