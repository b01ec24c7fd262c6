"""One Spark application at a time, small folders of files, and the way to start a worker."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
#: The folder that users install from.
PACKAGE = REPOSITORY / "scripts" / "spark"
sys.path.insert(0, str(PACKAGE))
# What Spark starts must find neither another Python nor a proxy of this machine.
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ.pop("IMG2FEATURES", None)

#: Files whose tests need no Spark come first, then those of one application after the other.
ORDER = (
    *("test_parts", "test_arrow_and_text", "test_worker_process", "test_job"),
    *("test_extract", "test_gather", "test_shared", "test_reducer", "test_cluster"),
)
CLI = ["node", os.environ.get("IMG2FEATURES_CLI", str(REPOSITORY / "dist" / "cli.js"))]
is_long = os.environ.get("IMG2FEATURES_SPARK") == "long"
long_form = pytest.mark.skipif(not is_long, reason="long form: npm run test:spark")
#: The short form, for a release beside the one that is tested in full: what needs no Spark, and a test or two
#: of each thing that Spark itself does.
is_short = os.environ.get("IMG2FEATURES_SPARK") == "short"
every_release = pytest.mark.every_release
NEEDS_SPARK = {"spark", "conf", "runs", "cluster", "master"}

_COMMON = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "2g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
}
_KINDS = {
    # Two slots; a task is tried twice.
    "local": {"spark.master": "local[2,2]"},
    "cluster": {
        "spark.master": "local-cluster[2,1,1024]",
        "spark.executor.memory": "768m",
        "spark.executor.resource.gpu.amount": "1",
        "spark.task.resource.gpu.amount": "1",
        "spark.worker.resource.gpu.amount": "1",
    },
}
_KINDS["standalone"] = {
    **_KINDS["cluster"],
    "spark.executor.cores": "1",
    "spark.cores.max": "2",
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.quantile": "0.5",
}
_open: dict = {}


def pytest_configure(config):
    config.addinivalue_line("markers", "every_release: in the short form, too")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: ORDER.index(item.path.stem))
    if not is_short:
        return
    left_out = [
        item
        for item in items
        if (NEEDS_SPARK & set(item.fixturenames) or item.path.stem == "test_job")
        and item.get_closest_marker("every_release") is None
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_sessionfinish():
    _stop()


def open_session(kind: str, **more: str):
    """The application of that kind; another one is stopped first."""
    from pyspark.sql import SparkSession

    if _open.get("kind") != kind:
        _stop()
        builder = SparkSession.builder.appName(f"test-{kind}")
        for key, value in {**_COMMON, **_KINDS[kind], **more}.items():
            builder = builder.config(key, value)
        _open.update(kind=kind, spark=builder.getOrCreate())
        _open["spark"].sparkContext.setLogLevel("OFF")
    return _open["spark"]


def _stop():
    if "spark" in _open:
        _open["spark"].stop()
        # The next application needs other settings of the JVM itself.
        from pyspark import SparkContext

        gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
        if gateway is not None:
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait(30)
    _open.clear()


@pytest.fixture
def spark():
    return open_session("local")


@pytest.fixture
def conf(spark):
    """Sets options of the session until the end of the test."""
    saved: dict = {}

    def change(key, value):
        saved[key] = spark.conf.get(key)
        spark.conf.set(key, value)

    yield change
    for key, value in saved.items():
        spark.conf.set(key, value)


def fake(*faults: str, log: Path | None = None, dims: int = 4) -> list[str]:
    """How to start the small worker, with faults."""
    words = [sys.executable, str(HERE / "fake_worker.py"), "--dims", str(dims)]
    for fault in faults:
        words += ["--fault", fault]
    return words + (["--log", str(log)] if log else [])


@pytest.fixture
def files(tmp_path):
    """24 files in 3 folders, some names hard, 2 of them bad; and two that are no images."""
    for i in range(24):
        folder = tmp_path / "dataset" / ("a b", "ü%20", "plain")[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        content = b"bad" if i in (5, 18) else f"image {i}".encode() * 50
        name = f"{i:02d} #1.JPG" if i % 4 == 0 else f"{i:02d}.png"
        (folder / name).write_bytes(content)
    (tmp_path / "dataset" / "readme.txt").write_text("no image")
    (tmp_path / "dataset" / ".hidden.jpg").write_text("hidden")
    return tmp_path / "dataset"


def processes(mark: str) -> list[int]:
    """Running processes whose command line has `mark`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if mark in words and state != "Z":
                found.append(int(entry.name))
    return found


def expect_none_left(mark: str, seconds: float = 30) -> None:
    """Fails when a process with `mark` on its command line is still there after a while."""
    end = time.monotonic() + seconds
    while processes(mark) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes(mark) == []


def close_kept_workers(spark) -> None:
    """Ends the workers that wait for a next task in each slot, long before their minute is over."""

    # A function of its own in here travels by value: the executors have no tests.
    def close(batches):
        import time

        from img2features_spark.worker_slot import close_kept_worker

        close_kept_worker()
        for batch in batches:
            time.sleep(0.2)
            yield batch.slice(0, 0)

    spark.range(0, 8, 1, 8).mapInArrow(close, "id long").collect()


def fruits() -> Path | None:
    """The reference images, where they are."""
    reference = Path(os.environ.get("REFERENCE_DIR", REPOSITORY / ".." / "shared"))
    folder = (reference / "data" / "fruits-360").resolve()
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Real pictures: 60 of the reference ones in 3 classes where they are, else drawn; two files are bad."""
    import numpy as np
    from PIL import Image

    root = tmp_path_factory.mktemp("pictures")
    source = fruits()
    if source is not None:
        for folder in sorted((source / "Training").iterdir())[:3]:
            (root / folder.name).mkdir()
            for file in sorted(folder.iterdir())[:20]:
                shutil.copy(file, root / folder.name / file.name)
    else:
        random = np.random.default_rng(7)
        for i in range(60):
            folder = root / f"class {i % 3}"
            folder.mkdir(exist_ok=True)
            low = random.integers(0, 255, (5, 5, 3)).astype("uint8")
            Image.fromarray(low).resize((100, 80), Image.BICUBIC).save(folder / f"{i}.png")
    folder = sorted(root.iterdir())[1]
    (folder / "a damaged one.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (folder / "empty.png").write_bytes(b"")
    return root


def img2features(*arguments: str) -> None:
    """Runs the command line; ends the test unless it completes, with rejected images or without."""
    done = subprocess.run([*CLI, *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stderr + done.stdout
