"""Two executors with a (pretended) GPU each: what a cluster adds to `extract`."""

from __future__ import annotations

import os
import stat
import sys
import tarfile

import pytest
from conftest import HERE, close_kept_workers, expect_none_left, fake, open_session
from test_extract import as_dict, wanted

from img2features_spark import extract


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture
def cluster(base):
    """One slot in each executor, and an archive as `img2features pack` makes it."""
    script = base / "gpus.sh"
    script.write_text('#!/bin/sh\necho \'{"name": "gpu", "addresses": ["5"]}\'\n')
    script.chmod(0o755)
    launcher = base / "bin" / "img2features"
    launcher.parent.mkdir(exist_ok=True)
    launcher.write_text(
        f'#!/bin/sh\nexec {sys.executable} {HERE}/fake_worker.py --log {base}/packed.log "$@"\n'
    )
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    archive = base / "img2features-packed.tar.gz"
    if not archive.exists():
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(launcher, "bin/img2features")
    return open_session(
        "cluster",
        **{
            "spark.archives": f"{archive}#img2features",
            "spark.executor.resource.gpu.discoveryScript": str(script),
            "spark.worker.resource.gpu.discoveryScript": str(script),
        },
    )


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


def test_a_task_that_hangs_is_overtaken_by_its_copy(cluster, files, tmp_path):
    once = tmp_path / "flag"
    command = fake("hang-after=0", f"once={once}")
    table = extract(cluster, str(files), mode="vgg16", stream_rows=4, command=command, timeout=600)
    assert as_dict(table, "cnn_vectors") == wanted(files)
    assert once.exists()
    close_kept_workers(cluster)
    expect_none_left(f"once={once}")
