"""A clock for tests, which need not wait."""

from __future__ import annotations


class SteppedClock:
    """Stands still but for its sleeps, which take no time.

    Attributes:
        seconds: Now, in seconds since 1970.
        slept: Every sleep, in order.
    """

    def __init__(self, seconds: float = 1.8e9) -> None:
        self.seconds = seconds
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since 1970."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.seconds += seconds
