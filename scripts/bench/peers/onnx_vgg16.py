"""VGG16 features with ONNX Runtime and Pillow: python onnx_vgg16.py <list> <model.onnx> <out.parquet>"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from images import load_rgb, preprocess, read_list, report, write_table

BATCH = 16


def main(listing: str, model: str, out: str) -> None:
    paths = read_list(listing)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    ready = time.perf_counter()
    vectors = []
    with ThreadPoolExecutor(2) as pool:
        pixels = pool.map(load_rgb, paths)
        for start in range(0, len(paths), BATCH):
            batch = preprocess(np.stack([next(pixels) for _ in paths[start : start + BATCH]]))
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
            vectors.append(session.run(None, {"input": batch})[0])
    write_table(paths, np.concatenate(vectors), out)
    report(len(paths), ready, time.perf_counter(), version=f"ONNX Runtime {onnxruntime.__version__}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
