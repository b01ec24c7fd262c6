"""NumPy archives with the bytes that img2features writes itself: stored, fixed times, given order.

As src/reduce/npz.ts, so that equal arrays give equal files on one machine and on Spark.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np

from .errors import ReducerError

_DOS_DATE = 0x21
_UTF8_NAME = 0x0800
_LARGEST = 0xFFFFFFFE


def write_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as .npz bytes; `numpy.load` gives them back by their names."""
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
