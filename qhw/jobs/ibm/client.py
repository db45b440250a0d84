"""Jobs on the platform: what is asked of it about one of them, in the client's own calls.

Everything here raises the client's exceptions; `qhw.jobs.ibm.runner` translates them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from qhw.errors import RetryableError
from qhw.jobs.ibm.faults import ASK_AGAIN, is_platform_fault, scrub
from qhw.jobs.request import NATIVE_TWIRLS, JobRequest, Pub, Shapes
from qhw.jobs.runner import JobReport, JobState, PubValues

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.models import BackendProperties
    from qiskit_ibm_runtime.options_models.estimator import EstimatorOptions

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
RAN_TOO_LONG = 1305
"""The platform words a job that met its time limit as cancelled; it failed."""
STATES: dict[str, JobState] = {
    "QUEUED": "queued",
    "RUNNING": "running",
    "COMPLETED": "done",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}


def tagged_ids(client: Any, tag: str) -> list[str]:
    """Ids of all jobs with this tag, oldest first.

    The client's own listing asks for ever if the platform's count and its pages disagree.

    Raises:
        RetryableError: If an answer is not a list of jobs.
    """
    job_ids: list[str] = []
    while True:
        answer = client.jobs_get(limit=PAGE, skip=len(job_ids), job_tags=[tag], descending=False)
        jobs = answer.get("jobs") if isinstance(answer, dict) else None
        if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
            raise RetryableError("The platform's list of jobs is damaged.", ASK_AGAIN)
        page = [str(job["id"]) for job in jobs if job.get("id")]
        fresh = [job_id for job_id in page if job_id not in job_ids]
        job_ids += fresh
        if len(page) < PAGE or not fresh:
            return job_ids


def metrics_of(client: Any, job_id: str) -> dict[str, Any]:
    """Timestamps and usage; empty where the platform has none for a job that has not begun."""
    with _tolerated(404):
        metrics: dict[str, Any] = client.job_metadata(job_id)
        return metrics
    return {}


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
    job, properties = service.job(job_id), None
    with _tolerated(404):
        properties = job.properties()
    return calibration_text(properties)


def calibration_text(properties: BackendProperties | None) -> str:
    """A calibration as JSON; empty if the platform has none."""
    if properties is None:
        return ""
    return json.dumps(properties.to_dict(), default=lambda date: date.isoformat())


def cancel_job(client: Any, job_id: str) -> None:
    """Cancel a job; nothing happens if it has ended."""
    with _tolerated(409):
        client.job_cancel(job_id)


def report_from(job_id: str, answer: Any, metrics: Any) -> JobReport:
    """Read GET /jobs/ID and GET /jobs/ID/metrics.

    Raises:
        RetryableError: If the answer is not one about a job.
    """
    state = answer.get("state") if isinstance(answer, dict) else None
    if not isinstance(state, dict) or not isinstance(metrics, dict):
        raise RetryableError(f"The platform's answer about job {job_id} is damaged.", ASK_AGAIN)
    stamps, usage = metrics.get("timestamps") or {}, metrics.get("usage") or {}
    billed = usage.get("status", "pending") != "pending"
    words, code = str(state.get("reason") or ""), _code(state)
    return JobReport(
        job_id=job_id,
        state=_state(job_id, state),
        tags=tuple(answer.get("tags") or ()),
        queue_position=metrics.get("position_in_queue"),
        usage_seconds=usage.get("qpu_charge_time_seconds") if billed else None,
        created=str(stamps.get("created") or answer.get("created") or ""),
        started=str(stamps.get("running") or ""),
        finished=str(stamps.get("finished") or ""),
        reason=scrub(f"{words} (code {code})" if code else words),
    )


def estimator_options(request: JobRequest) -> EstimatorOptions:
    """Every option that bears on the numbers or the bill, spelled out."""
    from qiskit_ibm_runtime.options_models.dynamical_decoupling import DynamicalDecouplingOptions
    from qiskit_ibm_runtime.options_models.environment import EnvironmentOptions
    from qiskit_ibm_runtime.options_models.estimator import EstimatorOptions
    from qiskit_ibm_runtime.options_models.execution import ExecutionOptions
    from qiskit_ibm_runtime.options_models.resilience import ResilienceOptions
    from qiskit_ibm_runtime.options_models.twirling import TwirlingOptions

    twirls = min(NATIVE_TWIRLS, request.shots)
    return EstimatorOptions(
        default_shots=request.shots,
        resilience_level=0,
        resilience=ResilienceOptions(
            measure_mitigation=request.native, zne_mitigation=False, pec_mitigation=False
        ),
        twirling=TwirlingOptions(
            enable_gates=False,
            enable_measure=request.native,
            num_randomizations=twirls if request.native else "auto",
            shots_per_randomization="auto",
        ),
        dynamical_decoupling=DynamicalDecouplingOptions(enable=False),
        execution=ExecutionOptions(init_qubits=True, rep_delay=None),
        environment=EnvironmentOptions(job_tags=list(request.tags), private=False),
        max_execution_time=request.max_seconds,
    )


def values_from(job_id: str, result: object, shapes: Shapes) -> tuple[PubValues, ...]:
    """The values of every PUB, once they can be trusted.

    Raises:
        RetryableError: If this cannot be the answer to the request.
    """
    from qiskit.primitives.containers import PrimitiveResult

    if not isinstance(result, PrimitiveResult) or len(result) != len(shapes):
        raise RetryableError(
            f"The result of job {job_id} is a {type(result).__name__}, not the values of "
            f"{len(shapes)} PUBs.",
            ASK_AGAIN,
        )
    answers = []
    for pub, shape in zip(result, shapes, strict=True):
        values = PubValues(
            np.asarray(getattr(pub.data, "evs", None), dtype=np.float64),
            np.asarray(getattr(pub.data, "stds", None), dtype=np.float64),
        )
        fault = values.fault(*shape)
        if fault:
            raise RetryableError(f"The result of job {job_id} is damaged: {fault}.", ASK_AGAIN)
        answers.append(values)
    return tuple(answers)


def estimator_pub(pub: Pub) -> tuple[Any, list[Any], Any]:
    """(circuit, n observables, parameters (rows, 1, P)): values come as (rows, n)."""
    from qiskit.quantum_info import SparsePauliOp

    width = pub.circuit.num_qubits
    observables = [SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], width) for q in pub.outputs]
    return pub.circuit, observables, pub.parameters[:, None, :]


@contextmanager
def _tolerated(status: int) -> Iterator[None]:
    """Let pass that the platform answers with this HTTP status."""
    from qiskit_ibm_runtime.api.exceptions import RequestsApiError

    try:
        yield
    except RequestsApiError as error:
        if error.status_code != status:
            raise


def _state(job_id: str, state: dict[str, Any]) -> JobState:
    name = str(state.get("status")).upper()
    if name not in STATES:
        raise RetryableError(f"Job {job_id} is in the unknown state {name!r}.", ASK_AGAIN)
    too_long = STATES[name] == "cancelled" and _code(state) == RAN_TOO_LONG
    return "failed" if too_long else STATES[name]


def _code(state: dict[str, Any]) -> Any:
    return state.get("reasonCode") or state.get("reason_code")
