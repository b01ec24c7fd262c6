"""Writes one full-size network of keras.applications with seeded weights, in one generation of Keras.

    python write_full_size.py <vgg16|vgg19|resnet50|mobilenetv2> <keras2|keras3> <folder>
    python write_full_size.py <EfficientNetB0|…> <keras2|keras3> <folder>

keras2 writes <name>.keras2-weights.h5 and <name>.keras2-model.h5, keras3 <name>.keras and <name>.weights.h5. Either
writes <name>.<generation>.npz: `images` (uint8 RGB) and what this Keras computes for them, layer by layer. The
weights are the same for both. Called by run.mjs, one process a call: memory is given back in between.

Under a class's name, the whole model only, preprocessed as this class's module says; `<class>-imagenet` is the network that
`weights="imagenet"` builds, without those weights. `rate` in the npz: images in a second of processor time. Nothing
is written where this Keras has no such class.
"""

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if sys.argv[1].islower():
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np

NETWORKS = {
    "vgg16": ("VGG16", "caffe", ["block3_pool", "block5_pool", "fc1", "fc2", "predictions"]),
    "vgg19": ("VGG19", "caffe", ["block3_pool", "block5_pool", "fc1", "fc2", "predictions"]),
    "resnet50": ("ResNet50", "caffe", ["conv3_block4_out", "conv5_block3_out", "avg_pool", "predictions"]),
    "mobilenetv2": ("MobileNetV2", "tf", ["block_6_expand_relu", "block_13_project_BN", "out_relu", "predictions"]),
}


def seed_weights(model, mode):
    """Values that keep activations near 1; the first kernel brings pixels there."""
    rng = np.random.default_rng(2026)
    values = []
    for variable in model.weights:
        name = getattr(variable, "path", variable.name)
        shape = tuple(variable.shape)
        if "variance" in name:
            value = rng.uniform(0.5, 1.5, shape)
        elif "gamma" in name:
            # What is added to a shortcut comes smaller, else each block doubles the variance.
            is_added = "_3_bn" in name or "project_BN" in name
            value = rng.uniform(0.3, 0.6, shape) if is_added else rng.uniform(0.8, 1.2, shape)
        elif len(shape) == 1:
            value = rng.standard_normal(shape) * 0.1
        else:
            fan_in = np.prod(shape[:2]) if "depthwise" in name else np.prod(shape[:-1])
            value = rng.standard_normal(shape, dtype="f4") * np.float32(np.sqrt(2 / fan_in))
        if not values and mode == "caffe":
            value = value / 64
        if "predictions" in name and len(shape) == 2:
            # A softmax of large numbers is all zeros but one: nothing could be compared.
            value = value / 4
        values.append(value.astype("f4"))
    model.set_weights(values)


def build(K, name):
    """A network with the layers that its ImageNet weights are for, or with those of `weights=None`."""
    kind, _, form = name.partition("-")
    make = getattr(K.applications, kind, None)
    if make is None or form != "imagenet":
        return make and make(weights=None)
    utils = sys.modules[make.__module__]
    files = utils.data_utils if hasattr(utils, "data_utils") else utils.file_utils
    files.get_file = lambda *args, **kwargs: "none"
    K.Model.load_weights = lambda *args, **kwargs: None
    return make(weights="imagenet")


def seed_mildly(K, model, x):
    """He's kernels, normalisations that have seen these images: every layer's values stay near 1."""
    rng = np.random.default_rng(2026)
    values = []
    for variable in model.weights:
        name = getattr(variable, "path", variable.name)
        shape = tuple(variable.shape)
        if "variance" in name or "gamma" in name:
            value = rng.uniform(0.9, 1.1, shape)
        elif "count" in name:
            value = np.zeros(shape)
        elif len(shape) <= 1:
            value = rng.standard_normal(shape) * 0.1
        else:
            fan_in = np.prod(shape[:2]) if "depthwise" in name else np.prod(shape[:-1])
            value = rng.standard_normal(shape, dtype="f4") * np.float32(np.sqrt(2 / fan_in))
        if not values and np.abs(x).max() > 100:
            value = value / 64
        values.append(value.astype("f4"))
    model.set_weights(values)
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    for layer in norms:
        layer.momentum = 0.0
    model(x[:4], training=True)
    for layer in norms:
        variance = np.asarray(layer.moving_variance)
        layer.moving_variance.assign(0.9 * variance + 0.1)


def write_family(K, name, generation, folder):
    model = build(K, name)
    if model is None:
        return
    images = seeded_images(8, model.input_shape[1] or 224)
    module = sys.modules[getattr(K.applications, name.partition("-")[0]).__module__]
    x = module.preprocess_input(images.astype("f4"))
    seed_mildly(K, model, x)
    layers = [layer.name for layer in model.layers[-2:]]
    probe = K.Model(model.inputs, [model.get_layer(layer).output for layer in layers])
    features = probe.predict(x, batch_size=8, verbose=0)
    started, done, seconds = time.process_time(), 0, 0
    while seconds < 2:
        features = probe.predict(x, batch_size=8, verbose=0)
        done, seconds = done + 8, time.process_time() - started
    np.savez_compressed(
        os.path.join(folder, f"{name}.{generation}.npz"),
        images=images,
        rate=np.array([done / seconds], "f4"),
        **{layer: np.asarray(value, "f4") for layer, value in zip(layers, features)},
    )
    model.save(os.path.join(folder, f"{name}.{'keras2-model.h5' if generation == 'keras2' else 'keras'}"))


def seeded_images(count, side=224):
    """Soft blobs with some noise: smooth like photographs, every brightness."""
    rng = np.random.default_rng(7)
    images = []
    for _ in range(count):
        coarse = rng.uniform(0, 255, (8, 8, 3))
        ramp = np.linspace(0, 6.999, side)
        low, part = ramp.astype(int), (ramp % 1)[:, None]
        rows = coarse[low] * (1 - part[..., None]) + coarse[low + 1] * part[..., None]
        part = part[None]
        smooth = rows[:, low] * (1 - part) + rows[:, low + 1] * part
        images.append(np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype("u1"))
    return np.stack(images)


def main():
    name, generation, folder = sys.argv[1:4]
    if generation == "keras2":
        import tf_keras as K
    else:
        import keras as K
    if name not in NETWORKS:
        write_family(K, name, generation, folder)
        return
    builder, mode, layers = NETWORKS[name]
    model = getattr(K.applications, builder)(weights=None)
    seed_weights(model, mode)
    images = seeded_images(4)
    x = K.applications.imagenet_utils.preprocess_input(
        images.astype("f4"), data_format="channels_last", mode=mode
    )
    probe = K.Model(model.inputs, [model.get_layer(layer).output for layer in layers])
    features = probe.predict(x, batch_size=4, verbose=0)
    np.savez_compressed(
        os.path.join(folder, f"{name}.{generation}.npz"),
        images=images,
        **{layer: np.asarray(value, "f4") for layer, value in zip(layers, features)},
    )
    if generation == "keras2":
        model.save_weights(os.path.join(folder, f"{name}.keras2-weights.h5"))
        model.save(os.path.join(folder, f"{name}.keras2-model.h5"))
    else:
        model.save(os.path.join(folder, f"{name}.keras"))
        model.save_weights(os.path.join(folder, f"{name}.weights.h5"))


if __name__ == "__main__":
    main()
