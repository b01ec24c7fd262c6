"""What needs no Spark: names, plans, sums, eigenvectors, files."""

from __future__ import annotations

import io
import subprocess

import numpy as np
import pyarrow as pa
import pytest

from img2features_spark import OptionError, Reducer, ReducerError, reducers_from_bytes, reducers_to_bytes
from img2features_spark.arrow_arrays import list_array, matrix_of
from img2features_spark.eigenpairs import top_eigenpairs
from img2features_spark.fit import _join_places
from img2features_spark.job_outcome import expect_same_vectors
from img2features_spark.listing import is_image_name, plan_streams, shard_rows, spread_rows
from img2features_spark.moments import Moments, merge_moments
from img2features_spark.origins import location_of, origin_rule, path_of_uri
from img2features_spark.row_text import csv_text
from img2features_spark.run_job import parse_job, reason_of
from img2features_spark.worker_command import worker_arguments


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("file:/data/a b/1.jpg", "/data/a b/1.jpg"),
        ("file:///data/100%.jpg", "/data/100%.jpg"),
        ("s3a://bucket/a b.jpg", "s3://bucket/a b.jpg"),
        ("hdfs://host:8020/x.jpg", "hdfs://host:8020/x.jpg"),
        ("dbfs:/mnt/x.jpg", "dbfs:/mnt/x.jpg"),
    ],
)
def test_spark_paths_become_what_the_worker_reads(path, location):
    assert location_of(path) == location


def test_origins_are_those_of_the_command_line(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path)
    for given, form, location, origin in [
        ("data/", "path", f"{here}/data/a/1.jpg", "data/a/1.jpg"),
        ("./data", "path", f"{here}/data/a/1.jpg", "data/a/1.jpg"),
        (".", "path", f"{here}/a/1.jpg", "a/1.jpg"),
        ("/data", "path", "/data/a/1.jpg", "/data/a/1.jpg"),
        ("data", "relative", f"{here}/data/a/1.jpg", "a/1.jpg"),
        ("data/a/1.jpg", "path", f"{here}/data/a/1.jpg", "data/a/1.jpg"),
        ("/data", "url", "/data/ü #%.jpg", "file:///data/%C3%BC%20%23%25.jpg"),
        ("s3a://bucket/data", "path", "s3://bucket/data/1.jpg", "s3://bucket/data/1.jpg"),
        ("s3a://bucket/data", "relative", "s3://bucket/data/1.jpg", "1.jpg"),
        ("/data", "relative", "hdfs://host:8020/data/a/1.jpg", "a/1.jpg"),
        ("/data", "path", "hdfs://host:8020/data/a/1.jpg", "hdfs://host:8020/data/a/1.jpg"),
    ]:
        assert origin_rule(form, [given]).origin_of(location) == origin


def test_urls_are_those_of_node(tmp_path):
    path = "/a b/ü!\"#$%&'()*+,-.;<=>?@[]^_`{|}~.jpg"
    code = "console.log(require('node:url').pathToFileURL(process.argv[1]).href)"
    node = subprocess.run(
        ["node", "-e", code, path], capture_output=True, text=True, check=True
    ).stdout.strip()
    # Node releases differ in whether a caret is encoded.
    assert origin_rule("url", ["/a b"]).origin_of(path) == node.replace("%5E", "^")


def test_an_unknown_form_of_origins_is_refused():
    with pytest.raises(OptionError, match="Expected path, relative or url"):
        origin_rule("name", ["x"])


def test_listed_uris_become_paths():
    assert path_of_uri("file:///data/a%20b/%C3%BC%2520.jpg") == "file:/data/a b/ü%20.jpg"
    assert path_of_uri("s3a://bucket/a%20b.jpg") == "s3a://bucket/a b.jpg"


def test_image_names_are_those_of_the_command_line():
    assert [
        name for name in ("a.jpg", "b.JPEG", ".png", "c.txt", "jpg", "d.tiff") if is_image_name(name)
    ] == [
        "a.jpg",
        "b.JPEG",
        "d.tiff",
    ]


def test_streams_are_cut_from_the_order_of_origins():
    rule = origin_rule("path", ["/d"])
    planned = plan_streams(["file:/d/b", "file:/d/ä", "file:/d/a", "file:/d/Z"], rule, 3)
    assert [(file.path[-1], file.position, file.stream) for file in planned] == [
        ("Z", 0, 0),
        ("a", 1, 0),
        ("b", 2, 0),
        ("ä", 3, 1),
    ]


def test_streams_are_shards_of_one_machine_or_a_share_for_each_slot():
    assert [shard_rows([length], True, 102_399) for length in (4096, 25088)] == [512, 320]
    assert [shard_rows([length], True, 102_400) for length in (4096, 25088)] == [1024, 320]
    assert shard_rows([300], False, 102_400) == 4096
    assert [spread_rows(count, 8, 512) for count in (60, 1000, 100_000)] == [64, 128, 512]


def test_options_become_flags():
    assert worker_arguments("cnn", {"layer": ["a", "b"], "tiff": True, "max_pixels": 20, "pool": None}) == [
        "worker", "--mode", "cnn", "--layer", "a,b", "--tiff", "--max-pixels", "20",
    ]  # fmt: skip
    with pytest.raises(OptionError, match="found k="):
        worker_arguments("cnn", {"k": 3})


def test_merged_moments_are_those_of_all_rows():
    rows = np.random.default_rng(1).normal(1e6, 1, (1000, 7)).astype(np.float32)
    rows[:, 3] = 0.1
    states = []
    for part in np.array_split(rows, [3, 3, 500, 999]):
        if len(part):
            moments = Moments(7)
            moments.add(part)
            states.append(moments.to_bytes())
    merged = Moments.from_bytes(merge_moments(states))
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(merged.means(), exact.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(merged.scatter, np.cov(exact.T) * 999, rtol=1e-9, atol=1e-7)
    assert merged.squares()[3] == 0


def test_moments_name_a_value_that_is_not_finite():
    with pytest.raises(ReducerError, match="found inf at value 1"):
        Moments(2).add(np.array([[1, 2], [3, np.inf]]))
    with pytest.raises(ReducerError, match="vectors of 2 values but found one of 3"):
        Moments(2).add(np.zeros((1, 3)))


def test_states_of_one_place_are_joined_in_their_order():
    batch = pa.RecordBatch.from_pydict({"place": [0, 0, 1], "part": [0, 1, 8], "state": [b"a", b"b", b"c"]})
    joined = [piece.to_pylist()[0]["state"] for piece in _join_places(iter([batch]), b"".join)]
    assert joined == [b"ab", b"c"]


@pytest.mark.parametrize("is_costly", [True, False])
@pytest.mark.parametrize("dims", [1, 5, 90])
def test_eigenpairs_are_those_of_numpy(dims, is_costly):
    random = np.random.default_rng(dims)
    root = random.normal(size=(dims, dims)) * np.geomspace(1, 1e-4, dims)
    matrix = root.T @ root
    k = min(4, dims)
    pairs = top_eigenpairs(
        lambda block: block @ matrix, dims, k, capacity=30, most_applies=500, is_costly=is_costly
    )
    values, vectors = np.linalg.eigh(matrix)
    np.testing.assert_allclose(pairs.values, values[::-1][:k], rtol=0, atol=1e-14 * values[-1])
    np.testing.assert_allclose(np.abs(pairs.vectors @ vectors[:, ::-1][:, :k]), np.eye(k), atol=1e-9)


def _reducer(**changes) -> Reducer:
    fields = {
        "scaler_mean": np.arange(3.0),
        "scaler_std": np.array([1.0, 0.0, 2.0]),
        "pca_mean": np.zeros(3),
        "components": np.eye(3)[:2],
        "explained_variance": np.array([2.0, 1.0]),
        "explained_variance_ratio": np.array([0.5, 0.25]),
        "total_variance": 4.0,
        "residual": 1e-16,
        "n_samples": 9,
        "standardize": True,
        "center": True,
    }
    return Reducer(**{**fields, **changes})


def test_reducer_files_hold_the_documented_arrays(tmp_path):
    _reducer(output="fc2").save(tmp_path / "reducer.npz")
    with np.load(tmp_path / "reducer.npz") as arrays:
        assert list(arrays["outputs"]) == ["fc2"]
        assert {name: (str(arrays[name].dtype), arrays[name].shape) for name in arrays.files[1:]} == {
            **{name: ("float64", (3,)) for name in ("scaler_mean", "scaler_std", "pca_mean")},
            "components": ("float64", (2, 3)),
            **{name: ("float64", (2,)) for name in ("explained_variance", "explained_variance_ratio")},
            **{name: ("float64", ()) for name in ("total_variance", "residual")},
            "n_samples": ("int64", ()),
            **{name: ("bool", ()) for name in ("standardize", "center")},
        }
    again = Reducer.load(tmp_path / "reducer.npz")
    assert again.k == 2 and again.n_samples == 9 and again.output == "fc2"
    np.testing.assert_array_equal(again.reduce(np.array([[5.0, 5.0, 5.0]])), [[5.0, 0.0]])


def test_several_reducers_share_a_file():
    saved = reducers_to_bytes({"fc1": _reducer(), "fc2": _reducer(n_samples=5)})
    assert "fc2.components" in np.load(io.BytesIO(saved)).files
    assert {name: one.n_samples for name, one in reducers_from_bytes(saved).items()} == {"fc1": 9, "fc2": 5}


def test_a_run_whose_vectors_were_made_otherwise_does_not_lend_its_reducer():
    given = parse_job(["in", "--mode", "vgg16", "--out", "out", "--exif", "apply", "--normalize", "l2"])
    same = {"mode": "vgg16", "resize": "bicubic", "exif": "apply", "seedCompat": False, "normalize": "l2", "k": 3}
    expect_same_vectors("run", same, given)
    # Of a version that had no --normalize.
    earlier = {name: value for name, value in same.items() if name != "normalize"}
    other = {**earlier, "mode": "pixels", "seedCompat": True, "vectorType": "float16"}
    found = (
        "mode was pixels, is vgg16; seedCompat was True, is False; "
        "normalize was none, is l2; vectorType was float16, is float32"
    )
    with pytest.raises(ReducerError, match=f"Expected the features that run was fitted on .* {found}\\."):
        expect_same_vectors("run", other, given)


def test_damaged_reducer_files_are_refused():
    with pytest.raises(ReducerError, match=r"Expected a whole \.npz file"):
        reducers_from_bytes(b"PK and no more")
    with pytest.raises(ReducerError, match="Expected the names of the outputs"):
        buffer = io.BytesIO()
        np.savez(buffer, components=np.eye(2))
        reducers_from_bytes(buffer.getvalue())


def test_vectors_of_several_lengths_are_refused():
    with pytest.raises(ReducerError, match=r"one length but found lengths \[1, 2\]"):
        matrix_of(pa.array([[1.0], [1.0, 2.0]], pa.list_(pa.float32())))


def test_reduced_rows_without_vectors_are_null():
    lists = list_array(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([True, False, True]))
    assert lists.to_pylist() == [[1.0, 2.0], None, [3.0, 4.0]]


def test_csv_cells_are_those_of_the_command_line():
    texts = ("a", "a,b", 'say "a"', "=1+1", "'a", "-x,", "-1", "+.5", "-1.5e3", "-1\n", "-1-1")
    assert [csv_text(text) for text in texts] == [
        "a", '"a,b"', '"say ""a"""', "'=1+1", "''a", "\"'-x,\"", "-1", "+.5", "-1.5e3", '"\'-1\n"', "'-1-1",
    ]  # fmt: skip


def test_a_tasks_error_is_told_in_our_words():
    text = "Job aborted: Traceback\n  File x\nimg2features_spark.errors.WorkerError: No model.\n\n\tat org.x"
    assert reason_of(RuntimeError(text)) == "No model."
