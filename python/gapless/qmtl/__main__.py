"""``python -m gapless.qmtl``: serves the coordinator, and lists the series of a directory."""

from __future__ import annotations

import argparse
import sys

from . import GaplessBackend, GaplessCoordinator, LeaseServer


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gapless.qmtl", description="gapless as the history storage of QMTL")
    verbs = parser.add_subparsers(dest="verb", required=True)
    serve = verbs.add_parser("serve", help="serve backfill leases over HTTP on this machine")
    serve.add_argument("path")
    serve.add_argument("--port", type=int, default=8765)
    listing = verbs.add_parser("series", help="list series with what is known of them, in seconds, both ends included")
    listing.add_argument("path")
    given = parser.parse_args(arguments)
    return _serve(given.path, given.port) if given.verb == "serve" else _series(given.path)


def _serve(path: str, port: int) -> int:
    with GaplessCoordinator(path) as coordinator, LeaseServer(coordinator, port=port) as server:
        print(server.url, flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            pass
    return 0


def _series(path: str) -> int:
    with GaplessBackend(path, mode="r") as backend:
        for key in backend.series():
            ranges = " ".join(f"{start}-{end}" for start, end in backend.store.coverage(key))
            print(f"{key.node_id}\t{key.interval}\t{ranges}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
