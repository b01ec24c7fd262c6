"""What the Python peers share: Keras' own way to load an image, the model folder's weights, the table and the report at the end."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

STARTED = time.perf_counter()

from collections.abc import Callable  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402

BATCH = int(os.environ.get("BENCH_BATCH", "16"))
#: BGR means of ImageNet, as keras.applications' preprocess_input(mode="caffe") has them.
CAFFE_MEAN = np.array([103.939, 116.779, 123.68], np.float32)
TORCH_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
TORCH_STD = np.array([0.229, 0.224, 0.225], np.float32)

#: Seconds in the network alone so far.
network_seconds = 0.0


def read_list(path: str) -> list[str]:
    return Path(path).read_text().split("\n")[:-1]


def load_rgb(path) -> np.ndarray:
    """Returns uint8 [224, 224, 3] of a path or a file: Pillow's decoder and bicubic resize."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((224, 224), Image.BICUBIC))


def preprocess(pixels: np.ndarray, mode: str = "caffe") -> np.ndarray:
    """Returns float32 [n, 224, 224, 3] as Keras' preprocess_input does; caffe: BGR less the means."""
    if mode == "caffe":
        return pixels[..., ::-1].astype(np.float32) - CAFFE_MEAN
    values = pixels.astype(np.float32)
    if mode == "tf":
        return values / 127.5 - 1
    if mode == "torch":
        return (values / 255 - TORCH_MEAN) / TORCH_STD
    return values


def extract(paths: list[str], infer: Callable[[np.ndarray], np.ndarray], mode: str = "caffe") -> np.ndarray:
    """infer: preprocessed images to vectors."""
    global network_seconds
    vectors = []
    with ThreadPoolExecutor(2) as pool:  # Pillow decodes without the interpreter's lock
        pixels = pool.map(load_rgb, paths)
        for start in range(0, len(paths), BATCH):
            batch = np.stack([next(pixels) for _ in paths[start : start + BATCH]])
            values = preprocess(batch, mode)
            started = time.perf_counter()
            vectors.append(np.asarray(infer(values)))
            network_seconds += time.perf_counter() - started
    return np.concatenate(vectors)


def finish(paths: list[str], vectors: np.ndarray, out: str, ready: float, version: str) -> None:
    """Writes one row an image, the vector and its ten principal components, and reports."""
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
    report(len(paths), ready, time.perf_counter(), version)


def report(images: int, ready: float, done: float, version: str) -> None:
    """ready, done: time.perf_counter() when the model was loaded and when the table was written."""
    seconds = {"load": ready - STARTED, "job": done - ready, "network": network_seconds or None}
    print(json.dumps({"images": images, "seconds": seconds, "version": version}))


def read_weights(folder: str) -> dict[str, np.ndarray]:
    """Returns float32 arrays of a tfjs layers model by name, e.g. "block1_conv1/kernel" [3, 3, 3, 64] (HWIO)."""
    groups = json.loads((Path(folder) / "model.json").read_text())["weightsManifest"]
    weights = {}
    for group in groups:
        values = np.concatenate([np.fromfile(Path(folder) / path, "<f4") for path in group["paths"]])
        start = 0
        for spec in group["weights"]:
            count = int(np.prod(spec["shape"]))
            weights[spec["name"]] = values[start : start + count].reshape(spec["shape"])
            start += count
    return weights


def convolutions() -> list[tuple[str, bool]]:
    """VGG16's convolutions in order, each with whether a pooling follows it."""
    blocks = [2, 2, 3, 3, 3]
    return [
        (f"block{b + 1}_conv{c + 1}", c + 1 == count) for b, count in enumerate(blocks) for c in range(count)
    ]


def keras_vgg16(folder: str):
    """Keras' model with the folder's weights."""
    import keras

    model = keras.applications.VGG16(weights=None)
    weights = read_weights(folder)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([weights[f"{layer.name}/kernel"], weights[f"{layer.name}/bias"]])
    return model


def open_spark(master: str, **more: str):
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {"spark.ui.enabled": "false", "spark.driver.memory": "4g", **more}
    builder = SparkSession.builder.master(master)
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def stop_after(spark, seconds: float, images: int, ready: float) -> None:
    """Ends the process then, with its share of the images that its first pass has read, by tasks that are done."""

    def stop() -> None:
        tracker = spark.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        done, tasks = sum(s.numCompletedTasks for s in stages), sum(s.numTasks for s in stages)
        version = f"PySpark {spark.version}, stopped in a stage with {done} of {tasks} tasks done"
        report(images * done // max(1, tasks), ready, time.perf_counter(), version)
        sys.stdout.flush()
        os._exit(0)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()


def close_spark(spark, table: str, ready: float) -> None:
    """Reports the rows of the table on disk."""
    done = time.perf_counter()
    report(spark.read.parquet(table).count(), ready, done, f"PySpark {spark.version}")
    spark.stop()
