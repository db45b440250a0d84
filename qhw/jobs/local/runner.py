"""A fake device that takes jobs like a real one: kept on disk, sampled, billed as if.

Circuits run as they are, folded ones too, exactly on the qubits they use under the snapshot's noise
(compiled, and checked against Aer); read-out error is folded in and bit strings are drawn. A job
is computed when it is first asked about, by whichever process asks, and gives the same answer ever
after: its random numbers are seeded from its id.
"""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import Timeout

from calibration import DeviceSnapshot
from policy.backend import FloatArray
from qhw.backends.aer import shot_errors
from qhw.budget.limits import qpu_seconds
from qhw.errors import HardwareError, JobFailedError, MitigationError, RetryableError
from qhw.files import UserData
from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.local.device import SimulatedDevice
from qhw.jobs.local.store import ID_PREFIX, Ending, JobStore, StoredJob
from qhw.jobs.request import JobRequest, Shapes
from qhw.jobs.runner import JobReport, JobState, Mode, PlanLimits, PubValues

COMPUTE_SECONDS = 600.0
"""How long to wait for another process that computes the same job."""


class LocalRunner:
    """See `qhw.jobs.runner.JobRunner`.

    Args:
        device: A snapshot that ships with the vendor's package, such as `fake_fez`.
        folder: Keeps the jobs; the user's own by default.
        clock: Tells the dates of jobs.
        snapshot: Taken instead of the shipped one, such as one with scaled noise.
    """

    mode: Mode = "job"
    group_id = ""

    def __init__(
        self,
        device: str,
        folder: Path | None = None,
        clock: Clock | None = None,
        *,
        snapshot: DeviceSnapshot | None = None,
    ) -> None:
        self.device = device
        self._store = JobStore(folder or UserData.of_user().local_jobs / device)
        self._clock = clock or SystemClock()
        self._given = snapshot

    def snapshot(self, *, refresh: bool = False) -> DeviceSnapshot:
        """The shipped snapshot, which never changes: `refresh` gives the same."""
        del refresh
        return self._device.snapshot

    def published(self) -> str:
        """Device, date and digest of the snapshot, as for a job that ran under it."""
        return _calibration(self._device.snapshot)

    @cached_property
    def _device(self) -> SimulatedDevice:
        """Opened when it is first needed: looking jobs up needs no snapshot."""
        from qhw.known import open_snapshot

        return SimulatedDevice(self._given or open_snapshot(self.device))

    def limits(self) -> PlanLimits:
        """No limits, no sessions."""
        return PlanLimits("local", sessions=False)

    def queue_length(self) -> int:
        """Nobody waits."""
        return 0

    def submit(self, request: JobRequest) -> str:
        """Store a job and return its id; it is computed when it is first asked about.

        Raises:
            MitigationError: If the platform is asked to mitigate.
            HardwareError: If the device has not got a gate, or the job cannot be stored.
            ConfigError: If a circuit uses too many qubits to be simulated.
        """
        if request.native:
            raise MitigationError(
                f"--mitigation native is done by IBM's platform; {self.device} runs here.",
                "Take --mitigation readout, affine or zne, or an ibm_* device.",
            )
        for pub in request.pubs:
            self._device.refuse_foreign(pub)
        job = StoredJob(
            # Rises with time, and is nobody else's.
            job_id=f"{ID_PREFIX}{time.time_ns():016x}{secrets.token_hex(4)}",
            tags=request.tags,
            shots=request.shots,
            rows=tuple(pub.rows for pub in request.pubs),
            outputs=tuple(pub.outputs for pub in request.pubs),
            max_seconds=request.max_seconds,
            digest=request.digest,
            created=self._date(),
        )
        self._store.add(job, request)
        return job.job_id

    def find(self, tag: str) -> list[JobReport]:
        """All jobs with this tag, oldest first; none is computed by it."""
        jobs = [job for job in self._store.jobs() if tag in job.tags]
        return [_report(job, self._store.ending(job.job_id), "queued") for job in jobs]

    def report(self, job_id: str) -> JobReport:
        """How a job stands; computes it, unless another process is at it."""
        job = self._store.read(job_id)
        return _report(job, self._ended(job, patience=0), "running")

    def collect(self, job_id: str, shapes: Shapes) -> tuple[PubValues, ...]:
        """The results, one per PUB; computes them if nobody has.

        Raises:
            RetryableError: If another process takes too long to compute them.
            JobFailedError: If the job failed or was cancelled.
            HardwareError: If the job was another request.
        """
        job = self._store.read(job_id)
        if job.shapes != shapes:
            raise HardwareError(
                f"{job_id} was asked for values of shapes {job.shapes}, not {shapes}.",
                "Ask for it with the request that was submitted.",
            )
        ending = self._ended(job, patience=COMPUTE_SECONDS)
        if ending is None:
            raise RetryableError(
                f"Another process has computed {job_id} for {COMPUTE_SECONDS:.0f} s.", "Wait."
            )
        if ending.state != "done":
            raise JobFailedError(f"{job_id} {ending.state}: {ending.reason}", "Submit it anew.")
        values = self._store.values(job_id)
        return tuple(PubValues(array, shot_errors(array, job.shots)) for array in values)

    def calibration(self, job_id: str) -> str:
        """Device, date and digest of the snapshot the job ran under; empty before it ran."""
        ending = self._store.ending(self._store.read(job_id).job_id)
        return ending.calibration if ending else ""

    def cancel(self, job_id: str) -> None:
        """Cancel a job that nobody has computed yet.

        Raises:
            RetryableError: If another process computes it for too long.
        """
        job = self._store.read(job_id)
        try:
            with self._store.lock(job_id, COMPUTE_SECONDS):
                if self._store.ending(job_id) is None:
                    now = self._date()
                    self._store.end(job_id, Ending("cancelled", 0.0, "", now, "by the user"))
        except Timeout as error:
            raise RetryableError(f"{job.job_id} is being computed.", "Wait.") from error

    def close(self) -> None:
        """Nothing is open."""

    def _date(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).isoformat()

    def _ended(self, job: StoredJob, patience: float) -> Ending | None:
        """The job's end, computed now if need be; None while another process computes it."""
        ending = self._store.ending(job.job_id)
        if ending is not None:
            return ending
        try:
            with self._store.lock(job.job_id, patience):
                return self._store.ending(job.job_id) or self._execute(job)
        except Timeout:
            return None

    def _execute(self, job: StoredJob) -> Ending:
        """Compute a job and store how it ended; its lock is held."""
        started, usage = self._date(), qpu_seconds(1, sum(job.rows), job.shots)
        values: tuple[FloatArray, ...] = ()
        reason = ""
        if usage > job.max_seconds:
            reason = f"it takes {usage:.0f} QPU s, and its limit is {job.max_seconds} s"
        else:
            try:
                values = self._measure(job)
            except RuntimeError as error:
                reason = str(error)
        ending = Ending(
            "failed" if reason else "done",
            min(usage, job.max_seconds),
            started,
            self._date(),
            reason,
            _calibration(self._device.snapshot),
        )
        self._store.end(job.job_id, ending, values)
        return ending

    def _measure(self, job: StoredJob) -> tuple[FloatArray, ...]:
        generator = np.random.default_rng(self._seed(job))
        pubs = self._store.pubs(job)
        return tuple(self._device.measure(pub, job.shots, generator) for pub in pubs)

    def _seed(self, job: StoredJob) -> int:
        """Another one for each job, as a device's shots are: asking again draws again."""
        return int(job.job_id.removeprefix(ID_PREFIX), 16)


def _report(job: StoredJob, ending: Ending | None, otherwise: JobState) -> JobReport:
    if ending is None:
        return JobReport(job.job_id, otherwise, job.tags, queue_position=0, created=job.created)
    return JobReport(
        job.job_id,
        ending.state,
        job.tags,
        usage_seconds=ending.usage_seconds,
        created=job.created,
        started=ending.started,
        finished=ending.finished,
        reason=ending.reason,
    )


def _calibration(snapshot: DeviceSnapshot) -> str:
    facts = {
        "device": snapshot.name,
        "taken_at": snapshot.taken_at,
        "calibration_digest": snapshot.calibration_digest,
    }
    return json.dumps(facts)
