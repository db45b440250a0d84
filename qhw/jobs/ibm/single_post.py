"""A POST goes out once, and it is known whether one did.

IBM's client sends a POST again, silently, when it is answered by a server error: if the platform
had accepted the first one there are two jobs, and both are paid. Only the caller can tell (by the
job's tag), so the client must not decide. This is the one place that changes the client: the method
by which it mounts its connections is replaced, and `refuse_other_connections` notices if a new
version of the client no longer uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from qhw.errors import HardwareError

GET_RETRIES = 2
BACKOFF_SECONDS = 0.1
"""Two quick retries of a GET; longer patience is the caller's, who can say that it waits."""
READ_SECONDS = 120.0
"""The client itself waits for ever, so that a call given up on would never end."""
JOBS_PATH, SESSIONS_PATH = "/jobs", "/sessions"


@dataclass
class WatchedPost:
    """What became of the POST of a job or a session.

    Attributes:
        path: End of the address it goes to.
        sent: It left this machine: the platform may have accepted it.
        status: HTTP status of the answer; None where none came.
    """

    path: str = JOBS_PATH
    sent: bool = False
    status: int | None = None

    @property
    def unclear(self) -> bool:
        """Whether the platform may have accepted one that failed here."""
        refused = self.status is not None and 400 <= self.status < 500 and self.status != 408
        return self.sent and not refused


_watched: ContextVar[WatchedPost | None] = ContextVar("watched", default=None)


@contextmanager
def watched_post(path: str = JOBS_PATH) -> Iterator[WatchedPost]:
    """Watch for the POST of a job, or of a session, in this thread."""
    post = WatchedPost(path)
    token = _watched.set(post)
    try:
        yield post
    finally:
        _watched.reset(token)


class SinglePostRetry(Retry):
    """Retries what can do no harm, and no POST."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        """Whether an answered request is sent again."""
        return method.upper() != "POST" and super().is_retry(method, status_code, has_retry_after)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> SinglePostRetry:
        """Count a failed attempt down; a POST has no second one.

        Raises:
            MaxRetryError: If nothing is left.
        """
        if method is not None and method.upper() == "POST" and error is not None:
            assert _pool is not None
            raise MaxRetryError(_pool, url or "", error) from error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class SinglePostAdapter(HTTPAdapter):
    """Connections that send a POST once and tell `watched_post` of a job's."""

    def __init__(self) -> None:
        from qiskit_ibm_runtime.api.session import STATUS_FORCELIST

        retry = SinglePostRetry(
            total=GET_RETRIES,
            backoff_factor=BACKOFF_SECONDS,
            status_forcelist=STATUS_FORCELIST,
            # A platform that says "come back in an hour" would hold the call for that hour.
            respect_retry_after_header=False,
        )
        super().__init__(max_retries=retry)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send, and note what became of the POST of a job."""
        if isinstance(timeout, tuple) and timeout[1] is None:
            timeout = (timeout[0], READ_SECONDS)
        post = _watched_by(request)
        if post is not None:
            post.sent = True
        try:
            answer = super().send(request, stream, timeout, verify, cert, proxies)
        except requests.ConnectionError as error:
            if post is not None and _never_left(error):
                post.sent = False
            raise
        if post is not None:
            post.status = answer.status_code
        return answer


def _watched_by(request: requests.PreparedRequest) -> WatchedPost | None:
    """The watch that waits for this request, if there is one."""
    post, path = _watched.get(), (request.url or "").partition("?")[0]
    watched = post is not None and request.method == "POST" and path.endswith(post.path)
    return post if watched else None


def forbid_reposts() -> None:
    """Switch the re-POST off for every connection that the client opens from now on."""
    from qiskit_ibm_runtime.api.session import RetrySession

    RetrySession._initialize_retry = _mount_single_posts


def refuse_other_connections(client_session: requests.Session) -> None:
    """Make sure that `forbid_reposts` took effect.

    Raises:
        HardwareError: If a POST could be sent twice.
    """
    for adapter in client_session.adapters.values():
        if not isinstance(adapter, SinglePostAdapter):
            raise HardwareError(
                f"IBM's client uses {type(adapter).__name__} for its connections: a POST could be "
                "sent twice, and two jobs paid.",
                "Install the client's version that qhw asks for: "
                "`pip install 'qiskit-ibm-runtime>=0.51,<0.52'`.",
            )


def _mount_single_posts(session: requests.Session, *_: Any, **__: Any) -> None:
    """Stand in for `RetrySession._initialize_retry(total, connect, backoff)`."""
    session.mount("http://", SinglePostAdapter())
    session.mount("https://", SinglePostAdapter())


def _never_left(error: requests.ConnectionError) -> bool:
    """Whether no connection was made, so that nothing can have arrived."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))
