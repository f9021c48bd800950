"""The interface that every engine implements, and the registry of engines.

A new engine is a class that derives from Adapter and a line in ENGINES. A method that is left as it is shows as "n/a".

The result of a query may be anything that speaks Arrow, a dict of arrays or lists, or a number (answers of one cell). It
must be whole, and must not depend on the store staying open. Times may be timestamps or int64 nanoseconds; text may be
dictionary encoded. The order of rows is free except where queries.QUERIES says "ts order".
"""
import importlib
import os
import shutil

ENGINES = {                     # name -> (module, class, package whose version is told)
    "gapless": ("eng_gapless", "Gapless", "gapless"),
    "duckdb": ("eng_duckdb", "DuckDB", "duckdb"),
    "polars-parquet": ("eng_polars", "PolarsParquet", "polars"),
    "polars-ipc": ("eng_polars", "PolarsIpc", "polars"),
    "chdb": ("eng_chdb", "ChDB", "chdb"),
    "arcticdb": ("eng_arctic", "Arctic", "arcticdb"),
    "datafusion": ("eng_datafusion", "DataFusion", "datafusion"),
    "h5i-db": ("eng_h5i", "H5i", "h5i-db"),
    "sqlite": ("eng_small", "Sqlite", None),
    "numpy": ("eng_numpy", "Numpy", "numpy"),
    "rawlog": ("eng_small", "RawLog", None),
    "rawlog-pre": ("eng_small", "RawLogPre", None),
}
INGEST_ONLY = ("sqlite", "rawlog", "rawlog-pre")
# No databases: what the hardware can do for a program that keeps no promise. They are never the "best other engine".
LIMITS = ("numpy", "rawlog", "rawlog-pre")


class NA(Exception):
    """This engine has no idiomatic way to do this."""


class Adapter:
    durability = "n/a"          # what a returned append, merge or upsert guarantees
    reads_in_place = False      # whether it reads the generator's files, so that there is nothing to load

    def __init__(self, store, data, params, threads=2):
        self.store = store      # the directory this engine owns
        self.data = data        # the generator's output of this scale
        self.p = params         # queries.Params
        self.threads = threads

    # -- life cycle ------------------------------------------------------
    def warm_library(self):
        """Import and touch the engine's code without touching the store (before a cold run)."""

    def load(self, what):
        """Build the store from the generator's sorted Parquet; what: 'taq' or 'bars'. Must end durable."""
        raise NA

    def open(self):
        """Open the existing store (timed in cold runs)."""
        raise NA

    def close(self):
        pass

    def paths(self, what):
        """Files and folders that hold 'taq' or 'bars', for bytes a row."""
        return [os.path.join(self.store, what)]

    # -- queries: q1() to q16() and q7b(), as queries.QUERIES defines them ----
    def query(self, q):
        method = getattr(self, q.lower(), None)
        if method is None:
            raise NA
        return method()

    # -- ingest: each test works on its own fresh folder ----------------------
    # Batches are pyarrow Tables with the generator's schema.
    def ingest_open(self, folder):
        """Start with an empty store in `folder`."""
        raise NA

    def bulk(self, table, day, tab):
        """I1: load one sorted day of `table` ('trade' or 'quote'); durable on return."""
        raise NA

    def stream_begin(self):
        """I2, I3, untimed: an empty trade table that takes appends."""
        raise NA

    def append(self, tab):
        """I2, I3: append a batch in order of arrival; durable on return."""
        raise NA

    def stream_count(self):
        """Rows that a query sees after the appends (checked)."""
        raise NA

    def merge_late(self, day, tab):
        """I4: merge late trades (any order) into `day`, which bulk() has loaded; durable on return."""
        raise NA

    def q2_ingest(self):
        """Q2 on the store that ingest_open, bulk and merge_late built."""
        raise NA

    def backfill_open(self, folder):
        """I5, untimed: a writable copy of the loaded bars in `folder`, opened."""
        raise NA

    def backfill(self, node, tab):
        """I5: upsert one window of one node's bars by (node, ts); durable and visible on return."""
        raise NA

    def backfill_check(self, node, t0, t1):
        """(rows, sum(close)) of a node's bars in [t0, t1) after the upserts."""
        raise NA


def make(name, *args, **kwargs):
    module, cls, _ = ENGINES[name]
    return getattr(importlib.import_module(module), cls)(*args, **kwargs)


# -- helpers for adapters ----------------------------------------------------
def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def fsync_path(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_tree(folder):
    for root, _, files in os.walk(folder):
        for file in files:
            fsync_path(os.path.join(root, file))
        fsync_path(root)


def copy_tree(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
