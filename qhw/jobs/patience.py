"""Deadlines and retries round every call to a platform, whose client may wait for ever.

A call runs in a thread of its own; when its deadline passes, the thread is left behind. Questions
are asked again. A submission never is: what became of it is for the ledger's owner to find out.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from calibration import DeviceSnapshot
from qhw.errors import AmbiguousSubmitError, DeadlineError, RateLimitedError, RetryableError
from qhw.jobs.clock import Clock
from qhw.jobs.request import JobRequest, Shapes
from qhw.jobs.runner import JobReport, JobRunner, Mode, PlanLimits, PubValues

T = TypeVar("T")
POLL_GROWTH = 1.5


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to ask, in seconds.

    Attributes:
        call_seconds: Deadline of one call.
        submit_seconds: Deadline of a submission.
        attempts: Calls in all before the last error is raised.
        first_wait: Before the second call; doubled each time, then times 0.5 to 1 by chance.
        longest_wait: Cap on that; also the wait after each refusal for asking too often.
        total_seconds: No further call is begun this long after the first one.
    """

    call_seconds: float = 60.0
    submit_seconds: float = 120.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 30.0
    total_seconds: float = 600.0

    def __post_init__(self) -> None:
        seconds = (self.call_seconds, self.submit_seconds, self.first_wait, self.longest_wait)
        if min(*seconds, self.total_seconds, self.attempts) <= 0:
            raise ValueError(f"every time and number must be above zero: {self}")


class Questions:
    """Asks within the bounds of a patience; what is asked twice must do no harm.

    Args:
        patience: Deadlines and waits. Deadlines run in real time.
        clock: Waits between calls.
        jitter: Spreads the waits.
    """

    def __init__(self, patience: Patience, clock: Clock, jitter: random.Random) -> None:
        self.patience, self.clock = patience, clock
        self._jitter = jitter

    def ask(self, name: str, work: Callable[[], T], job_id: str = "") -> T:
        """Ask until there is an answer.

        Args:
            name: What is asked, in the error's words.
            work: The call.
            job_id: The job it is about; empty for none.

        Raises:
            DeadlineError: If no answer came in time; the last call's thread is left behind.
            RetryableError: What the last call raised. Other errors pass at once.
        """
        call = f"{name} of job {job_id}" if job_id else name
        retrying = Retrying(
            retry=retry_if_exception_type((RetryableError, DeadlineError)),
            stop=self._stop_from(self.clock.now()),
            wait=self._wait,
            sleep=self.clock.sleep,
            reraise=True,
        )
        try:
            return retrying(lambda: _answer(_started(call, work), call, self.patience.call_seconds))
        except (RetryableError, DeadlineError) as error:
            if job_id in error.message:
                raise
            raise type(error)(f"Job {job_id}: {error.message}", error.hint) from error

    def _stop_from(self, began: float) -> Callable[[RetryCallState], bool]:
        """Bound attempts and time on our own clock; tenacity's bound on time reads the system's."""
        enough = stop_after_attempt(self.patience.attempts)
        last_start = began + self.patience.total_seconds

        def stop(state: RetryCallState) -> bool:
            return enough(state) or self.clock.now() + state.upcoming_sleep > last_start

        return stop

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next call."""
        patience = self.patience
        doubling = wait_exponential(multiplier=patience.first_wait, max=patience.longest_wait)
        refused = state.outcome and isinstance(state.outcome.exception(), RateLimitedError)
        seconds = patience.longest_wait if refused else doubling(state)
        return seconds * self._jitter.uniform(0.5, 1.0)


class PatientRunner:
    """A `JobRunner` whose every call ends.

    Calls raise `DeadlineError` if no answer came in time, and else what the runner raises;
    `RetryableError` and `DeadlineError` only after all attempts. Other errors pass at once.

    Args:
        runner: The device.
        patience: Deadlines and waits. Deadlines run in real time.
        clock: Waits between calls.
        jitter: Spreads the waits.
    """

    def __init__(
        self, runner: JobRunner, patience: Patience, clock: Clock, jitter: random.Random
    ) -> None:
        self.runner, self.patience, self.clock = runner, patience, clock
        self._ask = Questions(patience, clock, jitter).ask
        self._posts: list[tuple[JobRequest, Future[str]]] = []

    @property
    def device(self) -> str:
        """The device's name."""
        return self.runner.device

    @property
    def mode(self) -> Mode:
        """How jobs are grouped."""
        return self.runner.mode

    @property
    def group_id(self) -> str:
        """Id of the open session or batch."""
        return self.runner.group_id

    def snapshot(self, *, refresh: bool = False) -> DeviceSnapshot:
        """The device's structure and present calibration."""
        return self._ask("snapshot", lambda: self.runner.snapshot(refresh=refresh))

    def published(self) -> str:
        """The snapshot's calibration, as the platform's JSON."""
        return self._ask("published", self.runner.published)

    def limits(self) -> PlanLimits:
        """What the account may do now."""
        return self._ask("limits", self.runner.limits)

    def queue_length(self) -> int | None:
        """Jobs waiting at the device."""
        return self._ask("queue_length", self.runner.queue_length)

    def find(self, tag: str) -> list[JobReport]:
        """All jobs with this tag, oldest first."""
        return self._ask(f"find {tag}", lambda: self.runner.find(tag))

    def report(self, job_id: str) -> JobReport:
        """How a job stands."""
        return self._ask("report", lambda: self.runner.report(job_id), job_id)

    def collect(self, job_id: str, shapes: Shapes) -> tuple[PubValues, ...]:
        """The results of a finished job, one per PUB."""
        return self._ask("collect", lambda: self.runner.collect(job_id, shapes), job_id)

    def calibration(self, job_id: str) -> str:
        """The calibration the job ran under, as the platform's JSON."""
        return self._ask("calibration", lambda: self.runner.calibration(job_id), job_id)

    def cancel(self, job_id: str) -> None:
        """Cancel a job; nothing happens if it has ended, so that it can be asked for again."""
        self._ask("cancel", lambda: self.runner.cancel(job_id), job_id)

    def close(self) -> None:
        """Close what was opened; once closed, closing again does nothing."""
        self._ask("close", self.runner.close)

    def submit(self, request: JobRequest) -> str:
        """Send a job once; returns its id.

        Raises:
            AmbiguousSubmitError: If no clear answer came in time; `posts_alive` and `late_answer`
                tell whether the submission is still under way and what came of it.
        """
        seconds = self.patience.submit_seconds
        post = _started("submit", lambda: self.runner.submit(request))
        # Remembered before the wait, so that an interrupted one is known, too.
        self._posts.append((request, post))
        try:
            job_id = _answer(post, "submit", seconds)
        except DeadlineError as error:
            raise AmbiguousSubmitError(
                f"{error.message} The job may or may not have been accepted.",
                "The same command with --resume looks it up before anything is sent again.",
            ) from error
        self._forget(post)
        return job_id

    def posts_alive(self, tag: str) -> bool:
        """Whether a submission with this tag is still under way in a thread of this process."""
        return any(not post.done() for request, post in self._posts if tag in request.tags)

    def late_answer(self, tag: str) -> str | None:
        """The job id of a submission with this tag that answered after its deadline, told once."""
        for request, post in list(self._posts):
            if tag in request.tags and post.done():
                self._forget(post)
                if not post.exception():
                    return post.result()
        return None

    def _forget(self, post: Future[str]) -> None:
        """Take a submission off the list by its identity: requests hold arrays."""
        self._posts = [(request, other) for request, other in self._posts if other is not post]


def wait_for(
    runner: JobRunner,
    job_id: str,
    clock: Clock,
    *,
    deadline: float,
    first_poll: float = 0.5,
    longest_poll: float = 10.0,
    on_report: Callable[[JobReport], None] = lambda _: None,
) -> JobReport:
    """Wait until a job has ended.

    Args:
        runner: Knows the job.
        job_id: The platform's.
        clock: Waits between looks.
        deadline: Seconds from now until the wait is given up; the job lives on.
        first_poll: Seconds until the second look; each later one waits half as long again.
        longest_poll: Cap on that.
        on_report: Shown every report, the last one included.

    Raises:
        DeadlineError: If the job has not ended within the deadline.
    """
    gives_up = clock.now() + deadline
    pause = first_poll
    while True:
        report = runner.report(job_id)
        on_report(report)
        if report.final:
            return report
        left = gives_up - clock.now()
        if left <= 0:
            place = report.queue_position
            ahead = "" if place is None else f" with {place} jobs ahead"
            raise DeadlineError(
                f"Job {report.job_id} is still {report.state}{ahead} after {deadline:g} s.",
                f"`qhw jobs show {report.job_id}` tells how it stands; the same command with "
                "--resume collects it and goes on.",
            )
        clock.sleep(min(pause, left))
        pause = min(pause * POLL_GROWTH, longest_poll)


def _started(name: str, work: Callable[[], T]) -> Future[T]:
    """Run a call in a thread that does not keep the process alive."""
    # Qiskit is loaded here, in a thread that lives on: once a thread that loaded it has ended, the
    # process crashes at the next thing that another thread makes with it.
    import qiskit  # noqa: F401

    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            answer.set_exception(error)

    threading.Thread(target=run, name=f"qhw {name}", daemon=True).start()
    return answer


def _answer(call: Future[T], name: str, seconds: float) -> T:
    """What a call returns or raises, unless it takes too long."""
    answered, _ = wait([call], timeout=seconds)
    if not answered:
        raise DeadlineError(
            f"No answer to {name} in {seconds:g} s.",
            "Look at the platform's status page and your connection, then type the same command "
            "again; a run or a training with --resume.",
        )
    return call.result()
