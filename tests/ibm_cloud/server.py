"""The platform's REST API over HTTP, so that the real client runs against it unchanged.

The client is pointed at it by environment variables alone (`CloudServer.environment`).
"""

from __future__ import annotations

import base64
import json
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ibm_cloud.cloud import CRN, TOKEN, Cloud, Fault, RefusedError, described
from tests.ibm_cloud.execution import without_numbers

API = "/experimental/api/v1"
Query = dict[str, list[str]]
Answer = tuple[int, bytes]
Route = Callable[[Cloud, list[str], Query, Any], Any]


def _poll(cloud: Cloud, ids: list[str], query: Query, body: Any) -> Any:
    return cloud.poll(ids[0])


def _results(cloud: Cloud, ids: list[str], query: Query, body: Any) -> Any:
    return cloud.result(ids[0])


def _jobs(cloud: Cloud, ids: list[str], query: Query, body: Any) -> Any:
    found = cloud.tagged(query.get("tags", []), query.get("sort", ["DESC"])[0] != "ASC")
    offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["20"])[0])
    page = [described(job) for job in found[offset : offset + limit]]
    return {"jobs": page, "count": len(found), "offset": offset, "limit": limit}


def _cancel(cloud: Cloud, ids: list[str], query: Query, body: Any) -> Any:
    return cloud.cancel(ids[0])


def _close(cloud: Cloud, ids: list[str], query: Query, body: Any) -> Any:
    return cloud.close_session(ids[0])


def _search(cloud: Cloud, ids: list[str], query: Query, body: Any) -> Any:
    item = {
        "crn": CRN,
        "name": "test-instance",
        "service_plan_unique_id": "plan-id",
        "doc": {"extensions": {"backends": list(cloud.devices)}},
        "tags": [],
    }
    return {"items": [item], "limit": 100}


def _catalog(cloud: Cloud, ids: list[str], query: Query, body: Any) -> Any:
    pricing = "free" if cloud.plan == "open" else "paygo"
    return {
        "overview_ui": {"en": {"display_name": cloud.plan}},
        "metadata": {"pricing": {"type": pricing}},
    }


ROUTES: list[tuple[str, str, Route]] = [
    ("POST", "/search/v3/resources/search", _search),
    ("GET", "/catalog/([^/]+)", _catalog),
    ("GET", "/backends", lambda cloud, ids, query, body: cloud.listing()),
    ("GET", "/backends/([^/]+)/configuration", lambda c, ids, q, b: c.configuration(ids[0])),
    (
        "GET",
        "/backends/([^/]+)/properties",
        lambda c, ids, q, b: c.properties(ids[0], q.get("updated_before", [None])[0]),
    ),
    ("GET", "/backends/([^/]+)/status", lambda c, ids, q, b: c.status(ids[0])),
    ("GET", "/instances/usage", lambda c, ids, q, b: c.usage()),
    ("POST", "/jobs", lambda c, ids, q, b: c.submit(b)),
    ("GET", "/jobs", _jobs),
    ("GET", "/jobs/([^/]+)", _poll),
    ("GET", "/jobs/([^/]+)/results", _results),
    ("GET", "/jobs/([^/]+)/metrics", lambda c, ids, q, b: c.metrics(ids[0])),
    ("POST", "/jobs/([^/]+)/cancel", _cancel),
    ("POST", "/sessions", lambda c, ids, q, b: c.open_session(b)),
    ("GET", "/sessions/([^/]+)", lambda c, ids, q, b: c.session(ids[0])),
    ("PATCH", "/sessions/([^/]+)", _close),
    ("DELETE", "/sessions/([^/]+)/close", _close),
]
OPEN_TO_ALL = ("/search", "/catalog", "/iam", "/control")


class CloudServer:
    """Serves a `Cloud` on a free local port while the context is open.

    Args:
        cloud: What is served.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.closing = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> CloudServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Root of the server."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def environment(self, home: Path) -> dict[str, str]:
        """Variables that point the client here; `home` keeps its account file out of the way."""
        return {
            "QISKIT_IBM_URL": self.url + API,
            "IAM_URL": self.url + "/iam",
            "GLOBAL_SEARCH_URL": self.url + "/search",
            "GLOBAL_CATALOG_URL": self.url + "/catalog",
            "QISKIT_IBM_TOKEN": TOKEN,
            "QISKIT_IBM_INSTANCE": CRN,
            "QISKIT_IBM_CHANNEL": "ibm_quantum_platform",
            "HOME": str(home),
            "NO_PROXY": "*",
            # Else the client inspects the whole call stack at each request: 30 ms under pytest.
            "USAGE_DATA_OPT_OUT": "True",
        }


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    owner: CloudServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests; anything else is kept for the fixture."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.owner.cloud.crashes.append(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one segment: the body would else wait 40 ms for the head's acknowledgement.
    wbufsize = -1
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay quiet."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        path = split.path.removeprefix(API)
        cloud = self.server.owner.cloud
        if path.startswith("/control"):
            self._reply(*_control(cloud, method, content), {})
            return
        with cloud.lock:
            cloud.counts[method, _anonymous(path)] += 1
            cloud.headers.append(dict(self.headers))
            fault = next((f for f in cloud.faults if f.meets(method, path)), None)
        if fault is not None:
            self._go_wrong(fault, method, path, split.query, content)
            return
        self._reply(*self._answer(method, path, split.query, content), {})

    def _go_wrong(self, fault: Fault, method: str, path: str, query: str, content: bytes) -> None:
        answer = (200, b"")
        if fault.accept:
            answer = self._answer(method, path, query, content)
        if fault.hang:
            self.server.owner.closing.wait(fault.hang)
        if not (fault.accept or fault.status or fault.cut):
            answer = self._answer(method, path, query, content)
        if fault.cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        extra = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if fault.status:
            answer = (fault.status, _error(fault.code, fault.message))
        self._reply(answer[0], _spoiled(answer[1], fault.body), extra)

    def _answer(self, method: str, path: str, query: str, content: bytes) -> Answer:
        cloud = self.server.owner.cloud
        if path == "/iam/identity/token":
            return _access(cloud, content.decode())
        if not path.startswith(OPEN_TO_ALL) and not self._allowed():
            return 401, _error(1200, "The token is not valid")
        try:
            with cloud.lock:
                found = _route(method, path)
                body = json.loads(content) if content else None
                value = found[0](cloud, found[1], parse_qs(query), body)
        except RefusedError as refused:
            return refused.status, _error(refused.code, refused.message)
        if value is None:
            return 204, b""
        return 200, value.encode() if isinstance(value, str) else json.dumps(value).encode()

    def _allowed(self) -> bool:
        """Whether the access token was made from an API key that is still accepted."""
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or self.headers.get("Service-CRN") != CRN:
            return False
        claims = json.loads(base64.urlsafe_b64decode(value.split(".")[1] + "=="))
        return claims["key"] in self.server.owner.cloud.tokens

    def _reply(self, status: int, body: bytes, extra: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _route(method: str, path: str) -> tuple[Route, list[str]]:
    for wanted, pattern, route in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and wanted == method:
            return route, list(match.groups())
    raise RefusedError(404, 1000, f"no such endpoint: {method} {path}")


def _access(cloud: Cloud, form: str) -> Answer:
    """An access token that names the API key, as IAM gives one."""
    key = parse_qs(form).get("apikey", [""])[0]
    if key not in cloud.tokens:
        words = {"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found."}
        return 400, json.dumps(words).encode()
    now = int(time.time())
    claims = {"iat": now, "exp": now + cloud.access_seconds, "key": key}
    parts = [{"alg": "RS256", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
    token = b".".join([*encoded, b"c2lnbmF0dXJl"]).decode()
    answer = {
        "access_token": token,
        "expires_in": cloud.access_seconds,
        "expiration": claims["exp"],
    }
    return 200, json.dumps({**answer, "refresh_token": "", "token_type": "Bearer"}).encode()


def _error(code: int, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}], "trace": "t"}).encode()


def _spoiled(body: bytes, how: str) -> bytes:
    if how == "empty":
        return b""
    if how == "truncated":
        return body[: len(body) // 2]
    return without_numbers(body.decode()).encode() if how == "nan" else body


def _anonymous(path: str) -> str:
    return re.sub(r"^/(jobs|sessions|backends|catalog)/[^/]+", r"/\1/*", path)


def _control(cloud: Cloud, method: str, content: bytes) -> Answer:
    """For tests in another process: read the state, set an attribute, script a fault."""
    wanted = json.loads(content) if content else {}
    if method == "POST":
        for name, value in wanted.get("set", {}).items():
            setattr(cloud, name, value)
        for fault in wanted.get("faults", []):
            cloud.inject(Fault(**fault))
        for name, arguments in wanted.get("call", {}).items():
            getattr(cloud, name)(*arguments)
    with cloud.lock:
        return 200, json.dumps(cloud.summary()).encode()


def fault_as_json(fault: Fault) -> dict[str, Any]:
    """A fault as `POST /control` takes it."""
    values = asdict(fault)
    del values["met"]
    return values
