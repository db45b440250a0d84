"""Sentences about a kind of controller, which one training seed does not allow."""

from __future__ import annotations

from typing import NamedTuple

ADVISED_SEEDS = 5


class Said(NamedTuple):
    """What a finding says in words.

    Attributes:
        answer: The sentence; None where it is refused.
        refusal: Why; None where there is an answer.
        notes: What holds for the one controller there is; empty where there is an answer.
    """

    answer: str | None
    refusal: str | None
    notes: tuple[str, ...]


def claim(sentence: str, seeds: int, about: str) -> Said:
    """Say a sentence about a kind of controller, if there is more than one training seed.

    Args:
        sentence: Computed from the numbers.
        seeds: Training seeds they rest on.
        about: What the sentence generalises to.
    """
    if seeds > 1:
        return Said(sentence, None, ())
    refusal = (
        f"There is one training seed: the numbers are those of one trained controller, and no "
        f"claim about {about} is made. Train {ADVISED_SEEDS} seeds or more (`qhw train --seed N`) "
        "and give all of them."
    )
    return Said(None, refusal, (f"This one controller: {sentence}",))
