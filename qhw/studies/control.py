"""Section 2: what noisy features do to the controller's actions, on the same states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhw.studies.by_shots import (
    REFERENCE_SHOTS,
    Comparison,
    best_in_words,
    compare_methods,
    figure_by_shots,
    shots_label,
    title,
)
from qhw.studies.features import common_notes, root_mean_squares
from qhw.studies.finding import Cell, Column, Estimate, Figure, Finding, Reference, Table
from qhw.studies.groups import subject
from qhw.studies.noisy import Key, Measured, acquire_noisy, devices_of, read_noisy, repeats_of
from qhw.studies.statistics import hierarchical_bootstrap, shown
from qhw.studies.study import Scope
from qhw.studies.visited import Visits, too_large

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Deviations:
    """How far noisy reactions are from the ideal ones, (S, N) means over repetitions.

    Attributes:
        mu: Squared.
        guidance: Squared.
        divergence: KL(noisy || ideal) of the action's distribution, in nats.
    """

    mu: Mapping[Key, FloatArray]
    guidance: Mapping[Key, FloatArray]
    divergence: Mapping[Key, FloatArray]


class Control:
    """Error of mu and of the guidance, and divergence of the policy."""

    name = "control"
    question = "How far does noise move the controller's actions?"

    def acquire(self, scope: Scope) -> None:
        """The same measurements as the study of features: nothing is measured twice."""
        if too_large(scope) is None:
            acquire_noisy(scope)

    def analyse(self, scope: Scope) -> Finding:
        """Errors of the actions with their intervals, against what the policy does by itself."""
        refused = too_large(scope)
        if refused is not None:
            return Finding(study=self.name, question=self.question, refusal=refused)
        measured = read_noisy(scope)
        deviations = deviations_of(measured)
        guidance = root_mean_squares(deviations.guidance)
        divergence = _means(deviations.divergence)
        comparisons = compare_methods(deviations.guidance)
        devices, own = devices_of(scope), own_movement(measured.visits)
        update = update_size(scope)
        return Finding(
            study=self.name,
            question=self.question,
            answer=_answer(devices, deviations, guidance.estimates, comparisons, own),
            figures=(
                *(_guidance_figure(device, guidance.estimates, own) for device in devices),
                *(_divergence_figure(device, divergence, update) for device in devices),
            ),
            tables=(_table(deviations, guidance.estimates, divergence),),
            notes=(
                *common_notes(scope, measured, guidance.bootstrap),
                "Errors are of single actions at the states of the noiseless controller; how they "
                "add up over an episode is in the section on the task.",
            ),
            provenance={**guidance.bootstrap.facts, "repetitions": repeats_of(scope)},
        )


def deviations_of(measured: Measured) -> Deviations:
    """Compare every condition's reactions with the ideal ones."""
    ideal_mu, ideal_sigma, ideal_guidance = (
        np.array([getattr(visits, name) for visits in measured.visits])[:, None]
        for name in ("mu", "sigma", "guidance")
    )
    mu, guidance, divergence = {}, {}, {}
    for key, noisy in measured.conditions.items():
        mu[key] = np.square(noisy.mu - ideal_mu).mean(axis=1)
        guidance[key] = np.square(noisy.guidance - ideal_guidance).mean(axis=1)
        apart = normal_divergence(noisy.mu, noisy.sigma, ideal_mu, ideal_sigma)
        divergence[key] = apart.mean(axis=1)
    return Deviations(mu, guidance, divergence)


def normal_divergence(
    mu: FloatArray, sigma: FloatArray, other_mu: FloatArray, other_sigma: FloatArray
) -> FloatArray:
    """KL(N(mu, sigma^2) || N(other_mu, other_sigma^2)) in nats."""
    square = (sigma**2 + (mu - other_mu) ** 2) / (2 * other_sigma**2)
    divergence: FloatArray = np.log(other_sigma / sigma) + square - 0.5
    return divergence


def own_movement(visits: Sequence[Visits]) -> float:
    """Standard deviation of the noiseless guidance over the visited states, mean over seeds."""
    return float(np.mean([each.guidance.std() for each in visits]))


def update_size(scope: Scope) -> float | None:
    """Mean divergence of the subject's own PPO updates, in nats; None if no update was recorded."""
    records = [record for run in subject(scope.runs).runs for record in run.metrics()]
    if not records:
        return None
    return float(np.mean([record["approximate_kl"] for record in records]))


def _means(values: Mapping[Key, FloatArray]) -> dict[Key, Estimate]:
    found = hierarchical_bootstrap(np.array(list(values.values())))
    return {key: found.estimate(k) for k, key in enumerate(values)}


def _answer(
    devices: tuple[str, ...],
    deviations: Deviations,
    guidance: Mapping[Key, Estimate],
    comparisons: list[Comparison],
    own: float,
) -> str:
    lines = [_line(device, deviations, guidance, comparisons, own) for device in devices]
    return (
        f"The noiseless controller moves its guidance by {own:.2f} (standard deviation over the "
        f"states it visits). {' '.join(lines)}"
    )


def _line(
    device: str,
    deviations: Deviations,
    guidance: Mapping[Key, Estimate],
    comparisons: list[Comparison],
    own: float,
) -> str:
    exact, sampled = (guidance[Key(device, "none", shots)] for shots in (None, REFERENCE_SHOTS))
    best = best_in_words(device, comparisons, deviations.guidance, guidance)
    return (
        f"On {device} noise adds an error of {shown(exact, '{:.3f}')} with exact values and "
        f"{shown(sampled, '{:.3f}')} at {REFERENCE_SHOTS} shots, {_against(sampled, own)}; {best}."
    )


def _against(error: Estimate, own: float) -> str:
    """The error beside the movement that carries the control."""
    if own == 0:
        return "where the controller itself never moves"
    share = f"{error.value / own:.0%} of that movement"
    if error.low > own:
        return f"{share}: noise drowns the control"
    if error.high < own:
        return f"{share}, less than the control itself"
    return f"{share}: whether noise or control is larger cannot be told"


def _guidance_figure(device: str, guidance: Mapping[Key, Estimate], own: float) -> Figure:
    own_line = Reference(name="the controller's own movement", value=own) if own > 0 else None
    return figure_by_shots(
        device,
        guidance,
        name="guidance_error",
        heading="Error of the guidance",
        label="RMSE of the guidance",
        reading=(
            "Lower is better; above the line, noise moves the guidance more than the controller "
            "does by itself. Bars are 95 % intervals."
        ),
        reference=own_line,
    )


def _divergence_figure(
    device: str, divergence: Mapping[Key, Estimate], update: float | None
) -> Figure:
    line = Reference(name="one update of training", value=update) if update else None
    return figure_by_shots(
        device,
        divergence,
        name="divergence",
        heading="Divergence of the policy",
        label="KL(noisy || ideal)",
        unit="nats",
        reading=(
            "Lower is better; above the line, noise changes the policy by more than one update of "
            "its training did on average. Bars are 95 % intervals."
        ),
        reference=line if update and update > 0 else None,
    )


def _table(
    deviations: Deviations, guidance: Mapping[Key, Estimate], divergence: Mapping[Key, Estimate]
) -> Table:
    mu = root_mean_squares(deviations.mu).estimates
    rows: list[tuple[Cell, ...]] = [
        (*_labels(key), mu[key], guidance[key], divergence[key]) for key in guidance
    ]
    return Table(
        id="control_errors",
        title="Errors of the actions",
        columns=(
            Column(name="device"),
            Column(name="mitigation"),
            Column(name="shots"),
            Column(name="RMSE of mu", digits=4),
            Column(name="RMSE of the guidance", digits=4),
            Column(name="KL(noisy || ideal)", unit="nats", digits=4),
        ),
        rows=tuple(rows),
        reading=(
            "mu is the mean action before clipping, the guidance is what the sampler gets; the "
            "divergence compares the whole distribution of actions. All per state, averaged."
        ),
    )


def _labels(key: Key) -> tuple[str, str, str]:
    return key.device, title(key.method), shots_label(key.shots)
