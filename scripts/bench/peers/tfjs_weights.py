"""Reads the weights of a model folder (tfjs layers format), so that every peer computes with the same ones."""

import json
from pathlib import Path

import numpy as np


def read_weights(folder: str) -> dict[str, np.ndarray]:
    """Returns float32 arrays by name, e.g. "block1_conv1/kernel" [3, 3, 3, 64] (HWIO)."""
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
