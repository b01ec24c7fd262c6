"""python compare.py <table> <table> <column>: the least cosine between the rows of two tables, matched by file name.

Prints {"rows": n, "minCosine": c, "maxDifference": d}; the difference is relative to the largest value.
"""

import json
import sys
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq


def read(path: str, column: str) -> dict[str, np.ndarray]:
    if path.endswith(".json"):
        with open(path) as file:
            rows = [(row["origin"], row[column]) for row in json.load(file)]
    else:
        table = pq.read_table(path, columns=["origin", column])
        rows = zip(table["origin"].to_pylist(), table[column].to_pylist(), strict=True)
    # Class and file: origins are spelt as paths or as URLs.
    return {"/".join(unquote(origin).split("/")[-3:]): np.asarray(vector, np.float64) for origin, vector in rows}


def main(first: str, second: str, column: str) -> None:
    ours, theirs = read(first, column), read(second, column)
    if ours.keys() != theirs.keys():
        raise SystemExit(f"Expected the same rows but found {len(ours)} and {len(theirs)}.")
    a = np.stack([ours[key] for key in sorted(ours)])
    b = np.stack([theirs[key] for key in sorted(ours)])
    cosine = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-300)
    difference = np.abs(a - b).max() / np.abs(a).max()
    print(json.dumps({"rows": len(a), "minCosine": float(cosine.min()), "maxDifference": float(difference)}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
