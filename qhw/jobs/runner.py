"""Where jobs run: submit, look up, collect; one interface for IBM's devices and local ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from qhw.jobs.request import JobRequest, Shapes

if TYPE_CHECKING:
    from calibration import DeviceSnapshot
    from policy.backend import FloatArray

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL_STATES = ("done", "failed", "cancelled")
Mode = Literal["job", "batch", "session"]


@dataclass(frozen=True)
class PubValues:
    """What one PUB measured.

    Attributes:
        values: (rows, n) estimates of <Z_i>.
        standard_errors: (rows, n), at least 0.
    """

    values: FloatArray
    standard_errors: FloatArray

    def fault(self, rows: int, width: int) -> str:
        """Why this cannot be the answer to (rows, width) circuits; empty if it can."""
        import numpy as np

        for name, array in (("values", self.values), ("standard errors", self.standard_errors)):
            if not isinstance(array, np.ndarray) or array.shape != (rows, width):
                shape = getattr(array, "shape", type(array).__name__)
                return f"{name} have shape {shape}, not {(rows, width)}"
            if not np.isfinite(array).all():
                return f"{name} hold numbers that are not finite"
        if (self.standard_errors < 0).any():
            return "a standard error is negative"
        return ""


@dataclass(frozen=True)
class JobReport:
    """What the platform says of a job.

    Attributes:
        job_id: The platform's.
        state: Final in `FINAL_STATES`.
        tags: As submitted.
        queue_position: Jobs ahead; None where it is not told.
        usage_seconds: QPU seconds billed; None where it is not told (yet).
        created: Date on which it was accepted, ISO 8601; empty where it is not told.
        started: Date on which it began to run.
        finished: Date of its end.
        reason: The platform's message and code, verbatim, where it failed.
    """

    job_id: str
    state: JobState
    tags: tuple[str, ...] = ()
    queue_position: int | None = None
    usage_seconds: float | None = None
    created: str = ""
    started: str = ""
    finished: str = ""
    reason: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL_STATES


@dataclass(frozen=True)
class PlanLimits:
    """What the account may do.

    Attributes:
        plan: Its name, such as `open`; `local` for fake devices.
        max_pending: Jobs that may wait at once; None for no limit.
        posts_per_minute: Submissions that are accepted; None for no limit.
        seconds_left: QPU seconds left in the plan's window; None where it is not told.
        sessions: Whether sessions are allowed.
    """

    plan: str
    max_pending: int | None = None
    posts_per_minute: int | None = None
    seconds_left: float | None = None
    sessions: bool = True


class JobRunner(Protocol):
    """One device that takes jobs.

    Methods raise `qhw.errors.RetryableError` where asking again may help, and another
    `HardwareError` where it does not. `submit` never tries twice: whoever calls it decides.
    """

    @property
    def device(self) -> str:
        """Its name, such as `ibm_fez` or `fake_fez`."""

    @property
    def mode(self) -> Mode:
        """How jobs are grouped."""

    @property
    def group_id(self) -> str:
        """Id of the open session or batch; empty in job mode or before the first submission."""

    def snapshot(self, *, refresh: bool = False) -> DeviceSnapshot:
        """The device's structure and present calibration; `refresh` asks the platform anew."""

    def published(self) -> str:
        """The calibration that `snapshot` shows, as the platform's JSON; see `calibration`."""

    def limits(self) -> PlanLimits:
        """What the account may do now."""

    def queue_length(self) -> int | None:
        """Jobs waiting at the device; None where it is not told."""

    def submit(self, request: JobRequest) -> str:
        """Send a job once; returns its id.

        Raises:
            AmbiguousSubmitError: If it is unknown whether the platform accepted the job.
        """

    def find(self, tag: str) -> list[JobReport]:
        """All jobs with this tag, oldest first."""

    def report(self, job_id: str) -> JobReport:
        """How a job stands."""

    def collect(self, job_id: str, shapes: Shapes) -> tuple[PubValues, ...]:
        """The results of a finished job, one per PUB.

        Args:
            job_id: The platform's.
            shapes: Shapes of the request that was submitted.

        Raises:
            RetryableError: If the answer is empty, damaged or of the wrong shape; ask again.
            JobFailedError: If the job failed or was cancelled.
        """

    def calibration(self, job_id: str) -> str:
        """The calibration the job ran under, as the platform's JSON; empty where it tells none."""

    def cancel(self, job_id: str) -> None:
        """Cancel a job; nothing happens if it has ended."""

    def close(self) -> None:
        """Close what was opened (session or batch); called on every way out."""
