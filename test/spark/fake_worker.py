"""A small worker of the same protocol, with faults on request.

`fake_worker.py [--fault NAME[=VALUE]]… worker --mode …`

Its vector is the first four bytes of the SHA-256 of the content, or of the file; content that begins
with "bad" is rejected.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import pyarrow as pa


def say(**event):
    sys.stderr.write(json.dumps(event) + "\n")
    sys.stderr.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--dims", type=int, default=4)
    parser.add_argument("--log")
    parser.add_argument("worker")
    parser.add_argument("--mode", required=True)
    parser.add_argument("--workers")
    parser.add_argument("--layer")
    parser.add_argument("--describe", action="store_true")
    options = parser.parse_args()
    faults = dict((fault.partition("=")[0], fault.partition("=")[2]) for fault in options.fault)
    name = "vectors" if options.mode == "pixels" else "cnn_vectors"
    answer = {
        "protocol": int(faults.get("protocol", 1)),
        "columns": ["origin", "target", name, "status", "error"],
        "features": [{"name": name, "layer": "fake", "pool": "none", "length": options.dims}],
        "lengths": [options.dims],
    }
    if options.describe:
        # One that does not start has no answer; other faults come with the rows.
        if faults.keys() & {"die-at-start", "old"}:
            sys.exit(2)
        print(json.dumps(answer))
        return
    fail_once = faults.pop("once", None)
    if fail_once:
        # Only the first process that gets here has the faults.
        try:
            os.close(os.open(fail_once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            faults = {}
    if options.log:
        with open(options.log, "a") as log:
            gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "-")
            log.write(f"{os.getpid()} {gpu} {' '.join(sys.argv[1:])}\n")
    if "die-at-start" in faults:
        sys.stderr.write("no such model\n")
        say(event="error", message="Expected a model but found none.", fix="Fetch one.")
        sys.exit(2)
    if "hang-at-start" in faults:
        time.sleep(3600)
    if "kill-at-start" in faults:
        os.kill(os.getpid(), signal.SIGKILL)
    say(event="ready", device="fake", **answer)
    if "junk-first" in faults:
        os.write(1, b"Welcome to the fake worker\n")
    out = open(1, "wb", buffering=0, closefd=False)
    source = open(0, "rb", closefd=False)
    rows_in_all = 0
    while source.peek(1):
        reader = pa.ipc.open_stream(source)
        assert set(reader.schema.names) <= {"origin", "content"}, reader.schema
        schema = pa.schema(
            [
                ("origin", pa.string()),
                ("target", pa.string()),
                (name, pa.list_(pa.float32())),
                ("status", pa.string()),
                ("error", pa.string()),
            ]
        )
        received = sent = rejected = 0
        with pa.ipc.new_stream(out, schema) as writer:
            for batch in reader:
                received += batch.num_rows
                answer = answer_to(batch, name, options, faults)
                rows_in_all += batch.num_rows
                if "die-after" in faults and rows_in_all > int(faults["die-after"]):
                    sys.stderr.write("Segmentation fault in the decoder\n")
                    sys.stderr.flush()
                    os.kill(os.getpid(), signal.SIGSEGV)
                if "exit-after" in faults and rows_in_all > int(faults["exit-after"]):
                    say(event="error", message="Expected the GPU but found it lost.", fix="Reset it.")
                    os._exit(2)
                if "kill-executor" in faults:
                    kill_executor()
                if "hang-after" in faults and rows_in_all > int(faults["hang-after"]):
                    time.sleep(3600)
                if "junk-after" in faults and rows_in_all > int(faults["junk-after"]):
                    os.write(1, b"WARNING: something is deprecated\n")
                if "slow" in faults:
                    time.sleep(float(faults["slow"]))
                writer.write_batch(pa.RecordBatch.from_pydict(answer, schema=schema))
                sent += batch.num_rows
                rejected += sum(status != "ok" for status in answer["status"])
            if "kill-at-end" in faults:
                os.kill(os.getpid(), signal.SIGKILL)
        if "kill-before-count" in faults:
            os.kill(os.getpid(), signal.SIGKILL)
        if "count-wrong" in faults:
            sent += 1
        say(event="stream", received=received, sent=sent, rejected=rejected)


def kill_executor():
    """Kills the JVM that is the ancestor of all of this."""
    pid = os.getpid()
    while "java" not in os.readlink(f"/proc/{pid}/exe"):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)
    time.sleep(60)


def answer_to(batch, name, options, faults):
    origins = batch.column("origin").to_pylist()
    contents = batch.column("content").to_pylist() if "content" in batch.schema.names else None
    if contents is None:
        contents = [path.read_bytes() if path.exists() else None for path in map(Path, origins)]
    answer = {"origin": origins, "target": [], name: [], "status": [], "error": []}
    for origin, content in zip(origins, contents):
        answer["target"].append(os.path.basename(os.path.dirname(origin)))
        if content is None or content[:3] == b"bad":
            answer[name].append(None)
            answer["status"].append("vanished" if content is None else "damaged")
            answer["error"].append("Expected an image but found other bytes.")
            continue
        digest = hashlib.sha256(content).digest()
        repeated = (digest * (options.dims // len(digest) + 1))[: options.dims]
        answer[name].append([float(byte) for byte in repeated])
        answer["status"].append("ok")
        answer["error"].append(None)
    if "swap" in faults and len(origins) > 1:
        origins[0], origins[1] = origins[1], origins[0]
    if "drop" in faults:
        answer = {key: values[:-1] for key, values in answer.items()}
    return answer


main()
