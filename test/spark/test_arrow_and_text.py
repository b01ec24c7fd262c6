"""Arrow arrays laid over bytes, and rows as text; no Spark."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from conftest import HERE, PACKAGE

from img2features_spark import ReducerError, fit_moments
from img2features_spark.arrow_arrays import (
    binary_array,
    list_array,
    matrix_of,
    number_array,
    numbers_of,
    take_rows,
    text_array,
)
from img2features_spark.fit_moments import Fit, fit_rows
from img2features_spark.row_text import csv_header, csv_lines, json_lines
from img2features_spark.table_layout import TableLayout, count_parts
from img2features_spark.worker_task import Columns


def test_arrays_over_bytes_are_those_of_pyarrow():
    assert text_array(["a", "", "ü%"]).equals(pa.array(["a", "", "ü%"]))
    assert binary_array([b"\0", b""]).equals(pa.array([b"\0", b""], pa.binary()))
    assert text_array([]).equals(pa.array([], pa.string()))
    for kind in (np.float32, np.float64, np.int32, np.int64):
        values = np.arange(6).reshape(2, 3)[:, ::2].astype(kind)
        assert number_array(values).equals(pa.array(values.reshape(-1)))
    np.testing.assert_array_equal(numbers_of(pa.array([1.5, 2.5, 3.5]).slice(1, 2)), [2.5, 3.5])


def test_rows_are_taken_by_their_positions():
    table = pa.table({"a": pa.chunked_array([["x"], ["y", "z"]])})
    assert take_rows(table, np.array([2, 0])).to_pydict() == {"a": ["z", "x"]}


def test_a_task_imports_neither_pandas_nor_what_the_driver_needs():
    code = f"""
        import sys; sys.path[:0] = [{str(HERE)!r}, {str(PACKAGE)!r}]
        import conftest, img2features_spark.gather as gather
        from img2features_spark.origins import origin_rule
        from img2features_spark.worker_task import Columns, TaskSpec
        task = TaskSpec(tuple(conftest.fake()), ("worker", "--mode", "pixels"), (), 60, 60)
        columns = Columns(("vectors",), (4,), ("fake",))
        rule = origin_rule("path", [])
        rows = list(gather._answer_streams([[{str(HERE / "conftest.py")!r}]], task, rule, columns, True))
        assert len(rows) == 1
        loaded = [name for name in ("pandas", "img2features_spark.fit") if name in sys.modules]
        assert not loaded, loaded
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _batch() -> pa.RecordBatch:
    vectors = pa.array([[1.0, 0.1], [1e-7, 3.4e38], [0.5, -2.0]], pa.list_(pa.float32()))
    texts = [pa.array(["a", 'b"', "=ü"]), pa.array(["x", "y", "z"])]
    return pa.RecordBatch.from_arrays([*texts, vectors], ["origin", "target", "vectors"])


def test_lines_hold_the_shortest_text_of_each_number():
    for batch in (_batch(), _batch().slice(1)):
        rows = batch.to_pylist()
        for line, row in zip(json_lines(batch), rows):
            found = json.loads(line)
            assert list(found) == list(row) and found["origin"] == row["origin"]
            np.testing.assert_array_equal(np.array(found["vectors"], np.float32), row["vectors"])
    assert csv_lines(_batch())[0] == "a,x,1.0,0.1"
    assert '"vectors":[1.0,0.1]' in json_lines(_batch())[0]
    assert [line.split(",")[0] for line in csv_lines(_batch())] == ["a", '"b"""', "'=ü"]
    doubles = np.random.default_rng(1).normal(size=(50, 3))
    batch = pa.RecordBatch.from_arrays([list_array(doubles, np.ones(50, bool))], ["values"])
    read = [[float(cell) for cell in line.split(",")] for line in csv_lines(batch)]
    np.testing.assert_array_equal(read, doubles)


def test_the_layout_names_each_cell_of_the_matrix():
    columns = Columns(("cnn_vectors_fc1", "cnn_vectors_fc2"), (2, 3), ("fc1", "fc2"))
    reducer = fit_rows(np.random.default_rng(2).normal(size=(9, 3)), Fit(2, False, True, "fc2"))
    layout = TableLayout.of(columns, {"cnn_vectors_fc2": reducer})
    wanted = ("origin", "target", "cnn_vectors_fc1", "cnn_vectors_fc2", "cnn_vectors_fc2_redux")
    assert layout.order == wanted
    assert csv_header(layout.matrices) == "origin,target,fc1_f1,fc1_f2,fc2_pc1,fc2_pc2"
    assert [count_parts(rows, columns) for rows in (0, 8192, 8193)] == [1, 1, 2]
    assert count_parts(700, Columns(("v",), (25088,), ("v",))) == 2


@pytest.mark.parametrize("dims", [7, 2100])
def test_rows_at_hand_are_fitted_as_numpy_does(dims):
    drawn = np.random.default_rng(dims).normal(3, 1, (40, dims)) * np.linspace(0.5, 4, dims)
    rows = drawn.astype(np.float32)
    fitted = fit_rows(rows, Fit(3, True, True, "pixels"))
    exact = rows.astype(np.float64)
    scaled = (exact - exact.mean(axis=0)) / exact.std(axis=0, ddof=1)
    _, singular, vectors = np.linalg.svd(scaled, full_matrices=False)
    np.testing.assert_allclose(fitted.explained_variance, singular[:3] ** 2 / 39, rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(fitted.components * vectors[:3], axis=1)), 1, atol=1e-9)
    assert fitted.residual < 1e-12
    with pytest.raises(ReducerError, match="Expected rows to fit pixels on but found none"):
        fit_rows(rows[:0], Fit(3, True, True, "pixels"))


def test_rows_of_a_low_rank_keep_the_zeros_and_the_signs():
    base = np.random.default_rng(5).normal(size=(2, 2100)).astype(np.float32)
    rows = np.concatenate([base, base[::-1], base + 1])
    fitted = fit_rows(rows, Fit(5, False, True, "fc2"))
    rank = int((fitted.explained_variance > 0).sum())
    assert rank == 2 and not fitted.components[rank:].any()
    np.testing.assert_allclose(fitted.components[:2] @ fitted.components[:2].T, np.eye(2), atol=1e-12)
    largest = np.abs(fitted.components[:2]).argmax(axis=1)
    assert (fitted.components[[0, 1], largest] > 0).all()


def test_many_rows_are_fitted_by_products(monkeypatch):
    rows = np.random.default_rng(6).normal(size=(30, 2100)) * np.geomspace(4, 0.1, 2100)
    few = fit_rows(rows, Fit(3, False, True, "fc2"))
    monkeypatch.setattr(fit_moments, "SCATTER_DIMS", 20)
    many = fit_rows(rows, Fit(3, False, True, "fc2"))
    np.testing.assert_allclose(many.components, few.components, rtol=0, atol=1e-9)
    np.testing.assert_allclose(many.explained_variance, few.explained_variance, rtol=1e-12)


def test_a_matrix_is_read_from_a_slice_of_lists():
    lists = pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32())).slice(1)
    np.testing.assert_array_equal(matrix_of(lists), [[3, 4], [5, 6]])
