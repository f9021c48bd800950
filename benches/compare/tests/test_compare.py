"""gapless in the comparison: at scale XS every query is answered as the reference answers it, and every ingest test keeps its rows.

The comparison checks answers before it times them; here nothing is timed. What it guards against: an adapter that no longer fits the
package would turn a whole column of the page into n/a, hours into a run.
"""
import os
import subprocess
import sys

import pytest

COMPARE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, COMPARE)

for package in ("gapless", "numpy", "polars", "pyarrow"):
    pytest.importorskip(package, reason=f"{package} is not installed, which the comparison needs")

import polars as pl  # noqa: E402

import adapter  # noqa: E402
import answers  # noqa: E402
import ingest  # noqa: E402
import queries  # noqa: E402
import reference  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    subprocess.run([sys.executable, os.path.join(COMPARE, "gen.py"), "--scale", "XS", "--out", folder], check=True)
    reference.build(f"{folder}/XS", queries.QUERIES, f"{folder}/XS/ref")
    return f"{folder}/XS"


def made(name, store, data):
    return adapter.make(name, str(store), data, queries.Params(queries.load_meta(data)))


@pytest.fixture(scope="module")
def loaded(data, tmp_path_factory):
    engine = made("gapless", tmp_path_factory.mktemp("store"), data)
    engine.load("taq")
    engine.load("bars")
    engine.open()
    yield engine
    engine.close()


@pytest.mark.parametrize("q", queries.QUERIES)
def test_an_answer_is_that_of_the_reference(loaded, data, q):
    expected = pl.read_parquet(f"{data}/ref/{q}.parquet")
    assert expected.height > 0
    assert answers.compare(q, loaded.query(q), expected) is None


@pytest.mark.parametrize("test", ingest.TESTS)
def test_rows_that_are_taken_are_there(loaded, data, test):
    job = dict(store=loaded.store, data=data, ref=f"{data}/ref")
    figures = ingest.TESTS[test](made("gapless", loaded.store, data), job)
    assert all(value > 0 for value in figures.values()), figures


@pytest.mark.parametrize("q", queries.QUERIES)
def test_an_answer_that_differs_is_seen(data, q):
    expected = pl.read_parquet(f"{data}/ref/{q}.parquet")
    number = next(c for c in reversed(expected.columns) if expected[c].dtype != pl.String)
    changed = expected.with_columns(pl.when(pl.int_range(pl.len()) == 0).then(pl.col(number) + 1).otherwise(pl.col(number)).alias(number))
    assert answers.compare(q, expected, expected) is None
    assert number in answers.compare(q, changed, expected)
    assert "rows" in answers.compare(q, expected.head(expected.height - 1), expected)
