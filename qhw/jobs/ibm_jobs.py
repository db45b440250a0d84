"""Jobs on the platform: what is asked of it about one of them, in the client's own calls.

Everything here raises the client's exceptions; `qhw.jobs.ibm` translates them.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from qhw.errors import RetryableError
from qhw.jobs.ibm_faults import ASK_AGAIN, is_platform_fault
from qhw.jobs.ibm_reports import ids_from

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

PAGE = 20
"""Jobs per answer when they are looked up by tag."""
UNREADABLE: tuple[type[Exception], ...] = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    EOFError,
    zlib.error,
)
"""What the client's decoders raise over a damaged answer, besides `QiskitError`."""


def tagged_ids(client: Any, tag: str) -> list[str]:
    """Ids of all jobs with this tag, oldest first.

    The client's own listing asks for ever if the platform's count and its pages disagree.
    """
    found: list[str] = []
    while True:
        told = client.jobs_get(limit=PAGE, skip=len(found), job_tags=[tag], descending=False)
        page = ids_from(told)
        fresh = [job_id for job_id in page if job_id not in found]
        found += fresh
        if len(page) < PAGE or not fresh:
            return found


def metrics_of(client: Any, job_id: str) -> dict[str, Any]:
    """Timestamps and usage; empty where the platform has none for a job that has not begun."""
    from qiskit_ibm_runtime.api.exceptions import RequestsApiError

    try:
        metrics: dict[str, Any] = client.job_metadata(job_id)
    except RequestsApiError as error:
        if error.status_code != 404:
            raise
        return {}
    return metrics


def result_of(service: QiskitRuntimeService, job_id: str) -> object:
    """What the client makes of the platform's answer; never waits for a job.

    Raises:
        RetryableError: If the answer cannot be decoded.
    """
    from qiskit.exceptions import QiskitError

    job = service.job(job_id)
    try:
        return job.result(timeout=0)
    except (QiskitError, *UNREADABLE) as error:
        if is_platform_fault(error):
            raise
        raise RetryableError(
            f"The result of job {job_id} is damaged: {type(error).__name__}.", ASK_AGAIN
        ) from None


def calibration_of(service: QiskitRuntimeService, job_id: str) -> str:
    """The calibration a job ran under, as JSON; empty if its device is gone."""
    from qiskit_ibm_runtime.api.exceptions import RequestsApiError

    job = service.job(job_id)
    try:
        properties = job.properties()
    except RequestsApiError as error:
        if error.status_code != 404:
            raise
        return ""
    if properties is None:
        return ""
    return json.dumps(properties.to_dict(), default=lambda date: date.isoformat())


def cancel_job(client: Any, job_id: str) -> None:
    """Cancel a job; nothing happens if it has ended."""
    from qiskit_ibm_runtime.api.exceptions import RequestsApiError

    try:
        client.job_cancel(job_id)
    except RequestsApiError as error:
        if error.status_code != 409:
            raise
