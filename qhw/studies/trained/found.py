"""A study's figures and tables as a finding: what a page shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from qhw.evaluation.eyes import ALL_EYES, HELD_OUT
from qhw.studies.finding import Axis, Cell, Estimate, Figure, Finding, Heading, Series, Table
from qhw.studies.statistics.holm import ALPHA
from qhw.studies.statistics.intervals import shown
from qhw.studies.trained.catalogue import Along, TrainedStudy
from qhw.studies.trained.circuit_facts import HEADINGS
from qhw.studies.trained.comparing import MARGIN, Difference, Row
from qhw.studies.trained.measures import MEASURES
from qhw.studies.trained.study_size import FIRST_LOOK, is_first_look


def found_by(
    study: TrainedStudy, rows: Sequence[Row], differences: Sequence[Difference], about: Any
) -> Finding:
    """What a study came to.

    Args:
        study: What was varied.
        rows: Every arm's own figures.
        differences: Every arm against another.
        about: Latents, settings, command and missing trainings, as `qhw study` keeps them.
    """
    replicated = [each for each in differences if each.p_value is not None]
    first = [FIRST_LOOK] if is_first_look(about["settings"]) else []
    said = [*first, *answers_of(replicated), *missing_of(about)]
    answer = " ".join(said) if replicated else None
    return Finding(
        study=study.name,
        question=study.question,
        answer=answer,
        refusal=None if answer else _refusal(study, differences, about),
        figures=figures_of(study, rows, differences),
        tables=(table_of_arms(rows), *table_of_circuits(rows), table_of_differences(differences)),
        notes=notes_of(study, about),
        provenance={
            "command": about["command"],
            "latents": about["latents"],
            "training seeds": min((each.seeds for each in replicated), default=1),
        },
    )


def _refusal(study: TrainedStudy, differences: Sequence[Difference], about: Any) -> str:
    if differences:
        why = "One training seed says nothing of a kind of controller."
    else:
        why = f"There is nothing to compare `{study.reference}` with yet."
    return " ".join([why, *missing_of(about)])


def missing_of(about: Any) -> list[str]:
    """What is not done, where anything is not."""
    missing = about["missing"]
    return [f"{len(missing)} trainings are not done: {', '.join(missing)}."] if missing else []


def answers_of(differences: Sequence[Difference]) -> Iterator[str]:
    """For each arm that others are held against, and each measure, what is seen."""
    groups = dict.fromkeys((each.against, each.measure) for each in differences)
    for group in groups:
        own = [each for each in differences if (each.against, each.measure) == group]
        seen = [each for each in own if (each.p_value or 0.0) < ALPHA]
        equal = [each for each in own if each.equal and each not in seen]
        rest = [each for each in own if each not in seen and each not in equal]
        parts = [
            *(_seen(each) for each in seen),
            *_all_of(equal, f"as good, within {MARGIN:g}"),
            *_all_of(rest, "not told apart"),
        ]
        title = "" if group[1] == "return" else f" ({MEASURES[group[1]].title})"
        yield f"Against `{group[0]}`{title}: {'; '.join(parts)}."


def _seen(each: Difference) -> str:
    """How much more or less, counted so that it is positive; its interval may reach below 0."""
    sign = 1 if each.value > 0 else -1
    low, high = sorted((sign * each.low, sign * each.high))
    size = shown(Estimate(value=sign * each.value, low=low, high=high))
    return f"`{each.arm}` {each.verdict}, by {size}"


def _all_of(each: Sequence[Difference], said: str) -> list[str]:
    return [f"{said}: {', '.join(f'`{d.arm}`' for d in each)}"] if each else []


def figures_of(
    study: TrainedStudy, rows: Sequence[Row], differences: Sequence[Difference]
) -> tuple[Figure, ...]:
    """Returns along a quantity where arms differ in one; differences in any case."""
    placed = [row for row in rows if study.along and row.arm in study.along.places]
    along = [along_figure(study.along, placed)] if study.along and placed else []
    measures = dict.fromkeys(each.measure for each in differences)
    forests = [forest(m, [each for each in differences if each.measure == m]) for m in measures]
    return (*along, *forests)


def along_figure(along: Along, rows: Sequence[Row]) -> Figure:
    """Mean returns along a quantity, a line per kind of arm.

    Args:
        along: The quantity.
        rows: Of arms that have a place there.
    """
    lines: dict[str, list[tuple[float, Row]]] = {}
    for row in rows:
        line, place = along.places[row.arm]
        lines.setdefault(line, []).append((place, row))
    series = []
    for name, placed in lines.items():
        ordered = sorted(placed, key=lambda pair: pair[0])
        means = [over_seeds(row.by_seed) for _, row in ordered]
        series.append(Series.of(name, [place for place, _ in ordered], means))
    replicated = all(len(row.by_seed) > 1 for row in rows)
    over = " Intervals are 95 % over training seeds." if replicated else ""
    return Figure(
        id="along",
        title=f"Return by {along.label}",
        kind="lines",
        x=Axis(label=along.label, log=along.log),
        y=Axis(label="mean return"),
        series=tuple(series),
        reading=f"Higher is better.{over}",
        alternative=f"Mean return by the number of {along.label}, for {', '.join(lines)}.",
    )


def over_seeds(means: Sequence[float]) -> Estimate:
    """The mean of seeds with its 95 % interval (Student's t); of one seed the mean alone."""
    value = float(np.mean(means))
    if len(means) < 2:
        return Estimate(value=value, low=value, high=value)
    half = float(stats.t.isf(0.025, len(means) - 1) * np.std(means, ddof=1) / math.sqrt(len(means)))
    return Estimate(value=value, low=value - half, high=value + half)


def forest(measure: str, differences: Sequence[Difference]) -> Figure:
    """Every difference of a measure with its interval."""
    names = [f"{each.arm} minus {each.against}" for each in differences]
    estimates, title = [_estimate(each) for each in differences], MEASURES[measure].title
    return Figure(
        id=f"differences_{measure}",
        title=f"Differences of {title}",
        kind="forest",
        x=Axis(label="arms", order=tuple(names)),
        y=Axis(label=f"difference of {title}"),
        series=(Series.of("difference", names, estimates),),
        reading="Right of 0 the first has more. Paired by seed and latent, 95 % over both; within "
        f"{MARGIN:g} two are called equal.",
        alternative=f"Differences of {title} between arms, with their intervals.",
    )


def table_of_arms(rows: Sequence[Row]) -> Table:
    """Every arm's own figures."""
    eyes: list[Heading] = [
        heading
        for eye in HELD_OUT
        for heading in (
            (f"{ALL_EYES[eye].title}, accuracy", 3),
            (f"{ALL_EYES[eye].title}, Frechet", 2),
        )
    ]
    counts: list[Heading] = [("seeds", 0), ("parameters", 0), ("two-qubit gates", 0)]
    return Table.of(
        "arms",
        "Arms",
        ["arm", *counts, ("return", 4), ("interquartile mean", 4), ("proxy, accuracy", 3), *eyes],
        [_cells(row) for row in rows],
        "Means over seeds. The judges took no part in training; Frechet distances are to real "
        "pictures.",
    )


def _cells(row: Row) -> list[Cell]:
    counts: list[Cell] = [
        None if count is None else float(count)
        for count in (row.seeds, row.parameters, row.two_qubit_gates)
    ]
    eyes = [figure for eye in HELD_OUT for figure in (row.accuracy[eye], row.distance[eye])]
    return [row.arm, *counts, row.mean_return, row.interquartile_mean, row.proxy, *eyes]


def table_of_circuits(rows: Sequence[Row]) -> Iterator[Table]:
    """What arms' circuits cost, how noise moves them, and how large their gradients are."""
    circuits = [(row.arm, row.circuit) for row in rows if row.circuit]
    if circuits:
        figures: list[Heading] = [(HEADINGS[0], 1), *((name, 5) for name in HEADINGS[1:])]
        yield Table.of(
            "circuits",
            "Circuits",
            ["arm", *figures],
            [[arm, *facts.columns] for arm, facts in circuits],
            "QPU seconds are quoted, without mitigation. The error is |<Z> - noiseless <Z>| on the "
            "backend that trains, with its shots and mitigation: a mean over visited states, "
            "qubits and seeds. The gradient of a weight is the circuit's norm, before clipping, by "
            "the root of the number of weights: a mean over minibatches, a root mean square over "
            "updates and seeds, with the noise of what it is trained on.",
        )


def table_of_differences(differences: Sequence[Difference]) -> Table:
    """Every comparison, and what is said of it."""
    p_values = [each.p_value for each in differences]
    columns: dict[Heading, Sequence[Cell]] = {
        "arm": [each.arm for each in differences],
        "against": [each.against for each in differences],
        "of": [MEASURES[each.measure].title for each in differences],
        ("seeds", 0): [float(each.seeds) for each in differences],
        ("difference", 4): [_estimate(each) for each in differences],
        "p (Holm)": [None if p is None else f"{p:.2g}" for p in p_values],
        ("probability of improvement", 2): [each.improvement for each in differences],
        "verdict": [each.verdict for each in differences],
    }
    return Table.of_columns(
        "comparisons",
        "Comparisons",
        columns,
        "The probability of improvement is the share of pairs of seeds in which the arm has more.",
    )


def _estimate(each: Difference) -> Estimate:
    return Estimate(value=each.value, low=each.low, high=each.high)


def notes_of(study: TrainedStudy, about: Mapping[str, Any]) -> tuple[str, ...]:
    """What to know of the figures."""
    return (
        f"{study.trained} All play the same {about['latents']:,} latents. p-values are adjusted by "
        "Holm's method as one family.",
        f"The margin of {MARGIN:g} was set beforehand, for the default reward.",
    )
