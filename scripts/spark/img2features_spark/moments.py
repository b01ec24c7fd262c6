"""Mean and scatter of rows that are summed apart and joined, in float64."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np

from .errors import ReducerError

#: Up to here the whole scatter matrix is kept (32 MB at the limit); above it columns' own sums only.
SCATTER_DIMS = 2048
#: Rows that are summed at a time.
_PANEL_ROWS = 256


class Moments:
    """Sums over rows of `dims` values, which can be merged.

    As src/reduce/moments.ts: rows are taken relative to the first one and summed in panels, each centred
    on its own mean, so nothing cancels however far the mean is from zero; two sets A and B are joined by
    Chan, Golub and LeVeque's formula
      S = S_A + S_B + (n_A n_B / n) (mean_B - mean_A) (mean_B - mean_A)^T

    origin, mean: float64 [dims], the first row, and the mean less it
    scatter: float64 [dims, dims], or its diagonal [dims] above SCATTER_DIMS
    """

    def __init__(self, dims: int) -> None:
        self.count = 0
        self.origin = np.zeros(dims)
        self.mean = np.zeros(dims)
        self.scatter = np.zeros((dims, dims) if dims <= SCATTER_DIMS else dims)

    @property
    def dims(self) -> int:
        return len(self.origin)

    @property
    def has_matrix(self) -> bool:
        return self.scatter.ndim == 2

    def add(self, values: np.ndarray) -> None:
        """Adds rows, float [n, dims]. Raises `ReducerError` for a value that is not finite."""
        if values.shape[1] != self.dims:
            raise ReducerError(f"Expected vectors of {self.dims} values but found one of {values.shape[1]}.")
        for first in range(0, len(values), _PANEL_ROWS):
            self._add_panel(values[first : first + _PANEL_ROWS].astype(np.float64))

    def merge(self, other: Moments) -> None:
        """Adds the rows that `other` has seen, as if they came after these."""
        if other.count == 0:
            return
        if other.dims != self.dims:
            raise ReducerError(f"Expected vectors of {self.dims} values but found others of {other.dims}.")
        if self.count == 0:
            self.origin = other.origin.copy()
        self._join(other.count, other.origin - self.origin + other.mean, other.scatter)

    def means(self) -> np.ndarray:
        """Mean of each column, float64 [dims]."""
        return self.origin + self.mean

    def squares(self) -> np.ndarray:
        """Sum of squared deviations of each column from its mean, [dims]; exactly 0 where constant."""
        return self.scatter.diagonal().copy() if self.has_matrix else self.scatter

    def to_bytes(self) -> bytes:
        """count, origin, mean and scatter, for another process; of a matrix its upper triangle."""
        rows = self.scatter[np.triu_indices(self.dims)] if self.has_matrix else self.scatter
        buffer = io.BytesIO()
        np.savez(buffer, count=np.int64(self.count), origin=self.origin, mean=self.mean, scatter=rows)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Moments:
        with np.load(io.BytesIO(data)) as arrays:
            moments = cls(len(arrays["origin"]))
            moments.count = int(arrays["count"])
            moments.origin, moments.mean = arrays["origin"], arrays["mean"]
            if not moments.has_matrix:
                moments.scatter = arrays["scatter"]
                return moments
            moments.scatter[np.triu_indices(moments.dims)] = arrays["scatter"]
        moments.scatter = np.triu(moments.scatter) + np.triu(moments.scatter, 1).T
        return moments

    def _add_panel(self, rows: np.ndarray) -> None:
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0]
            raise ReducerError(
                f"Expected finite features but found {rows[row, column]} at value {column} of a row."
                " Look at its image and at the weights: the network overflowed on it."
            )
        if self.count == 0:
            self.origin = rows[0].copy()
        rows -= self.origin
        mean = rows.sum(axis=0) / len(rows)
        rows -= mean
        self._join(len(rows), mean, rows.T @ rows if self.has_matrix else np.einsum("ij,ij->j", rows, rows))

    def _join(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        """Adds `count` rows of this mean (less our origin) and scatter."""
        total = self.count + count
        delta = mean - self.mean
        weight = self.count / total * count
        self.scatter += scatter
        self.scatter += weight * (np.outer(delta, delta) if self.has_matrix else delta * delta)
        self.mean = self.mean + delta * (count / total)
        self.count = total


def merge_moments(states: Iterable[bytes]) -> bytes:
    """Joins states in the order given."""
    merged: Moments | None = None
    for state in states:
        one = Moments.from_bytes(state)
        if merged is None:
            merged = one
        else:
            merged.merge(one)
    assert merged is not None
    return merged.to_bytes()
