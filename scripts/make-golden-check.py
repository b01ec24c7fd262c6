"""Makes src/doctor/golden/golden-data.ts: a small network, a small picture, and Keras' numbers for it.

Run by hand with a Python that has Keras on TensorFlow and Pillow, after `npm run build`:

    python scripts/make-golden-check.py

The picture is drawn here and the weights are seeded, so the file holds nothing of anybody else's.
`img2features doctor` compares every engine of a machine with these numbers.
"""

import base64
import hashlib
import io
import json
import os
import subprocess
import tempfile
from pathlib import Path

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import PIL
import tensorflow as tf
from keras import layers
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIDE = 24
CHANNELS = 8


def draw_picture():
    """40 x 32 RGB: gradients with a disc and a grid, so that every kernel meets edges."""
    y, x = np.mgrid[0:32, 0:40].astype(np.float64)
    red = 40 + 5 * x
    green = 255 * (((x // 5) + (y // 4)) % 2)
    blue = np.where((x - 24) ** 2 + (y - 15) ** 2 < 90, 230, 20 + 6 * y)
    return Image.fromarray(np.clip(np.stack([red, green, blue], -1), 0, 255).astype(np.uint8), "RGB")


def build_network():
    """Every kind of kernel that the architectures here are made of."""
    image = layers.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(CHANNELS, 3, strides=2, padding="same", use_bias=False, name="conv1")(image)
    x = layers.BatchNormalization(epsilon=1e-3, name="conv1_bn")(x)
    x = layers.ReLU(6.0, name="conv1_relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    y = layers.BatchNormalization(epsilon=1e-3, name="depthwise_bn")(y)
    y = layers.ReLU(6.0, name="depthwise_relu")(y)
    y = layers.Conv2D(CHANNELS, 1, name="pointwise")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.Conv2D(CHANNELS, 3, activation="relu", name="conv2")(x)
    pool = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="average")(pool)
    x = layers.Dense(10, activation="relu", name="dense")(x)
    x = layers.Dense(6, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="golden")


def fill(model, seed=8):
    random = np.random.default_rng(seed)
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            shape = tuple(weight.shape)
            if "variance" in weight.path:
                values.append(random.uniform(0.5, 1.5, shape))
            elif "gamma" in weight.path:
                values.append(random.uniform(0.8, 1.6, shape))
            else:
                fan_in = int(np.prod(shape[:-1])) or 1
                values.append(random.normal(0, 1.2 / np.sqrt(max(fan_in, 4)), shape))
        layer.set_weights([value.astype(np.float32) for value in values])


def base(data):
    return base64.b64encode(data).decode()


def main():
    keras.utils.set_random_seed(8)
    picture = draw_picture()
    files = {}
    for name, options in {"png": {}, "jpeg": {"quality": 90}}.items():
        buffer = io.BytesIO()
        picture.save(buffer, name, **options)
        files[name] = buffer.getvalue()
    pixels = {
        name: np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE), Image.BICUBIC))
        for name, data in files.items()
    }

    model = build_network()
    fill(model)
    wanted = ["pool", "average", "dense", "predictions"]
    reader = keras.Model(model.input, [model.get_layer(name).output for name in wanted])
    # "tf" preprocessing: x / 127.5 - 1, in float32 as keras.applications does it.
    batch = pixels["png"][None].astype(np.float32) / np.float32(127.5) - np.float32(1)
    expected = {name: np.asarray(v).reshape(-1).astype("<f4") for name, v in zip(wanted, reader(batch))}

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "golden.keras"
        model.save(source)
        target = Path(folder) / "model"
        convert = ["node", ROOT / "dist/cli.js", "model", "convert", source, "--out", target]
        subprocess.run([*convert, "--preprocessing", "tf"], check=True)
        described = json.loads((target / "model.json").read_text())
        [shard] = [p for group in described["weightsManifest"] for p in group["paths"]]
        weights = (target / shard).read_bytes()
        # What depends on when this was run has no place in a file that must repeat.
        described["userDefinedMetadata"]["img2features"]["source"] = {"kind": "seeded", "seed": 8, "width": 1}
        described["userDefinedMetadata"]["img2features"]["trained"] = False

    data = {
        "madeBy": f"Keras {keras.__version__}, TensorFlow {tf.__version__}, Pillow {PIL.__version__}",
        "side": SIDE,
        "modelJson": json.dumps(described, separators=(",", ":")),
        "shard": shard,
        "weights": base(weights),
        "images": {name: base(bytes_) for name, bytes_ in files.items()},
        "pixelsSha256": {name: hashlib.sha256(p.tobytes()).hexdigest() for name, p in pixels.items()},
        "pngPixels": base(pixels["png"].tobytes()),
        "expected": {name: base(values.tobytes()) for name, values in expected.items()},
    }
    lines = [
        "/** Written by scripts/make-golden-check.py: a seeded network, a drawn picture and Keras' numbers for it. */",
        "export const GOLDEN = " + json.dumps(data, indent=2) + " as const;",
        "",
    ]
    out = ROOT / "src/doctor/golden/golden-data.ts"
    out.write_text("\n".join(lines))
    subprocess.run(["npx", "biome", "check", "--write", out], cwd=ROOT, check=True)
    for name, values in expected.items():
        print(f"{name}: {values.size} values, {np.count_nonzero(values)} not zero, largest {np.abs(values).max():.4f}")
    print(f"{out.relative_to(ROOT)}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
