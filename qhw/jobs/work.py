"""Paid work, done once: look it up, write it down, send it, collect it, keep it.

identity known, result kept     -> the result, at no cost (the digest must agree)
identity known, job submitted   -> collect it
identity known, intent only     -> was it sent? Look its tag up; only after a quarantine without
                                   a trace is it sent once more
identity unknown or failed      -> within the budget: intent, submission, job id, in this order
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from policy import Cost
from qhw.budget.limits import Budget, qpu_seconds
from qhw.errors import (
    AmbiguousSubmitError,
    BudgetReachedError,
    DeadlineError,
    JobFailedError,
    LedgerError,
    QhwError,
    RetryableError,
)
from qhw.jobs.clock import Clock
from qhw.jobs.ledger.ledger import Entry, Intent, Ledger
from qhw.jobs.patience import PatientRunner, wait_for
from qhw.jobs.reconciling import (
    drop,
    find_lost,
    in_other_hands,
    known_jobs,
    unknown_jobs,
    write_end,
)
from qhw.jobs.request import JobRequest, Unit, digest_tag
from qhw.jobs.runner import JobReport, PlanLimits, PubValues
from qhw.known import LIVE_PREFIX

TOOL_TAG = "qhw"
KEPT = "kept"
"""What the display is told when a result is in the ledger."""


@dataclass(frozen=True)
class WorkSettings:
    """Waiting times of paid work, in seconds.

    Attributes:
        quarantine: Between two fruitless look-ups of a submission without a clear answer.
        job_wait: Longest time a job may take, queue included.
        slot_wait: Longest time to wait for a free place among the plan's pending jobs.
        refusals: How often a submission that was refused for a passing reason is sent again.
        attempts: Submissions without a clear answer before giving up.
        limits_age: Time after which the plan's limits are asked for again.
    """

    quarantine: float = 60.0
    job_wait: float = 4 * 3600.0
    slot_wait: float = 3600.0
    refusals: int = 8
    attempts: int = 3
    limits_age: float = 600.0


@dataclass(frozen=True)
class Progress:
    """What the display is told while work goes on.

    Attributes:
        unit: The work.
        job_id: Empty before the submission.
        state: What happens now, in a few words.
        queue_position: Jobs ahead; None where it is not told.
        spent_seconds: QPU seconds so far.
        left_seconds: QPU seconds up to the limit; None without one.
    """

    unit: Unit
    job_id: str
    state: str
    queue_position: int | None
    spent_seconds: float
    left_seconds: float | None


@dataclass(frozen=True)
class Answer:
    """Measured values, one per PUB, with what they cost and the calibration they were taken under.

    Attributes:
        values: One per PUB.
        cost: Of this unit; the same when it is recalled later.
        calibration: Digest of the device's calibration at execution; empty where unknown.
        date: When the result was kept, ISO 8601; the same when it is recalled later.
    """

    values: tuple[PubValues, ...]
    cost: Cost
    calibration: str
    date: str


class PaidWork:
    """Units of work on one device.

    Args:
        runner: The device, with deadlines round every call.
        ledger: Where everything is written down.
        budget: What may still be spent.
        clock: Tells the time and waits.
        settings: Waiting times.
        tell: Shown every change.
    """

    def __init__(
        self,
        runner: PatientRunner,
        ledger: Ledger,
        budget: Budget,
        clock: Clock,
        settings: WorkSettings | None = None,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self.runner, self.ledger, self.budget, self.clock = runner, ledger, budget, clock
        self.settings = settings or WorkSettings()
        self.tell = tell
        self._limits: tuple[float, PlanLimits] | None = None

    def perform(self, unit: Unit, request: JobRequest, journal: bytes | None) -> Answer:
        """Answer a unit of work, at most once for money.

        Args:
            unit: Its identity.
            request: What is asked; its digest must be the one that was written down, if any was.
            journal: The state to resume from, kept with the intent; None where there is none.

        Raises:
            LedgerError: If the identity is known with another digest, or another process works on
                it.
            BudgetReachedError: If it would pass a limit; nothing was sent.
            HardwareError: If the platform refused, failed or stayed silent.
        """
        entry = self.ledger.latest(unit)
        if entry is None:
            entry = self._send(unit, request, journal, None)
        self._require_same(entry, request)
        if entry.state in ("failed", "superseded"):
            entry = self._send(unit, request, journal, entry)
        if entry.state == "intent":
            entry = self._resolve(entry, request, journal)
        if entry.state == "submitted":
            entry = self._finish(entry)
        return self._recall(entry)

    def _require_same(self, entry: Entry, request: JobRequest) -> None:
        """A replay that asks something else must not be answered, nor paid for."""
        if entry.digest != request.digest:
            raise LedgerError(
                f"{entry.unit.key} was written down as {entry.digest[:12]} and now asks for "
                f"{request.digest[:12]}: the run does not replay as it was.",
                "Nothing was sent. Use the machine, versions and settings it began with, or start "
                "a new run.",
            )

    def _send(
        self,
        unit: Unit,
        request: JobRequest,
        journal: bytes | None,
        earlier: Entry | None,
    ) -> Entry:
        """Submit within all limits; one that was refused for a passing reason is sent again."""
        seconds = qpu_seconds(1, request.executions, 1)
        self._require_allowed(unit, seconds)
        for refusal in range(self.settings.refusals + 1):
            self._await_slot(unit)
            earlier = self._intend(unit, request, seconds, journal, earlier)
            try:
                return self._submit(earlier, request)
            except RetryableError as error:
                self.ledger.failed(earlier.id, None, error.message)
                if refusal == self.settings.refusals:
                    raise
                self._say(unit, "", "refused for now: waiting")
                self.clock.sleep(min(15.0 * 2**refusal, 120.0))
        raise AssertionError("unreachable: the last refusal is raised")

    def _intend(
        self,
        unit: Unit,
        request: JobRequest,
        seconds: float,
        journal: bytes | None,
        earlier: Entry | None,
    ) -> Entry:
        intent = Intent(
            digest=request.digest,
            device=self.runner.device,
            group_id=self.runner.group_id,
            shapes=request.shapes,
            shots=request.shots,
            quoted_seconds=seconds,
            earlier=earlier.id if earlier else None,
        )
        return self.ledger.intend(unit, intent, journal)

    def _submit(self, entry: Entry, request: JobRequest) -> Entry:
        """POST once; without a clear answer the entry stays an intent."""
        self._say(entry.unit, "", "submitting")
        tagged = request.tagged(TOOL_TAG, entry.unit.tag, digest_tag(entry.digest))
        try:
            job_id = self.runner.submit(tagged)
        except AmbiguousSubmitError:
            return entry
        except RetryableError:
            raise
        except QhwError as error:
            # Whatever else the runner raises says that nothing was accepted.
            self.ledger.failed(entry.id, None, error.message)
            raise
        return self._adopt(entry, job_id)

    def _adopt(self, entry: Entry, job_id: str) -> Entry:
        self.ledger.submitted(entry.id, job_id, self.runner.group_id)
        return self._again(entry.unit)

    def _again(self, unit: Unit) -> Entry:
        entry = self.ledger.latest(unit)
        assert entry is not None, "an entry that was just written is gone"
        return entry

    def _resolve(self, entry: Entry, request: JobRequest, journal: bytes | None) -> Entry:
        """Find out whether an intent became a job; if there is no trace of it, send once more."""
        if in_other_hands(entry, self.clock.now()):
            raise LedgerError(
                f"Another process ({entry.owner}) is working on {entry.unit.key}.",
                "Wait until it ends, or stop it, then type the same command again.",
            )
        # Counted here and not by `entry.attempt`: refusals and earlier processes raise that, too.
        for unanswered in range(1, self.settings.attempts + 1):
            found = self._look_up(entry)
            if found is not None:
                return self._adopt(entry, found)
            if unanswered == self.settings.attempts:
                break
            # Its price no longer counts, so that it cannot stand in the way of its successor.
            self.ledger.failed(entry.id, None, "no trace of it on the platform")
            entry = self._send(entry.unit, request, journal, entry)
            if entry.state != "intent":
                return entry
        raise AmbiguousSubmitError(
            f"{entry.unit.key} was submitted {entry.attempt} times without a clear answer, "
            "and the platform shows no such job.",
            "Look at the platform's status page; later add --resume to the same command.",
        )

    def _look_up(self, entry: Entry) -> str | None:
        """The id of the job an intent became; None after a quarantine with two empty look-ups."""
        started = self.clock.now()
        empty = 0
        while True:
            job_id = self._late(entry) or find_lost(self.runner, self.ledger, entry)
            if job_id:
                return job_id
            empty += 1
            alive = self.runner.posts_alive(entry.unit.tag)
            waited = self.clock.now() - started
            if empty >= 2 and waited >= self.settings.quarantine and not alive:
                return None
            if alive and waited > 10 * self.settings.quarantine:
                raise AmbiguousSubmitError(
                    f"The submission of {entry.unit.key} has been under way for {waited:.0f} s.",
                    "Stop this process; later add --resume to the same command.",
                )
            self._say(entry.unit, "", "no clear answer: looking the job up")
            self.clock.sleep(self.settings.quarantine)

    def _late(self, entry: Entry) -> str | None:
        """The job of a submission that answered after its deadline, unless it is known already."""
        job_id = self.runner.late_answer(entry.unit.tag)
        return None if job_id in known_jobs(self.ledger, entry) else job_id

    def _finish(self, entry: Entry) -> Entry:
        """Wait for a job, check and keep its result."""
        runner, ledger = self.runner, self.ledger
        drop(runner, ledger, entry, unknown_jobs(runner, ledger, entry))

        def watch(report: JobReport) -> None:
            self._say(entry.unit, entry.job_id, report.state, report.queue_position)

        report = wait_for(
            runner,
            entry.job_id,
            self.clock,
            deadline=self.settings.job_wait,
            on_report=watch,
        )
        write_end(runner, ledger, entry, report)
        if report.state != "done":
            raise JobFailedError(
                f"Job {entry.job_id} {report.state}: {report.reason or report.state}",
                f"`qhw jobs show {entry.job_id}` tells all that is known of it; --resume sends it "
                "once more.",
            )
        self._recount(entry.unit)
        self._say(entry.unit, entry.job_id, KEPT)
        return self._again(entry.unit)

    def _recall(self, entry: Entry) -> Answer:
        usage = entry.quoted_seconds if entry.usage_seconds is None else entry.usage_seconds
        cost = Cost(
            circuits=entry.circuits,
            shots=entry.circuits * entry.shots,
            jobs=1,
            qpu_seconds=usage,
        )
        kept = datetime.fromtimestamp(entry.finished_at or 0.0, UTC).isoformat(timespec="seconds")
        return Answer(self.ledger.result(entry), cost, entry.calibration_digest, kept)

    def _require_allowed(self, unit: Unit, seconds: float) -> None:
        """Refuse what the user's limits or the plan's window do not hold."""
        self._recount(unit)
        self.budget.require(seconds)
        left = self.plan_limits().seconds_left
        if left is not None and seconds > left:
            raise BudgetReachedError(
                f"The plan has {left:.0f} QPU s left in its window; the next job takes about "
                f"{seconds:.0f} s and would wait without end.",
                "Everything so far is kept. When the window has moved on, add --resume to the same "
                "command.",
            )

    def close(self) -> None:
        """Close the session or batch, and the ledger; called on every way out."""
        group = self.runner.group_id
        try:
            self.runner.close()
            if group:
                self.ledger.group_closed(group)
        finally:
            self.ledger.close()

    def _recount(self, unit: Unit) -> None:
        spent = self.ledger.spent(unit.run)
        self.budget.recount(spent.qpu_seconds, spent.jobs)

    def plan_limits(self) -> PlanLimits:
        """What the account may do, asked for again when the answer has aged.

        Jobs that ended since it was asked are taken off what is left.
        """
        now = self.clock.now()
        # A clock that was set back makes an answer seem to come from the future.
        if self._limits is None or not 0 <= now - self._limits[0] <= self.settings.limits_age:
            self._limits = (now, self.runner.limits())
        asked, limits = self._limits
        if limits.seconds_left is None:
            return limits
        since = self.ledger.spent_since(LIVE_PREFIX, asked).qpu_seconds
        return replace(limits, seconds_left=limits.seconds_left - since)

    def _await_slot(self, unit: Unit) -> None:
        """Wait until the plan takes another job, by number pending and by rate."""
        limits = self.plan_limits()
        started = self.clock.now()
        while self._busy(limits):
            if self.clock.now() - started > self.settings.slot_wait:
                raise DeadlineError(
                    f"The plan {limits.plan!r} takes {limits.max_pending} pending jobs and "
                    f"{limits.posts_per_minute} submissions a minute; no place came free in "
                    f"{self.settings.slot_wait:.0f} s.",
                    "`qhw jobs list` shows what is pending; then add --resume to the same command.",
                )
            self._say(unit, "", "waiting for a free place")
            self.clock.sleep(5.0)

    def _busy(self, limits: PlanLimits) -> bool:
        full = limits.max_pending is not None and self._pending() >= limits.max_pending
        now = self.clock.now()
        recent = len(self.ledger.posts_between(now - 60.0, now))
        fast = limits.posts_per_minute is not None and recent >= limits.posts_per_minute
        return full or fast

    def _pending(self) -> int:
        """Jobs of all runs on this device that have not ended.

        A run that died leaves jobs behind whose end nobody wrote down, so the platform is asked
        about those of which the ledger knows no end.
        """
        if not self.ledger.pending(self.runner.device):
            return 0
        open_jobs = self.ledger.entries(states=["submitted"])
        here = [entry.job_id for entry in open_jobs if entry.device == self.runner.device]
        return sum(not self.runner.report(job_id).final for job_id in here)

    def _say(self, unit: Unit, job_id: str, state: str, queue_position: int | None = None) -> None:
        spent, left = self.budget.spent.qpu_seconds, self.budget.remaining_seconds
        self.tell(Progress(unit, job_id, state, queue_position, spent, left))
