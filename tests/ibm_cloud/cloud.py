"""What the platform knows: devices, jobs, sessions, the plan, and the faults a test has scripted.

Nothing happens on its own: a job moves on when it is polled (`queue_polls`, `run_polls`), so tests
are quick and repeatable. `settle` lets everything that was accepted run to its end.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from calibration import DeviceSnapshot, scale_noise
from tests.ibm_cloud.execution import execute

TOKEN = "SECRET-api-key-0123456789abcdefghijklmnopqrstuvwxyz"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/SECRETaccount:SECRETinstance::"
OPEN_SECONDS = 600
SETUP_SECONDS = 2.0
SHOT_SECONDS = 0.00035


class RefusedError(Exception):
    """The platform says no: HTTP status, its own code and message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Fault:
    """What is to go wrong with the next requests that match.

    Attributes:
        method: Of the request; `*` for any.
        path: Regular expression that the path (without the API's prefix) must match in full.
        times: Requests that it meets, -1 for all.
        skip: Matching requests that pass before it starts.
        accept: Let the request take effect before it goes wrong.
        status: Answer with this status; 0 for the true answer.
        code: The platform's own error code.
        message: The platform's own words.
        retry_after: Seconds in the header of that name; None for no header.
        body: `empty`, `truncated` or `nan` to spoil the true answer; empty to leave it.
        cut: Close the connection instead of answering.
        hang: Seconds to wait before anything is answered; with `accept` the request takes effect
            before the wait, else after it. Ends early when the server is closed.
    """

    method: str
    path: str
    times: int = 1
    skip: int = 0
    accept: bool = False
    status: int = 0
    code: int = 0
    message: str = "scripted by the test"
    retry_after: int | None = None
    body: str = ""
    cut: bool = False
    hang: float = 0.0
    met: int = field(default=0, compare=False)

    def meets(self, method: str, path: str) -> bool:
        """Whether this request is the fault's; counts it down."""
        if self.method not in ("*", method) or not re.fullmatch(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times == 0:
            return False
        self.times -= 1
        self.met += 1
        return True


@dataclass
class Job:
    """One accepted job."""

    id: str
    backend: str
    params: dict[str, Any] = field(repr=False)
    tags: list[str]
    session_id: str | None
    cost: int | None
    created: datetime
    queue_polls: int
    run_polls: int
    stuck: bool
    snapshot: DeviceSnapshot = field(repr=False)
    listed: bool = True
    state: str = "Queued"
    reason: str = ""
    code: int | None = None
    running: datetime | None = None
    finished: datetime | None = None
    result: str = field(default="", repr=False)
    circuits: int = 0
    shots: int = 0
    seconds: float = 0.0

    @property
    def final(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ("Completed", "Failed", "Cancelled")


@dataclass
class Session:
    """One session or batch."""

    id: str
    mode: str
    backend: str
    state: str = "open"
    accepting: bool = True


class Device:
    """A device with its snapshot; recalibrated by `Cloud.recalibrate`."""

    def __init__(self, name: str, fake: str) -> None:
        self.name = name
        configuration, properties, self.snapshot = _published(fake)
        self.configuration = {**configuration, "backend_name": name}
        self.history = [(datetime.fromtimestamp(0, UTC), properties)]
        self.status = "active"
        self.queue = 0

    def properties(self, before: datetime | None) -> dict[str, Any]:
        """The calibration in force at that time, as the platform words it."""
        known = [values for at, values in self.history if before is None or at <= before]
        return known[-1]

    def recalibrate(self, factor: float, date: str) -> None:
        """New values: every error times `factor`, dated `date` (ISO 8601)."""
        values = copy.deepcopy(self.history[-1][1])
        values["last_update_date"] = date
        for gate in values["gates"]:
            _scale(gate["parameters"], {"gate_error"}, factor)
        readout = {"readout_error", "prob_meas0_prep1", "prob_meas1_prep0"}
        for qubit in values["qubits"]:
            _scale(qubit, readout, factor)
        self.history.append((datetime.now(UTC), values))
        self.snapshot = scale_noise(self.snapshot, factor).snapshot


class Cloud:
    """The platform's state; one lock makes each request a step.

    Attributes:
        plan: `open` or `pay-as-you-go`.
        used_seconds: Billed before the test began.
        limit_seconds: QPU seconds of the plan; None where it has none.
        tokens: API keys that are accepted; remove one to refuse it from now on.
        queue_polls: Polls that a new job stays queued; `run_polls` the same while it runs.
        stuck: New jobs stay queued for ever.
        unlisted: So many jobs to come are left out of the listing by tag, until `list_all`.
        fail_with: (code, message) that new jobs fail with; None for success.
        max_pending: Jobs that may wait at once; None for the plan's own rule (3 on open).
        access_seconds: Life of an access token.
        hidden: Devices that answer but are no longer listed.
        faults: Scripted; `inject` appends.
        counts: Requests by (method, path with ids replaced by `*`).
        headers: Of every request.
        crashes: Tracebacks of the server's own faults; the fixtures insist that there are none.
    """

    def __init__(self, devices: dict[str, str] | None = None, *, plan: str = "open") -> None:
        self.plan = plan
        self.used_seconds = 0.0
        self.limit_seconds: float | None = OPEN_SECONDS if plan == "open" else None
        self.tokens = {TOKEN}
        self.queue_polls = 0
        self.run_polls = 0
        self.stuck = False
        self.unlisted = 0
        self.fail_with: tuple[int, str] | None = None
        self.max_pending: int | None = 3 if plan == "open" else None
        self.access_seconds = 3600
        self.lock = threading.RLock()
        self.devices = {name: Device(name, fake) for name, fake in _named(devices).items()}
        self.hidden: set[str] = set()
        self.jobs: dict[str, Job] = {}
        self.sessions: dict[str, Session] = {}
        self.faults: list[Fault] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.headers: list[dict[str, str]] = []
        self.crashes: list[str] = []

    # What a test asks and scripts.

    def inject(self, fault: Fault) -> Fault:
        """Script a fault; its `met` counts the requests it has met."""
        with self.lock:
            self.faults.append(fault)
        return fault

    def requests(self, method: str, path: str) -> int:
        """Requests so far; ids in the path are written `*`, as in `/jobs/*/results`."""
        return self.counts[method, path]

    def settle(self) -> None:
        """Let every job that is not stuck, cancelled or failed run to its end."""
        with self.lock:
            for job in self.jobs.values():
                while not job.final and not job.stuck:
                    self._advance(job)

    def paid(self) -> Counter[str]:
        """How often each tag was executed and billed."""
        self.settle()
        return Counter(tag for job in self.jobs.values() if job.seconds for tag in job.tags)

    @property
    def executed(self) -> tuple[int, int]:
        """(circuits, shots) executed, after `settle`."""
        self.settle()
        jobs = self.jobs.values()
        return sum(job.circuits for job in jobs), sum(job.shots for job in jobs)

    @property
    def billed_seconds(self) -> float:
        """QPU seconds billed to jobs, after `settle`."""
        self.settle()
        return sum(job.seconds for job in self.jobs.values())

    @property
    def open_sessions(self) -> list[str]:
        """Ids of sessions and batches that still accept jobs."""
        return [session.id for session in self.sessions.values() if session.accepting]

    def expire_sessions(self) -> None:
        """Close every session from the platform's side."""
        for session in self.sessions.values():
            session.state, session.accepting = "closed", False

    def recalibrate(self, device: str, factor: float, date: str) -> None:
        """A new calibration: every error times `factor`."""
        with self.lock:
            self.devices[device].recalibrate(factor, date)

    def change_device(self, device: str, status: str = "active", queue: int = 0) -> None:
        """Put a device into maintenance (any status but `active`), or people before its door."""
        self.devices[device].status, self.devices[device].queue = status, queue

    def retire(self, device: str) -> None:
        """Take a device away."""
        with self.lock:
            del self.devices[device]

    def list_all(self) -> None:
        """Jobs that were left out of the listing appear in it."""
        for job in self.jobs.values():
            job.listed = True

    def summary(self) -> dict[str, Any]:
        """Everything a test in another process may ask, as JSON."""
        self.settle()
        circuits, shots = self.executed
        return {
            "counts": {f"{method} {path}": n for (method, path), n in self.counts.items()},
            "jobs": [_public(job) for job in self.jobs.values()],
            "sessions": [asdict(session) for session in self.sessions.values()],
            "paid": self.paid(),
            "circuits": circuits,
            "shots": shots,
            "billed_seconds": self.billed_seconds,
        }

    # What the client asks.

    def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Accept a job."""
        session = self._session_for(body)
        device = self._device(body["backend"])
        waiting = sum(not job.final for job in self.jobs.values())
        if self.max_pending is not None and waiting >= self.max_pending:
            raise RefusedError(400, 1213, f"{self.max_pending} jobs are pending already")
        stuck = self.stuck or device.status != "active" or self.exhausted
        job = Job(
            id=f"d{uuid.uuid4().hex[:19]}",
            backend=device.name,
            params=body["params"],
            tags=body.get("tags", []),
            session_id=session,
            cost=body.get("cost"),
            created=datetime.now(UTC),
            queue_polls=self.queue_polls,
            run_polls=self.run_polls,
            stuck=stuck,
            snapshot=device.snapshot,
            listed=self.unlisted <= 0,
        )
        self.unlisted -= 1
        self.jobs[job.id] = job
        return {"id": job.id, "backend": job.backend}

    @property
    def exhausted(self) -> bool:
        """Whether the plan's time is used up."""
        return self.limit_seconds is not None and self.used_seconds >= self.limit_seconds

    def poll(self, job_id: str) -> dict[str, Any]:
        """How a job stands; asking moves it on."""
        job = self._job(job_id)
        if not job.final and not job.stuck:
            self._advance(job)
        return described(job)

    def result(self, job_id: str) -> str:
        """What a job computed."""
        job = self._job(job_id)
        if job.state == "Completed":
            return job.result
        raise RefusedError(404, 1291, f"Job results not found. Job id: {job_id}")

    def metrics(self, job_id: str) -> dict[str, Any]:
        """Timestamps, usage and the place in the queue."""
        job = self._job(job_id)
        ahead = list(self.jobs).index(job_id) + self.devices_queue(job.backend)
        stamps = {"created": job.created, "running": job.running, "finished": job.finished}
        return {
            "timestamps": {name: _stamp(at) for name, at in stamps.items()},
            "usage": {
                "qpu_charge_time_seconds": job.seconds,
                "status": "complete" if job.final else "pending",
            },
            "position_in_queue": ahead if job.state == "Queued" else None,
        }

    def devices_queue(self, name: str) -> int:
        """Jobs of other people that wait at a device."""
        return self.devices[name].queue if name in self.devices else 0

    def cancel(self, job_id: str) -> None:
        """Cancel a job that has not ended."""
        job = self._job(job_id)
        if job.final:
            raise RefusedError(409, 1217, f"Job {job_id} has ended and cannot be cancelled")
        job.state, job.finished = "Cancelled", datetime.now(UTC)
        job.reason, job.code = "Cancelled by the user", None

    def tagged(self, tags: list[str], newest_first: bool) -> list[Job]:
        """Jobs that carry all of these tags, as far as they are listed."""
        listed = [job for job in self.jobs.values() if job.listed]
        found = [job for job in listed if set(tags) <= set(job.tags)]
        return found[::-1] if newest_first else found

    def open_session(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open a session (`dedicated`) or a batch."""
        if self.plan == "open" and body["mode"] == "dedicated":
            raise RefusedError(
                400, 1352, "You are not authorized to run a session when using the open plan."
            )
        device = self._device(body["backend"])
        session = Session(f"s{uuid.uuid4().hex[:19]}", body["mode"], device.name)
        self.sessions[session.id] = session
        return self.session(session.id)

    def session(self, session_id: str) -> dict[str, Any]:
        """How a session stands."""
        session = self._session(session_id)
        return {
            "id": session.id,
            "backend_name": session.backend,
            "mode": session.mode,
            "state": session.state,
            "accepting_jobs": session.accepting,
        }

    def close_session(self, session_id: str) -> None:
        """Accept no more jobs in it."""
        session = self._session(session_id)
        session.state, session.accepting = "closed", False

    def usage(self) -> dict[str, Any]:
        """What the plan still allows."""
        used = self.used_seconds
        told: dict[str, Any] = {
            "usage_consumed_seconds": used,
            "usage_limit_reached": self.exhausted,
        }
        if self.limit_seconds is not None:
            told["usage_limit_seconds"] = self.limit_seconds
        return told

    def configuration(self, name: str) -> dict[str, Any]:
        """Structure of a device."""
        return self._device(name).configuration

    def properties(self, name: str, before: str | None) -> dict[str, Any]:
        """Calibration of a device, now or at an earlier time."""
        at = datetime.fromisoformat(before) if before else None
        return self._device(name).properties(at)

    def status(self, name: str) -> dict[str, Any]:
        """Whether a device runs, and its queue."""
        device = self._device(name)
        waiting = sum(not job.final for job in self.jobs.values() if job.backend == name)
        return {
            "state": True,
            "status": device.status,
            "backend_version": device.configuration["backend_version"],
            "length_queue": device.queue + waiting,
        }

    def listing(self) -> dict[str, Any]:
        """All devices in one answer."""
        return {
            "devices": [
                {
                    "name": name,
                    "status": {"name": "online" if device.status == "active" else "paused"},
                    "qubits": device.configuration["n_qubits"],
                    "queue_length": self.status(name)["length_queue"],
                }
                for name, device in self.devices.items()
                if name not in self.hidden
            ]
        }

    def _advance(self, job: Job) -> None:
        """One step: queued, running, ended."""
        if job.queue_polls > 0:
            job.queue_polls -= 1
        elif job.run_polls > 0 or job.running is None:
            job.running = job.running or datetime.now(UTC)
            job.state = "Running"
            job.run_polls -= 1
            if job.run_polls < 0:
                self._finish(job)
        else:
            self._finish(job)

    def _finish(self, job: Job) -> None:
        job.finished = datetime.now(UTC)
        if self.fail_with is not None:
            job.state, (job.code, job.reason) = "Failed", self.fail_with
            return
        seed = list(self.jobs).index(job.id)
        done = execute(job.params, job.snapshot, seed)
        job.result, job.circuits, job.shots = done.text, done.circuits, done.shots
        job.seconds = SETUP_SECONDS + SHOT_SECONDS * done.shots
        self.used_seconds += job.seconds
        if job.cost and job.seconds > job.cost:
            job.state, job.code, job.reason = "Cancelled", 1305, "Ran too long"
            return
        job.state = "Completed"

    def _job(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise RefusedError(404, 1291, f"Job not found. Job id: {job_id}")
        return self.jobs[job_id]

    def _session(self, session_id: str) -> Session:
        if session_id not in self.sessions:
            raise RefusedError(404, 1209, f"Session not found. Session id: {session_id}")
        return self.sessions[session_id]

    def _session_for(self, body: dict[str, Any]) -> str | None:
        session_id: str | None = body.get("session_id")
        if session_id is not None and not self._session(session_id).accepting:
            raise RefusedError(400, 1217, f"Session {session_id} is closed")
        return session_id

    def _device(self, name: str) -> Device:
        if name not in self.devices:
            raise RefusedError(404, 1216, f"Backend {name} not found")
        return self.devices[name]


def described(job: Job) -> dict[str, Any]:
    """A job as GET /jobs/ID words it."""
    state: dict[str, Any] = {"status": job.state}
    if job.reason:
        state["reason"] = job.reason
    if job.code is not None:
        state["reason_code"] = job.code
    return {
        "id": job.id,
        "backend": job.backend,
        "program": {"id": "executor"},
        "created": _stamp(job.created),
        "state": state,
        "tags": job.tags,
        "session_id": job.session_id,
        "private": False,
    }


def _public(job: Job) -> dict[str, Any]:
    return {
        **described(job),
        "circuits": job.circuits,
        "shots": job.shots,
        "seconds": job.seconds,
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _named(devices: dict[str, str] | None) -> dict[str, str]:
    return devices or {"ibm_fez": "fake_fez", "ibm_nairobi": "fake_nairobi"}


@lru_cache(maxsize=4)
def _published(fake: str) -> tuple[dict[str, Any], dict[str, Any], DeviceSnapshot]:
    """Configuration and calibration as the platform words them, and the snapshot of both."""
    from qhw.known import stand_in_device

    device = stand_in_device(fake)
    folder = Path(device.dirname)
    return (
        _read(folder / device.conf_filename),
        _read(folder / device.props_filename),
        DeviceSnapshot.from_backend(device),
    )


def _scale(parameters: list[dict[str, Any]], names: set[str], factor: float) -> None:
    for parameter in parameters:
        if parameter["name"] in names:
            parameter["value"] *= factor
