"""A fitted scaler and PCA, and the file that holds them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .errors import ReducerError

_VECTORS = ("scaler_mean", "scaler_std", "pca_mean")
_OF_COMPONENTS = ("explained_variance", "explained_variance_ratio")


@dataclass(frozen=True, eq=False)
class Reducer:
    """`((x - scaler_mean) / scaler_std - pca_mean) @ components.T`; a deviation of 0 scales to 0.

    scaler_mean, scaler_std, pca_mean: float64 [dims]
    components: float64 [k, dims], orthonormal rows, the entry of largest size positive; zeros beyond the rank
    explained_variance, explained_variance_ratio: float64 [k]
    total_variance: sum of the variances of the scaled columns
    residual: largest |C v - variance v|, as a share of the largest variance
    n_samples: rows that it was fitted on
    output: the layer whose vectors it is for, "pixels" for those; its name in reducer.npz
    """

    scaler_mean: np.ndarray
    scaler_std: np.ndarray
    pca_mean: np.ndarray
    components: np.ndarray
    explained_variance: np.ndarray
    explained_variance_ratio: np.ndarray
    total_variance: float
    residual: float
    n_samples: int
    standardize: bool
    center: bool
    output: str = "pixels"

    @property
    def k(self) -> int:
        return int(self.components.shape[0])

    @property
    def dims(self) -> int:
        return int(self.components.shape[1])

    def shift_and_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Scaler and centring as one: (x - shift) * scale; float64 [dims] each."""
        if self.standardize:
            return self.scaler_mean, inverses(self.scaler_std)
        return self.pca_mean, np.ones(self.dims)

    def reduce(self, values: np.ndarray) -> np.ndarray:
        """float [n, dims] to float64 [n, k]. Raises `ReducerError` for values that are not finite."""
        if values.ndim != 2 or values.shape[1] != self.dims:
            raise ReducerError(f"Expected vectors of {self.dims} values but found {values.shape[1:]}.")
        shift, scale = self.shift_and_scale()
        reduced = ((values.astype(np.float64) - shift) * scale) @ self.components.T
        if not np.isfinite(reduced).all():
            raise ReducerError("Expected finite features but found NaN or infinity.")
        return reduced

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes reducer.npz, as `img2features` does."""
        with open(path, "wb") as file:
            file.write(reducers_to_bytes({self.output: self}))

    @classmethod
    def load(cls, path: str | os.PathLike[str], output: str | None = None) -> Reducer:
        """Reads reducer.npz of Spark or of the command line. `output` is needed where it holds several."""
        with open(path, "rb") as file:
            reducers = reducers_from_bytes(file.read())
        return pick_reducer(reducers, output)


def pick_reducer(reducers: Mapping[str, Reducer], output: str | None) -> Reducer:
    """The one of that name, or the only one. Raises `ReducerError`."""
    if output is None and len(reducers) == 1:
        return next(iter(reducers.values()))
    if output is None or output not in reducers:
        raise ReducerError(
            f"Expected one of {', '.join(reducers)} as the reducer's output but found {output}."
        )
    return reducers[output]


def reducers_to_bytes(reducers: Mapping[str, Reducer]) -> bytes:
    """reducer.npz for these outputs; keys and dtypes as in src/reduce/reducer-file.ts."""
    arrays: dict[str, np.ndarray] = {"outputs": np.array(list(reducers), dtype=str)}
    for name, reducer in reducers.items():
        start = f"{name}." if len(reducers) > 1 else ""
        for key in (*_VECTORS, "components", *_OF_COMPONENTS, "total_variance", "residual"):
            arrays[start + key] = np.asarray(getattr(reducer, key), dtype="<f8")
        arrays[start + "n_samples"] = np.asarray(reducer.n_samples, dtype="<i8")
        arrays[start + "standardize"] = np.asarray(reducer.standardize, dtype=bool)
        arrays[start + "center"] = np.asarray(reducer.center, dtype=bool)
    return write_npz(arrays)


def reducers_from_bytes(data: bytes) -> dict[str, Reducer]:
    """Raises `ReducerError` when the file is damaged or lacks an array."""
    arrays = read_npz(data)
    if "outputs" not in arrays:
        raise ReducerError("Expected the names of the outputs in reducer.npz but found none.")
    names = [str(name) for name in arrays["outputs"]]
    return {name: _read_one(arrays, f"{name}." if len(names) > 1 else "", name) for name in names}


def _read_one(arrays: Mapping[str, np.ndarray], start: str, output: str) -> Reducer:
    def read(key: str, kind: str, shape: tuple[int, ...] | None) -> np.ndarray:
        array = arrays.get(start + key)
        if array is None or array.dtype.kind != kind or (shape is not None and array.shape != shape):
            found = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
            raise ReducerError(f"Expected {start}{key} in reducer.npz but found {found}.")
        return array

    components = read("components", "f", None)
    if components.ndim != 2:
        raise ReducerError(f"Expected a matrix for components in reducer.npz but found {components.shape}.")
    k, dims = components.shape
    return Reducer(
        **{key: read(key, "f", (dims,)) for key in _VECTORS},
        components=components,
        **{key: read(key, "f", (k,)) for key in _OF_COMPONENTS},
        total_variance=float(read("total_variance", "f", ())),
        residual=float(read("residual", "f", ())),
        n_samples=int(read("n_samples", "i", ())),
        standardize=bool(read("standardize", "b", ())),
        center=bool(read("center", "b", ())),
        output=output,
    )


def inverses(values: np.ndarray) -> np.ndarray:
    """1 / value, and 0 for 0: a constant column scales to 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values != 0)


_DOS_DATE = 0x21
_UTF8_NAME = 0x0800
_LARGEST = 0xFFFFFFFE


def write_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as .npz bytes; `numpy.load` gives them back by their names.

    Stored, with fixed times, in the given order, as src/reduce/npz.ts: equal arrays give equal files on one
    machine and on Spark.
    """
    members, directory, offset = [], [], 0
    for key, array in arrays.items():
        name = f"{key}.npy".encode()
        data = _npy(array)
        common = struct.pack(
            "<HHHHHIIIHH",
            *(20, _UTF8_NAME, 0, 0, _DOS_DATE),
            *(zlib.crc32(data), len(data), len(data), len(name), 0),
        )
        local = b"PK\x03\x04" + common + name
        central = b"PK\x01\x02" + struct.pack("<H", 20) + common
        directory.append(central + struct.pack("<HHHII", 0, 0, 0, 0, offset) + name)
        members += [local, data]
        offset += len(local) + len(data)
    listing = b"".join(directory)
    if offset + len(listing) > _LARGEST:
        raise ReducerError(f"Expected less than 4 GiB of arrays for one file but found {offset} bytes.")
    counts = struct.pack("<HHHHIIH", 0, 0, len(arrays), len(arrays), len(listing), offset, 0)
    return b"".join([*members, listing, b"PK\x05\x06", counts])


def read_npz(data: bytes) -> dict[str, np.ndarray]:
    """Every array by its name. Raises `ReducerError` for other bytes."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise ReducerError(f"Expected a whole .npz file but found other bytes ({error}).") from error


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    # ascontiguousarray would make a scalar one-dimensional.
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
