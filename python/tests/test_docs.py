"""The code of the pages for Python, run as a reader would: block after block, in one namespace and an empty directory for each page.

A block `python` runs; one with `file=NAME` is written under that name. Blocks of any other kind are refused, as nothing would run
them. Behind QUESTDB stands a server that answers as QuestDB's `/exp` does.

The packages that the pages use are in `requirements-docs.txt`; ArcticDB, one of them, cannot stand beside pandas 3.
"""

from __future__ import annotations

import re
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

DOCS = Path(__file__).parents[2] / "docs"
# The least number of blocks that run: fewer, and they were not found.
PAGES = {"quickstart.md": 11, "cookbook.md": 27, "qmtl.md": 5}
BLOCK = re.compile(r"^```(?P<kind>\w*)(?: file=(?P<file>\S+))?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_the_code_of_the_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, questdb: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUESTDB", questdb)
    page = DOCS / name
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert len(re.findall("^```", text, re.MULTILINE)) == 2 * len(blocks), "a fence is not closed, or not at the start of its line"
    names: dict[str, object] = {"__name__": "page"}
    ran = 0
    for block in blocks:
        line = text.count("\n", 0, block.start("code"))
        assert block["kind"] == "python", f"{page}:{line}: nothing runs a block of {block['kind'] or 'no kind'}"
        if block["file"]:
            (tmp_path / block["file"]).write_text(block["code"], encoding="utf-8")
            continue
        # As many lines before it as on the page, so that a failure names its line.
        exec(compile("\n" * line + block["code"], str(page), "exec"), names)
        ran += 1
    assert ran >= PAGES[name]


def test_the_links_between_the_pages_lead_somewhere() -> None:
    for name in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (DOCS / name).read_text(encoding="utf-8")):
            assert (DOCS / target).exists(), f"{name}: {target}"


@pytest.fixture
def questdb() -> Iterator[str]:
    """The address of what answers queries over a table of trades as QuestDB does; DuckDB computes the answers."""
    store = duckdb.connect()
    store.execute("CREATE TABLE trades (timestamp TIMESTAMP, symbol VARCHAR, side VARCHAR, price DOUBLE, amount DOUBLE)")
    store.execute("""
        INSERT INTO trades
        SELECT TIMESTAMP '2026-11-19 23:50:00' + to_seconds(n) + to_microseconds(n % 1000),
               CASE n % 3 WHEN 0 THEN 'BTC-USD' WHEN 1 THEN 'ETH-USD' ELSE 'odd, "name"' END,
               CASE WHEN n % 5 = 0 THEN NULL WHEN n % 2 = 0 THEN 'buy' ELSE 'sell' END,
               CASE n % 3 WHEN 0 THEN 39270 ELSE 2615.36 + n % 100 / 100 END,
               CASE WHEN n % 7 = 0 THEN NULL ELSE 0.00044 * (n % 50) END
        FROM range(3000) AS rows(n)
    """)

    class Export(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query)).get("query")
            if url.path != "/exp" or query is None:
                self.send_error(404)
                return
            try:
                answer = store.cursor().execute(query)
            except duckdb.Error as error:
                self.reply(400, "application/json; charset=utf-8", f'{{"error":"{type(error).__name__}"}}')
                return
            lines = [",".join(f'"{column[0]}"' for column in answer.description)]
            lines += [",".join(map(as_questdb, row)) for row in answer.fetchall()]
            self.reply(200, "text/csv; charset=utf-8", "".join(f"{line}\r\n" for line in lines))

        def reply(self, status: int, kind: str, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            body = text.encode()
            for at in range(0, len(body), 1000):
                part = body[at : at + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Export) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    store.close()


def as_questdb(value: object) -> str:
    """A value as QuestDB writes it in CSV: times and text in quotes, quotes in text doubled, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return repr(value)
    text = value if isinstance(value, str) else f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    return '"' + text.replace('"', '""') + '"'
