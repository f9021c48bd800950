"""One phase of one engine, in a process of its own: `python child.py JOB`, where JOB is JSON.

It prints lines "@@{...}": {"kind": "start", "q": ...} before each query or test, and then its figures or its error. An answer
that differs from the reference is an error, and has no time. A new process is measured as well: what only some phases need is imported
there, so that none pays for another engine's library.
"""
import gc
import json
import os
import resource
import statistics
import sys
import time

import adapter
import queries
from machine import NOISY, Noise, Patience, peak_memory_mb


def emit(**message):
    sys.stdout.write("@@" + json.dumps(message) + "\n")
    sys.stdout.flush()


def main(job):
    if job["nice"]:
        os.nice(job["nice"])
    params = queries.Params(queries.load_meta(job["data"]))
    engine = adapter.make(job["engine"], job["store"], job["data"], params, job["threads"])
    PHASES[job["phase"]](engine, job)
    os._exit(0)         # engines' exit hooks are no part of the measurement


def load(engine, job):
    start = time.perf_counter()
    engine.load(job["what"])
    s = None if engine.reads_in_place else time.perf_counter() - start
    emit(kind="load", what=job["what"], s=s, rss=peak_memory_mb())


def warm(engine, job):
    patience = Patience(job["quiet"])
    engine.open()
    for q in job["queries"]:
        emit(kind="start", q=q)
        try:
            emit(kind="warm", q=q, **checked_and_timed(engine, q, job, patience))
        except adapter.NA:
            emit(kind="warm", q=q, error="n/a")
        except Exception as e:
            emit(kind="warm", q=q, error=f"{type(e).__name__}: {str(e)[:300]}")
    engine.close()
    emit(kind="rss", mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def checked_and_timed(engine, q, job, patience):
    """One run whose answer is checked, then the median of at least `reps` runs."""
    import polars as pl
    import answers
    gc.collect()
    start = time.perf_counter()
    result = engine.query(q)
    first = time.perf_counter() - start
    reference = pl.read_parquet(f"{job['ref']}/{q}.parquet")
    wrong = answers.compare(q, result, reference)
    if wrong:
        return dict(error="WRONG: " + wrong)
    figures = dict(rows=reference.height, checksum=answers.checksum(answers.canon(result, q)), first_ms=first * 1e3)
    del result, reference
    gc.collect()
    peak_memory_mb(reset=True)
    reps = job["reps"] if first < 15 else 3 if first < 40 else 1
    others, times = quietest(lambda: timed(engine, q, reps), patience)
    return dict(figures, ms=statistics.median(times) * 1e3, min_ms=min(times) * 1e3, reps=len(times),
                peak_rss_mb=peak_memory_mb(), other_cores=round(others, 2))


def quietest(run, patience):
    """Of up to three runs the one with the least noise: (cores used by others, times)."""
    best = None
    for _ in range(3):
        patience.wait()
        noise = Noise()
        times = run()
        others = noise.cores()
        if best is None or others < best[0]:
            best = (others, times)
        if others < NOISY or patience.seconds <= 0:
            break
    return best


def timed(engine, q, reps):
    """At least `reps` runs, and at least 0.4 s of them (300 runs at most). The time includes building the whole result."""
    times, start = [], time.perf_counter()
    while len(times) < reps or (time.perf_counter() - start < 0.4 and len(times) < 300):
        began = time.perf_counter()
        result = engine.query(q)
        times.append(time.perf_counter() - began)
        del result
    return times


def cold(engine, job):
    """Open and one query; `raw` leaves the libraries cold as well. `wall` is when the answer was there."""
    if not job["raw"]:
        engine.warm_library()
        Patience(job["quiet"]).wait()
    start = time.perf_counter()
    try:
        engine.open()
        opened = time.perf_counter()
        engine.query(job["q"])
        done = time.perf_counter()
        emit(kind="cold", q=job["q"], open_ms=(opened - start) * 1e3, ms=(done - start) * 1e3, wall=time.time())
    except adapter.NA:
        emit(kind="cold", q=job["q"], error="n/a")


def ingest_test(engine, job):
    import ingest
    emit(kind="ingest", test="durability", text=engine.durability)
    test = job["test"]
    emit(kind="start", q=test)
    Patience(job["quiet"]).wait()
    noise = Noise()
    try:
        emit(kind="ingest", test=test, **ingest.TESTS[test](engine, job), other_cores=round(noise.cores(), 2))
    except adapter.NA:
        emit(kind="ingest", test=test, error="n/a")
    except ingest.Wrong as e:
        emit(kind="ingest", test=test, error=f"WRONG: {e}")
    except Exception as e:
        emit(kind="ingest", test=test, error=f"{type(e).__name__}: {str(e)[:300]}")


PHASES = {"load": load, "warm": warm, "cold": cold, "ingest": ingest_test}

if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
