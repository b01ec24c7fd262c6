"""The spark-submit job as a user runs it, against the command line on the same pictures."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import CLI, PACKAGE, every_release, expect_none_left, fake, img2features, long_form, processes

SUBMIT = Path(sys.executable).parent / "spark-submit"


def start(*arguments: object, command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(str(SUBMIT), "--master", "local[2]", "--driver-memory", "2g"),
            *("--conf", "spark.ui.enabled=false", str(PACKAGE / "job.py")),
            *map(str, arguments),
        ],
        env={**os.environ, "IMG2FEATURES": " ".join(command)},
        # spark-submit gives both of the program's outputs as one, on stdout.
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def submit(*arguments: object, command: list[str] = CLI) -> subprocess.CompletedProcess[str]:
    with start(*arguments, command=command) as running:
        stdout, stderr = running.communicate(timeout=300)
    return subprocess.CompletedProcess(running.args, running.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def one_machine(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    img2features(str(pictures), "--mode", "pixels", "--k", "5", "--format", "parquet,json,csv",
                 "--out", str(out), "--quiet")  # fmt: skip
    return out


@pytest.fixture(scope="module", params=["gathered", "shared", "staged"])
def runs(request, one_machine, pictures):
    """The same pictures on one machine and by the job, in each of its three ways; the job's answer."""
    out = one_machine.parent / request.param
    flags = [] if request.param == "gathered" else ["--stage"]
    # A pattern is for Spark to list, and then Spark SQL does all the rest.
    images = f"{pictures}/*" if request.param == "staged" else pictures
    done = submit(images, "--mode", "pixels", "--k", 5, "--out", out, *flags)
    return one_machine, out, done


def test_the_job_ends_with_1_where_images_were_rejected(runs):
    _, out, done = runs
    assert done.returncode == 1, done.stdout
    summary = json.loads(done.stdout.splitlines()[-1])
    assert [summary[key] for key in ("discovered", "extracted", "rejected")] == [62, 60, 2]
    assert summary["features"][0]["length"] == 300
    assert set(summary["seconds"]) == {"list", "extract", "reduce", "write", "all"}
    assert "extract: done in" in done.stdout
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert names == {"parquet", "json", "csv", "reducer.npz", "rejected.jsonl", "summary.json", "_SUCCESS"}
    assert not (out / ".img2features").exists()


@every_release
def test_the_job_writes_the_rows_of_one_machine(runs):
    one, spark, _ = runs
    mine, theirs = (pq.read_table(folder / "parquet").to_pydict() for folder in (spark, one))
    assert mine["origin"] == theirs["origin"] and mine["target"] == theirs["target"]
    np.testing.assert_array_equal(mine["vectors"], theirs["vectors"])
    np.testing.assert_allclose(mine["vectors_redux"], theirs["vectors_redux"], rtol=0, atol=1e-9)


def test_json_and_csv_hold_the_same_table(runs):
    one, spark, _ = runs
    table = pq.read_table(spark / "parquet").to_pydict()
    lines = [line for part in sorted((spark / "json").glob("part-*")) for line in part.open()]
    assert [json.loads(line)["origin"] for line in lines] == table["origin"]
    assert json.loads(lines[0])["vectors_redux"] == table["vectors_redux"][0]
    mine, theirs = (
        list(csv.reader((folder / "csv/features.csv").open(newline=""))) for folder in (spark, one)
    )
    assert [row[:2] for row in mine] == [row[:2] for row in theirs]
    assert mine[0] == theirs[0]
    cells = [np.array([row[2:] for row in rows[1:]], float) for rows in (mine, theirs)]
    np.testing.assert_allclose(*cells, rtol=0, atol=1e-9)


@every_release
def test_sparks_readers_find_what_the_columns_are(runs):
    """The layer's name travels in the file: fit_reducer takes it from there."""
    _, out, _ = runs
    assert (out / "parquet" / "_SUCCESS").exists() and (out / "json" / "_SUCCESS").exists()
    metadata = pq.read_metadata(next((out / "parquet").glob("part-*"))).metadata
    fields = {
        field["name"]: field
        for field in json.loads(metadata[b"org.apache.spark.sql.parquet.row.metadata"])["fields"]
    }
    assert list(fields) == ["origin", "target", "vectors", "vectors_redux"]
    assert fields["vectors"]["metadata"] == {"output": "pixels", "length": 300}
    assert fields["vectors_redux"]["type"]["elementType"] == "double"


@every_release
def test_rejections_are_those_of_one_machine(runs):
    one, spark, _ = runs
    mine, theirs = (
        [json.loads(line) for line in (folder / "rejected.jsonl").open()] for folder in (spark, one)
    )
    assert [(line["origin"], line["reason"]) for line in mine] == [
        (line["origin"], line["reason"]) for line in theirs
    ]
    assert set(mine[0]) == {"origin", "reason", "message"}


@every_release
def test_the_reducer_is_that_of_one_machine(runs):
    one, spark, _ = runs
    mine, theirs = (np.load(folder / "reducer.npz") for folder in (spark, one))
    assert mine.files == theirs.files
    for name in theirs.files:
        assert mine[name].dtype == theirs[name].dtype and mine[name].shape == theirs[name].shape
        if name == "outputs":
            assert list(mine[name]) == list(theirs[name])
        else:
            np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-9, atol=1e-9)


@long_form
def test_a_finished_run_is_not_replaced_by_accident(runs, pictures):
    _, out, _ = runs
    done = submit(pictures, "--mode", "pixels", "--out", out)
    assert done.returncode == 2
    assert (
        "Failed: Expected an unused folder for --out but found a finished run. Add --overwrite."
        in done.stdout
    )
    assert (out / "_SUCCESS").exists()


def test_a_failing_worker_fails_the_job_with_its_words(files, tmp_path):
    done = submit(files, "--mode", "pixels", "--out", tmp_path / "out", command=fake("exit-after=3"))
    assert done.returncode == 2
    assert "Failed: Expected the worker to run but it ended with exit status 2" in done.stdout
    assert "Expected the GPU but found it lost. Reset it." in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    expect_none_left("exit-after=3")


def test_a_job_that_is_stopped_leaves_neither_a_table_nor_a_process(files, tmp_path):
    out = tmp_path / "out"
    with start(files, "--mode", "pixels", "--out", out, command=fake("slow=60")) as running:
        end = time.monotonic() + 60
        while not processes("slow=60") and running.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        # The JVM of spark-submit has the same words on its command line as the program that it starts.
        (driver,) = (pid for pid in processes(str(out)) if pid != running.pid)
        os.kill(driver, signal.SIGTERM)
        stdout, _ = running.communicate(timeout=120)
    assert running.returncode == 130, stdout
    assert "Interrupted; nothing is complete." in stdout
    assert not out.exists() or not (out / "_SUCCESS").exists()
    expect_none_left("slow=60")


@pytest.fixture
def store():
    """The S3 server that spark.slow.test.ts has started, with an empty bucket."""
    from pyarrow import fs

    endpoint = os.environ.get("TEST_S3_ENDPOINT")
    if endpoint is None:
        pytest.skip("no S3 server: spark.slow.test.ts starts one")
    store = fs.S3FileSystem(endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=True)
    store.create_dir("job")
    return store, ("--s3-endpoint", endpoint, "--s3-region", "us-east-1", "--read", "worker")


def test_a_store_takes_the_place_of_shared_folders(store, pictures, tmp_path):
    """Listed, read, staged and written without Hadoop's client for S3, which PySpark does not bring."""
    from pyarrow import fs

    s3, options = store
    fs.copy_files(str(pictures), "job/in/set", destination_filesystem=s3)
    for hidden in ("_temporary/a.png", ".hidden/b.png", "set/readme.txt"):
        with s3.open_output_stream(f"job/in/{hidden}") as stream:
            stream.write(b"no image")
    img2features(str(pictures), "--mode", "pixels", "--out", str(tmp_path / "one"), "--quiet")
    one = pq.read_table(tmp_path / "one" / "parquet")
    for stage in ((), ("--stage", "--overwrite")):
        done = submit("s3a://job/in", "--mode", "pixels", "--out", "s3a://job/out", *options, *stage)
        assert done.returncode == 1, done.stderr
        table = pq.read_table("job/out/parquet", filesystem=s3)
        assert table["origin"].to_pylist() == [
            f"s3://job/in/set{origin[len(str(pictures)) :]}" for origin in one["origin"].to_pylist()
        ]
        assert table["vectors"].to_pylist() == one["vectors"].to_pylist()
        redux = [np.stack(it["vectors_redux"].to_numpy(zero_copy_only=False)) for it in (table, one)]
        np.testing.assert_allclose(*redux, atol=1e-9)
        names = {info.base_name for info in s3.get_file_info(fs.FileSelector("job/out"))}
        assert names == {"csv", "json", "parquet", "reducer.npz", "rejected.jsonl", "summary.json", "_SUCCESS"}
    again = submit("s3a://job/in", "--mode", "pixels", "--out", "s3a://job/out", *options)
    assert "Expected an unused folder for --out but found a finished run" in again.stderr + again.stdout
