"""How many shots the task needs, and what they cost.

The number of shots beyond which the task no longer gains is where the loss against exact values
falls to a tenth of what the controller gains over the best constant. Loss and gain are resampled
together, latent by latent, so that the interval holds the error of both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qhw.config import RunConfig
from qhw.studies.finding import Axis, Cell, Figure, Finding, Reference, Series, Table, Verdict
from qhw.studies.measured.conditions import Played, Setting
from qhw.studies.measured.refining import around, keep_refined, read_refined
from qhw.studies.measured.seed_rows import SeedRows, constant_and_rule
from qhw.studies.questions.prices import ASSUMED, dollars, picture_seconds, quoted
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.break_point import (
    BreakPoint,
    break_point,
    break_points_of_seeds,
    spread_in_words,
)
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
        """Play exact values and every number of shots; then more numbers at the crossings."""
        rows = SeedRows.of_all(scope)
        for row in rows:
            row.acquire([Setting(scope.device), *_settings(scope)])
        constant, _ = constant_and_rule(scope)
        grid = scope.sizes.task_shots
        found = [_Curve.of(row, grid, constant).enough for row in rows]
        inside = [
            each.at.value
            for each in found
            if each is not None and each.at is not None and grid[0] < each.at.value < grid[-1]
        ]
        places = [x for place in inside for x in around(place, grid)]
        keep_refined(scope, self.name, map(round, places))
        for row in rows:
            row.acquire(_settings(scope, _shots(scope)))

    def analyse(self, scope: Scope) -> Finding:
        """Gain over the best constant by shots, against that of exact values."""
        shots = _shots(scope)
        constant, _ = constant_and_rule(scope)
        curves = [_Curve.of(row, shots, constant) for row in SeedRows.of_all(scope)]
        own = curves[0]
        controllers, gains, enough = own.row, own.gains, own.enough
        margin = MARGIN_SHARE * float(gains.value[0])
        config = scope.runs[0].config
        sentence = _sentence(config, shots, gains, enough) + own.spread
        return self.finding(
            " ".join([sentence, *map(_other_sentence, curves[1:])]),
            controllers.seeds,
            verdict=(_verdict(config, shots, gains, enough),),
            figures=(
                _loss_figure(scope.device, curves, margin),
                _figure(scope.device, curves),
            ),
            tables=(_table(config, curves),),
            notes=(
                controllers.note,
                gains.flag,
                f"No longer gaining: what is lost against exact values is less than a tenth of "
                f"what they gain over the best constant ({margin:.2g} of return). Where a curve "
                "crosses that, three more numbers of shots were played; between neighbours the "
                "loss is taken as straight over log2 shots.",
                *_power_note(own.returns, margin, enough),
                ASSUMED,
            ),
            provenance={**gains.facts, "device": scope.device, "margin": margin},
        )


@dataclass(frozen=True)
class _Curve:
    """One kind of training, by shots.

    Attributes:
        row: Its controllers.
        shots: (K,) per circuit, rising.
        returns: (1 + K, S, N), exact values first.
        gains: (1 + K,) over the best constant.
        losses: (K,) against exact values.
        missing: (S, K) each seed's loss beyond the margin.
        enough: Where that ends; None where there is no gain.
    """

    row: SeedRows
    shots: Sequence[int]
    returns: FloatArray
    gains: Bootstrap
    losses: Bootstrap
    missing: FloatArray
    enough: BreakPoint | None

    @classmethod
    def of(cls, row: SeedRows, shots: Sequence[int], constant: Played) -> _Curve:
        """Out of what was played."""
        settings = [Setting(row.scope.device), *_settings(row.scope, shots)]
        returns = row.returns(settings)
        exact, sampled = returns[0], returns[1:]
        gains = hierarchical_bootstrap(returns - constant.returns)
        missing = exact - sampled - MARGIN_SHARE * (exact - constant.returns)
        found = hierarchical_bootstrap(missing)
        place = break_point(np.log2(shots), found.replicates, 0.0, y=found.value)
        enough = place.rescaled(_from_log2) if float(gains.low[0]) > 0 else None
        losses = hierarchical_bootstrap(sampled - exact)
        return cls(row, shots, returns, gains, losses, missing.mean(axis=2).T, enough)

    @property
    def spread(self) -> str:
        """The seeds' own numbers of shots in words; empty of one seed."""
        if self.enough is None or len(self.missing) < 2:
            return ""
        places = break_points_of_seeds(np.log2(self.shots), self.missing, 0.0)
        told = spread_in_words(
            [place if math.isinf(place) else 2.0**place for place in places], "{:.0f}"
        )
        return f" Seed by seed it is {told}."

    def parts(self, name: str, curves: FloatArray) -> list[Series]:
        """A thin line (S, K) for each seed of several."""
        x = tuple(map(float, self.shots))
        return [
            Series(name=f"{name}, {run.name}", part_of=name, x=x, y=tuple(map(float, line)))
            for run, line in zip(self.row.group.runs, curves, strict=True)
            if len(curves) > 1
        ]


def _from_log2(logarithm: float) -> float:
    shots: float = 2.0**logarithm
    return shots


def _shots(scope: Scope) -> list[int]:
    """The grid, and what was played at the crossings."""
    return sorted({*scope.sizes.task_shots, *map(int, read_refined(scope, Shots.name))})


def _settings(scope: Scope, shots: Sequence[int] | None = None) -> list[Setting]:
    numbers = scope.sizes.task_shots if shots is None else shots
    return [Setting(scope.device, shots=each) for each in numbers]


def _other_sentence(curve: _Curve) -> str:
    """The same of another kind of training."""
    name = curve.row.group.name
    if curve.enough is None:
        return f"Controllers {name} have no advantage to buy."
    if curve.enough.at is None:
        return f"Of controllers {name} it could not be shown for any number of shots."
    return f"Of controllers {name} it is {curve.enough.interval('{:.0f}')} shots.{curve.spread}"


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


def _names(device: str, curves: Sequence[_Curve]) -> list[str]:
    return [f"noise of {device}"] if len(curves) == 1 else [c.row.group.name for c in curves]


def _figure(device: str, curves: Sequence[_Curve]) -> Figure:
    shots, gains = curves[0].shots, curves[0].gains
    exact = float(gains.value[0])
    return Figure(
        id="gain_by_shots",
        title="The controller's advantage by shots per circuit",
        kind="lines",
        x=Axis(label="shots per circuit", log=True, ticks=_grid(curves)),
        y=Axis(label="return minus the best constant's"),
        series=tuple(
            Series.of(name, list(map(float, shots)), curve.gains.estimates()[1:])
            for name, curve in zip(_names(device, curves), curves, strict=True)
        ),
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


def _grid(curves: Sequence[_Curve]) -> tuple[float, ...]:
    """Numbers of shots that are written on an axis."""
    return tuple(map(float, curves[0].row.scope.sizes.task_shots))


def _loss_figure(device: str, curves: Sequence[_Curve], margin: float) -> Figure:
    """Paired differences to exact values: much better known than the gains themselves."""
    shots, losses, enough = curves[0].shots, curves[0].losses, curves[0].enough
    places = [(enough.interval("{:.0f}"), enough.at.value)] if enough and enough.at else []
    named = list(zip(_names(device, curves), curves, strict=True))
    means = [
        Series.of(name, list(map(float, shots)), curve.losses.estimates()) for name, curve in named
    ]
    seeds = [
        part
        for name, curve in named
        for part in curve.parts(name, (curve.returns[1:] - curve.returns[0]).mean(axis=2).T)
    ]
    return Figure(
        id="loss_by_shots",
        title="What is lost against exact values",
        kind="lines",
        x=Axis(label="shots per circuit", log=True, ticks=_grid(curves)),
        y=Axis(label="return minus that of exact values"),
        series=(*means, *seeds),
        references=(
            Reference(name="nothing lost", value=0.0),
            Reference(name="a tenth of the gain", value=-abs(margin)),
            *(Reference(name=f"no longer gaining: {at}", value=x, axis="x") for at, x in places),
        ),
        reading=(
            "Right of where the line crosses a tenth of the gain, more shots gain the task less "
            "than that; the band is the 95 % interval of the paired difference, thin lines are "
            "single training seeds."
        ),
        alternative=(
            f"Line of the loss: {losses.value[0]:+.4f} at {shots[0]} shots, "
            f"{losses.value[-1]:+.4f} at {shots[-1]}; a tenth of the gain is {abs(margin):.4f}."
        ),
    )


def _table(config: RunConfig, curves: Sequence[_Curve]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for curve in curves:
        exact, *sampled = curve.gains.estimates()
        name = curve.row.group.name
        told = zip(curve.shots, sampled, curve.losses.estimates(), strict=True)
        for shots, gain, loss in told:
            seconds = picture_seconds(quoted(config, shots))
            rows.append((str(shots), name, gain, loss, seconds, dollars(seconds)))
        rows.append(("exact", name, exact, None, None, None))
    return Table.of(
        "shots",
        "Return and price by shots",
        [
            "shots per circuit",
            "controller",
            ("minus the constant's", 3),
            ("minus exact values'", 4),
            ("QPU time per picture", 2, "s"),
            ("price per picture", 2, "$"),
        ],
        rows,
        "Differences are paired over the same latents; intervals are 95 %.",
    )
