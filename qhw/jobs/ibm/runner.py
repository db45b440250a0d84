"""IBM's devices: the one place that imports the vendor's service and primitives.

A request becomes one job of the client-side Estimator, the one that is not deprecated. Circuits are
used as they are, never transpiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from calibration import DeviceSnapshot
from qhw.errors import CredentialsError, HardwareError, JobFailedError, RetryableError
from qhw.jobs.ibm.account import find_device, not_found, open_service, plan_of
from qhw.jobs.ibm.client import (
    UNREADABLE,
    calibration_of,
    calibration_text,
    cancel_job,
    estimator_options,
    estimator_pub,
    metrics_of,
    report_from,
    result_of,
    tagged_ids,
    values_from,
)
from qhw.jobs.ibm.faults import ASK_AGAIN, scrub, submit_fault, translated, vendor_faults
from qhw.jobs.ibm.single_post import SESSIONS_PATH, watched_post
from qhw.jobs.request import JobRequest, Shapes
from qhw.jobs.runner import JobReport, Mode, PlanLimits, PubValues

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService, Session

OPEN_PENDING = 3
OPEN_POSTS = 5
"""The Open plan's jobs in the queue, and submissions per minute."""


class IbmRunner:
    """One IBM device, behind the interface `qhw.jobs.runner.JobRunner`.

    Args:
        service: The account.
        backend: The device.
        mode: How jobs are grouped.
        on_group: Told the id of a session or batch as soon as it is open, so that it can be
            written down and closed after a crash.
        warn: Told what may cost money and cannot be settled here.
    """

    def __init__(
        self,
        service: QiskitRuntimeService,
        backend: IBMBackend,
        mode: Mode,
        on_group: Callable[[str], None],
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._service, self._backend = service, backend
        self._mode, self._on_group, self._warn = mode, on_group, warn
        self._group: Session | None = None
        self._plan = plan_of(service, backend._instance)

    @classmethod
    def open(
        cls,
        device: str,
        mode: Mode = "job",
        on_group: Callable[[str], None] = lambda _: None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> IbmRunner:
        """Open a device by name; nothing is sent that costs anything.

        Raises:
            CredentialsError: If the account is missing or refused, or its plan has no sessions.
            BackendUnavailableError: If the device is retired or unknown to the account.
            RetryableError: If the platform does not answer.
        """
        service = open_service()
        runner = cls(service, find_device(service, device), mode, on_group, warn)
        if mode == "session" and runner._is_open:
            raise CredentialsError(
                f"The plan {runner._plan!r} of this account does not allow sessions (the platform "
                "refuses them with code 1352).",
                "Take `--mode job` or `--mode batch`; sessions need a paid plan.",
            )
        return runner

    @property
    def device(self) -> str:
        """See `JobRunner`."""
        return str(self._backend.name)

    @property
    def mode(self) -> Mode:
        """See `JobRunner`."""
        return self._mode

    @property
    def group_id(self) -> str:
        """See `JobRunner`."""
        return "" if self._group is None else str(self._group.session_id)

    def snapshot(self, *, refresh: bool = False) -> DeviceSnapshot:
        """See `JobRunner`."""
        with self._asking(f"reading the calibration of {self.device}"):
            if refresh:
                self._backend.refresh()
            return DeviceSnapshot.from_backend(self._backend)

    def published(self) -> str:
        """See `JobRunner`."""
        with self._asking(f"reading the calibration of {self.device}"):
            return calibration_text(self._backend.properties())

    def limits(self) -> PlanLimits:
        """See `JobRunner`."""
        with self._asking("reading the plan's usage"):
            left = self._service.usage().get("usage_remaining_seconds")
        return PlanLimits(
            plan=self._plan,
            max_pending=OPEN_PENDING if self._is_open else None,
            posts_per_minute=OPEN_POSTS if self._is_open else None,
            seconds_left=None if left is None else float(left),
            sessions=not self._is_open,
        )

    def queue_length(self) -> int | None:
        """See `JobRunner`."""
        with self._asking(f"reading the queue of {self.device}"):
            return int(self._backend.status().pending_jobs)

    def submit(self, request: JobRequest) -> str:
        """Send a job once; returns its id.

        Raises:
            AmbiguousSubmitError: If it is unknown whether the platform accepted the job.
            RetryableError: If nothing was accepted, and asking again may help: the device is not
                running, the session has expired (the next submission opens a new one), or a read
                before the submission failed.
            CredentialsError: If the account is refused.
            BackendUnavailableError: If the account no longer sees the device.
            HardwareError: If the plan's time is used up, or the platform does not accept the job.
        """
        from qiskit.providers.exceptions import QiskitBackendNotFoundError
        from qiskit_ibm_runtime.executor_estimator import Estimator

        self._refuse_hopeless()
        with self._asking(f"opening a {self.mode} on {self.device}"):
            place = self._place()
        estimator = Estimator(mode=place, options=estimator_options(request))
        pubs = [estimator_pub(pub) for pub in request.pubs]
        with watched_post() as post:
            try:
                return str(estimator.run(pubs).job_id())
            except QiskitBackendNotFoundError as error:
                if not post.sent:
                    raise not_found(self._service, self.device) from None
                fault = submit_fault(error, post, f"submitting to {self.device}")
            except vendor_faults() + UNREADABLE as error:
                if not post.sent and not isinstance(error, vendor_faults()):
                    raise
                fault = submit_fault(error, post, f"submitting to {self.device}")
        raise self._expired(fault) from None

    def find(self, tag: str) -> list[JobReport]:
        """See `JobRunner`."""
        with self._asking(f"looking jobs up by the tag {tag}"):
            job_ids = tagged_ids(self._client, tag)
        return [self.report(job_id) for job_id in job_ids]

    def report(self, job_id: str) -> JobReport:
        """See `JobRunner`."""
        with self._asking(f"reading job {job_id}"):
            answer, metrics = self._client.job_get(job_id), metrics_of(self._client, job_id)
        return report_from(job_id, answer, metrics)

    def collect(self, job_id: str, shapes: Shapes) -> tuple[PubValues, ...]:
        """See `JobRunner`."""
        with self._asking(f"reading job {job_id}"):
            report = report_from(job_id, self._client.job_get(job_id), {})
        if report.state in ("failed", "cancelled"):
            raise JobFailedError(
                scrub(f"Job {job_id} on {self.device} {report.state}: {report.reason}"),
                f"`qhw jobs show {job_id}` gives all that is known of it.",
            )
        if report.state != "done":
            raise RetryableError(f"Job {job_id} is {report.state}: no result yet.", ASK_AGAIN)
        with self._asking(f"fetching the result of job {job_id}"):
            result = result_of(self._service, job_id)
        return values_from(job_id, result, shapes)

    def calibration(self, job_id: str) -> str:
        """See `JobRunner`."""
        with self._asking(f"reading the calibration of job {job_id}"):
            return calibration_of(self._service, job_id)

    def cancel(self, job_id: str) -> None:
        """See `JobRunner`."""
        with self._asking(f"cancelling job {job_id}"):
            cancel_job(self._client, job_id)

    def close(self) -> None:
        """See `JobRunner`."""
        if self._group is None:
            return
        with self._asking(f"closing the {self.mode} {self.group_id}"):
            self._group.close()
        self._group = None

    @property
    def _client(self) -> Any:
        """The connection underneath: the service has no public call for a job's raw state."""
        return self._service._get_api_client(str(self._backend._instance))

    @property
    def _is_open(self) -> bool:
        """Whether the plan is the Open one: few jobs at a time, and no sessions."""
        return self._plan.startswith("open")

    @contextmanager
    def _asking(self, action: str) -> Iterator[None]:
        """Translate faults; let no failed log-in hold this call up.

        After one, the client's log-in waits up to 60 seconds for an answer that will not come.
        """
        self._client._session.auth.tm.request_time = 0
        with translated(action):
            yield

    def _refuse_hopeless(self) -> None:
        """Refuse a job that the platform would accept and leave in the queue for ever."""
        with self._asking(f"asking whether {self.device} takes jobs"):
            usage, status = self._service.usage(), self._backend.status()
        if usage.get("usage_limit_reached"):
            raise HardwareError(
                f"The QPU time of the plan {self._plan!r} is used up "
                f"({usage.get('usage_consumed_seconds')} s): a job would wait for ever.",
                "Wait until the plan's window moves on; `--resume` goes on from here.",
            )
        if not status.operational or status.status_msg != "active":
            raise RetryableError(
                f"{self.device} runs no jobs now: {scrub(status.status_msg or 'not operational')}.",
                "Wait for it, or take another device: `qhw devices` lists them.",
            )

    def _place(self) -> Any:
        """Where jobs go: the device itself, or its open batch or session."""
        if self._mode == "job":
            return self._backend
        if self._group is None:
            self._group = self._opened_group()
            self._on_group(self.group_id)
        return self._group

    def _opened_group(self) -> Session:
        """Open a batch or session; one that may be open without an id can only be told of."""
        from qiskit_ibm_runtime import Batch, Session

        kind = Batch if self._mode == "batch" else Session
        with watched_post(SESSIONS_PATH) as post:
            try:
                return kind(backend=self._backend)
            except vendor_faults():
                if post.unclear:
                    self._warn(
                        f"A {self._mode} may be open on {self.device}, and billed while it is: its "
                        "creation got no clear answer. https://quantum.cloud.ibm.com shows it, and "
                        "closes it."
                    )
                raise

    def _expired(self, fault: HardwareError) -> HardwareError:
        """The fault of a refused submission, or that its group is closed; which is then dropped.

        An ambiguous submission stays ambiguous, whatever has become of the group.
        """
        if self._group is None or type(fault) is not HardwareError:
            return fault
        with self._asking(f"reading the {self.mode} {self.group_id}"):
            details = self._group.details() or {}
        if details.get("accepting_jobs", True):
            return fault
        gone, self._group = self.group_id, None
        return RetryableError(
            f"The {self.mode} {gone} has expired: {fault.message}",
            "Submit again: a new one is opened.",
        )
