"""What noise does to the task itself: return, judges, pictures; and what mitigation gives back."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

from qhw.evaluation.eyes import HELD_OUT
from qhw.studies.finding import (
    Axis,
    Estimate,
    Figure,
    Finding,
    Gallery,
    GalleryRow,
    Reference,
    Series,
)
from qhw.studies.measured.conditions import Played, Setting
from qhw.studies.measured.seed_rows import SeedRows, constant_and_rule
from qhw.studies.measured.training_groups import group_runs
from qhw.studies.questions.recovery import (
    ALPHA,
    MATTERS,
    SHOTS,
    WORTH,
    recover,
    recovery_notes,
    recovery_sentence,
    recovery_table,
)
from qhw.studies.questions.task_tables import (
    judge_table,
    label,
    likeness_table,
    playable,
    returns_table,
    settings_of,
)
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.holm import holm
from qhw.studies.statistics.intervals import excludes, shown
from qhw.studies.statistics.power import nothing_seen, units_of
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope, Study

UNMITIGATED = 3
"""Settings of `settings_of` that no mitigation is in, the first ones."""


class Task(Study):
    """Train backend by evaluation backend, against the constant and the confidence rule."""

    name = "task"
    question = "What does noise do to the task?"
    about = "what noise does to such controllers"

    def acquire(self, scope: Scope) -> None:
        """Play every run noiselessly, under noise, with shots, and with each mitigation."""
        for row in _gathered(scope):
            row.acquire(settings_of(scope))

    def analyse(self, scope: Scope) -> Finding:
        """Gains over the best constant as a matrix; judges and pictures in tables."""
        rows = _gathered(scope)
        constant, rule = constant_and_rule(scope)
        gains = [row.gains(playable(row), constant) for row in rows]
        # Holm over all cells together, then row by row.
        sizes = np.cumsum([len(each.p_value) for each in gains])[:-1]
        adjusted = np.split(holm(np.concatenate([each.p_value for each in gains])), sizes)
        rule_gain = hierarchical_bootstrap([rule.returns - constant.returns]).estimate()
        under_noise = _sentence(rows[0], gains[0], adjusted[0], rule_gain)
        recovered = [
            recover(row, float(gain.value[0])) for row, gain in zip(rows, gains, strict=True)
        ]
        series = _rows(rows, gains)
        return self.finding(
            f"{under_noise} {recovery_sentence(rows[0], recovered[0])}",
            rows[0].seeds,
            figures=(
                _matrix(scope.device, series),
                _bars(scope.device, series, rule_gain),
            ),
            tables=(
                returns_table(rows, gains, adjusted, constant, rule),
                *(judge_table(eye, rows, (constant, rule)) for eye in HELD_OUT),
                likeness_table(rows),
                recovery_table(rows, recovered),
            ),
            galleries=(_gallery(rows[0], constant),),
            notes=(
                gains[0].flag,
                f"Guidance by hand: {constant.facts['name']}, and {rule.facts['name']}. Both were "
                "chosen without the judges.",
                *(_training_note(rows[0], other, gains[0]) for other in rows[1:]),
                *_null_notes(rows, gains),
                *_refusals(rows),
                *recovery_notes(rows, recovered),
                "Frechet distance and log p trade against each other; `qhw evaluate` compares "
                "at equal log p. Distances of few latents are biased upwards alike in all rows.",
            ),
            provenance={**gains[0].facts, "device": scope.device, "shots": SHOTS},
        )


def _gathered(scope: Scope) -> list[SeedRows]:
    """One row of the matrix per kind of training."""
    return [SeedRows(scope, group) for group in group_runs(scope.runs)]


def _sentence(row: SeedRows, gains: Bootstrap, adjusted: FloatArray, rule: Estimate) -> str:
    """Whether noise leaves an advantage, how much it takes, and what is large: the rule's gain."""
    device = row.scope.device
    ideal, noisy = (shown(gains.estimate(k), "{:+.3f}") for k in (0, 1))
    if not (gains.value[0] > 0 and adjusted[0] < ALPHA):
        return (
            f"Even without noise the controller's return is not seen above the best constant's "
            f"({ideal}), so there is no advantage that noise could eat; under {device}'s noise it "
            f"is {noisy}."
        )
    kept = gains.value[1] > 0 and adjusted[1] < ALPHA
    verdict = "keeps its advantage" if kept else "keeps no advantage that can be told from chance"
    return (
        f"{row.group.name[:1].upper()}{row.group.name[1:]} and played under {device}'s noise, the "
        f"controller {verdict} over the best constant: {noisy} of return, {ideal} without noise "
        f"(Holm over all cells). The confidence rule, which needs no circuit, gains "
        f"{rule.value:+.3f}. {_loss_words(_loss(row), float(gains.value[0]))}"
    )


def _loss(row: SeedRows) -> FloatArray:
    """Return under noise minus that without (S, N), pair by pair."""
    noiseless, noisy = (row.returns([each])[0] for each in playable(row)[:2])
    loss: FloatArray = noisy - noiseless
    return loss


def _loss_words(loss: FloatArray, gain: float) -> str:
    found = hierarchical_bootstrap(loss)
    change, share = shown(found.estimate(), "{:+z.4f}"), found.value / gain
    size = f"{change} of return, {share:+z.0%} of the gain"
    if excludes(found.estimate()):
        return f"Noise changes it by {size}."
    return f"No change by noise is seen: {size}."


def _matrix(device: str, every: Sequence[Series]) -> Figure:
    """Noiseless, under noise, and with shots; no mitigation."""
    cut = slice(UNMITIGATED)
    series = [
        Series(name=row.name, x=row.x[cut], y=row.y[cut], low=row.low[cut], high=row.high[cut])
        for row in every
    ]
    return Figure(
        id="train_by_evaluation",
        title="Return minus the best constant's, by training and evaluation",
        kind="matrix",
        x=_played_on(device, series),
        y=Axis(label="trained on"),
        series=tuple(series),
        reading=(
            "Rows: where the controller was trained; columns: where it is played. Above 0 it earns "
            "more than the best constant guidance on the same latents; the deeper the colour, the "
            "larger the number."
        ),
        alternative=f"Matrix of gains over the best constant: {_told(series)}.",
    )


def _played_on(device: str, series: Sequence[Series]) -> Axis:
    return Axis(label=f"played on (noise of {device})", order=tuple(map(str, series[0].x)))


def _rows(rows: Sequence[SeedRows], gains: Sequence[Bootstrap]) -> list[Series]:
    """Gains by what the controller is played on, one series per kind of training."""
    series = []
    for row, found in zip(rows, gains, strict=True):
        columns = [label(each) for each in settings_of(row.scope)]
        cells = {label(each): found.estimate(k) for k, each in enumerate(playable(row))}
        series.append(Series.of(row.group.name, columns, [cells.get(name) for name in columns]))
    return series


def _told(series: Sequence[Series]) -> str:
    cells = {row.name: zip(row.x, row.y, strict=True) for row in series}
    return "; ".join(
        f"{name}: " + ", ".join(f"{x} {y:+.3f}" for x, y in pairs if y is not None)
        for name, pairs in cells.items()
    )


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


def _gallery(row: SeedRows, constant: Played) -> Gallery:
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
            "alone, so where they look alike, noise did nothing to be seen. Controller: "
            f"{row.group.runs[0].name}."
        ),
        alternative=f"Pictures of {len(constant.pictures)} latents under {len(rows)} conditions.",
    )


def _training_note(subject: SeedRows, other: SeedRows, gains: Bootstrap) -> str:
    """Whether it matters under noise where the controller was trained; seeds make the pairs."""
    device = subject.scope.device
    kinds = f"{subject.group.name} against {other.group.name}, both played under {device}'s noise"
    seeds = [{run.config.seed for run in row.group.runs} for row in (subject, other)]
    common = sorted(seeds[0] & seeds[1])
    if not common:
        return f"Controllers {kinds}: not compared, no seed was trained both ways."
    one, two = (row.of_seeds(common).returns([Setting(device)])[0] for row in (subject, other))
    difference = hierarchical_bootstrap(one - two).estimate()
    change = f"{kinds}: {shown(difference, '{:+.4f}')} of return"
    numbers = ", ".join(map(str, common))
    paired = f"paired by latent and by seed ({numbers})"
    if len(common) == 1:
        return f"Controllers {change}, {paired}; one seed says nothing about the ways of training."
    worth, units = MATTERS * abs(float(gains.value[0])), units_of(one - two)
    if excludes(difference) or not worth:
        return f"Controllers {change}, {paired}."
    what = f"for controllers {kinds}, {paired}"
    return nothing_seen(what, units, worth, found=difference, form=WORTH)


def _null_notes(rows: Sequence[SeedRows], gains: Sequence[Bootstrap]) -> list[str]:
    """What it would take to see noise do anything, where none is seen."""
    notes = []
    for row, gained in zip(rows, gains, strict=True):
        loss, worth = _loss(row), MATTERS * abs(float(gained.value[0]))
        found, units = hierarchical_bootstrap(loss).estimate(), units_of(loss)
        if not excludes(found) and worth:
            what = f"between noise and none ({row.group.name})"
            notes.append(nothing_seen(what, units, worth, found=found, form=WORTH))
    return notes


def _refusals(rows: Sequence[SeedRows]) -> list[str]:
    return [
        f"{row.group.name}, {label(setting)}: not played. {row.refusal(setting)}"
        for row in rows
        for setting in settings_of(row.scope)
        if row.refusal(setting)
    ]


def gallery_row(name: str, pictures: FloatArray) -> GalleryRow:
    """Turn pictures (N, 1 or 3, h, w) in [0, 1] into a row of a gallery."""
    return GalleryRow(name=name, pictures=tuple(png_text(picture) for picture in pictures))


def png_text(picture: FloatArray) -> str:
    """One picture (1 or 3, h, w) in [0, 1] as a PNG file in base64, pixel by pixel."""
    from PIL import Image

    pixels = np.moveaxis((picture.clip(0, 1) * 255).round().astype(np.uint8), 0, -1)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
