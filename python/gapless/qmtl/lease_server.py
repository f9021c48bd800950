"""The coordinator over HTTP, for workers that are told a ``coordinator_url``. It listens on this machine only, and trusts who can reach it.

``POST /v1/leases/claim {key, lease_ms}``, ``/v1/leases/complete {key, token}``, ``/v1/leases/fail {key, token, reason}``,
``/v1/leases/inspect {key, token}``, ``GET /healthz``. 409: somebody else has it, or the token is over. 400: the request cannot be right.
"""

from __future__ import annotations

import ipaddress
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from gapless import GaplessError

from .coordinator import GaplessCoordinator

__all__ = ["LeaseServer"]

_BODY_BYTES_MAX = 64 * 1024
_SOCKET_SECONDS_MAX = 10.0
_LEASE_MS_MAX = 7 * 24 * 3600 * 1000
_Answer = tuple[int, dict[str, Any]]


class LeaseServer:
    """Serves a coordinator from a thread, until it is closed. With port 0 it takes one that is free.

    >>> with LeaseServer(coordinator) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, coordinator: GaplessCoordinator, *, host: str = "127.0.0.1", port: int = 0) -> None:
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"host {host!r} can be reached from other machines, and whoever reaches this server is trusted: use 127.0.0.1")
        handler = type("Handler", (_Handler,), {"coordinator": coordinator})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="gapless-leases", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What workers are told."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def wait(self) -> None:
        """Returns when the server was closed."""
        self._thread.join()

    def close(self) -> None:
        """Stops to listen. The leases stay; the coordinator is not closed."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> LeaseServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    coordinator: GaplessCoordinator
    timeout = _SOCKET_SECONDS_MAX
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        else:
            self._answer(404, {"error": f"there is no {self.path}"})

    def do_POST(self) -> None:
        answers = {
            "/v1/leases/claim": self._claim,
            "/v1/leases/complete": self._complete,
            "/v1/leases/fail": self._fail,
            "/v1/leases/inspect": self._inspect,
        }
        try:
            # The body is read first: what is left of it would be taken for the next request.
            body = self._body()
            answer = answers.get(self.path)
            status, content = answer(body) if answer else (404, {"error": f"there is no {self.path}"})
        except (ValueError, RecursionError) as error:
            self.close_connection = True
            status, content = 400, {"error": str(error)}
        except GaplessError as error:
            status, content = 500, {"error": str(error)}
        self._answer(status, content)

    def _claim(self, body: dict[str, Any]) -> _Answer:
        lease_ms = body.get("lease_ms")
        if type(lease_ms) is not int or not 0 < lease_ms <= _LEASE_MS_MAX:
            raise ValueError(f"lease_ms is {lease_ms!r}: give milliseconds from 1 to {_LEASE_MS_MAX}")
        lease = self.coordinator.claim_now(_text(body, "key"), lease_ms)
        if lease is None:
            return 409, {"error": "somebody else has it"}
        return 200, {"lease": {"key": lease.key, "token": lease.token, "lease_until_ms": lease.lease_until_ms}, "completion_ratio": 0.0}

    def _complete(self, body: dict[str, Any]) -> _Answer:
        return _ended(self.coordinator.complete_now(_text(body, "key"), _text(body, "token")), 1.0)

    def _fail(self, body: dict[str, Any]) -> _Answer:
        reason = body.get("reason") or "failed"
        return _ended(self.coordinator.fail_now(_text(body, "key"), _text(body, "token"), str(reason)), 0.0)

    def _inspect(self, body: dict[str, Any]) -> _Answer:
        found = self.coordinator.inspect(_text(body, "key"), _text(body, "token"))
        return (200, {"lease": found}) if found else (404, {"error": "there is no such lease"})

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length") or ""
        if not (length.isascii() and length.isdigit()) or int(length) > _BODY_BYTES_MAX:
            raise ValueError(f"Content-Length is {length!r}: give at most {_BODY_BYTES_MAX} bytes")
        content = self.rfile.read(int(length))
        try:
            body = json.loads(content)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"the body is no JSON: {error}") from None
        if not isinstance(body, dict):
            raise ValueError("the body is no JSON object")
        return body

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not printed: the coordinator tells what happens as events."""


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}: give text")
    return value


def _ended(was_there: bool, ratio: float) -> _Answer:
    return (200, {"completion_ratio": ratio}) if was_there else (409, {"error": "the lease is over, or somebody else has it now"})
