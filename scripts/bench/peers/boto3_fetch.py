"""Fetches every object of the bucket `bench` with 16 threads: python boto3_fetch.py <endpoint>"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import botocore.config


def main(endpoint: str) -> None:
    start = time.perf_counter()
    config = botocore.config.Config(max_pool_connections=16, s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bench")
    keys = [found["Key"] for page in pages for found in page["Contents"]]
    listed = time.perf_counter()

    def fetch(key: str) -> int:
        return len(s3.get_object(Bucket="bench", Key=key)["Body"].read())

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(fetch, keys))
    seconds = {"load": listed - start, "job": time.perf_counter() - listed}
    print(json.dumps({"images": len(keys), "seconds": seconds, "version": f"boto3 {boto3.__version__}"}))


if __name__ == "__main__":
    main(sys.argv[1])
