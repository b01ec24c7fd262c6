"""Times pyarrow's write of a Parquet file's rows with the settings of ours, durably.

    python pyarrow_write.py <file.parquet> <output folder> <repeat>

Prints JSON: pyarrow's version and the seconds of each write.
"""

import json
import os
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq


def main(source: str, folder: str, repeat: int) -> None:
    table = pq.read_table(source)
    row_group = pq.ParquetFile(source).metadata.row_group(0).num_rows
    seconds = []
    for round in range(repeat + 1):
        path = os.path.join(folder, f"pyarrow-{round}.parquet")
        start = time.perf_counter()
        with open(path, "wb") as file:
            pq.write_table(
                table,
                file,
                row_group_size=row_group,
                compression="snappy",
                use_dictionary=False,
                write_statistics=["origin", "target"],
            )
            file.flush()
            os.fsync(file.fileno())
        seconds.append(time.perf_counter() - start)
        os.remove(path)
    # The first one warms up.
    print(json.dumps({"pyarrow": pa.__version__, "seconds": seconds[1:]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
