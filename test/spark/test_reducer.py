"""Scaler and PCA over a DataFrame, against the command line's and NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import every_release, img2features

from img2features_spark import OptionError, Reducer, ReducerError, fit, fit_reducer, transform


def table_of(spark, values: np.ndarray, partitions: int, column: str = "cnn_vectors"):
    rows = [(f"{i:04d}", row.tolist()) for i, row in enumerate(values.astype(np.float32))]
    return (
        spark.createDataFrame(rows, f"origin string, {column} array<float>").repartition(partitions).persist()
    )


def exact(values: np.ndarray, k: int, standardize: bool) -> tuple[np.ndarray, np.ndarray]:
    """Components and variances by NumPy's own decomposition."""
    rows = values.astype(np.float32).astype(np.float64)
    rows -= rows.mean(axis=0)
    if standardize:
        rows /= rows.std(axis=0, ddof=1)
    _, singular, vectors = np.linalg.svd(rows, full_matrices=False)
    vectors = vectors[:k]
    largest = vectors[np.arange(k), np.abs(vectors).argmax(axis=1)]
    return vectors * np.sign(largest)[:, None], (singular**2 / (len(rows) - 1))[:k]


@every_release
def test_the_fit_is_that_of_one_machine(spark, pictures, tmp_path):
    img2features(str(pictures), "--mode", "pixels", "--k", "6", "--out", str(tmp_path / "one"), "--quiet")
    one = Reducer.load(tmp_path / "one" / "reducer.npz")
    whole = spark.read.parquet(str(tmp_path / "one" / "parquet"))
    table = whole.drop("vectors_redux").repartition(5)
    fitted = fit_reducer(table, 6)
    for name in ("scaler_mean", "scaler_std", "pca_mean", "components", "explained_variance"):
        np.testing.assert_allclose(getattr(fitted, name), getattr(one, name), rtol=1e-9, atol=1e-9)
    assert fitted.n_samples == one.n_samples == 60 and fitted.standardize
    there = {row["origin"]: row["vectors_redux"] for row in whole.collect()}
    for reducer in (fitted, one):
        for row in transform(table, reducer).collect():
            np.testing.assert_allclose(row["vectors_redux"], there[row["origin"]], rtol=0, atol=1e-9)
    one.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "one" / "reducer.npz").read_bytes()


def test_25088_columns_are_fitted_without_a_matrix(spark):
    random = np.random.default_rng(3)
    values = random.normal(2, 1, (14, 25088)) * random.uniform(0.1, 4, 25088)
    table = table_of(spark, values, 3)
    components, variances = exact(values, 4, standardize=False)
    for collect_bytes in (0, 1 << 30):
        fitted = fit_reducer(table, 4, collect_bytes=collect_bytes)
        np.testing.assert_allclose(fitted.components, components, rtol=0, atol=1e-9)
        np.testing.assert_allclose(fitted.explained_variance, variances, rtol=1e-9)
    table.unpersist()


def test_partitions_that_are_many_are_joined_on_executors(spark, monkeypatch):
    values = np.random.default_rng(4).normal(size=(60, 9)) * np.arange(1, 10)
    table = table_of(spark, values, 20)
    monkeypatch.setattr(fit, "_DRIVER_BYTES", 1)
    fitted = fit_reducer(table, 3, standardize=True)
    np.testing.assert_allclose(fitted.components, exact(values, 3, standardize=True)[0], rtol=0, atol=1e-9)
    table.unpersist()


def test_components_beyond_the_rank_are_zeros(spark):
    values = np.array([[1, 2, 3, 0.5], [2, 4, 6, 0.5], [3, 6, 9, 0.5]])
    table = table_of(spark, values, 2)
    fitted = fit_reducer(table, 3, standardize=True)
    assert list(fitted.explained_variance[1:]) == [0, 0] and not fitted.components[1:].any()
    assert fitted.scaler_std[3] == 0
    np.testing.assert_allclose(fitted.components[0], [3**-0.5] * 3 + [0], atol=1e-12)
    table.unpersist()


@every_release
def test_rows_without_vectors_stay_and_do_not_count(spark):
    schema = "origin string, vectors array<float>"
    table = spark.createDataFrame([("a", [1.0, 2.0]), ("b", None), ("c", [3.0, 5.0])], schema).persist()
    fitted = fit_reducer(table, 1, center=False)
    assert fitted.n_samples == 2
    found = {row["origin"]: row["vectors_redux"] for row in transform(table, fitted).collect()}
    assert found["b"] is None and len(found["a"]) == 1
    table.unpersist()


def test_what_cannot_be_fitted_is_refused(spark):
    schema = "origin string, vectors array<float>"
    infinite = spark.createDataFrame([("a", [1.0, float("inf")])], schema)
    with pytest.raises(Exception, match="Expected finite features but found inf at value 1"):
        fit_reducer(infinite, 1)
    uneven = spark.createDataFrame([("a", [1.0]), ("b", [1.0, 2.0])], schema).coalesce(1)
    with pytest.raises(Exception, match=r"Expected vectors of one length but found lengths \[1, 2\]"):
        fit_reducer(uneven, 1)
    with pytest.raises(ReducerError, match="Expected rows to fit vectors on but found none"):
        fit_reducer(uneven.where("false"), 1)
    with pytest.raises(OptionError, match="Expected at least 1 for k="):
        fit_reducer(uneven, 0)
    with pytest.raises(OptionError, match=r"has not one array<float> but found \[\]"):
        fit_reducer(uneven.select("origin"), 1)
