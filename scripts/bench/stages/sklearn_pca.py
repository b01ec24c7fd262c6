"""Times scikit-learn's PCA(svd_solver="covariance_eigh") of an array in a file, as float32 and as float64.

    python sklearn_pca.py <array.npy, float32> <output: components of the float64 fit, raw> <k> <repeat>

Prints JSON: seconds of each fit by type, and the angle between the two answers' subspaces.
"""

import json
import sys
import time

import numpy as np
import sklearn
from sklearn.decomposition import PCA


def main(array: str, out: str, k: int, repeat: int) -> None:
    rows = np.load(array)
    found: dict[str, object] = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
    components = {}
    for name in ("float32", "float64"):
        typed = rows.astype(name)
        PCA(k, svd_solver="covariance_eigh").fit(typed[: 2 * k, :100])  # loads the libraries
        if repeat > 1:
            PCA(k, svd_solver="covariance_eigh").fit(typed)  # warms up, as ours does
        seconds = []
        for _ in range(repeat):
            start = time.perf_counter()
            fitted = PCA(k, svd_solver="covariance_eigh").fit(typed)
            seconds.append(time.perf_counter() - start)
        found[name] = seconds
        components[name] = fitted.components_.astype(np.float64)
    components["float64"].tofile(out)
    low, high = components["float32"], components["float64"]
    found["angle"] = float(np.linalg.norm(low - low @ high.T @ high, 2))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
