"""The notebook's VGG16 job in PySpark: python spark_vgg16.py <list> <model folder> <output folder> [master]

Rebuilt from its description: binary files, a pandas UDF over batches that loads Keras' VGG16 once in each Python worker and
predicts, PCA of Spark ML, Parquet out.
"""

import os
import sys
import time
from collections.abc import Iterator

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pandas as pd  # noqa: E402
from peer import close_spark, open_spark, read_list  # noqa: E402
from pyspark.ml.feature import PCA  # noqa: E402
from pyspark.ml.functions import array_to_vector, vector_to_array  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def featurizer(folder: str):
    def features(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        sys.path.insert(0, HERE)
        import io

        import numpy as np
        from peer import keras_vgg16, load_rgb, preprocess

        model = keras_vgg16(folder)
        for contents in batches:
            pixels = np.stack([load_rgb(io.BytesIO(content)) for content in contents])
            yield pd.Series(list(model.predict(preprocess(pixels), batch_size=16, verbose=0)))

    return F.pandas_udf(features, "array<float>")


def main(listing: str, folder: str, out: str, master: str = "local[2]") -> None:
    spark = open_spark(master, **{"spark.sql.execution.arrow.maxRecordsPerBatch": "64"})
    ready = time.perf_counter()
    files = spark.read.format("binaryFile").load(read_list(listing))
    vectors = files.select(
        F.col("path").alias("origin"),
        F.element_at(F.split("path", "/"), -2).alias("target"),
        featurizer(folder)("content").alias("cnn_vectors"),
    ).withColumn("features", array_to_vector("cnn_vectors"))
    reduced = PCA(k=10, inputCol="features", outputCol="redux").fit(vectors).transform(vectors)
    table = reduced.select("origin", "target", "cnn_vectors", vector_to_array("redux").alias("cnn_vectors_redux"))
    table.write.mode("overwrite").parquet(out)
    close_spark(spark, out, ready)


if __name__ == "__main__":
    main(*sys.argv[1:])
