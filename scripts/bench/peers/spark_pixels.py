"""The notebook's pixels job in PySpark: python spark_pixels.py <dataset> <output folder> [master]

Rebuilt from its description (the notebook itself is not ours to ship): Spark's image source, a row-wise Python UDF that
resizes to 10x10 with Pillow, StandardScaler and PCA of Spark ML, Parquet and JSON out.
"""

import json
import os
import sys
import time

STARTED = time.perf_counter()
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from pyspark.ml.feature import PCA, StandardScaler  # noqa: E402
from pyspark.ml.functions import vector_to_array  # noqa: E402
from pyspark.ml.linalg import Vectors, VectorUDT  # noqa: E402
from pyspark.sql import SparkSession, functions as F  # noqa: E402


def pixels(image) -> "Vectors":
    rgb = np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.width, image.nChannels)
    small = Image.fromarray(rgb).resize((10, 10), Image.BICUBIC)
    return Vectors.dense(np.asarray(small).reshape(-1).astype(float))


def main(dataset: str, out: str, master: str = "local[2]") -> None:
    spark = (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    ready = time.perf_counter()
    images = spark.read.format("image").option("recursiveFileLookup", "true").load(dataset)
    vectors = images.select(
        F.col("image.origin").alias("origin"),
        F.element_at(F.split("image.origin", "/"), -2).alias("target"),
        F.udf(pixels, VectorUDT())("image").alias("raw"),
    )
    scaler = StandardScaler(inputCol="raw", outputCol="scaled", withMean=True, withStd=True).fit(vectors)
    scaled = scaler.transform(vectors)
    reduced = PCA(k=10, inputCol="scaled", outputCol="redux").fit(scaled).transform(scaled)
    table = reduced.select(
        "origin",
        "target",
        vector_to_array("raw", "float32").alias("vectors"),
        vector_to_array("redux").alias("vectors_redux"),
    )
    table.write.mode("overwrite").parquet(f"{out}/parquet")
    table.write.mode("overwrite").json(f"{out}/json")
    done = time.perf_counter()
    count = spark.read.parquet(f"{out}/parquet").count()
    seconds = {"load": ready - STARTED, "job": done - ready}
    print(json.dumps({"images": count, "seconds": seconds, "version": f"PySpark {spark.version}"}))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
