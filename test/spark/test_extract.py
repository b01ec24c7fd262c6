"""`extract` in one application with two slots: what comes out, and what faults do."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest
from conftest import (
    CLI,
    close_kept_workers,
    every_release,
    expect_none_left,
    fake,
    img2features,
    long_form,
    processes,
)

from img2features_spark import OptionError, extract, rejected, rows, to_ml_vectors


def wanted(files) -> dict:
    """origin: what the small worker makes of the file."""
    found = {}
    for path in files.rglob("*"):
        if path.suffix.lower() in (".png", ".jpg") and not path.name.startswith("."):
            content = path.read_bytes()
            vector = [float(byte) for byte in hashlib.sha256(content).digest()[:4]]
            found[str(path)] = None if content == b"bad" else vector
    return found


def as_dict(table, column="vectors") -> dict:
    found = [(row["origin"], row[column]) for row in table.collect()]
    assert len(dict(found)) == len(found)
    return dict(found)


@every_release
@pytest.mark.parametrize("read", ["spark", "worker"])
def test_every_image_is_one_row_or_one_rejection(spark, files, read):
    table = extract(spark, str(files), mode="pixels", read=read, command=fake())
    assert dict(table.dtypes) == {
        **dict.fromkeys(("origin", "target", "status", "error"), "string"),
        "vectors": "array<float>",
    }
    table = table.persist()
    assert as_dict(table) == wanted(files)
    assert {row["target"] for row in table.collect()} == {"a b", "ü%20", "plain"}
    assert rows(table).columns == ["origin", "target", "vectors"] and rows(table).count() == 22
    bad = {row["origin"]: (row["reason"], row["message"]) for row in rejected(table).collect()}
    assert set(bad) == {origin for origin, vector in wanted(files).items() if vector is None}
    assert set(bad.values()) == {("damaged", "Expected an image but found other bytes.")}
    vectors = to_ml_vectors(table, "vectors")
    assert dict(vectors.dtypes)["vectors"] == "vector"
    assert sum(row["vectors"] is None for row in vectors.collect()) == 2
    table.unpersist()


@pytest.mark.parametrize("most", ["1", "10000"])
def test_the_size_of_sparks_batches_changes_nothing(spark, conf, files, most):
    conf("spark.sql.execution.arrow.maxRecordsPerBatch", most)
    assert as_dict(extract(spark, str(files), mode="pixels", command=fake())) == wanted(files)


def test_a_networks_streams_keep_the_order_of_origins(spark, files, tmp_path):
    log = tmp_path / "log"
    table = extract(spark, str(files), mode="vgg16", stream_rows=5, command=fake(log=log)).persist()
    assert as_dict(table, "cnn_vectors") == wanted(files)
    parts = table.selectExpr("spark_partition_id() AS part", "origin").collect()
    by_part: dict = {}
    for row in parts:
        by_part.setdefault(row["part"], []).append(row["origin"])
    ordered = sorted(wanted(files), key=str.encode)
    streams = sorted(by_part.values(), key=lambda origins: origins[0].encode())
    assert streams == [ordered[i : i + 5] for i in range(0, 24, 5)]
    # Five partitions and the question before, on two slots: each kept its worker.
    assert len(log.read_text().splitlines()) <= 3
    table.unpersist()


def test_origins_can_be_relative_or_urls(spark, files):
    relative = extract(spark, str(files), mode="pixels", origin="relative", command=fake())
    assert "a b/00 #1.JPG" in as_dict(relative)
    urls = as_dict(extract(spark, str(files), mode="pixels", origin="url", command=fake()))
    assert f"file://{files}/a%20b/00%20%231.JPG" in urls


def test_empty_partitions_and_empty_folders_start_nothing(spark, files, tmp_path):
    from functools import partial

    from img2features_spark.columns_of import columns_of
    from img2features_spark.origins import origin_rule
    from img2features_spark.worker_task import TaskSpec, run_task

    task = TaskSpec(tuple(fake()), ("worker", "--mode", "pixels"), (), 60, 60)
    columns = columns_of(spark, task)
    silent = TaskSpec(("/no/such/command",), ("worker",), (), 60, 60)
    empty = spark.createDataFrame([], "path string, content binary").repartition(3)
    run = partial(run_task, task=silent, rule=origin_rule("path", []), columns=columns)
    schema = "origin string, target string, vectors array<float>, status string, error string"
    assert empty.mapInArrow(run, schema).collect() == []
    (tmp_path / "none").mkdir()
    for mode in ("pixels", "vgg16"):
        assert extract(spark, str(tmp_path / "none"), mode=mode, command=fake()).count() == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("die-after=3", "was ended by SIGSEGV after"),
        pytest.param("exit-after=3", "Expected the GPU but found it lost. Reset it.", marks=long_form),
        pytest.param("kill-at-end", "was ended by SIGKILL after", marks=long_form),
        pytest.param(
            "kill-before-count", "was ended by SIGKILL before it had counted its rows", marks=long_form
        ),
        ("junk-after=3", "Expected only Arrow streams on the worker's stdout but found b'WARNING"),
        ("hang-after=3", "has not moved a byte for 2 s"),
        pytest.param("swap", "Expected the row of", marks=long_form),
    ],
)
def test_a_fault_fails_the_task_with_the_childs_last_words(spark, files, fault, words):
    # The worker is asked for its columns first; only then the rows bring the fault about.
    table = extract(spark, str(files), mode="vgg16", command=fake(fault), timeout=2)
    with pytest.raises(Exception, match="WorkerError") as caught:
        table.collect()
    assert words in str(caught.value)
    expect_none_left(fault)


def test_a_worker_that_cannot_start_is_an_error_at_once(spark, files):
    with pytest.raises(Exception, match=r"Expected a model but found none\. Fetch one\."):
        extract(spark, str(files), mode="pixels", command=fake("die-at-start"))
    with pytest.raises(Exception, match="Expected to start img2features as /no/such/command"):
        extract(spark, str(files), mode="pixels", command="/no/such/command")


@every_release
@pytest.mark.parametrize(
    "fault",
    [
        "die-after=3",
        pytest.param("hang-after=3", marks=long_form),
        pytest.param("junk-after=3", marks=long_form),
    ],
)
def test_a_task_is_tried_again_with_a_new_worker(spark, files, tmp_path, fault):
    once = tmp_path / "flag"
    # The first worker, which answers the question for the columns, is kept: then its fault comes about.
    command = fake(fault, f"once={once}")
    table = extract(spark, str(files), mode="vgg16", stream_rows=6, command=command, timeout=2)
    assert as_dict(table, "cnn_vectors") == wanted(files)
    assert once.exists()


@every_release
def test_a_cancelled_job_leaves_no_process(spark, files):
    context = spark.sparkContext
    table = extract(spark, str(files), mode="vgg16", stream_rows=3, command=fake("slow=5"))
    ended: list = []

    def run():
        context.setJobGroup("doomed", "to be cancelled", interruptOnCancel=True)
        try:
            table.collect()
        except Exception as error:
            ended.append(error)

    from pyspark import InheritableThread

    thread = InheritableThread(target=run)
    thread.start()
    end = time.monotonic() + 60
    while not processes("slow=5") and time.monotonic() < end:
        time.sleep(0.1)
    assert processes("slow=5")
    context.cancelJobGroup("doomed")
    thread.join(30)
    assert ended and threading.active_count() < 20
    close_kept_workers(spark)
    expect_none_left("slow=5")


def test_arguments_that_do_not_fit_are_refused(spark, files):
    for arguments, words in [
        ({"mode": "words"}, "Expected one of pixels, vgg16, cnn for mode="),
        ({"mode": "pixels", "read": "me"}, 'Expected "spark" or "worker" for read='),
        ({"mode": "pixels", "colour": 1}, "Expected options of extract but found colour="),
        ({"mode": "vgg16", "stream_rows": 0}, 'Expected a number of rows or "shard" for stream_rows='),
    ]:
        with pytest.raises(OptionError, match=words):
            extract(spark, str(files), command=fake(), **arguments)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "slim"
    img2features("model", "init", "vgg16", "--seed", "1", "--width", "0.1", "--out", str(folder))
    return str(folder)


def _bits(vector) -> list[float] | None:
    return None if vector is None else [float(value) for value in vector]


@every_release
@pytest.mark.parametrize("read", ["spark", "worker"])
def test_pixels_equal_those_of_one_machine(spark, pictures, tmp_path, read):
    import pyarrow.parquet as pq

    img2features(str(pictures), "--mode", "pixels", "--k", "0", "--out", str(tmp_path / "one"), "--quiet")
    one = pq.read_table(tmp_path / "one" / "parquet").to_pylist()
    table = rows(extract(spark, str(pictures), mode="pixels", read=read, command=CLI)).collect()
    key = ("origin", "target")
    assert {tuple(row[name] for name in key): _bits(row["vectors"]) for row in table} == {
        tuple(row[name] for name in key): _bits(row["vectors"]) for row in one
    }


def test_a_networks_vectors_equal_those_of_one_machine(spark, pictures, model, tmp_path):
    """By shards and in their order the batches are the same: the same bits, bad images included."""
    import pyarrow.parquet as pq

    # Named, because auto takes what a process can have, and others may be building that right now.
    common = {"layer": "fc2,block5_pool:avg", "batch": 8, "conv": "direct"}
    flags = [word for name, value in common.items() for word in (f"--{name}", str(value))]
    img2features(str(pictures), "--mode", "vgg16", "--model", model, *flags, "--k", "0",
                 "--out", str(tmp_path / "one"), "--quiet")  # fmt: skip
    one = {row["origin"]: row for row in pq.read_table(tmp_path / "one" / "parquet").to_pylist()}
    options = {"mode": "vgg16", "model": model, "command": CLI, "stream_rows": "shard", **common}
    table = rows(extract(spark, str(pictures), **options)).collect()
    assert {row["origin"] for row in table} == set(one)
    for row in table:
        for name in ("cnn_vectors_fc2", "cnn_vectors_block5_pool"):
            assert _bits(row[name]) == one[row["origin"]][name]
