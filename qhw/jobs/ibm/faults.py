"""From what IBM's client raises to the toolkit's own errors, without secrets.

The client has many exceptions for one cause and one exception for many causes; what decides here is
the HTTP answer underneath, or that there was none.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests

from qhw.console.tables import printable
from qhw.errors import (
    AmbiguousSubmitError,
    CredentialsError,
    HardwareError,
    JobFailedError,
    RateLimitedError,
    RetryableError,
)
from qhw.jobs.ibm.single_post import WatchedPost
from qhw.known import CREDENTIALS, saved_accounts

PASSING_STATUS = (404, 408, 425)
"""To a GET: the platform answers "not found" for a moment about what it has just made."""
ASK_AGAIN = "Ask again in a moment; https://quantum.cloud.ibm.com shows whether the platform is up."
QUIET_LOGGERS = ("qiskit_ibm_runtime", "ibm-cloud-sdk-core", "urllib3.connectionpool")
HIDDEN = "***"
_PATTERNS = (
    (re.compile(r"(?i)\b(bearer|apikey)\s+[^\s'\",}]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b(apikey|access_token|refresh_token)=[^&\s'\"]+"), rf"\1={HIDDEN}"),
    (re.compile(r"crn:v1:[^\s'\",}]+"), f"crn:{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.?[\w-]*"), HIDDEN),
)


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what the client raises into the toolkit's errors.

    Args:
        action: What is being done, such as `reading job d1`; the message begins with it.

    Raises:
        RetryableError: If asking again may help.
        HardwareError: If it does not.
    """
    quieten_client()
    try:
        yield
    except vendor_faults() as error:
        # The chain below holds request headers and account ids: it is not shown.
        raise translate(error, action) from None


def vendor_faults() -> tuple[type[Exception], ...]:
    """Everything that the client raises when the platform or the way to it is at fault."""
    from qiskit.exceptions import QiskitError

    return (QiskitError, requests.RequestException)


def is_platform_fault(error: Exception) -> bool:
    """Whether the platform or the way to it is at fault, and not what was read."""
    from qiskit.providers import JobError
    from qiskit_ibm_runtime.exceptions import IBMError

    return isinstance(error, (IBMError, JobError, requests.RequestException))


def translate(error: Exception, action: str) -> HardwareError:
    """The toolkit's error for one of `vendor_faults`."""
    answer = answer_of(error)
    if answer is not None:
        return _from_answer(answer, action)
    unanswered = _unanswered(error)
    if unanswered is None:
        return _from_kind(error, action)
    # Not the client's own words, which blame the API token for whatever went wrong.
    service = _service(str(getattr(unanswered.request, "url", None) or ""))
    return RetryableError(
        scrub(f"{action}: {service} gave no usable answer: {unanswered}"), ASK_AGAIN
    )


def submit_fault(error: Exception, post: WatchedPost, action: str) -> HardwareError:
    """The toolkit's error for a submission that failed."""
    if not post.unclear:
        return translate(error, action)
    answered = "no answer" if post.status is None else f"HTTP status {post.status}"
    answer = answer_of(error)
    words = _text(error) if answer is None else _platform_words(answer)
    return AmbiguousSubmitError(
        scrub(f"{action}: {answered} to the submission; the job may be there: {words}"),
        "Look its tag up before it is sent again: `qhw jobs collect` does.",
    )


def account_fault(error: Exception) -> HardwareError:
    """The toolkit's error for an account that cannot be opened."""
    if answer_of(error) is None and _unanswered(error) is None:
        return CredentialsError(
            scrub(f"The IBM account cannot be opened: {_text(error)}"), CREDENTIALS
        )
    return translate(error, "opening the IBM account")


def answer_of(error: BaseException) -> requests.Response | None:
    """The HTTP answer underneath an exception; None if there was none."""
    for link in _chain(error):
        answer = getattr(link, "response", None)
        if answer is None:
            answer = getattr(link, "http_response", None)
        if isinstance(answer, requests.Response):
            return answer
    return None


def scrub(text: str) -> str:
    """The text without tokens, authorization headers, account ids, and what steers a terminal.

    Those of the client's own variables and account file, and whatever looks like one.
    """
    text = printable(text)  # first, since what is hidden in a secret would keep it from being found
    secrets = {os.environ.get(name, "") for name in ("QISKIT_IBM_TOKEN", "QISKIT_IBM_INSTANCE")}
    for account in saved_accounts().values():
        secrets |= {str(account.get("token") or ""), str(account.get("instance") or "")}
    # The longest first: one may be the beginning of another.
    for secret in sorted((known for known in secrets if len(known) > 7), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def quieten_client() -> None:
    """Keep the client's log and warnings off the screen.

    At DEBUG it would log headers, and what it logs at WARNING or ERROR is raised here with more
    sense. Its warnings (plan used up, device in maintenance, no access token) are checked for
    before each submission, and raised as errors.
    """
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings(
        "ignore", category=UserWarning, module=r"qiskit_ibm_runtime\.(api|qiskit_runtime_service)"
    )


def _from_answer(answer: requests.Response, action: str) -> HardwareError:
    status, service = answer.status_code, _service(answer.url)
    text = scrub(f"{action}: {service} answered {status}: {_platform_words(answer)}")
    sent = str(answer.request.headers.get("Authorization", ""))
    # The client falls back to the bare API key while the identity service is down.
    if status == 401 and sent.startswith("apikey"):
        return RetryableError(f"{text} (the identity service gave no access token)", ASK_AGAIN)
    if status in (401, 403) or (status == 400 and service == "the identity service"):
        return CredentialsError(text, CREDENTIALS)
    if status == 429:
        return RateLimitedError(text, "Wait a minute; fewer jobs with more rows each ask less.")
    passing = status in PASSING_STATUS and answer.request.method == "GET"
    if passing or status >= 500 or status < 400:
        return RetryableError(text, ASK_AGAIN)
    return HardwareError(text, "The platform's own words say what it does not accept.")


def _from_kind(error: Exception, action: str) -> HardwareError:
    """Exceptions that the client raises of its own, without a failed request underneath."""
    from qiskit_ibm_runtime import exceptions

    text = scrub(f"{action}: {_text(error)}")
    failed = (
        exceptions.RuntimeJobFailureError,
        exceptions.RuntimeJobMaxTimeoutError,
        exceptions.RuntimeInvalidStateError,
    )
    if isinstance(error, failed):
        return JobFailedError(text, "`qhw jobs show` gives the platform's reason.")
    if isinstance(error, exceptions.RuntimeJobTimeoutError):
        return RetryableError(text, ASK_AGAIN)
    return HardwareError(text, "The message is the client's own.")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it was raised from or while handling, nearest first."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _unanswered(error: BaseException) -> requests.RequestException | None:
    """The request underneath that got no answer; None if the fault is none of the network's."""
    links = (link for link in _chain(error) if isinstance(link, requests.RequestException))
    return next(links, None)


def _text(error: Exception) -> str:
    """The message; as a string, the vendor's exceptions put it in quotes."""
    return str(getattr(error, "message", "") or error)


def _platform_words(answer: requests.Response) -> str:
    """The platform's message and code, verbatim."""
    try:
        content = answer.json()
    except requests.JSONDecodeError:
        return answer.text.strip() or str(answer.reason)
    return _message(content) or answer.text.strip()


def _message(content: Any) -> str:
    if not isinstance(content, dict):
        return ""
    errors = content.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else content.get("error", content)
    if not isinstance(first, dict):
        return str(first)
    message = first.get("message") or first.get("errorMessage") or ""
    code = first.get("code") or first.get("errorCode")
    return f"{message} (code {code})" if code else str(message)


def _service(url: str) -> str:
    """Which of IBM's services an address belongs to."""
    path = urlsplit(url).path
    if path.endswith("/identity/token"):
        return "the identity service"
    return "the search service" if "/v3/resources" in path else "the platform"
