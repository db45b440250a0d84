"""What noise does to the task itself: return, judges, pictures; and what mitigation gives back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhw.studies.conditions import JUDGES, FloatArray, Played, Setting
from qhw.studies.finding import (
    Axis,
    Estimate,
    Figure,
    Finding,
    Gallery,
    Reference,
    Series,
)
from qhw.studies.gallery import gallery_row
from qhw.studies.gathered import Gathered, claimed, constant_and_rule, hand_made
from qhw.studies.groups import group_runs
from qhw.studies.recovery import (
    ALPHA,
    SHOTS,
    recovery_notes,
    recovery_sentence,
    recovery_table,
)
from qhw.studies.statistics import (
    Bootstrap,
    hierarchical_bootstrap,
    holm,
    nothing_seen,
    shown,
)
from qhw.studies.study import Scope
from qhw.studies.task_tables import (
    judge_table,
    label,
    likeness_table,
    playable,
    returns_table,
    settings_of,
)


class Task:
    """Train backend by evaluation backend, against the constant and the confidence rule."""

    name = "task"
    question = "What does noise do to the task?"

    def acquire(self, scope: Scope) -> None:
        """Play every run noiselessly, under noise, with shots, and with each mitigation."""
        from qhw.studies.playing import acquire_conditions

        acquire_conditions(scope, hand_made(scope))
        for gathered in _gathered(scope):
            acquire_conditions(scope, gathered.conditions(settings_of(scope)))

    def analyse(self, scope: Scope) -> Finding:
        """Gains over the best constant as a matrix; judges and pictures in tables."""
        rows = _gathered(scope)
        constant, rule = constant_and_rule(scope)
        gains = [row.gains(playable(row), constant) for row in rows]
        adjusted = _adjusted(gains)
        told = _sentence(scope.device, rows[0], gains[0], adjusted[0])
        sentence = f"{told} {recovery_sentence(rows[0])}".strip()
        said, own = claimed(rows[0], sentence, "what noise does to such controllers")
        series = _rows(rows, gains)
        rule_gain = hierarchical_bootstrap([rule.returns - constant.returns]).estimate()
        return Finding(
            study=self.name,
            question=self.question,
            answer=said.answer,
            refusal=said.refusal,
            figures=(_matrix(scope.device, series), _bars(scope.device, series, rule_gain)),
            tables=(
                returns_table(rows, gains, adjusted, constant, rule),
                *(judge_table(eye, rows, (constant, rule)) for eye in JUDGES),
                likeness_table(rows),
                recovery_table(rows),
            ),
            galleries=(_gallery(rows[0], constant),),
            notes=(
                *own,
                gains[0].flag,
                f"The constant to beat: {constant.facts['name']}; the {rule.facts['name']}. Both "
                "were chosen without the judges.",
                *(_training_note(rows[0], other) for other in rows[1:]),
                *_null_notes(rows, gains),
                *_refusals(rows),
                *recovery_notes(rows),
                "Frechet distance and accuracy trade against each other; `qhw evaluate` compares "
                "at equal accuracy. Distances of few latents are biased upwards alike in all rows.",
            ),
            provenance={**gains[0].facts, "device": scope.device, "shots": SHOTS},
        )


def _gathered(scope: Scope) -> list[Gathered]:
    """One row of the matrix per kind of training."""
    return [Gathered(scope, group) for group in group_runs(scope.runs)]


def _adjusted(gains: Sequence[Bootstrap]) -> list[FloatArray]:
    """p-values of all cells together after Holm, row by row."""
    sizes = np.cumsum([len(each.p_value) for each in gains])[:-1]
    return np.split(holm(np.concatenate([each.p_value for each in gains])), sizes)


def _sentence(device: str, row: Gathered, gains: Bootstrap, adjusted: FloatArray) -> str:
    ideal, noisy = (shown(gains.estimate(k), "{:+.3f}") for k in (0, 1))
    if not (gains.value[0] > 0 and adjusted[0] < ALPHA):
        return (
            f"Even without noise the controller's return is not above the best constant's "
            f"({ideal}), so there is no advantage that noise could eat; under {device}'s noise it "
            f"is {noisy}."
        )
    kept = gains.value[1] > 0 and adjusted[1] < ALPHA
    verdict = "keeps its advantage" if kept else "keeps no advantage that can be told from chance"
    return (
        f"{row.group.name[:1].upper()}{row.group.name[1:]} and played under {device}'s noise, the "
        f"controller {verdict} over the best constant: {noisy} of return, {ideal} without noise "
        "(Holm over all cells)."
    )


def _matrix(device: str, series: Sequence[Series]) -> Figure:
    return Figure(
        id="train_by_evaluation",
        title="Return minus the best constant's, by training and evaluation",
        kind="matrix",
        x=_played_on(device, series),
        y=Axis(label="trained on"),
        series=tuple(series),
        reading=(
            "Rows: where the controller was trained; columns: where it is played. Above 0 it earns "
            "more than the best constant guidance on the same latents; an empty cell could not be "
            "played."
        ),
        alternative=f"Matrix of gains over the best constant: {_told(series)}.",
    )


def _played_on(device: str, series: Sequence[Series]) -> Axis:
    return Axis(label=f"played on (noise of {device})", order=tuple(map(str, series[0].x)))


def _rows(rows: Sequence[Gathered], gains: Sequence[Bootstrap]) -> list[Series]:
    """Gains by what the controller is played on, one series per kind of training."""
    series = []
    for row, found in zip(rows, gains, strict=True):
        columns = [label(each) for each in settings_of(row.scope)]
        cells = {label(each): found.estimate(k) for k, each in enumerate(playable(row))}
        series.append(_cells(row.group.name, columns, cells))
    return series


def _cells(name: str, columns: Sequence[str], cells: dict[str, Estimate]) -> Series:
    found = [cells.get(column) for column in columns]
    return Series(
        name=name,
        x=tuple(columns),
        y=tuple(each.value if each else None for each in found),
        low=tuple(each.low if each else None for each in found),
        high=tuple(each.high if each else None for each in found),
    )


def _told(series: Sequence[Series]) -> str:
    rows = []
    for each in series:
        pairs = zip(each.x, each.y, strict=True)
        rows.append(
            f"{each.name}: " + ", ".join(f"{x} {y:+.3f}" for x, y in pairs if y is not None)
        )
    return "; ".join(rows)


def _bars(device: str, series: Sequence[Series], rule: Estimate) -> Figure:
    return Figure(
        id="gain_by_backend",
        title="The controller's advantage, by what it is played on",
        kind="bars",
        x=_played_on(device, series),
        y=Axis(label="return minus the best constant's"),
        series=tuple(series),
        references=(
            Reference(name="best constant", value=0.0),
            Reference(name="confidence rule", value=rule.value),
        ),
        reading=(
            "Bars with 95 % intervals; one whose interval meets 0 has no advantage over the best "
            "constant that can be told from chance."
        ),
        alternative=f"Bars of gains over the best constant: {_told(series)}.",
    )


def _gallery(row: Gathered, constant: Played) -> Gallery:
    settings = playable(row)
    rows = [(str(constant.facts["name"]), constant.pictures)]
    rows += [(label(each), row.first(each).pictures) for each in settings]
    return Gallery(
        id="pictures",
        title="The same latents under every condition",
        columns=tuple(constant.facts["shown"]),
        rows=tuple(gallery_row(name, pictures) for name, pictures in rows),
        reading=(
            "A column is one latent and the class that was asked for; rows differ in guidance "
            f"alone. Controller: {row.group.runs[0].name}."
        ),
        alternative=f"Pictures of {len(constant.pictures)} latents under {len(rows)} conditions.",
    )


def _training_note(subject: Gathered, other: Gathered) -> str:
    """Whether it matters under noise where the controller was trained; seeds make the pairs."""
    kinds = f"{subject.group.name} against {other.group.name}, both played under noise"
    seeds, others = ([run.config.seed for run in row.group.runs] for row in (subject, other))
    if seeds != others:
        return f"Controllers {kinds}: not compared, they have other seeds ({seeds} and {others})."
    setting = [Setting(subject.scope.device)]
    difference = hierarchical_bootstrap(subject.returns(setting) - other.returns(setting))
    return (
        f"Controllers {kinds}: {shown(difference.estimate(0), '{:+.4f}')} of return, paired by "
        f"seed and latent ({difference.seeds} seeds)."
    )


def _null_notes(rows: Sequence[Gathered], gains: Sequence[Bootstrap]) -> list[str]:
    """What it would take to see noise do anything, where none is seen."""
    notes = []
    for row, found in zip(rows, gains, strict=True):
        returns = row.returns(playable(row)[:2])
        loss = hierarchical_bootstrap(returns[1] - returns[0])
        if loss.low <= 0 <= loss.high and found.value[0] != 0:
            unit = "training seeds" if row.seeds > 1 else "latents"
            units = (returns[1] - returns[0]).mean(axis=1 if row.seeds > 1 else 0)
            spread, have = float(units.std(ddof=1)), len(units)
            what = f"between noise and none ({row.group.name}: {shown(loss.estimate(), '{:+.4f}')})"
            tenth = abs(float(found.value[0])) / 10
            notes.append(nothing_seen(what, spread, tenth, have, unit))
    return notes


def _refusals(rows: Sequence[Gathered]) -> list[str]:
    return [
        f"{row.group.name}, {label(setting)}: not played. {row.refusal(setting)}"
        for row in rows
        for setting in settings_of(row.scope)
        if row.refusal(setting)
    ]
