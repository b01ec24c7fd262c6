"""Two executors with a (pretended) GPU each: what a cluster adds to `extract`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import HERE, close_kept_workers, expect_none_left, fake, long_form, open_session
from test_extract import as_dict, wanted

from img2features_spark import extract


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def pieces(base):
    """What tells of a GPU, and an archive as `img2features pack` makes it."""
    script = base / "gpus.sh"
    script.write_text('#!/bin/sh\necho \'{"name": "gpu", "addresses": ["5"]}\'\n')
    script.chmod(0o755)
    launcher = base / "bin" / "img2features"
    launcher.parent.mkdir(exist_ok=True)
    start = f"{sys.executable} {HERE}/fake_worker.py --log {base}/packed.log"
    launcher.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
    launcher.chmod(0o755)
    with tarfile.open(base / "img2features-packed.tar.gz", "w:gz") as tar:
        tar.add(launcher, "bin/img2features")
    return {
        "spark.archives": f"{base}/img2features-packed.tar.gz#img2features",
        "spark.executor.resource.gpu.discoveryScript": str(script),
        "spark.worker.resource.gpu.discoveryScript": str(script),
    }


@pytest.fixture
def cluster(pieces):
    """Two executors with one slot each."""
    return open_session("cluster", **pieces)


@pytest.fixture(scope="module")
def master(base, pieces):
    """A master and two workers on addresses of their own: Spark copies no task to the same host."""
    submit = Path(sys.executable).parent / "spark-class"
    conf = base / "worker.conf"
    lines = [f"{key} {value}" for key, value in pieces.items()]
    conf.write_text("\n".join(["spark.worker.resource.gpu.amount 1", *lines]))
    env = {**os.environ, "SPARK_DAEMON_MEMORY": "256m"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"spark://127.0.0.1:{port}"
    deploy = "org.apache.spark.deploy"
    commands = [[f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]]
    for i in (2, 3):
        place = ["--host", f"127.0.0.{i}", "--webui-port", "0", "--work-dir", str(base / f"work{i}")]
        limits = ["--cores", "1", "--memory", "1g", "--properties-file", str(conf)]
        commands.append([f"{deploy}.worker.Worker", *place, *limits, address])
    log = (base / "daemons.log").open("w")
    running = [
        subprocess.Popen(
            [str(submit), *command],
            env={**env, "SPARK_LOCAL_IP": command[2]},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        for command in commands
    ]
    yield address
    for process in running:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    log.close()


def test_the_archives_launcher_is_found_and_sees_its_gpu(cluster, files, base):
    os.environ.pop("IMG2FEATURES", None)
    assert as_dict(extract(cluster, str(files), mode="pixels")) == wanted(files)
    for line in (base / "packed.log").read_text().splitlines():
        assert line.split()[1] == "5"


def test_a_killed_executor_costs_its_tasks_only(cluster, files, tmp_path):
    once = tmp_path / "flag"
    command = fake("kill-executor", f"once={once}")
    table = extract(cluster, str(files), mode="vgg16", stream_rows=4, command=command)
    assert as_dict(table, "cnn_vectors") == wanted(files)
    assert once.exists()
    close_kept_workers(cluster)
    expect_none_left(f"once={once}")


@long_form
def test_a_task_that_hangs_is_overtaken_by_its_copy(master, pieces, files, tmp_path):
    spark = open_session("standalone", **{**pieces, "spark.master": master})
    once = tmp_path / "flag"
    command = fake("hang-after=0", f"once={once}")
    table = extract(spark, str(files), mode="vgg16", stream_rows=4, command=command, timeout=600)
    assert as_dict(table, "cnn_vectors") == wanted(files)
    assert once.exists()
    close_kept_workers(spark)
    expect_none_left(f"once={once}")
