"""How much noise the controller bears: the device's errors, multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qhw.studies.finding import (
    Axis,
    Cell,
    Figure,
    Finding,
    Gallery,
    Reference,
    Series,
    Table,
    Verdict,
)
from qhw.studies.measured.conditions import NOISELESS, Played, Setting
from qhw.studies.measured.refining import around, keep_refined, read_refined
from qhw.studies.measured.seed_rows import SeedRows, backend_facts, constant_and_rule
from qhw.studies.questions.pictures import gallery_row
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.break_point import (
    BreakPoint,
    break_point,
    break_points_of_seeds,
    spread_in_words,
)
from qhw.studies.statistics.intervals import shown
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope, Study

SCALES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)


class NoiseScale(Study):
    """Return against the scale of the device's errors, and where the advantage is gone."""

    name = "noise_scale"
    question = "How much noise does the controller bear?"
    about = "how much noise such controllers bear"

    def acquire(self, scope: Scope) -> None:
        """Play every scale, 0 being the noiseless circuit; then more of them at the crossings."""
        rows = SeedRows.of_all(scope)
        for row in rows:
            row.acquire(_settings(scope))
        constant, _ = constant_and_rule(scope)
        found = [_Curve.of(row, SCALES, constant).lost for row in rows]
        places = [lost.at.value for lost in found if lost is not None and lost.at is not None]
        keep_refined(scope, self.name, [x for place in places for x in around(place, SCALES)])
        for row in rows:
            row.acquire(_settings(scope, _scales(scope)))

    def analyse(self, scope: Scope) -> Finding:
        """Gain over the best constant by scale, with the break points."""
        scales = _scales(scope)
        settings = _settings(scope, scales)
        constant, rule = constant_and_rule(scope)
        curves = [_Curve.of(row, scales, constant) for row in SeedRows.of_all(scope)]
        own = curves[0]
        controllers, gains, lost = own.row, own.gains, own.lost
        over_rule = controllers.gains(settings, rule)
        rule_gain = hierarchical_bootstrap([rule.returns - constant.returns])
        return self.finding(
            " ".join([_sentence(scope.device, own), *map(_other_sentence, curves[1:])]),
            controllers.seeds,
            verdict=(_verdict(scope.device, gains, lost),),
            figures=(_figure(scope.device, curves, float(rule_gain.value)),),
            tables=(_table(curves, rule),),
            galleries=(_gallery(controllers, constant, own.scales, settings, lost),),
            notes=(
                controllers.note,
                gains.flag,
                _rule_note(scales, over_rule),
                "Scale 0 is the noiseless circuit. Gate and read-out errors are multiplied by the "
                "scale, T1 and T2 divided by it. Where a curve crosses, three more scales were "
                "played; between neighbours it is taken as straight.",
                _caps_note(controllers, settings),
            ),
            provenance={**gains.facts, "device": scope.device},
        )


@dataclass(frozen=True)
class _Curve:
    """One kind of training: its gain over the best constant by scale.

    Attributes:
        row: Its controllers.
        scales: Rising.
        seeds: (S, X) each seed's mean gain.
        gains: (X,) over seeds and latents.
        lost: Where it falls below 0; None where there is no gain that could be lost.
    """

    row: SeedRows
    scales: Sequence[float]
    seeds: FloatArray
    gains: Bootstrap
    lost: BreakPoint | None

    @classmethod
    def of(cls, row: SeedRows, scales: Sequence[float], constant: Played) -> _Curve:
        """Out of what was played."""
        differences = row.returns(_settings(row.scope, scales)) - constant.returns
        gains = hierarchical_bootstrap(differences)
        lost = _break_point(scales, gains) if float(gains.low[0]) > 0 else None
        return cls(row, scales, differences.mean(axis=2).T, gains, lost)

    @property
    def spread(self) -> str:
        """The seeds' own break points in words; empty of one seed."""
        if self.lost is None or len(self.seeds) < 2:
            return ""
        told = spread_in_words(break_points_of_seeds(self.scales, self.seeds, 0.0))
        return f" Seed by seed it lies {told}."


def _scales(scope: Scope) -> list[float]:
    """The grid, and what was played at the crossings."""
    return sorted({*SCALES, *read_refined(scope, NoiseScale.name)})


def _settings(scope: Scope, scales: Sequence[float] = SCALES) -> list[Setting]:
    return [Setting(scope.device, scale) if scale else NOISELESS for scale in scales]


def _break_point(scales: Sequence[float], gains: Bootstrap) -> BreakPoint:
    """Where the gain falls below 0."""
    return break_point(scales, gains.replicates, 0.0, y=gains.value)


def _sentence(device: str, curve: _Curve) -> str:
    gains, lost = curve.gains, curve.lost
    noiseless = shown(gains.estimate(0), "{:+.3f}")
    if lost is None:
        return (
            f"There is no advantage that noise could eat: without noise the return is "
            f"{noiseless} against the best constant's."
        )
    own, most = (shown(gains.estimate(k), "{:+.3f}") for k in (curve.scales.index(1.0), -1))
    rest = "" if lost.at else f"; at {curve.scales[-1]:g} times them {most} is left"
    return (
        f"Over the best constant the controller gains {noiseless} without noise and {own} under "
        f"{device}'s. The break point, where that is gone, lies {lost.words()} times the device's "
        f"errors{rest}.{curve.spread}"
    )


def _other_sentence(curve: _Curve) -> str:
    """The same of another kind of training."""
    name = curve.row.group.name
    if curve.lost is None:
        return f"Controllers {name} have no advantage to lose."
    return f"Of controllers {name} it lies {curve.lost.words()} times.{curve.spread}"


def _verdict(device: str, gains: Bootstrap, lost: BreakPoint | None) -> Verdict:
    if lost is None:
        noiseless = shown(gains.estimate(0), "{:+.3f}")
        return Verdict(
            line="bearable_noise",
            number="no advantage to lose",
            words=f"Without noise the return is {noiseless} against the best constant's.",
        )
    return Verdict(
        line="bearable_noise",
        number=lost.words().removeprefix("at "),
        unit=f"times {device}'s errors",
        words="There the advantage over the best constant is gone.",
        estimate=lost.at,
    )


def _gallery(
    controllers: SeedRows,
    constant: Played,
    scales: Sequence[float],
    settings: Sequence[Setting],
    lost: BreakPoint | None,
) -> Gallery:
    """Noiseless pictures, those at the played scale nearest to the break point, and the change."""
    place = scales[-1] if lost is None or lost.at is None else lost.at.value
    scale, setting = min(zip(scales, settings, strict=True), key=lambda pair: abs(pair[0] - place))
    before, after = (controllers.first(each).pictures for each in (NOISELESS, setting))
    told = "" if lost is None or lost.at is None else ", next to the break point"
    return Gallery(
        id="at_the_break_point",
        title=f"The same latents at {scale:g} times the errors{told}",
        columns=tuple(constant.facts["shown"]),
        rows=(
            gallery_row("noiseless", before),
            gallery_row(f"{scale:g} times the errors", after),
            gallery_row("difference, doubled", 0.5 + (after - before)),
        ),
        reading=(
            "A column is one latent and the class that was asked for. In the last row grey is no "
            "change, lighter and darker is what noise made lighter and darker. Controller: "
            f"{controllers.group.runs[0].name}."
        ),
        alternative=f"Pictures of {len(before)} latents without noise, with it, and what changed.",
    )


def _rule_note(scales: Sequence[float], over_rule: Bootstrap) -> str:
    if not float(over_rule.low[0]) > 0:
        noiseless = shown(over_rule.estimate(0), "{:+.3f}")
        return f"Against the confidence rule there is no advantage to lose: {noiseless} noiseless."
    place = _break_point(scales, over_rule).words()
    return f"Where the confidence rule is as good: {place} times the device's errors."


def _figure(device: str, curves: Sequence[_Curve], rule: float) -> Figure:
    own = curves[0]
    scales, gains, lost = own.scales, own.gains, own.lost
    broken = [] if lost is None or lost.at is None else [(lost.words(), lost.at.value)]
    names = ["controller"] if len(curves) == 1 else [each.row.group.name for each in curves]
    means = [
        Series.of(name, scales, each.gains.estimates())
        for name, each in zip(names, curves, strict=True)
    ]
    seeds = [
        Series(name=f"{name}, {run.name}", part_of=name, x=tuple(scales), y=tuple(map(float, line)))
        for name, each in zip(names, curves, strict=True)
        for run, line in zip(each.row.group.runs, each.seeds, strict=True)
        if len(each.seeds) > 1
    ]
    return Figure(
        id="gain_by_noise_scale",
        title="The controller's advantage as noise grows",
        kind="lines",
        x=Axis(label=f"errors of {device}, times", log=True, ticks=SCALES),
        y=Axis(label="return minus the best constant's"),
        series=(*means, *seeds),
        references=(
            Reference(name="best constant", value=0.0),
            Reference(name="confidence rule", value=rule),
            *(Reference(name=f"break point {at}", value=x, axis="x") for at, x in broken),
        ),
        reading=(
            "Above 0 the controller earns more than the best constant guidance on the same "
            "latents; where the line meets 0, noise has eaten its advantage. The band is the 95 % "
            "interval; thin lines are single training seeds."
        ),
        alternative=(
            f"Line of the gain over the best constant: {gains.value[0]:+.3f} without noise, "
            f"{gains.value[-1]:+.3f} at {scales[-1]:g} times the errors of {device}."
        ),
    )


def _table(curves: Sequence[_Curve], rule: Played) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for curve in curves:
        settings = _settings(curve.row.scope, curve.scales)
        returns = curve.row.returns(settings)
        told = hierarchical_bootstrap(np.stack([returns, returns - rule.returns], axis=1))
        for k, scale in enumerate(curve.scales):
            guidance = float(curve.row.columns(settings[k], lambda p: p.guidance).mean())
            own, over = told.estimate(k, 0), told.estimate(k, 1)
            name = curve.row.group.name
            rows.append((scale, name, own, curve.gains.estimate(k), over, guidance))
    return Table.of(
        "noise_scale",
        "Return by noise scale",
        [
            ("errors, times", 2),
            "controller",
            ("return", 3),
            ("minus the constant's", 3),
            ("minus the rule's", 3),
            ("mean guidance", 2),
        ],
        rows,
        "A row's controllers play the same latents; intervals are 95 %.",
    )


def _caps_note(controllers: SeedRows, settings: Sequence[Setting]) -> str:
    """Where the scale is less than it says, on the qubits that carry the circuit."""
    # Pairs: the noiseless setting has a scale too, which is another setting's.
    caps = [
        (each.noise_scale, backend_facts(controllers.first(each)).noise_caps) for each in settings
    ]
    capped = [f"times {scale:g}: {'; '.join(lines)}" for scale, lines in caps if lines]
    if not capped:
        return "No error of the circuit's own gates and qubits meets its physical limit."
    return f"Errors of the circuit's own gates and qubits at their limit: {'; '.join(capped)}."
