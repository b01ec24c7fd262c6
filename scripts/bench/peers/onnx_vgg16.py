"""VGG16 features with ONNX Runtime and Pillow: python onnx_vgg16.py <list> <model.onnx> <out.parquet>"""

import sys
import time

import numpy as np
import onnxruntime
from peer import extract, finish, read_list


def main(listing: str, model: str, out: str) -> None:
    paths = read_list(listing)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    ready = time.perf_counter()

    def infer(batch: np.ndarray) -> np.ndarray:
        return session.run(None, {"input": np.ascontiguousarray(batch.transpose(0, 3, 1, 2))})[0]

    finish(paths, extract(paths, infer), out, ready, f"ONNX Runtime {onnxruntime.__version__}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
