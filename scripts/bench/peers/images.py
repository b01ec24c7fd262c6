"""What the Python peers of the VGG16 job share: Keras' own way to load an image, and the table at the end."""

import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn.decomposition import PCA

#: BGR means of ImageNet, as keras.applications' preprocess_input(mode="caffe") has them.
CAFFE_MEAN = np.array([103.939, 116.779, 123.68], np.float32)

STARTED = time.perf_counter()


def load_rgb(path: str) -> np.ndarray:
    """Returns uint8 [224, 224, 3]: Pillow's decoder and bicubic resize."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((224, 224), Image.BICUBIC))


def preprocess(pixels: np.ndarray) -> np.ndarray:
    """Returns float32 [n, 224, 224, 3], BGR less the means."""
    return pixels[..., ::-1].astype(np.float32) - CAFFE_MEAN


def read_list(path: str) -> list[str]:
    return Path(path).read_text().split("\n")[:-1]


def write_table(paths: list[str], vectors: np.ndarray, out: str) -> None:
    """One row an image, the vector and its ten principal components."""
    redux = PCA(10, svd_solver="covariance_eigh").fit_transform(vectors)
    table = pa.table(
        {
            "origin": paths,
            "target": [Path(p).parent.name for p in paths],
            "cnn_vectors": list(vectors),
            "cnn_vectors_redux": list(redux),
        }
    )
    pq.write_table(table, out)


def report(images: int, ready: float, done: float, **more: object) -> None:
    """ready, done: time.perf_counter() when the model was loaded and when the table was written."""
    seconds = {"load": ready - STARTED, "job": done - ready}
    print(json.dumps({"images": images, "seconds": seconds, **more}))
