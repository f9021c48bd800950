#!/usr/bin/env python3
"""Runs the engines one after the other and prints the table; see README.md.

    python bench.py --scale S --data DIR --stores DIR --out results.json [--engines a,b] [--queries Q1,Q2]
                    [--phases load,size,warm,cold,ingest] [--tests I1,I4] [--drop-store] ...

Every phase of every engine runs in a child process. Results are merged into the file after each engine, so single engines,
queries or tests can be run again.
"""
import argparse
import importlib.metadata
import os
import shutil
import statistics
import subprocess
import time

import adapter
import machine
import measures
import queries
import reference
from child_process import Child

COLD_QUERIES = ["Q1", "Q2", "Q3", "Q5", "Q6", "Q7b", "Q8", "Q14", "Q15"]
LOAD_SECONDS_MAX = 3600


def arguments():
    parser = argparse.ArgumentParser(description="Runs the engines one after the other and prints the table.")
    def names(text):
        return [name for name in text.split(",") if name]

    add = parser.add_argument
    add("--scale", default="S")
    add("--data", default="data", help="the generator's --out")
    add("--stores", default="stores", help="where the engines keep theirs; reused when they are there")
    add("--out", default="results.json")
    add("--engines", type=names, default=list(adapter.ENGINES))
    add("--queries", type=names, default=list(queries.QUERIES))
    add("--phases", type=names, default=["load", "size", "warm", "cold", "ingest"])
    add("--tests", type=names, default=["I1", "I2", "I3", "I4", "I5"])
    add("--cold-queries", type=names, default=COLD_QUERIES)
    add("--reps", type=int, default=5)
    add("--threads", type=int, default=2)
    add("--timeout", type=float, default=180, help="seconds for one query; twice as many for an ingest test")
    add("--reload", action="store_true", help="build stores again that are there")
    add("--drop-store", action="store_true", help="delete an engine's store after its run: one store on disk at a time")
    add("--quiet", type=float, default=60, help="seconds that a child may wait for other processes to go quiet")
    add("--nice", type=int, default=0, help="e.g. -10 (root) on a machine that others use as well")
    add("--membw", help="the compiled membw.c: what the memory gives is noted beside the figures")
    a = parser.parse_args()
    unknown = [e for e in a.engines if e not in adapter.ENGINES] + [q for q in a.queries if q not in queries.QUERIES]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; engines: {', '.join(adapter.ENGINES)}; queries: {', '.join(queries.QUERIES)}")
    return a


class Run:
    """One engine's phases; figures go into `figures`, which is its part of the results."""

    def __init__(self, engine, figures, a):
        self.engine, self.figures, self.a = engine, figures, a
        self.data = os.path.join(a.data, a.scale)
        self.store = os.path.join(a.stores, a.scale, engine)
        self.base = dict(engine=engine, store=self.store, data=self.data, ref=os.path.join(self.data, "ref"), threads=a.threads,
                         quiet=a.quiet, nice=a.nice, log=os.path.join(a.stores, f"{a.scale}-{engine}.log"))

    def all(self):
        os.makedirs(self.store, exist_ok=True)
        self.figures.update(version=version(self.engine), when=time.strftime("%Y-%m-%d %H:%M"))
        print(f"== {self.engine} {self.figures['version'] or ''} ({time.strftime('%H:%M:%S')})", flush=True)
        phases = ["ingest"] if self.engine in adapter.INGEST_ONLY else ["load", "size", "warm", "cold", "ingest"]
        for phase in phases:
            if phase in self.a.phases:
                getattr(self, phase)()

    def child(self, timeout, on, **job):
        return Child(dict(self.base, **job), timeout).run(on)

    def mark(self, what):
        return os.path.join(self.store, f"{what}.done")

    def load(self):
        for what, asked in (("taq", queries.TAQ), ("bars", queries.BARS)):
            done = os.path.exists(self.mark(what)) and not self.a.reload
            if not done and set(asked) & set(self.a.queries):
                self.load_one(what)

    def load_one(self, what):
        loads = self.figures.setdefault("load", {})
        loads.pop(what, None)

        def on(message):
            loads[what] = {"s": message["s"], "peak_rss_mb": message["rss"]}
            open(self.mark(what), "w").close()
        ended = self.child(LOAD_SECONDS_MAX, on, phase="load", what=what)
        print(f"  load {what}: {loads.get(what) or f'failed: {ended}, see its log'}", flush=True)

    def size(self):
        meta = queries.load_meta(self.data)
        engine, rows = adapter.make(self.engine, self.store, self.data, queries.Params(meta)), meta["rows"]
        for what, count in (("taq", rows["trade"] + rows["quote"]), ("bars", rows["bar1m"])):
            if os.path.exists(self.mark(what)):
                self.figures.setdefault("bytes_per_row", {})[what] = machine.bytes_on_disk(engine.paths(what)) / count
        print(f"  bytes/row {self.figures.get('bytes_per_row')}", flush=True)

    def warm(self):
        """A query that ends the child is an error, and the rest goes on in another child."""
        warm, left = self.figures.setdefault("warm", {}), list(self.a.queries)

        def on(m):
            if m["kind"] == "rss":
                self.figures["max_rss_mb"] = max(m["mb"], self.figures.get("max_rss_mb", 0))
                return
            warm[m["q"]] = {k: v for k, v in m.items() if k not in ("kind", "q")}
            left.remove(m["q"])
            print(f"  {m['q']:4s} {told(m)}", flush=True)
        while left:
            ended = self.child(self.a.timeout, on, phase="warm", queries=left, reps=self.a.reps)
            if ended is None:
                return
            q = ended.running or left[0]
            warm[q] = {"error": ended.why}
            left.remove(q)
            print(f"  {q:4s} {ended.why}", flush=True)

    def cold(self):
        if not machine.drop_page_cache():
            print("  cold: left out, because only root can drop the page cache", flush=True)
            return
        cold = self.figures.setdefault("cold", {})
        for q in [q for q in self.a.cold_queries if q in self.a.queries]:
            runs = self.cold_runs(q, 3 if q == "Q1" else 1, raw=False)
            if runs:
                cold[q] = {k: statistics.median(run[k] for run in runs) for k in ("ms", "open_ms")}
        if "Q1" in self.a.queries and "Q1" in cold:
            runs = self.cold_runs("Q1", 3, raw=True)
            if runs:
                cold["process_to_Q1_ms"] = statistics.median((run["wall"] - run["spawned"]) * 1e3 for run in runs)
        print("  cold " + " ".join(f"{k}={v['ms'] if isinstance(v, dict) else v:.0f}ms" for k, v in cold.items()), flush=True)

    def cold_runs(self, q, count, raw):
        runs = []
        for _ in range(count):
            machine.drop_page_cache()
            spawned = time.time()
            self.child(self.a.timeout, lambda m: runs.append(dict(m, spawned=spawned)), phase="cold", q=q, raw=raw)
        return [run for run in runs if "ms" in run]

    def ingest(self):
        for test in self.a.tests:
            ended = self.child(self.a.timeout * 2, self.on_ingest, phase="ingest", test=test)
            if ended:
                self.figures.setdefault("ingest", {})[test] = {"error": ended.why}
                print(f"  {test} {ended.why}", flush=True)
            for folder in ("ingest", "backfill"):
                shutil.rmtree(os.path.join(self.store, folder), ignore_errors=True)

    def on_ingest(self, m):
        figures, test = self.figures.setdefault("ingest", {}), m["test"]
        if test == "durability":
            figures[test] = m["text"]
            return
        figures[test] = {k: v for k, v in m.items() if k not in ("kind", "test")}
        numbers = (f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in figures[test].items())
        print(f"  {test} " + " ".join(numbers), flush=True)


def told(m):
    if "error" in m:
        return m["error"]
    note = f"  (others used {m['other_cores']} cores)" if m["other_cores"] > machine.NOISY else ""
    return f"{m['ms']:10.3f} ms  rss {m['peak_rss_mb']:.0f} MB  {m['checksum']}{note}"


def version(engine):
    package = adapter.ENGINES[engine][2]
    try:
        return package and importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def own_nice_group(nice):
    """With autogroups a process's nice only counts inside of its session's group."""
    try:
        os.setsid()
        with open("/proc/self/autogroup", "w") as f:
            f.write(str(nice))
    except OSError:
        pass


def conditions(a):
    """What is noted once a run, beside the engines' figures."""
    noted = dict(machine=machine.description(), threads=a.threads, rows=queries.load_meta(os.path.join(a.data, a.scale))["rows"])
    if a.membw:
        print("memory bandwidth", flush=True)
        noted["membw"] = subprocess.run([a.membw, "1", str(a.threads)], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        print("\n".join(noted["membw"]), flush=True)
    return noted


def main():
    a = arguments()
    if a.nice:
        own_nice_group(a.nice)
    os.makedirs(a.stores, exist_ok=True)
    data = os.path.join(a.data, a.scale)
    reference.build(data, queries.QUERIES, os.path.join(data, "ref"))
    results = measures.read(a.out)
    scale = results.setdefault(a.scale, {})
    scale.setdefault("conditions", {}).update(conditions(a))
    for engine in a.engines:
        run = Run(engine, scale.setdefault("engines", {}).setdefault(engine, {}), a)
        run.all()
        measures.write(a.out, results)
        if a.drop_store:
            shutil.rmtree(run.store, ignore_errors=True)
    print(measures.text_table(scale["engines"], a.scale))


if __name__ == "__main__":
    main()
