"""The arms of the paired comparison: ways of guiding, all on the same latents.

This file imports no model, so that what reads results alone stays light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Arms(Generic[T]):
    """One thing for every arm: what it came to, or its row of the table.

    Attributes:
        policy: The trained policy, without its noise.
        rule: The confidence rule, chosen on other latents.
        constant: The constant to beat.
        base: The base guidance at every step: what a policy plays that does nothing.
        open_loop: The policy's mean guidance at every step, the same for all latents.
        shuffled: The policy's guidance of another latent.
        others: What else was played, in the order of the table.
    """

    policy: T
    rule: T
    constant: T
    base: T
    open_loop: T
    shuffled: T
    others: tuple[T, ...] = ()

    def __iter__(self) -> Iterator[T]:
        """In the order of the table, and of `evaluation.json`."""
        yield from (self.policy, self.rule, self.constant)
        yield from (self.base, self.open_loop, self.shuffled)
        yield from self.others

    def map(self, make: Callable[[T], U]) -> Arms[U]:
        """The same arms, with something made of each."""
        return Arms.of([make(arm) for arm in self])

    @staticmethod
    def of(in_order: Sequence[U]) -> Arms[U]:
        """The arms in the order of the table, such as the rows of `evaluation.json`."""
        policy, rule, constant, base, open_loop, shuffled, *others = in_order
        return Arms(policy, rule, constant, base, open_loop, shuffled, tuple(others))
