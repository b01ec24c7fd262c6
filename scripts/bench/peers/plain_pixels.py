"""The pixels mode written plainly in Python: the peer that `img2features --mode pixels` is measured against.

Pillow in two processes, scikit-learn's StandardScaler and PCA, pyarrow and json for the output.
    pip install pillow numpy scikit-learn pyarrow
    python scripts/bench/peers/plain_pixels.py <dataset folder> <output folder>
"""

import json
import os
import sys
import time

STARTED = time.perf_counter()

from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import PIL  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((10, 10), Image.BICUBIC)).reshape(-1)


def main(dataset: str, out: str) -> None:
    started = time.perf_counter()
    paths = sorted(str(p) for p in Path(dataset).rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    with ProcessPoolExecutor(2) as pool:
        vectors = np.stack(list(pool.map(pixels, paths, chunksize=64)))
    scaled = StandardScaler().fit_transform(vectors.astype(np.float64))
    redux = PCA(10, svd_solver="covariance_eigh").fit_transform(scaled)
    os.makedirs(out, exist_ok=True)
    targets = [Path(p).parent.name for p in paths]
    vectors = vectors.astype(np.float32)
    table = pa.table(
        {"origin": paths, "target": targets, "vectors": list(vectors), "vectors_redux": list(redux)}
    )
    pq.write_table(table, f"{out}/features.parquet")
    with open(f"{out}/features.json", "w") as file:
        for origin, target, vector, reduced in zip(paths, targets, vectors.tolist(), redux.tolist()):
            row = {"origin": origin, "target": target, "vectors": vector, "vectors_redux": reduced}
            file.write(json.dumps(row) + "\n")
    seconds = {"load": started - STARTED, "job": time.perf_counter() - started}
    print(json.dumps({"images": len(paths), "seconds": seconds, "version": f"Pillow {PIL.__version__}"}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
