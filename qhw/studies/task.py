"""What noise does to the task itself: return, judges, pictures; and what mitigation gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from qhw.studies.conditions import JUDGES, LIKENESS, NOISELESS, FloatArray, Played, Setting
from qhw.studies.finding import (
    Axis,
    Cell,
    Column,
    Estimate,
    Figure,
    Finding,
    Gallery,
    Reference,
    Series,
    Table,
)
from qhw.studies.gallery import gallery_row
from qhw.studies.gathered import Gathered, claimed, constant_and_rule, hand_made
from qhw.studies.groups import group_runs
from qhw.studies.recovery import (
    ALPHA,
    METHODS,
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

_Pick = Callable[[Played], FloatArray]


class Task:
    """Train backend by evaluation backend, against the constant and the confidence rule."""

    name = "task"
    question = "What does noise do to the task?"

    def acquire(self, scope: Scope) -> None:
        """Play every run noiselessly, under noise, with shots, and with each mitigation."""
        from qhw.studies.playing import acquire_conditions

        acquire_conditions(scope, hand_made(scope))
        for gathered in _gathered(scope):
            acquire_conditions(scope, gathered.conditions(_settings(scope)))

    def analyse(self, scope: Scope) -> Finding:
        """Gains over the best constant as a matrix; judges and pictures in tables."""
        rows = _gathered(scope)
        constant, rule = constant_and_rule(scope)
        gains = [row.gains(_playable(row), constant) for row in rows]
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
                _returns_table(rows, gains, adjusted, constant, rule),
                *(_judge_table(eye, rows, (constant, rule)) for eye in JUDGES),
                _likeness_table(rows),
                recovery_table(rows),
            ),
            galleries=(_gallery(rows[0], constant),),
            notes=(
                *own,
                gains[0].flag,
                f"The constant to beat: {constant.facts['name']}; the {rule.facts['name']}. Both "
                "were chosen without the judges.",
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


def _settings(scope: Scope) -> list[Setting]:
    """Noiseless, under noise, with shots, and with each mitigation of these shots."""
    device = scope.device
    sampled = [Setting(device, shots=SHOTS, mitigation=method) for method in METHODS]
    return [NOISELESS, Setting(device), *sampled]


def _label(setting: Setting) -> str:
    """Short name of a setting; the device is named once, on the axis."""
    if not setting.device:
        return "noiseless"
    if setting.shots is None:
        return "noise, exact"
    method = "" if setting.mitigation == "none" else f", {setting.mitigation}"
    return f"noise, {setting.shots} shots{method}"


def _playable(row: Gathered) -> list[Setting]:
    """Without mitigations that do not fit the device."""
    return [each for each in _settings(row.scope) if not row.refusal(each)]


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
        columns = [_label(each) for each in _settings(row.scope)]
        cells = {_label(each): found.estimate(k) for k, each in enumerate(_playable(row))}
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


def _returns_table(
    rows: Sequence[Gathered],
    gains: Sequence[Bootstrap],
    adjusted: Sequence[FloatArray],
    constant: Played,
    rule: Played,
) -> Table:
    cells: list[tuple[Cell, ...]] = []
    for row, found, corrected in zip(rows, gains, adjusted, strict=True):
        settings = _playable(row)
        returns = hierarchical_bootstrap(row.returns(settings))
        for k, setting in enumerate(settings):
            guidance = float(row.columns(setting, lambda each: each.guidance).mean())
            told = (returns.estimate(k), found.estimate(k), float(corrected[k]), guidance)
            cells.append((row.group.name, _label(setting), *told))
    for played in (constant, rule):
        own = hierarchical_bootstrap([played.returns]).estimate()
        gain = None
        if played is rule:
            gain = hierarchical_bootstrap([played.returns - constant.returns]).estimate()
        cells.append(
            (str(played.facts["name"]), "no circuit", own, gain, None, played.guidance.mean())
        )
    return Table(
        id="returns",
        title="Returns",
        columns=(
            Column(name="controller"),
            Column(name="played on"),
            Column(name="return", digits=3),
            Column(name="minus the constant's", digits=3),
            Column(name="p (Holm)", digits=4),
            Column(name="mean guidance", digits=2),
        ),
        rows=tuple(cells),
        reading="The same latents in every row; intervals are 95 %, differences paired.",
    )


def _judge_table(eye: str, rows: Sequence[Gathered], hand_made: Sequence[Played]) -> Table:
    """One held-out judge's view of every cell."""
    cells: list[tuple[Cell, ...]] = [
        (row.group.name, _label(setting), *_means(row, setting, _eye_picks(eye)))
        for row in rows
        for setting in _playable(row)
    ]
    for played in hand_made:
        own = [hierarchical_bootstrap([pick(played)]).estimate() for pick in _eye_picks(eye)]
        cells.append((str(played.facts["name"]), "no circuit", *own))
    return Table(
        id=eye,
        title=f"In the eyes of {JUDGES[eye]}, which never trained or chose anything",
        columns=(
            Column(name="controller"),
            Column(name="played on"),
            Column(name="accuracy", digits=3),
            Column(name="log p", unit="nats", digits=3),
            Column(name="Frechet", digits=2),
        ),
        rows=tuple(cells),
        reading=(
            "Accuracy and log p of the class that was asked for; Frechet: distance to real "
            "pictures in this judge's features, lower is better."
        ),
    )


def _likeness_table(rows: Sequence[Gathered]) -> Table:
    """Pictures under noise beside the noiseless policy's own."""
    return Table(
        id="likeness",
        title="How alike the pictures stay to those of the noiseless circuit",
        columns=(
            Column(name="controller"),
            Column(name="played on"),
            Column(name="PSNR", unit="dB", digits=1),
            Column(name="SSIM", digits=4),
            Column(name="LPIPS", digits=4),
        ),
        rows=tuple(
            (row.group.name, _label(setting), *_means(row, setting, _likeness_picks()))
            for row in rows
            for setting in _playable(row)
            if setting != NOISELESS
        ),
        reading=(
            "Each picture against the same policy's noiseless picture of the same latent; equal "
            "pictures have 100 dB (the most that is counted), 1 and 0."
        ),
    )


def _means(row: Gathered, setting: Setting, picks: Sequence[_Pick]) -> list[Cell]:
    return [hierarchical_bootstrap(row.columns(setting, pick)).estimate() for pick in picks]


def _likeness_picks() -> list[_Pick]:
    return [partial(_likeness, name) for name in LIKENESS]


def _likeness(name: str, played: Played) -> FloatArray:
    return played.likeness[name]


def _eye_picks(eye: str) -> tuple[_Pick, _Pick, _Pick]:
    """Accuracy, log p and Frechet distance; the last to first order in each latent."""
    return (
        lambda played: played.correct[eye],
        lambda played: played.log_probability[eye],
        lambda played: played.frechet[eye] + played.effect[eye],
    )


def _gallery(row: Gathered, constant: Played) -> Gallery:
    settings = _playable(row)
    rows = [(str(constant.facts["name"]), constant.pictures)]
    rows += [(_label(each), row.first(each).pictures) for each in settings]
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


def _null_notes(rows: Sequence[Gathered], gains: Sequence[Bootstrap]) -> list[str]:
    """What it would take to see noise do anything, where none is seen."""
    notes = []
    for row, found in zip(rows, gains, strict=True):
        returns = row.returns(_playable(row)[:2])
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
        f"{row.group.name}, {_label(setting)}: not played. {row.refusal(setting)}"
        for row in rows
        for setting in _settings(row.scope)
        if row.refusal(setting)
    ]
