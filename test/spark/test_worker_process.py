"""The child process in every phase of its life, with faults; no Spark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pyarrow as pa
import pytest
from conftest import HERE, PACKAGE, expect_none_left, fake

from img2features_spark.errors import WorkerError
from img2features_spark.worker_process import WorkerProcess, WorkerSpec
from img2features_spark.worker_task import TaskSpec


def spec(*faults: str, timeout: float = 60, start_timeout: float = 60, dims: int = 4) -> WorkerSpec:
    return WorkerSpec((*fake(*faults, dims=dims), "worker", "--mode", "pixels"), (), timeout, start_timeout)


def batch(first: int, count: int, size: int = 10) -> pa.RecordBatch:
    origins = [f"/data/{i}.jpg" for i in range(first, first + count)]
    return pa.RecordBatch.from_pydict(
        {"origin": origins, "content": [str(o).encode() * size for o in origins]}
    )


def run(worker: WorkerProcess, streams) -> list[str]:
    return [origin for answer in worker.run(streams) for origin in answer.column("origin").to_pylist()]


def failure(*faults: str, **limits: float) -> str:
    """What a worker with these faults makes of 3 batches of 4 rows; its process is gone afterwards."""
    with pytest.raises(WorkerError) as caught:
        worker = WorkerProcess(spec(*faults, **limits))
        run(worker, [[batch(0, 4), batch(4, 4), batch(8, 4)]])
    mark = next(iter(faults), "--dims")
    expect_none_left(mark)
    return str(caught.value)


def test_a_worker_takes_the_cores_of_its_task(monkeypatch):
    class Context:
        cpus = staticmethod(lambda: 3)
        resources = staticmethod(dict)

    monkeypatch.setattr("pyspark.TaskContext.get", Context)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "2")
    task = TaskSpec(("true",), ("worker",), (("TF_NUM_INTRAOP_THREADS", "1"),), 60, 60)
    assert task.worker_spec().argv == ("true", "worker", "--workers", "3")
    assert dict(task.worker_spec().env) == {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2"}
    env = dict(TaskSpec(("true",), ("worker",), (), 60, 60).worker_spec().env)
    assert env == {"TF_NUM_INTRAOP_THREADS": "3", "TF_NUM_INTEROP_THREADS": "2"}


def test_streams_come_back_one_after_another_in_order():
    worker = WorkerProcess(spec())
    assert worker.ready["device"] == "fake"
    for _ in range(2):
        assert run(worker, [[batch(0, 3), batch(3, 2)], [], [batch(5, 4)]]) == [
            f"/data/{i}.jpg" for i in range(9)
        ]
    worker.close()
    assert worker._process.returncode == 0


def test_full_pipes_do_not_stop_both_sides():
    worker = WorkerProcess(spec(dims=3000))
    rows = run(worker, [[batch(i * 50, 50, size=2000) for i in range(40)]])
    assert len(rows) == 2000
    worker.close()


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (
            ("die-at-start",),
            "exit status 2 before it was ready. It said: Expected a model but found none.",
        ),
        (("kill-at-start",), "was ended by SIGKILL before it was ready. It said nothing."),
        (("protocol=2",), "Expected a worker of protocol 1 but found 2"),
        (
            ("junk-first",),
            "only Arrow streams on the worker's stdout but found b'Welcome to the fake",
        ),
        (("junk-after=0",), "only Arrow streams on the worker's stdout but found b'WARNING"),
        (("junk-after=8",), "only Arrow streams on the worker's stdout but found b'WARNING"),
        (("die-after=4",), "was ended by SIGSEGV after 4 rows. Its last words:\n  Segmentation fault"),
        (
            ("exit-after=8",),
            "status 2 after 8 rows. It said: Expected the GPU but found it lost. Reset it.",
        ),
        (("kill-at-end",), "was ended by SIGKILL after 12 rows"),
        (("kill-before-count",), "was ended by SIGKILL before it had counted its rows"),
        (("count-wrong",), "Expected 12 rows to come back but found 12 (the worker counted 12 in, 13 out)"),
        (("drop",), "Expected the row of '/data/3.jpg' next but the worker sent that of '/data/4.jpg'"),
        (("swap",), "Expected the row of '/data/0.jpg' next but the worker sent that of '/data/1.jpg'"),
    ],
)
def test_a_fault_is_told_with_its_last_words(faults, words):
    assert words in failure(*faults)


def test_a_worker_that_hangs_is_killed():
    assert "has not moved a byte for 1 s" in failure("hang-after=4", timeout=1)
    assert "Expected the worker's ready event within 1 s" in failure("hang-at-start", start_timeout=1)


def test_a_command_that_is_not_there_is_one_clear_error():
    with pytest.raises(WorkerError, match="Expected to start img2features as /no/such/thing"):
        WorkerProcess(WorkerSpec(("/no/such/thing",)))


def test_slow_neighbours_are_no_hang():
    def slow_rows():
        for i in range(3):
            time.sleep(1.5)
            yield batch(4 * i, 4)

    worker = WorkerProcess(spec(timeout=1))
    assert len(run(worker, [slow_rows()])) == 12
    answers = worker.run([[batch(0, 4), batch(4, 4)]])
    next(answers)
    time.sleep(1.5)
    assert len(list(answers)) == 1
    worker.close()


def test_an_error_of_the_rows_source_is_that_error():
    def broken_rows():
        yield batch(0, 4)
        raise KeyError("upstream")

    worker = WorkerProcess(spec())
    with pytest.raises(KeyError, match="upstream"):
        run(worker, [broken_rows()])
    assert not worker.is_alive


def test_rows_that_nobody_wants_any_more_end_the_worker():
    worker = WorkerProcess(spec("slow=0.2"))
    answers = worker.run([[batch(i, 1) for i in range(100)]])
    next(answers)
    answers.close()
    assert not worker.is_alive


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
@pytest.mark.parametrize("fault", ["hang-after=0", "slow=3600"])
def test_a_killed_python_takes_even_a_hanging_worker_with_it(fault, tmp_path):
    mark = f"once={tmp_path}/flag"
    code = f"""
        import sys; sys.path[:0] = [{str(HERE)!r}, {str(PACKAGE)!r}]
        from test_worker_process import *
        worker = WorkerProcess(spec({fault!r}, {mark!r}))
        print("ready", flush=True)
        run(worker, [[batch(0, 4)]])
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"ready\n"
    time.sleep(0.3)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    expect_none_left(mark)
