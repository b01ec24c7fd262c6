"""Writes test/fixtures/pillow: small drawn images of every kind that is decoded, with what Pillow makes of them.

    python -m venv v && v/bin/pip install pillow==12.1.0 numpy==2.4.6
    v/bin/python scripts/make-pillow-fixtures.py

expected.json: for each file its size, the SHA-256 of its RGB pixels, its 10x10 pixels (bicubic), and the SHA-256 of other
resizes. Run twice, no byte differs.
"""

import hashlib
import json
import os

import numpy as np
from PIL import Image

OUT = os.path.join(os.path.dirname(__file__), "..", "test", "fixtures", "pillow")
RESIZES = {
    "bilinear10": (10, Image.Resampling.BILINEAR),
    "nearest10": (10, Image.Resampling.NEAREST),
    "bicubic224": (224, Image.Resampling.BICUBIC),
}


def picture(width, height, seed):
    """A ring on a slope of colours, with some noise: edges, slopes and texture."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).integers(-20, 21, (height, width, 3))
    rgb = np.stack([255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)], axis=-1)
    distance = np.hypot(x - width / 2, y - height / 2)
    rgb[(distance > min(width, height) / 5) & (distance < min(width, height) / 3)] = (230, 40, 90)
    return Image.fromarray(np.clip(rgb + noise, 0, 255).astype("u1"))


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def with_alpha(image):
    alpha = image.convert("L")
    return Image.merge("RGBA", (*image.split(), alpha))


# Name, picture, options of save: one of each kind, sides odd and even, some larger and some smaller than 10.
FILES = [
    ("subsampled.jpg", picture(61, 45, 1), {"quality": 85, "subsampling": "4:2:0"}),
    ("full-colour.jpg", picture(40, 52, 2), {"quality": 92, "subsampling": "4:4:4"}),
    ("progressive.jpg", picture(33, 48, 3), {"quality": 75, "progressive": True}),
    ("gray.jpg", picture(50, 31, 4).convert("L"), {"quality": 80}),
    ("cmyk.jpg", picture(38, 38, 5).convert("CMYK"), {"quality": 90}),
    ("turned.jpg", picture(44, 30, 6), {"quality": 85, "exif": exif(6)}),
    ("wide.jpg", picture(150, 9, 7), {"quality": 85}),
    ("rgb.png", picture(37, 29, 8), {}),
    ("alpha.png", with_alpha(picture(28, 34, 9)), {}),
    ("palette.png", picture(35, 35, 10).quantize(32), {}),
    ("black-and-white.png", picture(41, 27, 11).convert("1"), {}),
    ("tiny.png", picture(3, 2, 12), {}),
    ("lossy.webp", picture(46, 38, 13), {"quality": 80}),
    ("lossless.webp", picture(24, 30, 14), {"lossless": True}),
    ("palette.gif", picture(32, 26, 15).quantize(64), {}),
    ("rgb.bmp", picture(21, 19, 16), {}),
]


def sha256(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def expected(path):
    image = Image.open(path).convert("RGB")
    resized = {name: sha256(image.resize((side, side), how)) for name, (side, how) in RESIZES.items()}
    small = image.resize((10, 10), Image.Resampling.BICUBIC)
    return {
        "size": list(image.size),
        "decoded": sha256(image),
        **resized,
        "bicubic10": list(small.tobytes()),
    }


def main():
    os.makedirs(OUT, exist_ok=True)
    twins = {}
    for name, image, options in FILES:
        path = os.path.join(OUT, name)
        image.save(path, **options)
        twins[name] = expected(path)
    pack = json.JSONEncoder(separators=(",", ":")).encode
    lines = ",\n".join(f"{pack(name)}:{pack(twin)}" for name, twin in twins.items())
    with open(os.path.join(OUT, "expected.json"), "w") as file:
        file.write("{\n" + lines + "\n}\n")


main()
