"""The notebook's VGG16 job in PySpark: python spark_vgg16.py <list> <model folder> <output folder> [master]

Rebuilt from its description: binary files, a pandas UDF over batches that loads Keras' VGG16 once in each Python worker and
predicts, PCA of Spark ML, Parquet out.
"""

import json
import os
import sys
import time
from collections.abc import Iterator

STARTED = time.perf_counter()
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pandas as pd  # noqa: E402
from pyspark.ml.feature import PCA  # noqa: E402
from pyspark.ml.functions import array_to_vector, vector_to_array  # noqa: E402
from pyspark.sql import SparkSession, functions as F  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def featurizer(folder: str):
    def features(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        sys.path.insert(0, HERE)
        import io

        import keras
        import numpy as np
        from images import preprocess
        from PIL import Image
        from tfjs_weights import read_weights

        model = keras.applications.VGG16(weights=None)
        weights = read_weights(folder)
        for layer in model.layers:
            if layer.weights:
                layer.set_weights([weights[f"{layer.name}/kernel"], weights[f"{layer.name}/bias"]])
        for contents in batches:
            pixels = [
                np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((224, 224), Image.BICUBIC))
                for content in contents
            ]
            predicted = model.predict(preprocess(np.stack(pixels)), batch_size=16, verbose=0)
            yield pd.Series(list(predicted))

    return F.pandas_udf(features, "array<float>")


def main(listing: str, folder: str, out: str, master: str = "local[2]") -> None:
    spark = (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "64")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    ready = time.perf_counter()
    with open(listing) as file:
        paths = file.read().split("\n")[:-1]
    files = spark.read.format("binaryFile").load(paths)
    vectors = files.select(
        F.col("path").alias("origin"),
        F.element_at(F.split("path", "/"), -2).alias("target"),
        featurizer(folder)("content").alias("cnn_vectors"),
    ).withColumn("features", array_to_vector("cnn_vectors"))
    reduced = PCA(k=10, inputCol="features", outputCol="redux").fit(vectors).transform(vectors)
    table = reduced.select("origin", "target", "cnn_vectors", vector_to_array("redux").alias("cnn_vectors_redux"))
    table.write.mode("overwrite").parquet(out)
    done = time.perf_counter()
    count = spark.read.parquet(out).count()
    seconds = {"load": ready - STARTED, "job": done - ready}
    print(json.dumps({"images": count, "seconds": seconds, "version": f"PySpark {spark.version}"}))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
