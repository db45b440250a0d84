"""What a condition's pictures would take on a device: arithmetic, nothing is sent."""

from __future__ import annotations

from qhw.budget.limits import DOLLARS_PER_SECOND
from qhw.budget.planned_jobs import MitigationPlan, RunShape
from qhw.budget.quote import Quote, quote_run
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


def picture_seconds(quote: Quote) -> float:
    """QPU seconds per picture, without the one-off calibration."""
    return (quote.seconds - calibration_seconds(quote)) / PICTURES


def calibration_seconds(quote: Quote) -> float:
    """QPU seconds that are taken once per device, layout and circuit."""
    return sum(phase.seconds for phase in quote.phases if phase.phase == "calibration")


def dollars(seconds: float) -> float:
    """Price of QPU seconds."""
    return seconds * DOLLARS_PER_SECOND
