"""Writes a model folder's VGG16 as ONNX (NCHW, opset 17): python make_onnx.py <model folder> <out.onnx>"""

import sys

import onnx
from onnx import TensorProto, helper, numpy_helper
from peer import convolutions, read_weights


def main(folder: str, out: str) -> None:
    weights = read_weights(folder)
    nodes, initializers = [], []

    def keep(name: str, values) -> str:
        initializers.append(numpy_helper.from_array(values.copy(), name))
        return name

    last = "input"
    for name, is_last in convolutions():
        kernel = keep(f"{name}/kernel", weights[f"{name}/kernel"].transpose(3, 2, 0, 1))
        bias = keep(f"{name}/bias", weights[f"{name}/bias"])
        nodes.append(helper.make_node("Conv", [last, kernel, bias], [name], pads=[1] * 4, kernel_shape=[3, 3]))
        nodes.append(helper.make_node("Relu", [name], [f"{name}/relu"]))
        last = f"{name}/relu"
        if is_last:
            nodes.append(helper.make_node("MaxPool", [last], [f"{name}/pool"], kernel_shape=[2, 2], strides=[2, 2]))
            last = f"{name}/pool"
    nodes.append(helper.make_node("Flatten", [last], ["flatten"]))
    last = "flatten"
    for name in ("fc1", "fc2", "predictions"):
        kernel = weights[f"{name}/kernel"]
        if name == "fc1":  # Keras flattens HWC, ONNX CHW
            kernel = kernel.reshape(7, 7, 512, -1).transpose(2, 0, 1, 3).reshape(25088, -1)
        inputs = [last, keep(f"{name}/kernel", kernel), keep(f"{name}/bias", weights[f"{name}/bias"])]
        nodes.append(helper.make_node("Gemm", inputs, [name]))
        activation = "Softmax" if name == "predictions" else "Relu"
        last = "output" if name == "predictions" else f"{name}/relu"
        nodes.append(helper.make_node(activation, [name], [last]))
    graph = helper.make_graph(
        nodes,
        "vgg16",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 224, 224])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", weights["predictions/bias"].size])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, out)


if __name__ == "__main__":
    main(*sys.argv[1:3])
