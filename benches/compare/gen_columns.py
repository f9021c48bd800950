"""Arrow columns and Parquet files as the generators write them."""
import os
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

PARQUET = dict(compression="zstd", compression_level=3, write_statistics=True, row_group_size=131072)


def midnight_ns(day):
    return int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()) * 10**9


def utc(ns):
    return pa.array(ns).cast(pa.timestamp("ns", "UTC"))


def dictionary(codes, names):
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names))


def write(table, base, ipc_too=False):
    """Writes `base`.parquet and, if asked, `base`.arrow."""
    os.makedirs(os.path.dirname(base), exist_ok=True)
    pq.write_table(table, base + ".parquet", **PARQUET)
    if ipc_too:
        with ipc.new_file(base + ".arrow", table.schema) as f:
            f.write_table(table, max_chunksize=1 << 20)
