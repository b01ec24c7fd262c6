"""Writes test/fixtures/keras: small models in every file layout of Keras, with Keras' own outputs.

    python -m venv v && v/bin/pip install tensorflow-cpu==2.21.0 tf_keras==2.21.0 keras==3.15.1 h5py==3.14.0
    v/bin/python scripts/make-keras-fixtures.py

Every model gets seeded weights. fixtures.json lists the models: which files hold it, its input (uint8 RGB,
base64), the preprocessing, and what Keras computes at the named layers (float32, base64). Files are gzipped
without a time stamp; run twice, only the time stamps that Keras itself writes differ.
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import base64
import gzip
import json
import sys
import tempfile
import zlib

import h5py
import keras
import numpy as np
import tf_keras

OUT = os.path.join(os.path.dirname(__file__), "..", "test", "fixtures", "keras")
KERAS2, KERAS3 = tf_keras, keras
SAVERS = {
    "weights": lambda m, f: m.save_weights(f),
    "weights.h5": lambda m, f: m.save_weights(f),
    "model.h5": lambda m, f: m.save(f),
    "keras": lambda m, f: m.save(f),
}


def seed_weights(model, seed):
    """He-scaled values that half precision holds exactly: the files pack well."""
    rng = np.random.default_rng(seed)
    values = []
    for variable in model.weights:
        name = getattr(variable, "path", variable.name)
        shape = tuple(variable.shape)
        if "variance" in name:
            value = rng.uniform(0.5, 1.5, shape)
        elif "gamma" in name:
            value = rng.uniform(0.8, 1.2, shape)
        elif len(shape) <= 1 or "mean" in name or "alpha" in name:
            value = rng.standard_normal(shape) * 0.1
        else:
            fan_in = np.prod(shape[:-1]) if "depthwise" not in name else np.prod(shape[:2])
            value = rng.standard_normal(shape) * np.sqrt(2 / fan_in)
        if "count" in name:
            values.append(np.zeros(shape, "i8"))
        else:
            values.append(value.astype("f2").astype("f4"))
    model.set_weights(values)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            # Normalization computes with a copy of its weights.
            layer.finalize_state()


def narrow(K, build, divide, fc=8, classes=5):
    """A network of keras.applications with `divide` times fewer channels: all its names, few weights."""
    config = build().get_config()
    project = 0
    for layer in config["layers"]:
        layer.pop("build_config", None)
        settings = layer["config"]
        if settings["name"].endswith("_expand"):
            # MobileNetV2's rule; everything else scales freely.
            settings["filters"] = 6 * project
        elif "filters" in settings:
            settings["filters"] = project = max(1, settings["filters"] // divide)
        if "units" in settings:
            settings["units"] = classes if settings["name"] == "predictions" else fc
    return K.Model.from_config(config)


def application(name, side, top):
    def build(K):
        make = getattr(K.applications, name)
        # MobileNetV2 adds a shortcut where two widths are equal: 1/32 would make more of them equal.
        divide = 16 if name == "MobileNetV2" else 32
        return narrow(K, lambda: make(weights=None, include_top=top, input_shape=(side, side, 3)), divide)

    return build


def sequential(K):
    L = K.layers
    model = K.Sequential(
        [
            L.Input((16, 16, 3), name="image"),
            L.RandomFlip("horizontal"),
            L.Rescaling(1 / 127.5, offset=-1),
            L.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            L.ReLU(6.0),
            L.SpatialDropout2D(0.2),
            L.Flatten(),
            L.Dense(6, activation="tanh"),
            L.Dropout(0.5),
            L.Dense(3, activation="softmax"),
        ]
    )
    return model


def unbuilt_sequential(K):
    """Without an Input layer: the first call fixes the shape."""
    L = K.layers
    model = K.Sequential([L.Rescaling(1 / 255), L.Conv2D(3, 3, name="only_conv"), L.GlobalMaxPooling2D()])
    model.build((None, 12, 12, 3))
    model(np.zeros((1, 12, 12, 3), "f4"))
    return model


def branches(K):
    """A graph with every merging layer, shared layers, two outputs and most other layers of images."""
    L = K.layers
    image = L.Input((16, 16, 3), name="image")
    x = L.Rescaling(1 / 64, offset=-2.0)(image)
    shared = L.Conv2D(4, 3, padding="same", name="shared")
    a = shared(x)
    b = shared(L.AveragePooling2D(3, strides=1, padding="same")(x))
    c = L.SeparableConv2D(4, 3, padding="same", depth_multiplier=2, activation="swish")(x)
    d = L.Conv2D(4, 3, padding="same", dilation_rate=2, use_bias=False, activation="elu")(x)
    x = L.Concatenate()([L.Add()([a, b]), L.Multiply()([a, c]), L.Average()([c, d]), L.Maximum()([a, d])])
    x = L.Concatenate(axis=-1)([x, L.Minimum()([a, b]), L.Subtract()([a, c])])
    x = L.PReLU(shared_axes=[1, 2])(x)
    x = L.LayerNormalization()(x)
    x = L.ZeroPadding2D(((1, 0), (0, 1)))(x)
    x = L.Conv2D(6, 3, strides=2, activation="relu6" if K is KERAS3 else "relu")(x)
    x = L.BatchNormalization(scale=False)(x)
    x = L.LeakyReLU(0.2)(x)
    x = L.UpSampling2D(2)(x)
    x = L.Conv2DTranspose(5, 3, strides=2, padding="same")(x)
    x = L.Cropping2D(((1, 2), (0, 3)))(x)
    x = L.ELU()(x)
    gate = L.GlobalAveragePooling2D(keepdims=True)(x)
    gate = L.Dense(5, activation="sigmoid")(gate)
    x = L.Multiply()([x, gate])
    x = L.Permute((2, 1, 3))(x)
    x = L.MaxPooling2D(3, strides=2, padding="same")(x)
    first = L.GlobalAveragePooling2D(name="features")(x)
    y = L.Reshape((-1, 5))(x)
    y = L.Softmax()(y)
    second = L.GlobalMaxPooling1D(name="more_features")(y)
    return K.Model(image, [first, second], name="branches")


def transfer(K):
    """Keras' own tutorial: augmentation, x / 127.5 - 1, a network of keras.applications, a head."""
    L = K.layers
    base = narrow(
        K,
        lambda: K.applications.MobileNetV2(
            weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.35
        ),
        8,
    )
    base.trainable = False
    augment = K.Sequential([L.RandomFlip("horizontal"), L.RandomRotation(0.2)], name="augment")
    image = K.Input((32, 32, 3), name="image")
    x = augment(image)
    x = K.applications.mobilenet_v2.preprocess_input(x)
    x = base(x, training=False)
    x = L.GlobalAveragePooling2D()(x)
    x = L.Dropout(0.2)(x)
    x = L.Dense(2, name="head")(x)
    return K.Model(image, x)


def twins(K):
    """One inner model called twice, another with the same layer names, a model as a Sequential's layer."""
    L = K.layers

    def inner(name):
        i = L.Input((8, 8, 3))
        x = L.Conv2D(3, 3, padding="same", name="conv")(i)
        x = L.BatchNormalization(name="norm")(x)
        return K.Model(i, L.Activation("relu", name="out")(x), name=name)

    left, right = inner("left"), inner("right")
    image = L.Input((8, 8, 3), name="image")
    x = L.Rescaling(1 / 255)(image)
    x = L.Add()([left(left(x)), right(x)])
    head = K.Sequential([K.Sequential([L.Flatten(), L.Dense(4, name="conv_fc")]), L.Dense(2)], name="head")
    return K.Model(image, head(x), name="twins")


def slashes(K):
    """Names that are paths, as in Keras 2's DenseNet and MobileNetV3, one the beginning or end of another."""
    L = K.layers
    i = L.Input((8, 8, 3))
    x = L.Conv2D(3, 3, name="bn")(i)
    x = L.BatchNormalization(name="conv/bn")(x)
    x = L.Conv2D(4, 3, name="conv/bn/conv")(x)
    inner = K.Model(i, x, name="inner/net")
    image = L.Input((12, 12, 3), name="image")
    x = L.Conv2D(3, 3, name="Conv")(L.Rescaling(1 / 255)(image))
    x = L.BatchNormalization(name="Conv/BatchNorm")(x)
    x = L.DepthwiseConv2D(3, name="expanded_conv/depthwise")(x)
    x = L.ReLU(name="expanded_conv/depthwise/relu")(x)
    return K.Model(image, L.GlobalAveragePooling2D(name="pool")(inner(x)))


def normalised(K):
    L = K.layers
    norm = L.Normalization(name="norm")
    norm.adapt(np.random.default_rng(5).uniform(0, 255, (64, 8, 8, 3)).astype("f4"))
    return K.Sequential([L.Input((8, 8, 3)), norm, L.Conv2D(2, 3, activation="relu"), L.Flatten()])


def recurrent(K):
    """Rows of an image as a sequence."""
    L = K.layers
    image = L.Input((8, 8, 3), name="image")
    x = L.Reshape((8, -1))(L.Rescaling(1 / 255)(image))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    x = L.TimeDistributed(L.Dense(4, activation="relu"))(x)
    x = L.GRU(3, reset_after=False, return_sequences=True)(x)
    return K.Model(image, L.SimpleRNN(2)(L.Conv1D(3, 3)(x)))


def half_precision(K):
    L = K.layers
    image = L.Input((8, 8, 3), name="image", dtype="uint8")
    x = L.Rescaling(1 / 255)(image)
    x = L.Conv2D(3, 3, dtype="mixed_float16" if K is KERAS3 else "float32", activation="gelu")(x)
    return K.Model(image, L.GlobalAveragePooling2D(dtype="float32")(x))


class Mystery(keras.layers.Layer):
    def call(self, x):
        return x * 2


class Mystery2(tf_keras.layers.Layer):
    def call(self, x):
        return x * 2


def one_layer(make):
    def build(K):
        image = K.layers.Input((8, 8, 3), name="image")
        return K.Model(image, K.layers.Flatten()(make(K)(image)))

    return build


# name: (builder, preprocessing, side, layers whose outputs are kept, {file suffix: (Keras, saver)})
ALL_LAYOUTS = {
    "keras2-weights.h5": (KERAS2, "weights"),
    "keras2-model.h5": (KERAS2, "model.h5"),
    "keras2.weights.h5": (KERAS2, "weights.h5"),
    "keras2.keras": (KERAS2, "keras"),
    "keras3-model.h5": (KERAS3, "model.h5"),
    "keras3.weights.h5": (KERAS3, "weights.h5"),
    "keras3.keras": (KERAS3, "keras"),
}
FULL_MODELS = {k: v for k, v in ALL_LAYOUTS.items() if "weights" not in k}
BOTH = {k: v for k, v in ALL_LAYOUTS.items() if k in ("keras2-model.h5", "keras3.keras")}
WEIGHTS = {k: v for k, v in ALL_LAYOUTS.items() if "weights" in k}

MODELS = {
    "vgg16": (application("VGG16", 32, True), "caffe", 32, ["block5_pool", "fc1", "predictions"], ALL_LAYOUTS),
    "vgg16-notop": (
        application("VGG16", 64, False),
        "caffe",
        64,
        ["block3_pool", "block5_pool"],
        {k: ALL_LAYOUTS[k] for k in ("keras2-weights.h5", "keras3.weights.h5")},
    ),
    "vgg19": (
        application("VGG19", 32, True),
        "caffe",
        32,
        ["block5_conv4", "predictions"],
        {k: ALL_LAYOUTS[k] for k in ("keras2-weights.h5", "keras3.weights.h5", "keras3.keras")},
    ),
    "resnet50": (
        application("ResNet50", 64, True),
        "caffe",
        64,
        ["conv3_block4_out", "avg_pool", "predictions"],
        {k: ALL_LAYOUTS[k] for k in ("keras2-weights.h5", "keras2.weights.h5", "keras3.weights.h5", "keras3.keras")},
    ),
    "mobilenetv2": (
        application("MobileNetV2", 64, True),
        "tf",
        64,
        ["block_6_expand_relu", "out_relu", "predictions"],
        {k: ALL_LAYOUTS[k] for k in ("keras2-weights.h5", "keras2.weights.h5", "keras3.weights.h5", "keras3.keras")},
    ),
    "sequential": (sequential, "none", 16, None, FULL_MODELS),
    "unbuilt": (unbuilt_sequential, "none", 12, None, BOTH),
    "branches": (branches, "none", 16, None, FULL_MODELS),
    "transfer": (transfer, "none", 32, None, FULL_MODELS),
    "twins": (twins, "none", 8, None, FULL_MODELS),
    "normalised": (normalised, "none", 8, None, FULL_MODELS),
    "recurrent": (recurrent, "none", 8, None, FULL_MODELS),
    "half": (half_precision, "none", 8, None, {"keras3.keras": (KERAS3, "keras")}),
    "slashes": (
        slashes,
        "none",
        12,
        None,
        {k: ALL_LAYOUTS[k] for k in ("keras2-model.h5", "keras2.keras")},
    ),
}

REFUSED = {
    "lambda": lambda K: K.layers.Lambda(lambda x: x * 2, name="doubled"),
    "custom": lambda K: (Mystery if K is KERAS3 else Mystery2)(name="mystery"),
    "grouped": lambda K: K.layers.Conv2D(6, 3, groups=3, name="grouped"),
    "resizing": lambda K: K.layers.Resizing(4, 4, name="smaller"),
    "bilinear": lambda K: K.layers.UpSampling2D(2, interpolation="bilinear", name="larger"),
    "threshold": lambda K: K.layers.ReLU(threshold=1.0, name="gate"),
}


def preprocess(images, mode):
    x = images.astype("f4")
    if mode == "none":
        return x
    return keras.applications.imagenet_utils.preprocess_input(x, data_format="channels_last", mode=mode)


def b64(array):
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()


def save(model, saver, name):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x." + {"weights": "h5"}.get(saver, saver))
        SAVERS[saver](model, path)
        pack(path, name)


def pack(path, name):
    with open(path, "rb") as file:
        data = file.read()
    with open(os.path.join(OUT, name + ".gz"), "wb") as file:
        file.write(gzip.compress(data, 9, mtime=0))


def outputs(K, model, layers, x):
    if layers is None:
        names, tensors = [f"output_{i}" for i in range(len(model.outputs))], model.outputs
    else:
        names, tensors = layers, [model.get_layer(layer).output for layer in layers]
    found = K.Model(model.inputs, tensors).predict(x, verbose=0)
    found = found if isinstance(found, list) else [found]
    return {n: {"shape": list(f.shape), "values": b64(f.astype("f4"))} for n, f in zip(names, found)}


def save_keras1(model, name):
    """The layout of the official VGG files, which Keras 1 wrote; no Keras of today does: h5py instead."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.h5")
        with h5py.File(path, "w") as file:
            names = [layer.name for layer in model.layers if layer.name != model.layers[0].name]
            file.attrs["layer_names"] = [n.encode() for n in names]
            for layer in model.layers[1:]:
                group = file.create_group(layer.name)
                labels = [f"{layer.name}_{kind}_1:0" for kind in "Wb"][: len(layer.weights)]
                group.attrs["weight_names"] = [label.encode() for label in labels]
                for label, value in zip(labels, layer.get_weights()):
                    group.create_dataset(label, data=value)
        pack(path, name)


def save_renamed(model, name):
    """Layers under other names, as in the official MobileNetV2, and packed as h5repack would."""
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = os.path.join(folder, "x.h5"), os.path.join(folder, "y.h5")
        model.save_weights(plain)
        with h5py.File(plain) as source, h5py.File(packed, "w") as file:
            rename = lambda text: text.replace("predictions", "Logits")
            layers = [str(layer) for layer in source.attrs["layer_names"]]
            file.attrs["layer_names"] = [rename(layer).encode() for layer in layers]
            for layer in layers:
                group = file.create_group(rename(layer))
                weights = [str(weight) for weight in source[layer].attrs["weight_names"]]
                group.attrs["weight_names"] = [rename(weight).encode() for weight in weights]
                for weight in weights:
                    value = source[layer][weight][()]
                    kind = "f8" if "beta" in weight else "f2" if "kernel" in weight else "f4"
                    group.create_dataset(
                        rename(weight), data=value.astype(kind), compression="gzip", shuffle=True
                    )
        pack(packed, name)


REWRITTEN = {
    "vgg16": ("keras1-weights.h5", save_keras1),
    "mobilenetv2": ("renamed-weights.h5", save_renamed),
}


def save_model(name, seed):
    build, mode, side, layers, files = MODELS[name]
    images = np.random.default_rng(seed).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    entry = {"preprocessing": mode, "side": side, "images": b64(images), "files": {}, "outputs": {}}
    for K in {id(k): k for k, _ in files.values()}.values():
        K.utils.set_random_seed(seed)
        K.backend.clear_session()
        model = build(K)
        seed_weights(model, seed)
        generation = "keras3" if K is KERAS3 else "keras2"
        x = preprocess(images, mode)
        entry["outputs"][generation] = outputs(K, model, layers, x)
        for suffix, (k, saver) in files.items():
            if k is K:
                save(model, saver, f"{name}.{suffix}")
                entry["files"][suffix] = generation
        if K is KERAS2 and name in REWRITTEN:
            suffix, rewrite = REWRITTEN[name]
            rewrite(model, f"{name}.{suffix}")
            entry["files"][suffix] = generation
    return entry


def main():
    os.makedirs(OUT, exist_ok=True)
    wanted = sys.argv[1:]
    list_path = os.path.join(OUT, "fixtures.json")
    entries = json.load(open(list_path)) if wanted else {}
    for seed, name in enumerate(MODELS, 1):
        if not wanted or name in wanted:
            entries[name] = save_model(name, seed)
            print(name, sorted(entries[name]["files"]))
    for name, make in REFUSED.items():
        if wanted and name not in wanted:
            continue
        for K, suffix, saver in ((KERAS2, "keras2-model.h5", "model.h5"), (KERAS3, "keras3.keras", "keras")):
            K.backend.clear_session()
            save(one_layer(make)(K), saver, f"refused-{name}.{suffix}")
    with open(list_path, "w") as file:
        json.dump(entries, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
