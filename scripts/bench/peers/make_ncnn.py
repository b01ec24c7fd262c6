"""Writes a model folder's VGG16 for ncnn: python make_ncnn.py <model folder> <out.param> <out.bin>"""

import sys

import numpy as np
from peer import convolutions, read_weights


def main(folder: str, param: str, binary: str) -> None:
    weights = read_weights(folder)
    layers, last = ["Input input 0 1 input 0=224 1=224 2=3"], "input"
    with open(binary, "wb") as file:

        def add(kind: str, name: str, values: str = "", *tensors: np.ndarray) -> None:
            nonlocal last
            layers.append(f"{kind} {name} 1 1 {last} {name} {values}")
            last = name
            for i, tensor in enumerate(tensors):
                if i == 0:
                    file.write(b"\0\0\0\0")  # float32 follows
                file.write(np.ascontiguousarray(tensor, "<f4").tobytes())

        for name, is_last in convolutions():
            kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
            values = f"0={bias.size} 1=3 4=1 5=1 6={kernel.size} 9=1"
            add("Convolution", name, values, kernel.transpose(3, 2, 0, 1), bias)
            if is_last:
                add("Pooling", f"{name}_pool", "0=0 1=2 2=2")
        for name in ("fc1", "fc2", "predictions"):
            kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
            if name == "fc1":  # Keras flattens HWC, ncnn CHW
                kernel = kernel.reshape(7, 7, 512, -1).transpose(2, 0, 1, 3).reshape(25088, -1)
            activation = "" if name == "predictions" else " 9=1"
            add("InnerProduct", name, f"0={bias.size} 1=1 2={kernel.size}{activation}", kernel.T, bias)
        add("Softmax", "output", "0=0")
    with open(param, "w") as file:
        file.write("\n".join(["7767517", f"{len(layers)} {len(layers)}", *layers, ""]))


if __name__ == "__main__":
    main(*sys.argv[1:4])
