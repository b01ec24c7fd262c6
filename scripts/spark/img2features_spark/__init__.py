"""img2features on Spark.

>>> from img2features_spark import extract, rows, fit_reducer, transform
>>> table = extract(spark, "s3a://bucket/dataset", mode="vgg16", layer="fc2")
>>> good = rows(table).persist()
>>> reducer = fit_reducer(good, 10)
>>> transform(good, reducer).write.parquet("features")
"""

from .errors import Img2FeaturesError, OptionError, ReducerError, WorkerError
from .extract import extract, rejected, rows, to_ml_vectors

__all__ = [
    "Img2FeaturesError",
    "OptionError",
    "ReducerError",
    "WorkerError",
    "extract",
    "rejected",
    "rows",
    "to_ml_vectors",
]
__version__ = "0.1.0"
