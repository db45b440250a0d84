"""What jobs cost, and limits that are checked before a submission, never after it.

Usage of a job, as IBM describes it for its default repetition delay of 250 us: about 2 s of
overhead, and 0.35 ms per shot of every circuit. Measured usage replaces the estimate as soon as
the platform tells it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from qhw.errors import BudgetReachedError, ConfigError

SECONDS_PER_JOB = 2.0
"""QPU seconds of a job without shots."""
SECONDS_PER_SHOT = 0.00035
"""QPU seconds of one execution of one circuit."""
DOLLARS_PER_SECOND = 1.60
"""Pay-as-you-go price of a QPU second."""
LONGEST_EXECUTION = 10_800
"""QPU seconds after which the platform ends any job: its largest `max_execution_time`."""
OPEN_PLAN_SECONDS = 600.0
"""QPU seconds of the Open plan in its rolling window."""
OPEN_PLAN_DAYS = 28
"""That window."""
SLACK = 1e-9
"""Sums of fractions may pass a limit by this share of it: they are equal but for rounding."""


def qpu_seconds(jobs: int, circuits: int, shots: int) -> float:
    """Estimate QPU time.

    Args:
        jobs: Submissions.
        circuits: Circuits with bound parameters, over all jobs.
        shots: Per circuit.
    """
    return SECONDS_PER_JOB * jobs + SECONDS_PER_SHOT * circuits * shots


@dataclass(frozen=True)
class Expense:
    """QPU time, jobs and money: what was spent, or what something would take.

    Attributes:
        qpu_seconds: As billed; as quoted where the platform tells no bill.
        jobs: Submissions.
        dollars: Price, at what the device costs.
    """

    qpu_seconds: float = 0.0
    jobs: int = 0
    dollars: float = 0.0

    def __add__(self, other: Expense) -> Expense:
        return Expense(
            self.qpu_seconds + other.qpu_seconds,
            self.jobs + other.jobs,
            self.dollars + other.dollars,
        )


@dataclass(frozen=True)
class Passed:
    """A limit that something would pass.

    Attributes:
        option: The limit's name on the command line.
        unit: Unit of the numbers.
        limit: The most there may be.
        spent: Before it.
        more: What it would take.
    """

    option: str
    unit: str
    limit: float
    spent: float
    more: float


@dataclass(frozen=True)
class Limits:
    """What a command may spend; None for no limit.

    Attributes:
        max_qpu_seconds: QPU seconds.
        max_jobs: Submissions.
        max_cost: Dollars.

    Raises:
        ConfigError: If a limit is not a finite number above 0.
    """

    max_qpu_seconds: float | None = None
    max_jobs: int | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        for option, value in (
            ("--max-qpu-seconds", self.max_qpu_seconds),
            ("--max-jobs", self.max_jobs),
            ("--max-cost", self.max_cost),
        ):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigError(
                    f"{option} {value:g}: must be a number above 0.",
                    f"Give {option} what may be spent, or leave it out for no limit.",
                )

    def passed(self, spent: Expense, more: Expense) -> Passed | None:
        """The first limit that spending `more` on top of `spent` would pass, if any."""
        limits: tuple[tuple[str, str, float | None, float, float], ...] = (
            (
                "--max-qpu-seconds",
                "QPU s",
                self.max_qpu_seconds,
                spent.qpu_seconds,
                more.qpu_seconds,
            ),
            ("--max-jobs", "jobs", self.max_jobs, spent.jobs, more.jobs),
            ("--max-cost", "dollars", self.max_cost, spent.dollars, more.dollars),
        )
        for option, unit, limit, before, further in limits:
            if limit is not None and before + further > limit * (1 + SLACK):
                return Passed(option, unit, limit, before, further)
        return None


@dataclass(eq=False)
class Budget:
    """Counts what is spent and refuses the submission that would pass a limit.

    Attributes:
        limits: Limits of the whole run, earlier processes included.
        dollars_per_second: Price of a QPU second; 0 for devices that bill nothing, where
            `max_cost` can never be reached.
        spent_qpu_seconds: QPU seconds so far, those of earlier processes of the same run included.
        spent_jobs: Submissions so far, those of earlier processes of the same run included.
        command: What goes on with this run, such as `qhw train --resume runs/x`; the hint of a
            reached limit adds the higher limit to it.
    """

    limits: Limits
    dollars_per_second: float = DOLLARS_PER_SECOND
    spent_qpu_seconds: float = 0.0
    spent_jobs: int = 0
    command: str = ""

    @property
    def spent(self) -> Expense:
        """The sums so far."""
        return self._priced(self.spent_qpu_seconds, self.spent_jobs)

    @property
    def remaining_seconds(self) -> float | None:
        """QPU seconds until the nearer of the limits on time and cost; None without either."""
        most = self.limits.max_qpu_seconds
        most = math.inf if most is None else most
        if self.limits.max_cost is not None and self.dollars_per_second > 0:
            most = min(most, self.limits.max_cost / self.dollars_per_second)
        return max(0.0, most - self.spent_qpu_seconds) if math.isfinite(most) else None

    def require(self, seconds: float, jobs: int = 1) -> None:
        """Check a submission before it is sent.

        Args:
            seconds: QPU seconds it is quoted at.
            jobs: Submissions it consists of.

        Raises:
            BudgetReachedError: If it would pass a limit.
        """
        passed = self.limits.passed(self.spent, self._priced(seconds, jobs))
        if passed is not None:
            raise BudgetReachedError(
                f"The next submission would pass {passed.option} {passed.limit:g}: "
                f"{passed.spent:.6g} {passed.unit} spent, and it takes about {passed.more:.6g}. "
                "It was not sent.",
                f"Everything so far is kept. Go on by {self._higher(passed)} or more; that limit "
                "is enough for this submission alone.",
            )

    def recount(self, qpu_seconds: float, jobs: int) -> None:
        """Take the sums from the ledger, which counts bills as they become known.

        Args:
            qpu_seconds: What the run has spent so far.
            jobs: Submissions of the run so far.
        """
        self.spent_qpu_seconds, self.spent_jobs = qpu_seconds, jobs

    def _priced(self, seconds: float, jobs: int) -> Expense:
        return Expense(seconds, jobs, seconds * self.dollars_per_second)

    def _higher(self, passed: Passed) -> str:
        """The command that goes on with the least limit that lets the submission through."""
        option = f"{passed.option} {math.ceil(round(passed.spent + passed.more, 6))}"
        if self.command:
            before = re.sub(rf" {passed.option} \S+", "", self.command)
            return f"`{before} {option}`"
        return f"the same command with `--resume {option}`"
