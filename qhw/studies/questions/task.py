"""What noise does to the task itself: return, judges, pictures; and what mitigation gives back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhw.evaluation.eyes import HELD_OUT
from qhw.studies.finding import (
    Axis,
    Estimate,
    Figure,
    Finding,
    Gallery,
    Series,
    Verdict,
)
from qhw.studies.measured.conditions import NOISELESS, Played, Setting
from qhw.studies.measured.seed_rows import SeedRows, constant_and_rule
from qhw.studies.measured.training_groups import group_runs
from qhw.studies.questions.contrasts import (
    NOISE,
    Contrast,
    contrast_table,
    forest,
    judged_words,
    judges_forest,
    of_return,
)
from qhw.studies.questions.pictures import gallery_row
from qhw.studies.questions.recovery import (
    MATTERS,
    WORTH,
    recover,
    recovery_notes,
    recovery_sentence,
    recovery_table,
    recovery_verdict,
)
from qhw.studies.questions.remedies import SHOTS
from qhw.studies.questions.task_tables import (
    judge_table,
    label,
    likeness_table,
    playable,
    returns_table,
    settings_of,
)
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.holm import ALPHA, holm
from qhw.studies.statistics.intervals import excludes, shown
from qhw.studies.statistics.power import nothing_seen, units_of
from qhw.studies.statistics.shares import share_of
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
        under_noise = _sentence(rows[0], constant, gains[0], adjusted[0], rule_gain)
        recovered = [recover(row, constant) for row in rows]
        verdict = _verdict(rows[0], gains[0], rule_gain)
        return self.finding(
            f"{under_noise} {recovery_sentence(rows[0], recovered[0])}",
            rows[0].seeds,
            verdict=(verdict, recovery_verdict(rows[0], recovered[0])),
            figures=(
                forest(rows, constant, rule, MATTERS * abs(float(gains[0].value[0]))),
                _matrix(scope.device, _rows(rows, gains)),
                *(judges_forest(rows, constant, rule, eye) for eye in HELD_OUT),
            ),
            tables=(
                returns_table(rows, gains, adjusted, constant, rule),
                contrast_table(rows, constant, rule),
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


def _sentence(
    row: SeedRows, constant: Played, gains: Bootstrap, adjusted: FloatArray, rule: Estimate
) -> str:
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
        f"(Holm over all cells); {judged_words(row, Contrast('', playable(row)[1], constant))}. "
        f"The confidence rule, which needs no circuit, gains {rule.value:+.3f}. "
        f"{_loss_words(row, constant)}"
    )


def _noise(row: SeedRows) -> Contrast:
    """Under noise against without, pair by pair."""
    noiseless, noisy = playable(row)[:2]
    return Contrast(NOISE, noisy, noiseless)


def _loss(row: SeedRows) -> FloatArray:
    """Return under noise minus that without (S, N), pair by pair."""
    return _noise(row).differences(row, of_return)


def _gain(row: SeedRows, constant: Played) -> FloatArray:
    """Noiseless return minus the best constant's (S, N)."""
    gain: FloatArray = row.returns([NOISELESS])[0] - constant.returns
    return gain


def _loss_words(row: SeedRows, constant: Played) -> str:
    loss = _loss(row)
    found, share = hierarchical_bootstrap(loss), share_of(loss, _gain(row, constant))
    change = f"{shown(found.estimate(), '{:+z.4f}')} of return"
    size = change if share is None else f"{change}, {shown(share, '{:+z.0%}')} of the gain"
    judges = judged_words(row, _noise(row))
    if excludes(found.estimate()):
        return f"Noise changes it by {size}; {judges}."
    return f"No change by noise is seen: {size}; {judges}."


def _verdict(row: SeedRows, gains: Bootstrap, rule: Estimate) -> Verdict:
    """What noise costs, beside what the confidence rule gains without a circuit."""
    found, gain = hierarchical_bootstrap(_loss(row)).estimate(), gains.estimate(0)
    worth = MATTERS * abs(gain.value)
    size = "a change that is seen" if excludes(found) else "no change is seen"
    if -worth < found.low and found.high < worth:
        size = f"within +-{worth:.2g}, a tenth of the gain"
    return Verdict(
        line="noise_cost",
        number=shown(found, "{:+z.4f}"),
        unit="of return",
        words=(
            f"Under {row.scope.device}'s noise against none: {size}. Without noise the controller "
            f"gains {shown(gain, '{:+.3f}')} over the best constant; the confidence rule, which "
            f"needs no circuit, {rule.value:+.3f}."
        ),
        estimate=found,
    )


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
