"""Writes the files of dataset/<class>/ as Hugging Face's `datasets` stores images: <out>/train-<n>-of-00002.parquet, and some without labels: <out>/test-00000-of-00001.parquet."""
import sys
from pathlib import Path

from datasets import ClassLabel, Dataset, Features, Image

dataset, out = Path(sys.argv[1]), Path(sys.argv[2])
classes = sorted(folder.name for folder in dataset.iterdir())
files = sorted(dataset.glob("*/*"))


def image_of(path: Path, has_bytes: bool):
    return {"bytes": path.read_bytes() if has_bytes else None, "path": path.name if has_bytes else str(path.absolute())}


rows = Dataset.from_dict(
    # The first half with their bytes in the file, the others by their paths.
    {"image": [image_of(path, number < len(files) // 2) for number, path in enumerate(files)], "label": [classes.index(path.parent.name) for path in files]},
    features=Features({"image": Image(), "label": ClassLabel(names=classes)}),
)
unlabelled = Dataset.from_dict({"image": [image_of(path, True) for path in files[:3]], "label": [-1] * 3}, features=rows.features)
unlabelled.to_parquet(out / "test-00000-of-00001.parquet")
for shard in range(2):
    rows.shard(2, shard, contiguous=True).to_parquet(out / f"train-{shard:05d}-of-00002.parquet", batch_size=4)
