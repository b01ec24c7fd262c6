"""Writes models/keras-applications.jsonl.br: how Keras 2 builds the networks of keras.applications for its ImageNet weights.

Their published files hold weights alone; src/convert/network-topologies.ts reads the rest here. One line a network:
{"name", "weighted": layers with weights in Keras' order, "model": the model's own JSON}. Made with

    python3 -m venv .venv
    .venv/bin/pip install tensorflow-cpu==2.21.0
    .venv/bin/pip install --no-deps tf_keras==2.21.0
    .venv/bin/python scripts/make-network-topologies.py

Nothing is downloaded: what Keras would fetch is compared with src/convert/keras-networks.ts instead.
"""

import json
import os
import pathlib
import re
import subprocess

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow
import tf_keras
from tf_keras.src.engine.training import Model
from tf_keras.src.initializers import initializers
from tf_keras.src.utils import data_utils

ROOT = pathlib.Path(__file__).parent.parent
OUT = ROOT / "models" / "keras-applications.jsonl.br"
TABLE = (ROOT / "src" / "convert" / "keras-networks.ts").read_text()
NAMES = re.findall(r"([a-z][a-z0-9]+): (?:'[0-9a-f]{32,}'|undefined)", TABLE)
COMPRESS = """
const { brotliCompressSync, constants } = require('node:zlib');
const text = require('node:fs').readFileSync(0);
const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
process.stdout.write(brotliCompressSync(text, { params }));
"""

asked = []


def get_file(fname, origin, cache_subdir=None, file_hash=None, md5_hash=None):
    asked.append((origin, file_hash or md5_hash))
    return fname


def zeros(self, shape, dtype=None, **_):
    return tensorflow.zeros(shape, tensorflow.as_dtype(dtype or "float32"))


# Weights are neither drawn nor loaded.
data_utils.get_file = get_file
Model.load_weights = lambda self, *_, **__: None
for kind in vars(initializers).values():
    if isinstance(kind, type) and "__call__" in vars(kind):
        kind.__call__ = zeros

functions = {name.lower(): name for name in dir(tf_keras.applications) if name[0].isupper()}
lines = []
for name in NAMES:
    tf_keras.backend.clear_session()
    asked.clear()
    # The one family that leaves the size of its images open.
    size = {"input_shape": (224, 224, 3)} if name.startswith("mobilenetv3") else {}
    model = getattr(tf_keras.applications, functions[name])(weights="imagenet", **size)
    [(origin, checksum)] = asked
    assert checksum is None or checksum in TABLE, (name, checksum)
    print(name, origin, checksum, flush=True)
    weighted = [layer.name for layer in model.layers if layer.weights]
    line = {"name": name, "weighted": weighted, "model": json.loads(model.to_json())}
    lines.append(json.dumps(line, separators=(",", ":")))

text = "".join(f"{line}\n" for line in lines).encode()
OUT.write_bytes(subprocess.run(["node", "-e", COMPRESS], input=text, stdout=-1, check=True).stdout)
print(f"{len(lines)} networks, {len(text)} bytes, packed {OUT.stat().st_size}")
