"""Rows of the finished table as lines of CSV and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from .arrow_arrays import text_array

_FORMULA = re.compile(r"[=@\t\r\n']|[+-](?!(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z)")
#: Values that are looked at to see whether they repeat.
_PROBED = 4096
_NEEDS_QUOTES = re.compile(r'[",\r\n]')


def csv_header(matrices: Mapping[str, tuple[str, int]]) -> str:
    """origin, target, and a name for each cell of the matrices; see `TableLayout`."""
    cells = [f"{prefix}{i + 1}" for prefix, length in matrices.values() for i in range(length)]
    return ",".join(csv_text(name) for name in ["origin", "target", *cells])


def csv_lines(batch: pa.RecordBatch) -> list[str]:
    """One for each row of text columns, then lists of numbers."""
    columns = []
    for column in batch.columns:
        if pa.types.is_list(column.type):
            columns.append(_numbers(column))
        else:
            columns.append([csv_text(text) for text in column.to_pylist()])
    return [",".join(cells) for cells in zip(*columns)]


def json_lines(batch: pa.RecordBatch) -> list[str]:
    """One object for each row of text columns and lists of numbers, none of them null."""
    names = [json.dumps(name, ensure_ascii=False) for name in batch.schema.names]
    columns = []
    for column in batch.columns:
        if pa.types.is_list(column.type):
            columns.append([f"[{numbers}]" for numbers in _numbers(column)])
        else:
            columns.append([json.dumps(text, ensure_ascii=False) for text in column.to_pylist()])
    return [
        "{" + ",".join(f"{name}:{cell}" for name, cell in zip(names, cells)) + "}" for cells in zip(*columns)
    ]


def csv_text(text: str) -> str:
    """As src/export/csv.ts: RFC 4180 quotes; an apostrophe before what a spreadsheet would run."""
    safe = f"'{text}" if _FORMULA.match(text) else text
    if not _NEEDS_QUOTES.search(safe):
        return safe
    return '"' + safe.replace('"', '""') + '"'


def _numbers(column: pa.Array) -> Sequence[str]:
    """A list array's numbers with commas, each the shortest text that reads back as the same value.

    Always with a point or an exponent: a reader that guesses types must not take floats for integers.
    """
    values = column.flatten()
    few = values.slice(0, _PROBED).dictionary_encode()
    if len(few.dictionary) * 4 <= len(few):
        # Pixels are 256 different values: the text of each is made once.
        encoded = values.dictionary_encode()
        texts = pc.call_function("take", [_texts_of(encoded.dictionary), encoded.indices])
    else:
        texts = _texts_of(values)
    # From 0 on, also where the array is a slice.
    offsets = pc.subtract(column.offsets, column.offsets[0])
    return pc.binary_join(pa.ListArray.from_arrays(offsets, texts), text_array([","])[0]).to_pylist()


def _texts_of(values: pa.Array) -> pa.Array:
    texts = values.cast(pa.string())
    endings = pc.if_else(pc.match_substring_regex(texts, r"^-?\d+$"), ".0", "")
    return pc.binary_join_element_wise(texts, endings, text_array([""])[0])
