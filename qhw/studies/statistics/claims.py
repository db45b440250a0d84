"""Sentences about a kind of controller, which one training seed does not allow."""

from __future__ import annotations

from typing import NamedTuple

ADVICE = (
    "There is one training seed, so the numbers are those of one trained controller. Train five "
    "seeds or more (`qhw train --seed N`) and give all of them: then there are answers."
)


class Said(NamedTuple):
    """What a finding says in words.

    Attributes:
        answer: The sentence; None where it is refused.
        refusal: Why; None where there is an answer.
        observed: What holds for the one controller there is; None where there is an answer.
    """

    answer: str | None
    refusal: str | None
    observed: str | None


def claim(sentence: str, seeds: int, about: str) -> Said:
    """Say a sentence about a kind of controller, if there is more than one training seed.

    Args:
        sentence: Computed from the numbers.
        seeds: Training seeds they rest on.
        about: What the sentence generalises to.
    """
    if seeds > 1:
        return Said(sentence, None, None)
    return Said(None, f"One training seed allows no claim about {about}.", sentence)
