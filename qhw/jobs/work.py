"""Paid work, done once: a table of states, and one method for each of them.

The newest attempt at a unit of work decides. What stands in capitals is written to the ledger, and
is on the disk, before what follows it.

    state      known of it             what is done, in this order                       then it is
    -          nothing, in a new run   limits, free place, INTENT, submission, JOB ID    submitted
      in a run that had begun          looked up by tag: it is there: INTENT, JOB ID     submitted
      no trace                         the same as in a new run                          submitted
    failed     ended, no result        the same, as the next attempt                     submitted
      given up without a trace         looked up by tag: it is there: INTENT, JOB ID     submitted
      refused for a passing reason     FAILURE, a wait, the same as the next attempt     submitted
      refused for good                 FAILURE, the error                                failed
      no clear answer                  -                                                 intent
    intent     perhaps a job           looked up by tag: it is there: JOB ID             submitted
      no trace in a quarantine         FAILURE, sent as the next attempt                 submitted
    submitted  its job                 second jobs cancelled: DUPLICATE; the wait;
                                       collected: RESULT                                 done
      ended without a result           FAILURE, the error                                failed
    done       result and bill         the result, at no cost                            done

A unit that is asked with another digest than the one written down is refused before all else. Which
states may follow which is said in `qhw.jobs.ledger.transitions`; the ledger checks every change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from qhw.jobs.ledger import NO_TRACE, Entry, Intent, Ledger
from qhw.jobs.patience import PatientRunner, wait_for
from qhw.jobs.reconciling import (
    adopt,
    asks,
    drop_second_jobs,
    find_lost,
    in_other_hands,
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
        cost: Cost of this unit; the same when it is recalled later.
        calibration: Digest of the device's calibration at execution; empty where unknown.
        date: When the result was kept, ISO 8601; the same when it is recalled later.
    """

    values: tuple[PubValues, ...]
    cost: Cost
    calibration: str
    date: str


@dataclass(frozen=True)
class _Order:
    """What `PaidWork.perform` was asked for."""

    unit: Unit
    request: JobRequest
    journal: bytes | None


class PaidWork:
    """Units of work on one device.

    Args:
        runner: The device, with deadlines round every call.
        ledger: Where everything is written down.
        budget: What may still be spent.
        clock: Tells the time and waits.
        settings: Waiting times.
        tell: Shown every change.
        begun: Whether an earlier process may have sent something in the run's name: then the
            platform is asked about what the ledger does not know, before it is sent.
    """

    def __init__(
        self,
        runner: PatientRunner,
        ledger: Ledger,
        budget: Budget,
        clock: Clock,
        settings: WorkSettings | None = None,
        tell: Callable[[Progress], None] = lambda _: None,
        *,
        begun: bool = False,
    ) -> None:
        self.runner, self.ledger, self.budget, self.clock = runner, ledger, budget, clock
        self.settings = settings or WorkSettings()
        self.tell, self.begun = tell, begun
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
        order = _Order(unit, request, journal)
        entry = self.ledger.latest(unit)
        if entry is not None:
            _require_same(entry, request)
        if self._may_be_there(entry):
            entry = self._adopt(order, entry)
        if entry is None or entry.state in ("failed", "superseded"):
            entry = self._send(order, entry)
        if entry.state == "intent":
            entry = self._resolve(order, entry)
        if entry.state == "submitted":
            entry = self._finish(entry)
        return self._recall(entry)

    def free_for(self, unit: Unit, request: JobRequest) -> bool:
        """Whether a unit is this question's, or nobody's yet, as far as ledger and platform know.

        Raises:
            HardwareError: If the platform had to be asked, and did not answer.
        """
        entry = self.ledger.latest(unit)
        if entry is not None:
            return entry.digest == request.digest
        jobs = unknown_jobs(self.runner, self.ledger, unit) if self.begun else []
        return not jobs or any(asks(job, request.digest) for job in jobs)

    def _may_be_there(self, newest: Entry | None) -> bool:
        """Whether the platform may have a job of a unit that the ledger knows none of."""
        if newest is None:
            return self.begun
        attempts = self.ledger.attempts(newest.unit) if newest.state == "failed" else []
        return any(attempt.given_up for attempt in attempts)

    def _adopt(self, order: _Order, newest: Entry | None) -> Entry | None:
        """Take over a unit's job that the ledger does not know; without one it stays as it is."""
        self._say(order.unit, "", "looking it up")
        intent = self._intent(order.request, newest)
        entry = adopt(self.runner, self.ledger, order.unit, intent, order.journal)
        if entry is None:
            return newest
        self._recount(order.unit)
        self._say(order.unit, entry.job_id, "found on the platform")
        return entry

    def _intent(self, request: JobRequest, earlier: Entry | None) -> Intent:
        return Intent(
            digest=request.digest,
            device=self.runner.device,
            group_id=self.runner.group_id,
            shapes=request.shapes,
            shots=request.shots,
            quoted_seconds=qpu_seconds(1, request.executions, 1),
            earlier=earlier.id if earlier else None,
        )

    def _send(self, order: _Order, earlier: Entry | None) -> Entry:
        """Submit within all limits; one that was refused for a passing reason is sent again."""
        self._require_allowed(order.unit, qpu_seconds(1, order.request.executions, 1))
        for refusal in range(self.settings.refusals + 1):
            self._await_slot(order.unit)
            intent = self._intent(order.request, earlier)
            earlier = self.ledger.intend(order.unit, intent, order.journal)
            try:
                return self._submit(order, earlier)
            except RetryableError as error:
                self.ledger.failed(earlier.id, None, error.message)
                if refusal == self.settings.refusals:
                    raise
                self._say(order.unit, "", "refused for now: waiting")
                self.clock.sleep(min(15.0 * 2**refusal, 120.0))
        raise AssertionError("unreachable: the last refusal is raised")

    def _submit(self, order: _Order, entry: Entry) -> Entry:
        """POST once; without a clear answer the entry stays an intent."""
        self._say(order.unit, "", "submitting")
        tagged = order.request.tagged(TOOL_TAG, order.unit.tag, digest_tag(entry.digest))
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
        return self.ledger.submitted(entry.id, job_id, self.runner.group_id)

    def _resolve(self, order: _Order, entry: Entry) -> Entry:
        """Find out whether an intent became a job; if there is no trace of it, send once more."""
        if in_other_hands(entry, self.clock.now()):
            raise LedgerError(
                f"Another process ({entry.owner}) is working on {entry.unit.key}.",
                "Wait until it ends, or stop it, then type the same command again.",
            )
        # Counted here and not by `entry.attempt`: refusals and earlier processes raise that, too.
        for unanswered in range(1, self.settings.attempts + 1):
            job_id = self._look_up(entry)
            if job_id is not None:
                return self.ledger.submitted(entry.id, job_id, self.runner.group_id)
            if unanswered == self.settings.attempts:
                break
            # Its price no longer counts, so that it cannot stand in the way of its successor.
            entry = self.ledger.failed(entry.id, None, NO_TRACE)
            entry = self._send(order, entry)
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
        if job_id is None or job_id in self.ledger.known_jobs(entry.unit):
            return None
        return job_id

    def _finish(self, entry: Entry) -> Entry:
        """Wait for a job, check and keep its result."""
        runner, ledger = self.runner, self.ledger
        drop_second_jobs(runner, ledger, entry)

        def watch(report: JobReport) -> None:
            self._say(entry.unit, entry.job_id, report.state, report.queue_position)

        report = wait_for(
            runner, entry.job_id, self.clock, deadline=self.settings.job_wait, on_report=watch
        )
        ended = write_end(runner, ledger, entry, report)
        if ended.state != "done":
            raise JobFailedError(
                f"Job {entry.job_id} {report.state}: {report.reason or report.state}",
                f"`qhw jobs show {entry.job_id}` tells all that is known of it; --resume sends it "
                "once more.",
            )
        self._recount(entry.unit)
        self._say(entry.unit, entry.job_id, KEPT)
        return ended

    def _recall(self, entry: Entry) -> Answer:
        cost = Cost(
            circuits=entry.circuits,
            shots=entry.circuits * entry.shots,
            jobs=1,
            qpu_seconds=entry.qpu_seconds,
        )
        date = datetime.fromtimestamp(entry.finished_at or 0.0, UTC).isoformat(timespec="seconds")
        return Answer(self.ledger.result(entry), cost, entry.calibration_digest, date)

    def _require_allowed(self, unit: Unit, seconds: float) -> None:
        """Refuse what the user's limits or the plan's window do not hold."""
        self._recount(unit)
        self.budget.require(seconds)
        asked, limits = self._plan()
        if limits.seconds_left is None:
            return
        # Jobs that ended since the plan was asked for are not in its answer.
        left = limits.seconds_left - self.ledger.spent_since(LIVE_PREFIX, asked).qpu_seconds
        if seconds > left:
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

    def _plan(self) -> tuple[float, PlanLimits]:
        """When the account's limits were asked for, and what they are; asked again once aged."""
        now = self.clock.now()
        # A clock that was set back makes an answer seem to come from the future.
        if self._limits is None or not 0 <= now - self._limits[0] <= self.settings.limits_age:
            self._limits = (now, self.runner.limits())
        return self._limits

    def _await_slot(self, unit: Unit) -> None:
        """Wait until the plan takes another job, by number pending and by rate."""
        _, limits = self._plan()
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
        if limits.max_pending is not None:
            # A run that died leaves jobs behind whose end nobody wrote down, so the platform is
            # asked about those of all runs on this device of which the ledger knows no end.
            unended = self.ledger.pending(self.runner.device)
            pending = sum(not self.runner.report(entry.job_id).final for entry in unended)
            if pending >= limits.max_pending:
                return True
        if limits.posts_per_minute is None:
            return False
        now = self.clock.now()
        return len(self.ledger.posts_between(now - 60.0, now)) >= limits.posts_per_minute

    def _say(self, unit: Unit, job_id: str, state: str, queue_position: int | None = None) -> None:
        spent, left = self.budget.spent.qpu_seconds, self.budget.remaining_seconds
        self.tell(Progress(unit, job_id, state, queue_position, spent, left))


def _require_same(entry: Entry, request: JobRequest) -> None:
    """A replay that asks something else must not be answered, nor paid for."""
    if entry.digest != request.digest:
        raise LedgerError(
            f"{entry.unit.key} was written down as {entry.digest[:12]} and now asks for "
            f"{request.digest[:12]}: the run does not replay as it was.",
            "Nothing was sent. Use the machine, versions and settings it began with, or start "
            "a new run.",
        )
