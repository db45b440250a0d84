"""What noise does to the features <Z_i>, on the states the controller visits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qhw.config import AFFINE_CIRCUITS, CALIBRATION_SHOTS
from qhw.studies.finding import Estimate, Finding, Table
from qhw.studies.measured.noisy_features import (
    FeatureData,
    Key,
    acquire_noisy,
    devices_of,
    read_noisy,
)
from qhw.studies.names import mitigation_title
from qhw.studies.questions.error_by_shots import REFERENCE_SHOTS, figure_by_shots
from qhw.studies.questions.mitigations import (
    Comparison,
    best_in_words,
    compare_methods,
    comparison_table,
    null_notes,
)
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.intervals import root, shown, transformed
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope, Study

BEST_CASE = (
    "Simulated noise is a best case: the noise models hold gate and read-out errors of one "
    "calibration, and decay in gates and of qubits that wait, scheduled as late as possible; they "
    "hold no coherent errors, crosstalk or drift."
)


@dataclass(frozen=True)
class Errors:
    """Errors of all conditions, as squares (S, N) per training seed and state.

    Attributes:
        total: Mean over repetitions and outputs of (measured - ideal)^2.
        bias: Square of the error of their mean, less what its own scatter adds; may be below 0.
        spread: Variance over the repetitions; 0 for exact values.
    """

    total: Mapping[Key, FloatArray]
    bias: Mapping[Key, FloatArray]
    spread: Mapping[Key, FloatArray]


class Features(Study):
    """Bias, spread and RMSE of <Z_i> by device, mitigation and shots."""

    name = "features"
    question = "How far does noise move the circuit's features?"
    about = "what noise does to the features of such controllers"

    def acquire(self, scope: Scope) -> None:
        """Measure the visited states on both devices."""
        acquire_noisy(scope)

    def analyse(self, scope: Scope) -> Finding:
        """Errors with their intervals, and which mitigation helps."""
        measured = read_noisy(scope)
        errors = errors_of(measured)
        roots = root_mean_squares(errors.total)
        rmse, seeds = roots.estimates, roots.bootstrap.seeds
        comparisons = compare_methods(errors.total)
        devices = devices_of(scope)
        return self.finding(
            _sentence(devices, rmse, comparisons, seeds),
            seeds,
            figures=tuple(
                figure_by_shots(
                    device,
                    rmse,
                    name="rmse",
                    heading="Error of the features",
                    label="RMSE of <Z_i>",
                    reading=(
                        "Lower is better; a line that levels off has reached its bias, which more "
                        "shots do not lower. Bars are 95 % intervals."
                    ),
                )
                for device in devices
            ),
            tables=(
                _table(errors, rmse),
                comparison_table(self.name, "RMSE of <Z_i>", comparisons, rmse),
            ),
            notes=(
                *null_notes(devices, comparisons, errors.total),
                *common_notes(scope, measured, roots.bootstrap),
                "Whether other circuits or devices fare alike is not said: these are two "
                "calibrations.",
            ),
            provenance={**roots.bootstrap.facts, "repetitions": scope.sizes.repeats},
        )


@dataclass(frozen=True)
class Roots:
    """Roots of mean squares, and the bootstrap they came from."""

    estimates: dict[Key, Estimate]
    bootstrap: Bootstrap


def root_mean_squares(squares: Mapping[Key, FloatArray]) -> Roots:
    """Bootstrap squares (S, N) of every condition with common resamples, and take the roots."""
    found = hierarchical_bootstrap(np.array(list(squares.values())))
    return Roots({key: root(found.estimate(k)) for k, key in enumerate(squares)}, found)


def biases(squares: Mapping[Key, FloatArray]) -> dict[Key, Estimate]:
    """Roots of squared biases; these are differences, which may be below 0 and then count as 0."""
    found = hierarchical_bootstrap(np.array(list(squares.values())))
    return {key: transformed(found.estimate(k), math.sqrt, 0.0) for k, key in enumerate(squares)}


def errors_of(measured: FeatureData) -> Errors:
    """Split every condition's error into what repeats and what scatters."""
    total, bias, spread = {}, {}, {}
    for key, noisy in measured.conditions.items():
        error = noisy.values - measured.ideal
        repeats = error.shape[1]
        variance = error.var(axis=1, ddof=1) if repeats > 1 else np.zeros_like(error[:, 0])
        total[key] = np.square(error).mean(axis=(1, 3))
        spread[key] = variance.mean(axis=2)
        bias[key] = np.square(error.mean(axis=1)).mean(axis=2) - spread[key] / repeats
    return Errors(total, bias, spread)


def _sentence(
    devices: tuple[str, ...],
    rmse: Mapping[Key, Estimate],
    comparisons: list[Comparison],
    seeds: int,
) -> str:
    whose = "it visits" if seeds == 1 else f"{seeds} trained controllers visit"
    lines = [
        f"{device} moves <Z_i> by {shown(rmse[Key(device, 'none', None)])} with exact values and "
        f"by {shown(rmse[Key(device, 'none', REFERENCE_SHOTS)])} at {REFERENCE_SHOTS} shots; there "
        f"{best_in_words(device, comparisons, rmse)}."
        for device in devices
    ]
    return f"Root mean squares over the states that {whose}: {' '.join(lines)}"


def _table(errors: Errors, rmse: Mapping[Key, Estimate]) -> Table:
    spread, bias = root_mean_squares(errors.spread).estimates, biases(errors.bias)
    return Table.of(
        "features_errors",
        "Bias, spread and RMSE of <Z_i>",
        ["device", "mitigation", "shots", ("bias", 4), ("spread", 4), ("RMSE", 4)],
        [(*key.labels, bias[key], spread[key], rmse[key]) for key in rmse],
        (
            "Bias is what stays when a state is measured again, spread is what shots (and, for "
            "affine, its calibration's shots) add; RMSE² = bias² + spread². All are root mean "
            "squares over states and outputs; a bias of 0 is one that could not be told from none."
        ),
    )


def common_notes(scope: Scope, measured: FeatureData, found: Bootstrap) -> tuple[str, ...]:
    """Samples, intervals, and what could not be had; shared with the study of control."""
    refused = [
        f"{mitigation_title(method)} does not fit {device}: {reason}"
        for (device, method), reason in measured.refused.items()
    ]
    repeats = scope.sizes.repeats
    return (
        f"{found.episodes} states per training seed: the noiseless controller is played, and one "
        f"step of each episode is drawn at random. {repeats} repetitions of everything that has "
        "shots.",
        "Shots are per evaluation: extrapolation runs two circuits with half of them each. An "
        f"affine calibration ({AFFINE_CIRCUITS} circuits x {CALIBRATION_SHOTS:,} shots) comes "
        "on top, drawn anew for every repetition; that other calibrations would come out otherwise "
        "is not in the intervals.",
        found.flag,
        *refused,
        BEST_CASE,
    )
