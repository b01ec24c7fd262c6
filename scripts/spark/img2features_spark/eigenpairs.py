"""The largest eigenvalues of a symmetric matrix that is known only by its products with vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: A block's images: float64 [b, dims] to [b, dims].
Operator = Callable[[np.ndarray], np.ndarray]

_SPARE = 2
_ANGLE = 1e-12
_PRECISION = 4e-15
_NEARLY = 1e-12
_STALLED = 3


@dataclass(frozen=True)
class Eigenpairs:
    """values: float64 [k], falling; vectors: float64 [k, dims], orthonormal; applies: products made."""

    values: np.ndarray
    vectors: np.ndarray
    residual: float
    applies: int


def top_eigenpairs(
    apply: Operator, dims: int, k: int, *, capacity: int, most_applies: int, is_costly: bool
) -> Eigenpairs:
    """The k largest eigenvalues and their vectors, k <= dims; src/reduce/eigen/top-eigenpairs.ts in NumPy.

    Block Lanczos with full orthogonalisation and thick restart (Wu and Simon, SIAM J. Matrix Anal. Appl. 22,
    2000): at most `capacity` vectors are held, at least three blocks; `is_costly` says that a product costs
    more than to solve the small problem, so that each may be the last one. Seeded start vectors make every
    run equal.
    """
    width = min(dims, math.ceil((k + _SPARE) / 4) * 4)
    room = min(dims, max(capacity, 3 * width))
    basis = np.empty((room, dims))
    small = np.zeros((room, room))
    size = 0
    is_done = _convergence(k)
    beyond = np.random.Generator(np.random.PCG64(20261123)).uniform(-1, 1, (width, dims))
    b = width
    largest = 0.0
    applies = 0
    while True:
        added = _extend(basis, size, beyond, _PRECISION * largest)
        if added > 0:
            first, size = size, size + added
            beyond = apply(basis[first:size])
            b = added
            applies += 1
            largest = max(largest, float(np.linalg.norm(beyond, axis=1).max()))
            products = beyond @ basis[:size].T
            small[first:size, :size] = products
            small[:size, first:size] = products.T
            beyond = beyond - products @ basis[:size]
        is_full = room < dims and size + b > room
        is_last = added == 0 or applies == most_applies
        if not is_full and not is_last and not is_costly:
            continue
        values, mixes = _solve(small[:size, :size])
        found = min(k, size)
        # A basis that nothing can be added to holds whole eigenvectors.
        residuals = np.zeros(found)
        if added > 0:
            residuals = np.linalg.norm(mixes[:found, size - b :] @ beyond, axis=1)
        if is_last or is_done(values, residuals):
            vectors = np.zeros((k, dims))
            vectors[:found] = mixes[:found] @ basis[:size]
            kept = np.zeros(k)
            kept[:found] = np.maximum(values[:found], 0)
            residual = float(residuals.max() / kept[0]) if kept[0] > 0 else 0.0
            return Eigenpairs(kept, vectors, residual, applies)
        if is_full:
            keep = k + (width >> 1)
            basis[:keep] = mixes[:keep] @ basis[:size]
            small[:] = 0
            small[:keep, :keep] = np.diag(values[:keep])
            size = keep


def _extend(basis: np.ndarray, size: int, candidates: np.ndarray, floor: float) -> int:
    """Adds what the candidates have beyond the span so far, orthonormalised; returns how many were added."""
    start = size
    for candidate in candidates:
        if size == len(basis):
            break
        vector = candidate.copy()
        length = float(np.linalg.norm(vector))
        # Once is enough where little is subtracted; else rounding leaves a part that the next pass removes.
        for _ in range(4):
            longer = length
            vector -= (basis[:size] @ vector) @ basis[:size]
            length = float(np.linalg.norm(vector))
            if length > longer / 2:
                break
        if length <= floor:
            continue
        basis[size] = vector / length
        size += 1
    return size - start


def _solve(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, falling, and for each how its vector is mixed from the basis, one a row."""
    values, vectors = np.linalg.eigh((small + small.T) / 2)
    return values[::-1], vectors.T[::-1]


def _convergence(k: int) -> Callable[[np.ndarray, np.ndarray], bool]:
    """Decides after each step whether the first k pairs are as good as they need to be, or can get."""
    best = math.inf
    stalled = 0

    def is_done(values: np.ndarray, residuals: np.ndarray) -> bool:
        nonlocal best, stalled
        if len(values) <= k:
            return False
        above = np.concatenate([[math.inf], values[: k - 1]]) - values[:k]
        gaps = np.minimum(above, values[:k] - values[1 : k + 1])
        bounds = np.maximum(_ANGLE * gaps, _PRECISION * values[0])
        worst = float(np.max(residuals / bounds)) if bounds.all() else 0.0
        if worst <= 1:
            return True
        stalled = 0 if worst < best / 2 else stalled + 1
        best = min(best, worst)
        return stalled >= _STALLED and float(residuals.max()) <= _NEARLY * values[0]

    return is_done
