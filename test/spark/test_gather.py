"""The job's way with few rows: listing, extracting and writing without Spark SQL."""

from __future__ import annotations

import argparse
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import every_release, expect_none_left, fake
from test_extract import wanted

from img2features_spark import OptionError
from img2features_spark.columns_of import DriverAnswer, columns_of
from img2features_spark.errors import Img2FeaturesError
from img2features_spark.extraction import count_slots, plan_extraction, request_of
from img2features_spark.gather import gather_files, gather_table
from img2features_spark.gathered_run import run_gathered
from img2features_spark.hadoop_files import HadoopFolder
from img2features_spark.listing import list_files, list_local, read_files
from img2features_spark.origins import location_of
from img2features_spark.progress_line import ProgressLine
from img2features_spark.worker_task import Columns


def request(files, command, mode="pixels", read="spark", stream_rows=None, timeout=60.0):
    return request_of(
        [str(files)], mode, {}, read=read, origin=None, stream_rows=stream_rows, glob=None,
        command=command, env={}, timeout=timeout, start_timeout=60.0,
    )  # fmt: skip


def gathered(spark, asked, listed) -> pa.Table:
    columns = columns_of(spark, asked.task)
    streams = asked.streams(listed, columns, count_slots(spark))
    return gather_files(
        spark, streams, task=asked.task, rule=asked.rule, columns=columns, reads=asked.read == "spark"
    )


def vectors(table: pa.Table) -> dict:
    name = "vectors" if "vectors" in table.column_names else "cnn_vectors"
    return dict(zip(table["origin"].to_pylist(), table[name].to_pylist()))


@every_release
def test_the_driver_lists_what_spark_lists(spark, files):
    (files / "_left out").mkdir()
    for name in ("_left out/1", "plain/_2", "plain/a=_3", "plain/_x=5"):
        (files / f"{name}.png").write_bytes(b"image")
    (files / "plain" / "4.png._COPYING_").write_bytes(b"image")
    os.symlink(files / "plain", files / "linked")
    found = list_local(spark, [str(files)])
    theirs = list_files(read_files(spark, [str(files)], None), None)
    assert sorted(found) == sorted(location_of(path) for path in theirs)
    assert sorted(list_local(spark, [f"file://{files}/", str(files / "plain")])) == sorted(found)


def test_what_only_spark_can_list_is_left_to_it(spark, files):
    for inputs in (["s3a://bucket/x"], [f"{files}/*"], [f"{files}/none"], [f"{files}/readme.txt"]):
        assert list_local(spark, inputs) is None
    os.symlink(files / "gone", files / "plain" / "broken.png")
    assert list_local(spark, [str(files)]) is None


@every_release
@pytest.mark.parametrize(("mode", "read"), [("pixels", "spark"), ("vgg16", "spark"), ("vgg16", "worker")])
def test_gathered_rows_are_those_of_extract(spark, files, mode, read):
    asked = request(files, fake(), mode, read, stream_rows=5)
    table = gathered(spark, asked, list_local(spark, asked.paths))
    assert vectors(table) == wanted(files)
    assert table["origin"].to_pylist() == sorted(wanted(files), key=str.encode)
    columns = columns_of(spark, asked.task)
    from_table = gather_table(plan_extraction(spark, asked, columns).table, columns)
    assert from_table.schema == table.schema == columns.schema()
    assert from_table.sort_by("origin").to_pylist() == table.sort_by("origin").to_pylist()


def test_a_task_that_failed_gives_the_same_rows_when_it_is_tried_again(spark, files, tmp_path):
    once = tmp_path / "flag"
    asked = request(files, fake("die-after=3", f"once={once}"), stream_rows=6)
    assert vectors(gathered(spark, asked, list_local(spark, asked.paths))) == wanted(files)
    assert once.exists()


def test_a_fault_and_a_lost_file_fail_the_task_in_our_words(spark, files):
    asked = request(files, fake("hang-after=3"), timeout=2)
    with pytest.raises(Exception, match="has not moved a byte for 2 s"):
        gathered(spark, asked, list_local(spark, asked.paths))
    expect_none_left("hang-after=3")
    asked = request(files, fake("slow=0"))
    with pytest.raises(Exception, match=r"Expected to read /gone/1\.png but failed"):
        gathered(spark, asked, [*list_local(spark, asked.paths), "/gone/1.png"])
    expect_none_left("slow=0")


def test_no_files_need_no_worker(spark, files):
    asked = request(files, fake())
    assert gathered(spark, asked, []).num_rows == 0


def test_an_executor_is_asked_where_the_driver_has_no_answer(spark, files):
    for command in (fake("old"), "/no/such/command"):
        assert DriverAnswer(request(files, command).task).wait() is None
    assert columns_of(spark, request(files, fake("old")).task).lengths == (4,)
    assert DriverAnswer(request(files, fake("protocol=2")).task).wait() is None


def test_a_driver_and_executors_that_differ_are_an_error(spark, files):
    class Other(DriverAnswer):
        def wait(self):
            return {**super().wait(), "features": [{"name": "vectors", "layer": "fake", "length": 5}]}

    asked = request(files, fake("slow=0.0"))
    columns = columns_of(spark, asked.task, Other(asked.task))
    assert columns.lengths == (5,)
    with pytest.raises(Exception, match="All executors need the same model"):
        plan_extraction(spark, asked, columns).table.collect()


COLUMNS = Columns(("vectors",), (2,), ("pixels",))


def rows_of(count: int, bad: int) -> pa.Table:
    good = [
        {"origin": f"{i}.png", "target": "x", "vectors": [i, i * i % 7], "status": "ok", "error": None}
        for i in reversed(range(count))
    ]
    others = [
        {"origin": f"bad{i}", "target": "x", "vectors": None, "status": "damaged", "error": "No."}
        for i in range(bad)
    ]
    return pa.Table.from_pylist(others + good, schema=COLUMNS.schema())


def finish(spark, out, table, origins=None, k=1, most_bad=(1.0, True)):
    options = argparse.Namespace(
        k=k, saved=None, mode="pixels", standardize=None, seed_compat=False, max_bad="1",
        most_bad=most_bad, formats=["parquet", "json", "csv"],
    )  # fmt: skip
    named = table["origin"].to_pylist() if origins is None else origins
    folder, progress = HadoopFolder(spark, str(out)), ProgressLine(spark, True)
    return run_gathered(spark, lambda: table, named, COLUMNS, folder, options, progress)


@every_release
def test_the_table_is_sorted_and_split_from_its_rejections(spark, tmp_path):
    outcome = finish(spark, tmp_path / "out", rows_of(12, 2))
    assert (outcome.extracted, outcome.rejected) == (12, 2)
    table = pq.read_table(tmp_path / "out" / "parquet")
    assert table["origin"].to_pylist() == sorted(f"{i}.png" for i in range(12))
    lines = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"origin": f"bad{i}", "reason": "damaged", "message": "No."} for i in range(2)
    ]
    read = spark.read.parquet(str(tmp_path / "out" / "parquet"))
    assert read.schema["vectors"].metadata == {"output": "pixels", "length": 2}
    again = spark.read.json(str(tmp_path / "out" / "json")).sort("origin").collect()
    assert [row["vectors_redux"] for row in again] == table["vectors_redux"].to_pylist()


def test_a_table_without_good_rows_is_whole_all_the_same(spark, tmp_path):
    assert finish(spark, tmp_path / "out", rows_of(0, 3), k=0).extracted == 0
    assert pq.read_table(tmp_path / "out" / "parquet").num_rows == 0
    assert (tmp_path / "out" / "csv" / "features.csv").read_text() == "origin,target,f1,f2\n"


def test_rows_that_are_not_those_of_the_files_end_the_job(spark, tmp_path):
    table = rows_of(3, 0)
    for origins in (["0.png", "1.png"], ["0.png", "1.png", "2.png", "3.png"], ["0.png", "1.png", "4.png"]):
        with pytest.raises(Img2FeaturesError, match=f"Expected {len(origins)} rows, one for each file"):
            finish(spark, tmp_path / "out", table, origins)
    with pytest.raises(Img2FeaturesError, match="at most 1 rejected images but found 2 of 5"):
        finish(spark, tmp_path / "out", rows_of(3, 2), most_bad=(1, False))
    assert len((tmp_path / "out" / "rejected.jsonl").read_text().splitlines()) == 2
    with pytest.raises(OptionError, match="Expected at least 1 for k="):
        finish(spark, tmp_path / "out", table, k=-1)
