"""What noisy features do to the controller's actions, on the same states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qhw.studies.finding import Estimate, Figure, Finding, Reference, Table
from qhw.studies.measured.noisy_features import (
    FeatureData,
    Key,
    acquire_noisy,
    devices_of,
    read_noisy,
)
from qhw.studies.measured.training_groups import subject
from qhw.studies.measured.visited_states import VisitedStates
from qhw.studies.questions.error_by_shots import REFERENCE_SHOTS, figure_by_shots
from qhw.studies.questions.features import common_notes, root_mean_squares
from qhw.studies.questions.mitigations import (
    Comparison,
    best_in_words,
    compare_methods,
    comparison_table,
    null_notes,
    relative_change,
)
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.intervals import of_positive, root, shown
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope, Study


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


class Control(Study):
    """Error of mu and of the guidance, and divergence of the policy."""

    name = "control"
    question = "How far does noise move the controller's actions?"
    about = "what noise does to the actions of such controllers"

    def acquire(self, scope: Scope) -> None:
        """The same measurements as the study of features: nothing is measured twice."""
        acquire_noisy(scope)

    def analyse(self, scope: Scope) -> Finding:
        """Errors of the actions with their intervals, against what the policy does by itself."""
        measured = read_noisy(scope)
        deviations = deviations_of(measured)
        roots = root_mean_squares(deviations.guidance)
        guidance, seeds = roots.estimates, roots.bootstrap.seeds
        means = hierarchical_bootstrap(np.array(list(deviations.divergence.values())))
        divergence = {
            key: of_positive(means.estimate(k)) for k, key in enumerate(deviations.divergence)
        }
        comparisons = compare_methods(deviations.guidance)
        devices, movement = devices_of(scope), own_movement(measured.visits)
        own, update = root(hierarchical_bootstrap(movement).estimate()), update_size(scope)
        lines = [_line(device, deviations, guidance, comparisons, movement) for device in devices]
        return self.finding(
            f"{_movement_in_words(own, seeds)} {' '.join(lines)}",
            seeds,
            figures=(
                *(_guidance_figure(device, guidance, own.value) for device in devices),
                *(_divergence_figure(device, divergence, update) for device in devices),
            ),
            tables=(
                _table(deviations, guidance, divergence),
                comparison_table(self.name, "RMSE of the guidance", comparisons, guidance),
            ),
            notes=(
                *null_notes(devices, comparisons, deviations.guidance),
                *common_notes(scope, measured, roots.bootstrap),
                "Errors are of single actions at the states of the noiseless controller; how they "
                "add up over an episode is in the section on the task.",
            ),
            provenance={**roots.bootstrap.facts, "repetitions": scope.sizes.repeats},
        )


def deviations_of(measured: FeatureData) -> Deviations:
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


def own_movement(visits: Sequence[VisitedStates]) -> FloatArray:
    """Squares (S, N) whose mean is the variance of the noiseless guidance over visited states."""
    guidance = np.array([each.guidance for each in visits])
    away = guidance - guidance.mean(axis=1, keepdims=True)
    squares: FloatArray = away**2 * guidance.shape[1] / (guidance.shape[1] - 1)
    return squares


def update_size(scope: Scope) -> float | None:
    """Mean divergence of the subject's own PPO updates, in nats; None if no update was recorded."""
    records = [record for run in subject(scope.runs).runs for record in run.metrics()]
    if not records:
        return None
    return float(np.mean([record["approximate_kl"] for record in records]))


def _movement_in_words(own: Estimate, seeds: int) -> str:
    whose = "controller moves" if seeds == 1 else f"{seeds} controllers move"
    return (
        f"Without noise the {whose} the guidance by {shown(own)} (standard deviation over the "
        "states visited)."
    )


def _line(
    device: str,
    deviations: Deviations,
    guidance: Mapping[Key, Estimate],
    comparisons: list[Comparison],
    movement: FloatArray,
) -> str:
    exact, sampled = (Key(device, "none", shots) for shots in (None, REFERENCE_SHOTS))
    best = best_in_words(device, comparisons, guidance)
    against = _against(deviations.guidance[sampled], movement)
    return (
        f"{device} puts it off by {shown(guidance[exact])} with exact values and by "
        f"{shown(guidance[sampled])} at {REFERENCE_SHOTS} shots, {against}; there {best}."
    )


def _against(error: FloatArray, movement: FloatArray) -> str:
    """The error beside the movement that carries the control, squares (S, N) of the same states."""
    if not movement.any():
        return "where the controller itself never moves"
    share = f"{np.sqrt(error.mean() / movement.mean()):.0%} of that movement"
    difference = hierarchical_bootstrap(relative_change(error, movement)).estimate()
    if difference.low > 0:
        return f"{share}: noise drowns the control"
    if difference.high < 0:
        return share
    return f"{share}: whether noise or control is larger cannot be told"


def _guidance_figure(device: str, guidance: Mapping[Key, Estimate], own: float) -> Figure:
    line = Reference(name="controller's own movement", value=own)
    return figure_by_shots(
        device,
        guidance,
        name="guidance_error",
        heading="Error of the guidance",
        label="RMSE of the guidance",
        reading=(
            "Lower is better; above the dashed line, noise moves the guidance more than the "
            "controller does by itself. Bars are 95 % intervals."
        ),
        reference=line if own > 0 else None,
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
            "Lower is better; above the dashed line, noise changes the policy by more than one "
            "update of its training did on average. Bars are 95 % intervals."
        ),
        reference=line if update and update > 0 else None,
    )


def _table(
    deviations: Deviations, guidance: Mapping[Key, Estimate], divergence: Mapping[Key, Estimate]
) -> Table:
    mu = root_mean_squares(deviations.mu).estimates
    return Table.of(
        "control_errors",
        "Errors of the actions",
        [
            "device",
            "mitigation",
            "shots",
            ("RMSE of mu", 4),
            ("RMSE of the guidance", 4),
            ("KL(noisy || ideal)", None, "nats"),
        ],
        [(*key.labels, mu[key], guidance[key], divergence[key]) for key in guidance],
        (
            "mu is the mean action before clipping, the guidance is what the sampler gets; the "
            "divergence compares the whole distribution of actions. All per state, averaged."
        ),
    )
