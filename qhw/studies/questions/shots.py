"""How many shots the task needs, and what they cost.

The number of shots beyond which the task no longer gains is where the loss against exact values
falls to a tenth of what the controller gains over the best constant. Loss and gain are resampled
together, latent by latent, so that the interval holds the error of both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhw.config import RunConfig
from qhw.studies.finding import Axis, Figure, Finding, Reference, Series, Table, Verdict
from qhw.studies.measured.conditions import Setting
from qhw.studies.measured.seed_rows import SeedRows, constant_and_rule
from qhw.studies.questions.prices import ASSUMED, dollars, picture_seconds, quoted
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.break_point import BreakPoint, break_point
from qhw.studies.statistics.intervals import shown
from qhw.studies.statistics.power import sample_size, units_of
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope, Study

MARGIN_SHARE = 0.1
"""A loss below this share of the exact gain over the best constant counts as none."""


class Shots(Study):
    """Return against shots, and the number beyond which the task no longer gains."""

    name = "shots"
    question = "How many shots does the task need?"
    about = "how many shots such controllers need"

    def acquire(self, scope: Scope) -> None:
        """Play every number of shots, and exact values."""
        SeedRows.of_subject(scope).acquire([Setting(scope.device), *_settings(scope)])

    def analyse(self, scope: Scope) -> Finding:
        """Gain over the best constant by shots, against that of exact values."""
        controllers = SeedRows.of_subject(scope)
        exact, settings = Setting(scope.device), _settings(scope)
        constant, _ = constant_and_rule(scope)
        returns = controllers.returns([exact, *settings])
        gains = hierarchical_bootstrap(returns - constant.returns)
        losses = hierarchical_bootstrap(returns[1:] - returns[0])
        margin = MARGIN_SHARE * float(gains.value[0])
        config, shots = scope.runs[0].config, scope.sizes.task_shots
        enough = _enough(returns, constant.returns, shots) if float(gains.low[0]) > 0 else None
        return self.finding(
            _sentence(config, shots, gains, enough),
            controllers.seeds,
            verdict=(_verdict(config, shots, gains, enough),),
            figures=(
                _loss_figure(scope.device, shots, losses, margin, enough),
                _figure(scope.device, shots, gains),
            ),
            tables=(_table(config, shots, gains, losses),),
            notes=(
                controllers.note,
                gains.flag,
                f"No longer gaining: what is lost against exact values is less than a tenth of "
                f"what they gain over the best constant ({margin:.2g} of return). Between the "
                "numbers of shots that were played the loss is taken as straight over log2 shots.",
                *_power_note(returns, margin, enough),
                ASSUMED,
            ),
            provenance={**gains.facts, "device": scope.device, "margin": margin},
        )


def _settings(scope: Scope) -> list[Setting]:
    return [Setting(scope.device, shots=shots) for shots in scope.sizes.task_shots]


def _enough(returns: FloatArray, constant: FloatArray, shots: Sequence[int]) -> BreakPoint:
    """Find it on returns (1 + K, S, N), exact ones first, and the constant's (N,)."""
    exact, sampled = returns[0], returns[1:]
    missing = hierarchical_bootstrap(exact - sampled - MARGIN_SHARE * (exact - constant))
    place = break_point(np.log2(shots), missing.replicates, 0.0, y=missing.value)
    return place.rescaled(lambda logarithm: 2.0**logarithm)


def _sentence(
    config: RunConfig, shots: Sequence[int], gains: Bootstrap, enough: BreakPoint | None
) -> str:
    exact = shown(gains.estimate(0), "{:+.3f}")
    if enough is None:
        return (
            f"Shots cannot buy an advantage that is not there: with exact values the return is "
            f"{exact} against the best constant's."
        )
    if enough.at is None:
        return (
            f"With exact values the controller gains {exact} over the best constant; that "
            f"{shots[-1]} shots per circuit lose less than a tenth of it could not be shown."
        )
    return (
        f"With exact values the controller gains {exact} over the best constant. Beyond "
        f"{enough.interval('{:.0f}')} shots per circuit less than a tenth of that is left to gain; "
        f"there a picture takes {_price_words(config, enough)}."
    )


def _price_words(config: RunConfig, enough: BreakPoint) -> str:
    """QPU seconds and dollars of a picture, straight in the shots: some per job, some per shot."""
    one, two = (picture_seconds(quoted(config, shots)) for shots in (1, 2))
    fixed, per_shot = 2 * one - two, two - one
    seconds = enough.rescaled(lambda n: fixed + per_shot * n).interval("{:.1f}")
    price = enough.rescaled(lambda n: dollars(fixed) + dollars(per_shot) * n).interval("${:.2f}")
    return f"{seconds} QPU seconds, {price}"


def _verdict(
    config: RunConfig, shots: Sequence[int], gains: Bootstrap, enough: BreakPoint | None
) -> Verdict:
    exact = shown(gains.estimate(0), "{:+.3f}")
    if enough is None:
        return Verdict(
            line="enough_shots",
            number="no advantage to buy",
            words=f"With exact values the return is {exact} against the best constant's.",
        )
    if enough.at is None:
        return Verdict(
            line="enough_shots",
            number=f"more than {shots[-1]}",
            unit="shots per circuit",
            words="That fewer keep nine tenths of the advantage could not be shown.",
        )
    return Verdict(
        line="enough_shots",
        number=enough.interval("{:.0f}"),
        unit="shots per circuit",
        words=(
            "They keep nine tenths of the advantage over the best constant. A picture then takes "
            f"{_price_words(config, enough)}."
        ),
        estimate=enough.at,
    )


def _power_note(returns: FloatArray, margin: float, enough: BreakPoint | None) -> list[str]:
    """What it would take to see a loss as large as the margin at the most shots."""
    if enough is None or not (enough.at is None or enough.open_high):
        return []
    units = units_of(returns[-1] - returns[0])
    return [
        f"To see a loss of {margin:.3g} at the largest number of shots with 80 % power takes "
        f"{sample_size(units.sd, margin)} {units.name} (there were {units.have})."
    ]


def _figure(device: str, shots: Sequence[int], gains: Bootstrap) -> Figure:
    exact = float(gains.value[0])
    return Figure(
        id="gain_by_shots",
        title="The controller's advantage by shots per circuit",
        kind="lines",
        x=Axis(label="shots per circuit", log=True),
        y=Axis(label="return minus the best constant's"),
        series=(Series.of(f"noise of {device}", list(map(float, shots)), gains.estimates()[1:]),),
        references=(
            Reference(name="exact values", value=exact),
            Reference(name="best constant", value=0.0),
        ),
        reading=(
            "Above 0 the controller earns more than the best constant guidance, which needs no "
            "circuit; the line rises towards the exact values as shot noise fades. The band is the "
            "95 % interval."
        ),
        alternative=(
            f"Line of the gain over the best constant: {gains.value[1]:+.3f} at {shots[0]} shots, "
            f"{gains.value[-1]:+.3f} at {shots[-1]}, {exact:+.3f} with exact values."
        ),
    )


def _loss_figure(
    device: str, shots: Sequence[int], losses: Bootstrap, margin: float, enough: BreakPoint | None
) -> Figure:
    """Paired differences to exact values: much better known than the gains themselves."""
    places = [(enough.interval("{:.0f}"), enough.at.value)] if enough and enough.at else []
    return Figure(
        id="loss_by_shots",
        title="What is lost against exact values",
        kind="lines",
        x=Axis(label="shots per circuit", log=True),
        y=Axis(label="return minus that of exact values"),
        series=(Series.of(f"noise of {device}", list(map(float, shots)), losses.estimates()),),
        references=(
            Reference(name="nothing lost", value=0.0),
            Reference(name="a tenth of the gain", value=-abs(margin)),
            *(Reference(name=f"no longer gaining: {at}", value=x, axis="x") for at, x in places),
        ),
        reading=(
            "Right of where the line crosses a tenth of the gain, more shots gain the task less "
            "than that; the band is the 95 % interval of the paired difference."
        ),
        alternative=(
            f"Line of the loss: {losses.value[0]:+.4f} at {shots[0]} shots, "
            f"{losses.value[-1]:+.4f} at {shots[-1]}; a tenth of the gain is {abs(margin):.4f}."
        ),
    )


def _table(config: RunConfig, shots: Sequence[int], gains: Bootstrap, losses: Bootstrap) -> Table:
    seconds = [picture_seconds(quoted(config, each)) for each in shots]
    exact, *sampled = gains.estimates()
    return Table.of_columns(
        "shots",
        "Return and price by shots",
        {
            "shots per circuit": [*map(str, shots), "exact"],
            ("minus the constant's", 3): [*sampled, exact],
            ("minus exact values'", 4): [*losses.estimates(), None],
            ("QPU time per picture", 2, "s"): [*seconds, None],
            ("price per picture", 2, "$"): [*map(dollars, seconds), None],
        },
        "Differences are paired over the same latents; intervals are 95 %.",
    )
