"""img2features on Spark.

>>> from img2features_spark import extract, rows, fit_reducer, transform
>>> table = extract(spark, "s3a://bucket/dataset", mode="vgg16", layer="fc2")
>>> good = rows(table).persist()
>>> reducer = fit_reducer(good, 10)
>>> transform(good, reducer).write.parquet("features")
"""

from .errors import Img2FeaturesError, OptionError, ReducerError, WorkerError
from .extract import extract, rejected, rows, to_ml_vectors
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
