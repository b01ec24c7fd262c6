"""Writes the files of dataset/<class>/ as WebDataset shards of `count` samples: .jpg or .png, .cls (an int) or .json."""
import json
import sys
from pathlib import Path

import webdataset

dataset, pattern, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
classes = sorted(folder.name for folder in dataset.iterdir())
with webdataset.ShardWriter(pattern, maxcount=count, verbose=0) as sink:
    for number, path in enumerate(sorted(dataset.glob("*/*"))):
        target = classes.index(path.parent.name)
        label = {"cls": target} if number % 2 == 0 else {"json": {"label": target, "name": path.name}}
        image = {path.suffix[1:]: path.read_bytes()}
        sink.write({"__key__": f"{path.parent.name}-{number:06d}", **image, **label})
