"""From the platform's words about a job to a `JobReport`."""

from __future__ import annotations

from typing import Any

from qhw.errors import RetryableError
from qhw.jobs.ibm_faults import ASK_AGAIN, scrub
from qhw.jobs.runner import JobReport, JobState

RAN_TOO_LONG = 1305
"""The platform words a job that met its time limit as cancelled; it failed."""
STATES: dict[str, JobState] = {
    "QUEUED": "queued",
    "RUNNING": "running",
    "COMPLETED": "done",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}


def report_from(job_id: str, told: Any, metrics: Any) -> JobReport:
    """Read GET /jobs/ID and GET /jobs/ID/metrics.

    Raises:
        RetryableError: If the answer is not one about a job.
    """
    state = told.get("state") if isinstance(told, dict) else None
    if not isinstance(state, dict) or not isinstance(metrics, dict):
        raise RetryableError(f"The platform's answer about job {job_id} is damaged.", ASK_AGAIN)
    stamps, usage = metrics.get("timestamps") or {}, metrics.get("usage") or {}
    billed = usage.get("status", "pending") != "pending"
    return JobReport(
        job_id=job_id,
        state=_state(job_id, state),
        tags=tuple(told.get("tags") or ()),
        queue_position=metrics.get("position_in_queue"),
        usage_seconds=usage.get("qpu_charge_time_seconds") if billed else None,
        created=str(stamps.get("created") or told.get("created") or ""),
        started=str(stamps.get("running") or ""),
        finished=str(stamps.get("finished") or ""),
        reason=_reason(state),
    )


def ids_from(told: Any) -> list[str]:
    """Read one page of GET /jobs.

    Raises:
        RetryableError: If the answer is not a list of jobs.
    """
    jobs = told.get("jobs") if isinstance(told, dict) else None
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        raise RetryableError("The platform's list of jobs is damaged.", ASK_AGAIN)
    return [str(job["id"]) for job in jobs if job.get("id")]


def _state(job_id: str, state: dict[str, Any]) -> JobState:
    name = str(state.get("status")).upper()
    found = STATES.get(name)
    if found is None:
        raise RetryableError(f"Job {job_id} is in the unknown state {name!r}.", ASK_AGAIN)
    return "failed" if found == "cancelled" and _code(state) == RAN_TOO_LONG else found


def _code(state: dict[str, Any]) -> Any:
    return state.get("reasonCode") or state.get("reason_code")


def _reason(state: dict[str, Any]) -> str:
    words, code = str(state.get("reason") or ""), _code(state)
    return scrub(f"{words} (code {code})" if code else words)
