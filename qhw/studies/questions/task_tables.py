"""The tables of the task: returns, each held-out judge, pictures beside the noiseless ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from qhw.evaluation.eyes import EYES
from qhw.studies.finding import Cell, Estimate, Table
from qhw.studies.measured.conditions import LIKENESS, NOISELESS, Played, Setting
from qhw.studies.measured.seed_rows import SeedRows
from qhw.studies.questions.remedies import plain, remedies
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.medians import median_estimate
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope

_Pick = Callable[[Played], FloatArray]
_EYE = ((0.0, 1.0), (-math.inf, 0.0), (0.0, math.inf))
"""Least and most of an accuracy, a log p, and a Frechet distance."""
_LIKENESS = ((-1.0, 1.0), (0.0, math.inf))
"""Least and most of an SSIM and an LPIPS."""


def settings_of(scope: Scope) -> list[Setting]:
    """Noiseless, under noise, with shots, and with each remedy against noise and shots."""
    device = scope.device
    return [NOISELESS, Setting(device), plain(device), *remedies(device).values()]


def label(setting: Setting) -> str:
    """Short name of a setting; the device is named once, on the axis."""
    if not setting.device:
        return "noiseless"
    if setting.shots is None:
        return "noise, exact"
    if setting.mitigation == "none":
        return f"noise, {setting.shots} shots"
    circuits = "2 x " if setting.mitigation == "zne" else ""
    return f"noise, {circuits}{setting.shots} shots, {setting.mitigation}"


def playable(row: SeedRows) -> list[Setting]:
    """Without mitigations that do not fit the device."""
    return [each for each in settings_of(row.scope) if not row.refusal(each)]


def returns_table(
    rows: Sequence[SeedRows],
    gains: Sequence[Bootstrap],
    adjusted: Sequence[FloatArray],
    constant: Played,
    rule: Played,
) -> Table:
    """Return of every cell, and of hand-made guidance, which runs no circuit."""
    cells: list[tuple[Cell, ...]] = []
    for row, found, corrected in zip(rows, gains, adjusted, strict=True):
        settings = playable(row)
        returns = hierarchical_bootstrap(row.returns(settings))
        for k, setting in enumerate(settings):
            guidance = float(row.columns(setting, lambda each: each.guidance).mean())
            told = (returns.estimate(k), found.estimate(k), float(corrected[k]), guidance)
            cells.append((row.group.name, label(setting), *told))
    for played in (constant, rule):
        own = hierarchical_bootstrap([played.returns]).estimate()
        gain = None
        if played is rule:
            gain = hierarchical_bootstrap([played.returns - constant.returns]).estimate()
        cells.append(
            (str(played.facts["name"]), "no circuit", own, gain, None, played.guidance.mean())
        )
    return Table.of(
        "returns",
        "Returns",
        [
            "controller",
            "played on",
            ("return", 3),
            ("minus the constant's", 3),
            ("p (Holm)", 4),
            ("mean guidance", 2),
        ],
        tuple(cells),
        "The same latents in every row; intervals are 95 %, differences paired.",
    )


def judge_table(eye: str, rows: Sequence[SeedRows], hand_made: Sequence[Played]) -> Table:
    """One held-out judge's view of every cell."""
    cells: list[tuple[Cell, ...]] = [
        (row.group.name, label(setting), *_within(_means(row, setting, _eye_picks(eye)), _EYE))
        for row in rows
        for setting in playable(row)
    ]
    for played in hand_made:
        own = [hierarchical_bootstrap([pick(played)]).estimate() for pick in _eye_picks(eye)]
        cells.append((str(played.facts["name"]), "no circuit", *_within(own, _EYE)))
    return Table.of(
        eye,
        f"In the eyes of {EYES[eye].title}, which never trained or chose anything",
        ["controller", "played on", ("accuracy", 3), ("log p", 3, "nats"), ("Frechet", 2)],
        tuple(cells),
        (
            "Accuracy and log p of the class that was asked for; Frechet: distance to real "
            "pictures in this judge's features, lower is better."
        ),
    )


def likeness_table(rows: Sequence[SeedRows]) -> Table:
    """Pictures under noise beside the noiseless policy's own."""
    _, *means = (partial(_likeness, name) for name in LIKENESS)
    return Table.of(
        "likeness",
        "How alike the pictures stay to those of the noiseless circuit",
        ["controller", "played on", ("median PSNR", 1, "dB"), ("SSIM", 4), ("LPIPS", 4)],
        tuple(
            (
                row.group.name,
                label(setting),
                median_estimate(row.columns(setting, partial(_likeness, "psnr"))),
                *_within(_means(row, setting, means), _LIKENESS),
            )
            for row in rows
            for setting in playable(row)
            if setting != NOISELESS
        ),
        (
            "Each picture against the same policy's noiseless picture of the same latent; equal "
            "pictures have 100 dB (the most that is counted), 1 and 0. PSNR is a median, which "
            "pictures that happen to be equal do not rule as they would a mean."
        ),
    )


def _within(estimates: Sequence[Estimate], limits: Sequence[tuple[float, float]]) -> list[Estimate]:
    """Intervals, which are stretched for few seeds, cut to what their means can be."""
    return [
        each.model_copy(update={"low": max(each.low, least), "high": min(each.high, most)})
        for each, (least, most) in zip(estimates, limits, strict=True)
    ]


def _means(row: SeedRows, setting: Setting, picks: Sequence[_Pick]) -> list[Estimate]:
    return [hierarchical_bootstrap(row.columns(setting, pick)).estimate() for pick in picks]


def _likeness(name: str, played: Played) -> FloatArray:
    return played.likeness[name]


def _eye_picks(eye: str) -> tuple[_Pick, _Pick, _Pick]:
    """Accuracy, log p and Frechet distance; the last to first order in each latent."""
    return (
        lambda played: played.correct[eye],
        lambda played: played.log_probability[eye],
        lambda played: played.frechet[eye] + played.effect[eye],
    )
