"""The arms of the paired comparison: ways of guiding, all on the same latents.

This file imports no model, so that what reads results alone stays light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

ORDER_OF_0_1 = ("policy", "rule", "constant", "base", "open_loop", "shuffled")
ORDER = ("policy", "rule", "greedy", "constant", "base", "open_loop", "shuffled")
"""The arms of every table, as it shows them."""

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Arms(Generic[T]):
    """One thing for every arm: what it came to, or its row of the table.

    Attributes:
        policy: The trained policy, without its noise.
        rule: The confidence rule, chosen on other latents.
        greedy: Greedy feedback on the predicted picture; None in tables of 0.1.
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
    greedy: T | None
    others: tuple[T, ...] = ()

    def __iter__(self) -> Iterator[T]:
        """In the order of the table, and of `evaluation.json`."""
        for name in self.names:
            yield getattr(self, name)
        yield from self.others

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are filled, in the order of the table, without the others."""
        return ORDER if self.greedy is not None else ORDER_OF_0_1

    def map(self, make: Callable[[T], U]) -> Arms[U]:
        """The same arms, with something made of each."""
        return Arms.of([make(arm) for arm in self], self.names)

    @staticmethod
    def of(in_order: Sequence[U], names: Sequence[str] = ORDER) -> Arms[U]:
        """The arms in the order of the table, such as the rows of `evaluation.json`.

        Args:
            in_order: One for each name, then the others.
            names: What the first of them are: `Arms.names`.

        Raises:
            ValueError: If there are fewer than names.
        """
        if len(in_order) < len(names):
            raise ValueError(f"{len(in_order)} rows: need at least {len(names)}, {names}")
        named: dict[str, Any] = {"greedy": None, **dict(zip(names, in_order, strict=False))}
        return Arms(**named, others=tuple(in_order[len(names) :]))

    @staticmethod
    def read(record: Mapping[str, Any]) -> Arms[dict[str, Any]]:
        """The rows of an `evaluation.json`; the first ones did not say which arms they are."""
        return Arms.of(record["rows"], record.get("arms", ORDER_OF_0_1))
