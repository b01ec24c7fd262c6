"""A network's last layer by another runtime, images by Pillow: python runtimes.py <onnx|openvino|ncnn> <list> <model> <out.parquet> [caffe|tf|none]

The model is an ONNX file that takes NCHW, for ncnn a .param with its .bin beside it. BENCH_BATCH: images at once, 16.
"""

import sys
import time

import numpy as np
from peer import extract, finish, read_list


def onnx(model: str):
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"input": batch})[0], f"ONNX Runtime {onnxruntime.__version__}"


def openvino(model: str):
    import openvino

    # bfloat16 is its default where the CPU has it.
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    return lambda batch: compiled(batch)[0].copy(), f"OpenVINO {openvino.__version__.split('-')[0]}"


def ncnn(model: str):
    """It takes one image at a time."""
    import ncnn

    net = ncnn.Net()
    for half in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{half}", False)
    net.load_param(model)
    net.load_model(model.replace(".param", ".bin"))

    def infer(image: np.ndarray) -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("input", ncnn.Mat(image))
        return np.array(extractor.extract("output")[1])

    return lambda batch: np.stack([infer(image) for image in batch]), f"ncnn {ncnn.__version__}"


def main(runtime: str, listing: str, model: str, out: str, mode: str = "caffe") -> None:
    paths = read_list(listing)
    infer, version = {"onnx": onnx, "openvino": openvino, "ncnn": ncnn}[runtime](model)
    ready = time.perf_counter()
    vectors = extract(paths, lambda batch: infer(np.ascontiguousarray(batch.transpose(0, 3, 1, 2))), mode)
    finish(paths, vectors, out, ready, version)


if __name__ == "__main__":
    main(*sys.argv[1:])
