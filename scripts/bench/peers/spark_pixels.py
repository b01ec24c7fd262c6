"""The notebook's pixels job in PySpark: python spark_pixels.py <dataset> <output folder> [seconds after which it is stopped]

Rebuilt from its description (the notebook itself is not ours to ship): Spark's image source, a row-wise Python UDF that
resizes to 10x10 with Pillow, StandardScaler and PCA of Spark ML, Parquet and JSON out.
"""

import sys
import time
from pathlib import Path

import numpy as np
from peer import close_spark, open_spark, stop_after
from PIL import Image
from pyspark.ml.feature import PCA, StandardScaler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import functions as F


def pixels(image) -> "Vectors":
    rgb = np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.width, image.nChannels)
    small = Image.fromarray(rgb).resize((10, 10), Image.BICUBIC)
    return Vectors.dense(np.asarray(small).reshape(-1).astype(float))


def main(dataset: str, out: str, most_seconds: str | None = None) -> None:
    spark = open_spark("local[2]")
    ready = time.perf_counter()
    if most_seconds is not None:
        count = sum(path.is_file() for path in Path(dataset).rglob("*"))
        stop_after(spark, float(most_seconds), count, ready)
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
    close_spark(spark, f"{out}/parquet", ready)


if __name__ == "__main__":
    main(*sys.argv[1:])
