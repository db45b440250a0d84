"""What a condition's pictures would take on a device: arithmetic, nothing is sent."""

from __future__ import annotations

from typing import get_args

from qhw.budget.limits import DOLLARS_PER_SECOND
from qhw.budget.planned_jobs import MitigationPlan, Rule, RunShape
from qhw.budget.planning import training_shape
from qhw.budget.quote import Quote, quote_run, quote_training
from qhw.config import MethodName, RunConfig

PICTURES = 16
"""Pictures in lockstep that a price is told for, as `qhw run` makes them."""
ASSUMED = (
    f"Prices: {PICTURES} pictures in lockstep, one job per denoising step, "
    f"${DOLLARS_PER_SECOND:.2f} per QPU second; `qhw plan run` quotes other orders."
)


def quoted(config: RunConfig, shots: int, mitigation: MethodName = "none") -> Quote:
    """What `PICTURES` pictures in lockstep would take, one-off calibration included.

    Args:
        config: The run's.
        shots: Per circuit.
        mitigation: How values would be corrected; an affine map would have to be fitted.
    """
    shape = RunShape(config.environment.steps, PICTURES, shots)
    return quote_run(shape, MitigationPlan(mitigation))


MEASURED_RULES: tuple[Rule, ...] = tuple(rule for rule in get_args(Rule) if rule != "adjoint")
"""Ways to train on a device; `adjoint` needs a simulator."""


def training_quote(config: RunConfig, rule: Rule) -> Quote:
    """What a run's whole training would take on a device, without mitigation.

    Args:
        config: The run's; 1,024 shots per circuit where it was trained on exact values.
        rule: How the circuit's gradient would be measured.
    """
    gradient = config.gradient.model_copy(update={"rule": rule})
    shape = training_shape(config.model_copy(update={"gradient": gradient}))
    return quote_training(shape, MitigationPlan("none"))


def picture_seconds(quote: Quote) -> float:
    """QPU seconds per picture, without the one-off calibration."""
    return (quote.seconds - calibration_seconds(quote)) / PICTURES


def calibration_seconds(quote: Quote) -> float:
    """QPU seconds that are taken once per device, layout and circuit."""
    return sum(phase.seconds for phase in quote.phases if phase.phase == "calibration")


def dollars(seconds: float) -> float:
    """Price of QPU seconds."""
    return seconds * DOLLARS_PER_SECOND
