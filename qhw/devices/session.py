"""The frame round everything that spends QPU time: told while it runs, closed on every way out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from qhw.console.progress import Bar, long_work
from qhw.devices.backend import DeviceBackend
from qhw.devices.bill import report_spending
from qhw.errors import HardwareError, InterruptedWorkError, QhwError
from qhw.jobs.ledger import Ledger
from qhw.jobs.prompt import at_prompt
from qhw.jobs.reconciling import LATEST_APPEARANCE, look_back
from qhw.jobs.work import KEPT, Progress


class Display:
    """Shows paid work: a line that changes on a terminal, a line per finished job elsewhere.

    Attributes:
        show: Where the changing line goes, such as a progress bar's description; None for nowhere.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.show: Callable[[str], None] | None = None

    def say(self, line: str) -> None:
        """Show a line where one changes; elsewhere nothing."""
        if self.show is not None:
            self.show(line)

    def tell(self, progress: Progress) -> None:
        """See `qhw.jobs.work.PaidWork`."""
        line = describe(progress)
        if self.show is not None and self._console.is_terminal:
            self.show(line)
        elif progress.state == KEPT:
            self._console.print(line, highlight=False, soft_wrap=True)

    def announce(self, line: str) -> None:
        """Print what should be read even by somebody who looks later."""
        self._console.print(line, style="yellow", highlight=False, markup=False)

    @contextmanager
    def work(self, title: str, total: float | None = None, done: float = 0.0) -> Iterator[Bar]:
        """Show long work, with the changing line in it, while this context is open."""
        with long_work(self._console, title, total, done) as bar:
            self.show = lambda line: bar.say(f"{title}: {line}")
            try:
                yield bar
            finally:
                self.show = None


def describe(progress: Progress) -> str:
    """One line, such as `images 3: d1abc queued, 4 ahead | 23.1 QPU s, 276.9 left`."""
    unit = progress.unit
    learning = unit.phase in ("rollout", "gradient", "canary")
    place = f"update {unit.update}, step " if learning else ""
    job = f"{progress.job_id} " if progress.job_id else ""
    ahead = "" if progress.queue_position is None else f", {progress.queue_position} ahead"
    left = "" if progress.left_seconds is None else f", {progress.left_seconds:.1f} left"
    return (
        f"{unit.phase} {place}{unit.step + 1}: {job}{progress.state}{ahead} | "
        f"{progress.spent_seconds:.1f} QPU s{left}"
    )


@contextmanager
def paid_session(console: Console, backend: DeviceBackend | None, folder: Path) -> Iterator[None]:
    """Report what was spent and close the device, however the work ends.

    Raises:
        InterruptedWorkError: In place of a keyboard interrupt.
        QhwError: If the device could not be closed, and the work ended well otherwise.
    """
    if backend is None:
        yield
        return
    stopped = False
    try:
        with _signals_interrupt():
            yield
    except KeyboardInterrupt as error:
        stopped = True
        raise InterruptedWorkError(
            "Stopped. Everything that was submitted is in the ledger.",
            f"`{backend.work.budget.command}` collects it and goes on.",
        ) from error
    finally:
        # Closed first: an open session is billed by the second, and reporting may fail.
        left_open = _close_device(console, backend)
        with Ledger(backend.work.ledger.path, backend.work.clock) as ledger:
            if not stopped:
                _look_back(console, backend, ledger)
            report_spending(console, folder, ledger, backend.run_id, backend.work.budget)
    if left_open is not None:
        # What is left open may be billed by the second: that is no end to be content with.
        raise left_open


def _close_device(console: Console, backend: DeviceBackend) -> QhwError | None:
    """Close it; a failure is told and returned, and hides neither the bill nor why work ended."""
    try:
        backend.close()
    except QhwError as error:
        told = type(error)(
            f"The device could not be closed: {error.message}",
            f"`qhw jobs cancel --run {backend.run_id}` closes what is left open; what was measured "
            "is kept.",
        )
        console.print(f"{told.message} {told.hint}", style="yellow", markup=False)
        return told
    return None


def _look_back(console: Console, backend: DeviceBackend, ledger: Ledger) -> None:
    """Look for jobs of what was given up; whoever waits for the end does not wait for long."""
    given_up = ledger.given_up(backend.run_id, backend.work.clock.now() - LATEST_APPEARANCE)
    runner = at_prompt(backend.work.runner.runner, backend.work.clock)
    try:
        for entry in given_up:
            found = look_back(runner, ledger, entry)
            if found:
                console.print(f"{entry.unit.place}: {found}.", style="yellow", highlight=False)
    except HardwareError as error:
        console.print(
            f"A submission that was given up could not be looked up: {error.message} `qhw jobs "
            f"collect --run {backend.run_id}` looks once more.",
            style="yellow",
            markup=False,
        )


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """A polite end (SIGTERM) and a closed terminal (SIGHUP) close the device like Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    chosen = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.default_int_handler) for number in chosen}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
