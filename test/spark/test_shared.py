"""The job's way with many rows in shared folders: two Spark jobs, whose tasks write files."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import every_release, fake
from test_extract import wanted
from test_gather import request

from img2features_spark import reducers_from_bytes
from img2features_spark.columns_of import columns_of
from img2features_spark.errors import Img2FeaturesError, WorkerError
from img2features_spark.fit_moments import Fit, fit_rows
from img2features_spark.hadoop_files import HadoopFolder
from img2features_spark.listing import list_local, spread_rows
from img2features_spark.progress_line import ProgressLine
from img2features_spark.shared_run import run_shared
from img2features_spark.staged_files import Slice, Staged, bytes_of, cut_rows, read_rows, stage_rows
from img2features_spark.worker_task import Columns


def run(spark, asked, out, k=2, formats=("parquet", "json", "csv")):
    options = argparse.Namespace(
        k=k, saved=None, mode="pixels", standardize=True, seed_compat=False, max_bad="100%",
        most_bad=(1.0, True), formats=list(formats),
    )  # fmt: skip
    columns = columns_of(spark, asked.task)
    planned = asked.streams(list_local(spark, asked.paths), columns, 2)
    folder, progress = HadoopFolder(spark, str(out)), ProgressLine(spark, True)
    return run_shared(spark, planned, columns, asked, str(out), folder, options, progress)


def job_count(spark) -> int:
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup(None))


@every_release
def test_two_spark_jobs_write_the_sorted_table(spark, files, tmp_path):
    asked = request(files, fake(), stream_rows=5)
    columns_of(spark, asked.task)
    before = job_count(spark)
    outcome = run(spark, asked, tmp_path / "out")
    assert job_count(spark) == before + 2
    assert (outcome.extracted, outcome.rejected) == (22, 2)
    good = {origin: vector for origin, vector in wanted(files).items() if vector is not None}
    table = pq.read_table(tmp_path / "out" / "parquet")
    assert table["origin"].to_pylist() == sorted(good, key=str.encode)
    assert dict(zip(table["origin"].to_pylist(), table["vectors"].to_pylist())) == good
    lines = [json.loads(line) for line in (tmp_path / "out" / "json" / "part-00000.json").open()]
    assert [line["vectors_redux"] for line in lines] == table["vectors_redux"].to_pylist()
    text = (tmp_path / "out" / "csv" / "features.csv").read_text().splitlines()
    assert text[0] == "origin,target,pc1,pc2" and len(text) == 23
    bad = [json.loads(line)["origin"] for line in (tmp_path / "out" / "rejected.jsonl").open()]
    assert bad == sorted(wanted(files).keys() - good.keys(), key=str.encode)


@pytest.mark.parametrize("dims", [600, 2100])
def test_long_vectors_are_fitted_over_the_staged_files(spark, files, tmp_path, dims):
    """Up to 2,048 values by a matrix of all sums; above on the rows themselves."""
    outcome = run(
        spark, request(files, fake(dims=dims), stream_rows=7), tmp_path / "out", formats=["parquet"]
    )
    rows = np.array(pq.read_table(tmp_path / "out" / "parquet")["vectors"].to_pylist(), np.float32)
    wanted_fit = fit_rows(rows, Fit(2, True, True, "fake"))
    np.testing.assert_allclose(outcome.reducers["vectors"].components, wanted_fit.components, atol=1e-9)
    (saved,) = reducers_from_bytes((tmp_path / "out" / "reducer.npz").read_bytes()).values()
    assert saved.n_samples == 22


def test_a_task_that_is_tried_again_leaves_each_row_once(spark, files, tmp_path):
    once = tmp_path / "flag"
    asked = request(files, fake("die-after=3", f"once={once}"), stream_rows=6)
    assert run(spark, asked, tmp_path / "out", k=0).extracted == 22
    assert once.exists() and pq.read_table(tmp_path / "out" / "parquet").num_rows == 22


def test_a_file_that_vanished_fails_the_task_where_spark_reads(spark, files, tmp_path):
    asked = request(files, fake("slow=0"), stream_rows=6)
    columns = columns_of(spark, asked.task)
    planned = asked.streams([*list_local(spark, asked.paths), "/gone/1.png"], columns, 2)
    options = argparse.Namespace(k=0, saved=None, formats=["parquet"], most_bad=(1.0, True))
    folder, progress = HadoopFolder(spark, str(tmp_path / "out")), ProgressLine(spark, True)
    with pytest.raises(Exception, match=r"Expected to read /gone/1\.png but failed \(vanished\)"):
        run_shared(spark, planned, columns, asked, str(tmp_path / "out"), folder, options, progress)


def test_two_files_of_one_origin_are_refused_before_the_work(spark, files, tmp_path):
    asked = request(files, fake(), stream_rows=6)
    columns = columns_of(spark, asked.task)
    listed = list_local(spark, asked.paths)
    with pytest.raises(
        Img2FeaturesError, match="Expected 25 rows, one for each file, but found 25 of 24 origins"
    ):
        run_shared(spark, asked.streams([*listed, listed[0]], columns, 2), columns, asked, str(tmp_path),
                   HadoopFolder(spark, str(tmp_path)), argparse.Namespace(k=0, saved=None),
                   ProgressLine(spark, True))  # fmt: skip


COLUMNS = Columns(("vectors",), (2,), ("pixels",))


def rows_of(first: int, count: int) -> list[dict]:
    return [
        {
            "origin": f"{i:05d}", "target": "x", "vectors": None if i % 50 == 7 else [i * 0.1, i * i % 7],
            "status": "damaged" if i % 50 == 7 else "ok", "error": None,
        }
        for i in range(first, first + count)
    ]  # fmt: skip


def batches(sizes: list[int]) -> list[pa.RecordBatch]:
    firsts = [sum(sizes[:i]) for i in range(len(sizes))]
    made = [
        pa.Table.from_pylist(rows_of(first, size), COLUMNS.schema()) for first, size in zip(firsts, sizes)
    ]
    return [table.combine_chunks().to_batches()[0] for table in made]


def test_how_the_worker_cuts_its_answer_changes_no_bit(tmp_path):
    for name, sizes in (("a", [700]), ("b", [1, 255, 100, 300, 44])):
        staged = stage_rows(batches(sizes), str(tmp_path / name), COLUMNS, ["vectors"])
        assert (staged.good, staged.bad) == (686, 14)
    for end in ("", ".rejected", ".vectors"):
        assert (tmp_path / f"a{end}").read_bytes() == (tmp_path / f"b{end}").read_bytes()


def test_parts_are_cut_from_the_staged_rows_by_their_numbers(tmp_path):
    staged = [
        stage_rows(batches([size]), str(tmp_path / str(i)), COLUMNS, [])
        for i, size in enumerate((300, 7, 600))
    ]
    assert [one.good for one in staged] == [294, 7, 588]
    parts = cut_rows(staged, 889, 3)
    found = [[b["origin"].to_pylist() for one in part for b in read_rows(one, ["origin"])] for part in parts]
    assert [sum(map(len, part)) for part in found] == [297, 297, 295]
    good = [[row["origin"] for row in rows_of(0, size) if row["vectors"]] for size in (300, 7, 600)]
    assert [origin for part in found for piece in part for origin in piece] == sum(good, [])
    assert cut_rows([Staged("none", 0, 3)], 0, 1) == [[]]


def test_a_folder_that_is_not_shared_is_named(tmp_path):
    path = str(tmp_path / "none")
    for read in (lambda: list(bytes_of([path])), lambda: list(read_rows(Slice(path, 0, 1), ["origin"]))):
        with pytest.raises(WorkerError, match=r"The driver and every executor must see the same --out"):
            read()


def test_pixels_are_spread_evenly_over_the_slots(files):
    asked = request(files, fake())
    paths = [f"/d/{i:05d}.png" for i in range(30_000)]
    sizes: dict = {}
    for file in asked.streams(paths, Columns(("vectors",), (300,), ("pixels",)), 2):
        sizes[file.stream] = sizes.get(file.stream, 0) + 1
    assert list(sizes.values()) == [7552] * 3 + [30_000 - 3 * 7552]
    assert spread_rows(30_000, 2, 4096) == 4096
