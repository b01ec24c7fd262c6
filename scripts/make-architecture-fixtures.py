"""Writes the JSON twins of the Keras architectures to test/fixtures/architectures/*.jsonl.

The tests compare src/model/architectures with them, so that they need no Python. Versions that
the files in the repository were made with:

    python3 -m venv .venv
    .venv/bin/pip install tensorflow-cpu==2.21.0
    .venv/bin/pip install --no-deps tf_keras==2.21.0
    .venv/bin/python scripts/make-architecture-fixtures.py

First line: what made the file, and each class's configuration as its first layer has it.
Every other line is one layer of model.layers:
[name, class, output shape, {weight: shape}, [inbound], {fields that differ from the class's}]
"""

import json
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow
import tf_keras

OUT = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "architectures"

TWINS = {
    "vgg16": ("VGG16", {}),
    "vgg19": ("VGG19", {}),
    "resnet50": ("ResNet50", {}),
    "mobilenetv2": ("MobileNetV2", {}),
    # Odd sides at every stride and channels rounded to eights.
    "mobilenetv2-alpha-0.35-161px-notop": (
        "MobileNetV2",
        {"alpha": 0.35, "input_shape": (161, 161, 3), "include_top": False},
    ),
    "resnet50-197px-7-classes": ("ResNet50", {"input_shape": (197, 197, 3), "classes": 7}),
    "vgg16-notop": ("VGG16", {"include_top": False, "input_shape": (224, 224, 3)}),
}


def plain(value):
    """Drops what Keras 2.13 and later add around an object: module and registered name."""
    if isinstance(value, dict):
        return {
            key: plain(item)
            for key, item in value.items()
            if key not in ("module", "registered_name")
        }
    return [plain(item) for item in value] if isinstance(value, list) else value


def rows(model):
    config = json.loads(model.to_json())["config"]["layers"]
    for layer, saved in zip(model.layers, config, strict=True):
        shape = layer.output.shape
        weights = {w.name.split("/")[-1].split(":")[0]: list(w.shape) for w in layer.weights}
        assert layer.count_params() == sum(w.shape.num_elements() for w in layer.weights)
        inbound = [entry[0] for node in saved["inbound_nodes"] for entry in node]
        fields = {key: value for key, value in plain(saved["config"]).items() if key != "name"}
        # Keras 2.15 and later; older releases and tfjs do not know it.
        fields.pop("optional", None)
        yield layer.name, saved["class_name"], list(shape)[1:], weights, inbound, fields


def check_keras_3(name, arguments, model):
    """The same layers, connections and weights in Keras 3, input layer's name apart."""
    other = getattr(keras.applications, name)(weights=None, **arguments)
    for ours, theirs in zip(model.layers[1:], other.layers[1:], strict=True):
        assert ours.name == theirs.name, (ours.name, theirs.name)
        assert type(ours).__name__ == type(theirs).__name__, ours.name
        assert tuple(ours.output.shape) == tuple(theirs.output.shape), ours.name
        assert [tuple(w.shape) for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]


OUT.mkdir(parents=True, exist_ok=True)
for twin, (name, arguments) in TWINS.items():
    tf_keras.backend.clear_session()
    model = getattr(tf_keras.applications, name)(weights=None, **arguments)
    check_keras_3(name, arguments, model)
    classes = {}
    lines = []
    for layer, class_name, shape, weights, inbound, fields in rows(model):
        common = classes.setdefault(class_name, fields)
        own = {key: value for key, value in fields.items() if common.get(key) != value}
        assert fields.keys() == common.keys(), layer
        lines.append([layer, class_name, shape, weights, inbound, own])
    header = {
        "made_by": "scripts/make-architecture-fixtures.py",
        "versions": {
            "tensorflow": tensorflow.__version__,
            "tf_keras": tf_keras.__version__,
            "keras": keras.__version__,
        },
        "call": f"{name}({', '.join(f'{k}={v}' for k, v in [('weights', None), *arguments.items()])})",
        "model_name": model.name,
        "params": model.count_params(),
        "classes": classes,
    }
    text = "\n".join(json.dumps(line, separators=(",", ":")) for line in [header, *lines])
    (OUT / f"{twin}.jsonl").write_text(text + "\n")
    print(twin, len(lines), "layers", len(text), "bytes")
