"""VGG16 features with PyTorch, torchvision and a DataLoader: python torch_vgg16.py <list> <model folder> <out.parquet>"""

import sys
import time

import numpy as np
import torch
import torchvision
from peer import BATCH, convolutions, finish, load_rgb, preprocess, read_list, read_weights
from torch.utils.data import DataLoader, Dataset


class Images(Dataset):
    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(preprocess(load_rgb(self.paths[index])).transpose(2, 0, 1).copy())


def build(folder: str) -> torch.nn.Module:
    """torchvision's VGG16 with Keras' weights: HWIO to OIHW, and fc1's rows from HWC to CHW order."""
    weights = read_weights(folder)
    model = torchvision.models.vgg16(weights=None).eval()
    layers = [m for m in model.features if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        for (name, _), layer in zip(convolutions(), layers, strict=True):
            layer.weight.copy_(torch.from_numpy(weights[f"{name}/kernel"].transpose(3, 2, 0, 1).copy()))
            layer.bias.copy_(torch.from_numpy(weights[f"{name}/bias"]))
        for name, layer in zip(("fc1", "fc2", "predictions"), (model.classifier[i] for i in (0, 3, 6)), strict=True):
            kernel = weights[f"{name}/kernel"]
            if name == "fc1":
                kernel = kernel.reshape(7, 7, 512, -1).transpose(2, 0, 1, 3).reshape(25088, -1)
            layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
            layer.bias.copy_(torch.from_numpy(weights[f"{name}/bias"]))
    return model.to(memory_format=torch.channels_last)  # the faster layout here


def main(listing: str, folder: str, out: str) -> None:
    paths = read_list(listing)
    model = build(folder)
    ready = time.perf_counter()
    loader = DataLoader(Images(paths), batch_size=BATCH, num_workers=2)
    vectors = []
    with torch.inference_mode():
        for batch in loader:
            logits = model(batch.contiguous(memory_format=torch.channels_last))
            vectors.append(torch.softmax(logits, 1).numpy())
    finish(paths, np.concatenate(vectors), out, ready, f"PyTorch {torch.__version__}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
