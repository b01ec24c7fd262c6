"""img2features on Spark.

>>> from img2features_spark import extract, rows, fit_reducer, transform
>>> table = extract(spark, "s3a://bucket/dataset", mode="vgg16", layer="fc2")
>>> good = rows(table).persist()
>>> reducer = fit_reducer(good, 10)
>>> transform(good, reducer).write.parquet("features")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import Img2FeaturesError, OptionError, ReducerError, WorkerError
    from .extraction import extract, rejected, rows, to_ml_vectors
    from .fit import fit_reducer, transform
    from .reducer import Reducer, reducers_from_bytes, reducers_to_bytes

__all__ = [
    "Img2FeaturesError",
    "OptionError",
    "Reducer",
    "ReducerError",
    "WorkerError",
    "extract",
    "fit_reducer",
    "reducers_from_bytes",
    "reducers_to_bytes",
    "rejected",
    "rows",
    "to_ml_vectors",
    "transform",
]
__version__ = "0.1.0"

_HOMES = {
    "errors": ("Img2FeaturesError", "OptionError", "ReducerError", "WorkerError"),
    "extraction": ("extract", "rejected", "rows", "to_ml_vectors"),
    "fit": ("fit_reducer", "transform"),
    "reducer": ("Reducer", "reducers_from_bytes", "reducers_to_bytes"),
}


def __getattr__(name: str) -> Any:
    """Loads only what is used: a task on an executor needs few of these modules."""
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
