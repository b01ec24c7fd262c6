#!/usr/bin/env python3
"""The whole job for spark-submit: images in, Parquet, JSON, a CSV matrix and reducer.npz out.

spark-submit scripts/spark/job.py dataset --mode vgg16 --layer fc2 --out features

The package beside this file need not be installed anywhere: it is sent to the executors. docs/spark.md
says how img2features itself gets there.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from img2features_spark.run_job import main

if __name__ == "__main__":
    sys.exit(main())
