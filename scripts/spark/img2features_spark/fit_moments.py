"""From sums over the rows, and products with their covariance, to a scaler and PCA; src/reduce/ in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .eigenpairs import Eigenpairs, Operator, top_eigenpairs
from .errors import OptionError, ReducerError
from .moments import SCATTER_DIMS, Moments
from .reducer import Reducer, inverses

#: As src/reduce/reducer-fitter.ts: vectors that the eigensolver holds on a matrix, and on passes over rows.
_MATRIX_CAPACITY = 60
_PASS_CAPACITY = 160
_PASS_BYTES = 128 << 20
_MOST_PRODUCTS = 1000
_MOST_PASSES = 100
_BLOCK_ROWS = 256
#: The k largest eigenpairs of the covariance of the scaled rows.
Solver = Callable[[int], Eigenpairs]


@dataclass(frozen=True)
class Fit:
    """k components of rows that are scaled or not, and projected less their mean or as they are.

    output: the layer's name in reducer.npz
    """

    k: int
    standardize: bool
    center: bool
    output: str

    def __post_init__(self) -> None:
        if self.k < 1:
            raise OptionError(f"Expected at least 1 for k= but found {self.k}.")


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and scale of the columns, float64 [dims] each: (x - mean) * scale is what the PCA sees."""

    mean: np.ndarray
    deviation: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, moments: Moments, standardize: bool) -> Scaling:
        variances = moments.squares() / max(1, moments.count - 1)
        deviation = np.sqrt(variances) if standardize else np.ones(moments.dims)
        return cls(moments.means(), deviation, inverses(deviation))


def fit_rows(rows: np.ndarray, fit: Fit) -> Reducer:
    """The reducer of float [n, dims] rows, all here. Raises `ReducerError` where one is not finite."""
    if len(rows) == 0:
        raise ReducerError(f"Expected rows to fit {fit.output} on but found none.")
    moments = Moments(rows.shape[1])
    moments.add(rows)
    scaling = Scaling.of(moments, fit.standardize)
    return reducer_of(moments, scaling, by_matrix(moments, scaling) or by_rows(rows, scaling), fit)


def by_matrix(moments: Moments, scaling: Scaling) -> Solver | None:
    """On the scatter matrix; None where there is none."""
    if not moments.has_matrix:
        return None
    share = 1 / max(1, moments.count - 1)

    def covariance(block: np.ndarray) -> np.ndarray:
        return ((block * scaling.scale) @ moments.scatter) * (scaling.scale * share)

    return lambda k: _on_matrix(covariance, moments.dims, k)


def by_rows(rows: np.ndarray, scaling: Scaling) -> Solver:
    """On float [n, dims] rows that are all here: few of them by their products with each other, [n, n]."""
    share = 1 / max(1, len(rows) - 1)
    if len(rows) > SCATTER_DIMS:
        return by_products(lambda block: project(rows, block, scaling) * share, rows.shape[1])

    def solve(k: int) -> Eigenpairs:
        scaled = (rows.astype(np.float64) - scaling.mean) * scaling.scale
        # X X^T has the eigenvalues of X^T X, and X^T takes its eigenvectors to those of X^T X.
        products = (scaled @ scaled.T) * share
        pairs = _on_matrix(lambda block: block @ products, len(rows), k)
        vectors = np.ascontiguousarray(np.linalg.qr((pairs.vectors @ scaled).T)[0].T)
        lacking = (vectors @ scaled.T) @ scaled * share - pairs.values[:, None] * vectors
        largest = pairs.values[0]
        residual = float(np.linalg.norm(lacking, axis=1).max() / largest) if largest > 0 else 0.0
        return Eigenpairs(pairs.values, vectors, residual, pairs.applies)

    return solve


def by_products(covariance: Operator, dims: int) -> Solver:
    """On products with the covariance, [b, dims] to [b, dims], each of which costs a pass over the rows."""
    capacity = min(_PASS_CAPACITY, _PASS_BYTES // (8 * dims))
    return lambda k: top_eigenpairs(
        covariance, dims, k, capacity=capacity, most_applies=_MOST_PASSES, is_costly=True
    )


def project(rows: np.ndarray, block: np.ndarray, scaling: Scaling) -> np.ndarray:
    """X^T (X Q) of float [n, dims] rows, X = (rows - mean) * scale; [b, dims]."""
    image = np.zeros(block.shape)
    for first in range(0, len(rows), _BLOCK_ROWS):
        scaled = (rows[first : first + _BLOCK_ROWS].astype(np.float64) - scaling.mean) * scaling.scale
        image += (block @ scaled.T) @ scaled
    return image


def reducer_of(moments: Moments, scaling: Scaling, solver: Solver, fit: Fit) -> Reducer:
    """The reducer of the sums and the eigenpairs."""
    total = float(np.sum(moments.squares() / max(1, moments.count - 1) * scaling.scale**2))
    components, explained, residual = _components(solver, moments, fit.k)
    zeros = np.zeros(moments.dims)
    return Reducer(
        scaler_mean=scaling.mean if fit.standardize else zeros,
        scaler_std=scaling.deviation,
        pca_mean=scaling.mean if fit.center and not fit.standardize else zeros,
        components=components,
        explained_variance=explained,
        explained_variance_ratio=explained / total if total > 0 else explained,
        total_variance=total,
        residual=residual,
        n_samples=moments.count,
        standardize=fit.standardize,
        center=fit.center,
        output=fit.output,
    )


def _on_matrix(apply: Operator, dims: int, k: int) -> Eigenpairs:
    return top_eigenpairs(
        apply, dims, k, capacity=_MATRIX_CAPACITY, most_applies=_MOST_PRODUCTS, is_costly=False
    )


def _components(solver: Solver, moments: Moments, k: int) -> tuple[np.ndarray, np.ndarray, float]:
    """components [k, dims], explained variance [k], residual; src/reduce/reducer-fitter.ts."""
    dims, count = moments.dims, moments.count
    components, explained = np.zeros((k, dims)), np.zeros(k)
    # n rows span at most n - 1 directions around their mean.
    most = min(k, dims, count - 1)
    if most < 1:
        return components, explained, 0.0
    pairs = solver(most)
    # What rounding alone can leave of a zero eigenvalue, as numpy.linalg.matrix_rank puts it.
    least = pairs.values[0] * max(dims, count) * np.finfo(np.float64).eps
    rank = int(np.sum(pairs.values > least))
    explained[:rank] = pairs.values[:rank]
    components[:rank] = pairs.vectors[:rank]
    for vector in components[:rank]:
        # The entry of largest size is positive, the first of them where several are equal.
        if vector[np.argmax(np.abs(vector))] < 0:
            vector *= -1
    return components, explained, pairs.residual
