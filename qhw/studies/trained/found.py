"""A study's figures and tables as a finding: what a page shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from qhw.evaluation.eyes import ALL_EYES, HELD_OUT
from qhw.studies.finding import Axis, Cell, Estimate, Figure, Finding, Heading, Series, Table
from qhw.studies.statistics.holm import ALPHA
from qhw.studies.trained.catalogue import Along, TrainedStudy
from qhw.studies.trained.comparing import MARGIN, Difference, Row


def found_by(
    study: TrainedStudy, rows: Sequence[Row], differences: Sequence[Difference], about: Any
) -> Finding:
    """What a study came to.

    Args:
        study: What was varied.
        rows: Every arm's own figures.
        differences: Every arm against another.
        about: Latents, command and missing trainings, as `qhw study` keeps them.
    """
    replicated = [each for each in differences if each.p_value is not None]
    answer = answer_of(replicated) if replicated else None
    return Finding(
        study=study.name,
        question=study.question,
        answer=answer,
        refusal=None if answer else "One training seed says nothing of a kind of controller.",
        figures=figures_of(study, rows, differences),
        tables=(table_of_arms(rows), table_of_differences(differences)),
        notes=notes_of(study, about),
        provenance={
            "command": about["command"],
            "latents": about["latents"],
            "training seeds": max((row.seeds for row in rows), default=0),
        },
    )


def answer_of(differences: Sequence[Difference]) -> str:
    """What is seen, then what is as good, then what is not told apart."""
    seen = [each for each in differences if (each.p_value or 0.0) < ALPHA]
    equal = [each for each in differences if each.equal and each not in seen]
    rest = [each for each in differences if each not in seen and each not in equal]
    parts = [
        *(_seen(each) for each in seen),
        _all_of(equal, f"as good as what they are held against, within {MARGIN:g}"),
        _all_of(rest, "not told apart"),
    ]
    return " ".join(part for part in parts if part)


def _seen(each: Difference) -> str:
    more = "more" if each.value > 0 else "less"
    size = f"{abs(each.value):.3f} [{_ends(each)}]"
    return f"`{each.arm}` returns {size} {more} than `{each.against}`."


def _ends(each: Difference) -> str:
    low, high = sorted((abs(each.low), abs(each.high)))
    return f"{low:.3f}, {high:.3f}"


def _all_of(each: Sequence[Difference], said: str) -> str:
    return f"{said[0].upper()}{said[1:]}: {'; '.join(f'`{d.arm}`' for d in each)}." if each else ""


def figures_of(
    study: TrainedStudy, rows: Sequence[Row], differences: Sequence[Difference]
) -> tuple[Figure, ...]:
    """Returns along a quantity where arms differ in one; differences in any case."""
    along = [along_figure(study.along, rows)] if study.along else []
    return (*along, *([forest(differences)] if differences else []))


def along_figure(along: Along, rows: Sequence[Row]) -> Figure:
    """Mean returns along a quantity, a line per kind of arm, seeds as points' intervals."""
    lines: dict[str, list[tuple[float, Row]]] = {}
    for row in rows:
        if row.arm in along.places:
            line, place = along.places[row.arm]
            lines.setdefault(line, []).append((place, row))
    series = []
    for name, placed in lines.items():
        ordered = sorted(placed, key=lambda pair: pair[0])
        means = [over_seeds(row.by_seed) for _, row in ordered]
        series.append(Series.of(name, [place for place, _ in ordered], means))
    return Figure(
        id="along",
        title=f"Return by {along.label}",
        kind="lines",
        x=Axis(label=along.label, log=along.log),
        y=Axis(label="mean return"),
        series=tuple(series),
        reading="Higher is better. Intervals are 95 % over training seeds.",
        alternative=f"Mean return of every arm by its number of {along.label}.",
    )


def over_seeds(means: Sequence[float]) -> Estimate:
    """The mean of seeds with its 95 % interval (Student's t); of one seed the mean alone."""
    value = float(np.mean(means))
    if len(means) < 2:
        return Estimate(value=value, low=value, high=value)
    half = float(stats.t.isf(0.025, len(means) - 1) * np.std(means, ddof=1) / math.sqrt(len(means)))
    return Estimate(value=value, low=value - half, high=value + half)


def forest(differences: Sequence[Difference]) -> Figure:
    """Every difference with its interval."""
    names = [f"{each.arm} minus {each.against}" for each in differences]
    estimates = [_estimate(each) for each in differences]
    return Figure(
        id="differences",
        title="Return, differences",
        kind="forest",
        x=Axis(label="arms", order=tuple(names)),
        y=Axis(label="difference of return"),
        series=(Series.of("difference", names, estimates),),
        reading=f"Right of 0 the first returns more. Paired by seed and latent, 95 % over both; "
        f"within {MARGIN:g} two are called equal.",
        alternative="Differences of return between arms, with their intervals.",
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
    gates = None if row.two_qubit_gates is None else float(row.two_qubit_gates)
    counts: list[Cell] = [float(row.seeds), float(row.parameters) or None, gates]
    eyes = [figure for eye in HELD_OUT for figure in (row.accuracy[eye], row.distance[eye])]
    return [row.arm, *counts, row.mean_return, row.interquartile_mean, row.proxy, *eyes]


def table_of_differences(differences: Sequence[Difference]) -> Table:
    """Every comparison, and what is said of it."""
    columns: dict[Heading, Sequence[Cell]] = {
        "arm": [each.arm for each in differences],
        "against": [each.against for each in differences],
        ("seeds", 0): [float(each.seeds) for each in differences],
        ("return, difference", 4): [_estimate(each) for each in differences],
        ("p (Holm)", 3): [each.p_value for each in differences],
        ("probability of improvement", 2): [each.improvement for each in differences],
        "verdict": [each.verdict for each in differences],
    }
    return Table.of_columns(
        "comparisons",
        "Comparisons",
        columns,
        "The probability of improvement is the share of pairs of seeds in which the arm returns "
        "more.",
    )


def _estimate(each: Difference) -> Estimate:
    return Estimate(value=each.value, low=each.low, high=each.high)


def notes_of(study: TrainedStudy, about: Mapping[str, Any]) -> tuple[str, ...]:
    """What to know of the figures."""
    missing = about["missing"]
    lacking = [f"{len(missing)} trainings are not done: {', '.join(missing)}."] if missing else []
    return (
        f"Every arm is trained anew with every seed; all play the same {about['latents']:,} "
        "latents. p-values are adjusted by Holm's method as one family.",
        f"The margin of {MARGIN:g} was set beforehand, for the default reward.",
        *([study.remark] if study.remark else []),
        *lacking,
    )
