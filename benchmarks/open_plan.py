"""What 600 QPU seconds, the Open plan's in 28 days, buy on ibm_fez.

    python -m benchmarks.open_plan

Quotes alone, as `qhw plan` prints them, with the affine calibration where it is the default.
Pictures: the most that are made in lockstep, ten steps each. Training: the most updates of 20
episodes with the evaluation of 20 latents, by gradient rule: at most (nothing is clipped) and at
least (all is, after an update's first minibatch). Writes benchmarks/open_plan.json.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.timing import significant, write_result
from qhw.budget.limits import OPEN_PLAN_SECONDS
from qhw.budget.planning import plan_run, plan_training
from qhw.budget.quote import Quote
from qhw.config import RunConfig, parse_config

SHOTS = (128, 1024)
RULES = ("shift", "pruned", "spsa", "model", "frozen")


def settings(shots: int, **more: Any) -> RunConfig:
    """Of ibm_fez; its limit decides the default mitigation."""
    hardware = {"max_qpu_seconds": OPEN_PLAN_SECONDS}
    return parse_config(
        {"backend": {"name": "ibm_fez", "shots": shots}, "hardware": hardware, **more}
    )


def pictures(shots: int) -> dict[str, float]:
    """The most pictures, and what one takes."""
    count = most(lambda images: plan_run(settings(shots), images=images, queue=0))
    whole = plan_run(settings(shots), images=count, queue=0)
    per_picture = significant(whole.seconds / count)
    return {"pictures": count, "QPU seconds a picture": per_picture}


def updates(shots: int, rule: str) -> dict[str, int]:
    """The most updates at the quote's upper and lower bound."""

    def quote(number: int) -> Quote:
        ppo = {"updates": number, "environments": 20}
        trained = {"gradient": {"rule": rule}, "ppo": ppo, "evaluation": {"latents": 20}}
        return plan_training(settings(shots, **trained), queue=0)

    return {"surely": most(quote), "at best": most(quote, low=True)}


def most(quote: Callable[[int], Quote], *, low: bool = False) -> int:
    """The largest number whose quote fits."""
    number = 0
    while number < 100_000 and _seconds(quote(number + 1), low) <= OPEN_PLAN_SECONDS:
        number += 1
    return number


def _seconds(quote: Quote, low: bool) -> float:
    return quote.seconds_low if low else quote.seconds


def main() -> None:
    """Quote, and write."""
    result = {
        f"{shots} shots": {
            **pictures(shots),
            "updates": {rule: updates(shots, rule) for rule in RULES},
        }
        for shots in SHOTS
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
