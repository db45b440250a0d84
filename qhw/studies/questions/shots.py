"""How many shots the task needs, and what they cost.

The number of shots beyond which the task no longer gains is where the loss against exact values
falls to a tenth of what the controller gains over the best constant. Loss and gain are resampled
together, latent by latent, so that the interval holds the error of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qhw.config import RunConfig
from qhw.studies.finding import Axis, Estimate, Figure, Finding, Reference, Series, Table
from qhw.studies.measured.conditions import Setting
from qhw.studies.measured.seed_rows import SeedRows, baselines, constant_and_rule
from qhw.studies.measured.training_groups import subject
from qhw.studies.questions.prices import ASSUMED, dollars, picture_seconds, quoted
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.break_point import break_point
from qhw.studies.statistics.intervals import shown, transformed
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
        from qhw.studies.measured.playing import acquire_conditions

        controllers = SeedRows(scope, subject(scope.runs))
        settings = [Setting(scope.device), *_settings(scope)]
        acquire_conditions(scope, [*baselines(scope), *controllers.conditions(settings)])

    def analyse(self, scope: Scope) -> Finding:
        """Gain over the best constant by shots, against that of exact values."""
        controllers = SeedRows(scope, subject(scope.runs))
        exact, settings = Setting(scope.device), _settings(scope)
        constant, _ = constant_and_rule(scope)
        returns = controllers.returns([exact, *settings])
        gains = hierarchical_bootstrap(returns - constant.returns)
        losses = hierarchical_bootstrap(returns[1:] - returns[0])
        margin = MARGIN_SHARE * float(gains.value[0])
        config, shots = scope.runs[0].config, scope.sizes.task_shots
        enough = _enough(returns, constant.returns, shots) if float(gains.low[0]) > 0 else None
        sentence = _sentence(config, shots, gains, enough)
        return self.finding(
            sentence,
            controllers.seeds,
            figures=(
                _figure(scope.device, shots, gains),
                _loss_figure(scope.device, shots, losses, margin, enough),
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


@dataclass(frozen=True)
class _Enough:
    """Where the loss falls below the margin.

    Attributes:
        shots: With the interval, cut to what was played; None if it does nowhere.
        fewer: The interval reaches below the fewest shots that were played.
        more: The interval reaches beyond the most.
    """

    shots: Estimate | None
    fewer: bool
    more: bool

    def words(self, form: str, scale: float = 1.0, offset: float = 0.0) -> str:
        """The number of shots, or what grows straight with it, such as its price."""
        assert self.shots is not None
        ends = (self.shots.value, self.shots.low, self.shots.high)
        value, low, high = (form.format(offset + scale * end) for end in ends)
        return f"{value} [{'below ' * self.fewer}{low}, {'beyond ' * self.more}{high}]"


def _enough(returns: FloatArray, constant: FloatArray, shots: Sequence[int]) -> _Enough:
    """Find it on returns (1 + K, S, N), exact ones first, and the constant's (N,)."""
    exact, sampled = returns[0], returns[1:]
    missing = hierarchical_bootstrap(exact - sampled - MARGIN_SHARE * (exact - constant))
    place = break_point(np.log2(shots), missing.replicates, 0.0, y=missing.value)
    enough = None if place.at is None else transformed(place.at, lambda k: 2.0**k, 0.0)
    return _Enough(enough, place.open_low, place.open_high)


def _sentence(
    config: RunConfig, shots: Sequence[int], gains: Bootstrap, enough: _Enough | None
) -> str:
    exact = shown(gains.estimate(0), "{:+.3f}")
    if enough is None:
        return (
            f"Shots cannot buy an advantage that is not there: with exact values the return is "
            f"{exact} against the best constant's."
        )
    if enough.shots is None:
        return (
            f"With exact values the controller gains {exact} over the best constant; that "
            f"{shots[-1]} shots per circuit lose less than a tenth of it could not be shown."
        )
    # A quote is straight in the shots: fixed seconds of the jobs, and some for every shot.
    fixed, per_shot = _seconds_by_shots(config)
    seconds = enough.words("{:.1f}", per_shot, fixed)
    price = enough.words("${:.2f}", dollars(per_shot), dollars(fixed))
    return (
        f"With exact values the controller gains {exact} over the best constant. Beyond "
        f"{enough.words('{:.0f}')} shots per circuit less than a tenth of that is left to gain; "
        f"there a picture takes {seconds} QPU seconds, {price}."
    )


def _seconds_by_shots(config: RunConfig) -> tuple[float, float]:
    """QPU seconds of a picture: those that no shot adds to, and those of every shot."""
    one, two = (picture_seconds(quoted(config, shots)) for shots in (1, 2))
    return 2 * one - two, two - one


def _power_note(returns: FloatArray, margin: float, enough: _Enough | None) -> list[str]:
    """What it would take to see a loss as large as the margin at the most shots."""
    if enough is None or not (enough.shots is None or enough.more):
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
    device: str, shots: Sequence[int], losses: Bootstrap, margin: float, enough: _Enough | None
) -> Figure:
    """Paired differences to exact values: much better known than the gains themselves."""
    places = [(enough.words("{:.0f}"), enough.shots.value)] if enough and enough.shots else []
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
    rows = [
        (str(each), gains.estimate(k + 1), losses.estimate(k), seconds[k], dollars(seconds[k]))
        for k, each in enumerate(shots)
    ]
    return Table.of(
        "shots",
        "Return and price by shots",
        [
            "shots per circuit",
            ("minus the constant's", 3),
            ("minus exact values'", 4),
            ("QPU time per picture", 2, "s"),
            ("price per picture", 2, "$"),
        ],
        (*rows, ("exact", gains.estimate(0), None, None, None)),
        "Differences are paired over the same latents; intervals are 95 %.",
    )
