from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.mitigation.affine import AffineMap
from qhw.backends.mitigation.fitting import (
    calibration_inputs,
    evaluate_rows,
    fit_affine,
    ideal_values,
)
from qhw.config import AFFINE_CIRCUITS
from qhw.errors import MitigationError

SLOPE, INTERCEPT, NOISE = np.array([0.8, 0.75, 0.9]), np.array([0.01, -0.02, 0.0]), 0.015
WHERE = {
    "shots": 4096,
    "date": "2026-01-01",
    "calibration_digest": "c",
    "device": "fake",
    "key": "k",
}


def draw_ideal(rng: np.random.Generator, rows: int = AFFINE_CIRCUITS) -> FloatArray:
    return rng.normal(0.05, 0.25, (rows, len(SLOPE))).clip(-1, 1)


def fit_noisy(rng: np.random.Generator, misfit: float = 0.0) -> AffineMap:
    ideal = draw_ideal(rng)
    errors = np.full(ideal.shape, NOISE)
    scatter = rng.normal(0, np.hypot(NOISE, misfit), ideal.shape)
    return fit_affine(SLOPE * ideal + INTERCEPT + scatter, errors, ideal, **WHERE)  # type: ignore[arg-type]


def test_exact_lines_are_found_exactly() -> None:
    ideal = draw_ideal(np.random.default_rng(1))
    fitted = fit_affine(SLOPE * ideal + INTERCEPT, np.zeros_like(ideal), ideal, **WHERE)  # type: ignore[arg-type]
    assert np.abs(fitted.slope - SLOPE).max() < 1e-12
    assert np.abs(fitted.intercept - INTERCEPT).max() < 1e-12
    assert fitted.residual.max() < 1e-12
    z = np.random.default_rng(2).uniform(-1, 1, (2, 4, 3))
    values, errors = fitted.combine([(fitted.predict(z), np.full(z.shape, 0.01))])
    assert np.abs(values - z).max() < 1e-12
    assert np.allclose(errors, 0.01 / SLOPE)
    assert np.allclose(fitted.gain(), 1 / SLOPE)


def test_fits_scatter_as_they_state() -> None:
    rng = np.random.default_rng(3)
    maps = [fit_noisy(rng) for _ in range(1500)]
    off = np.array([[m.slope - SLOPE, m.intercept - INTERCEPT] for m in maps])
    stated = np.array([[m.covariance[:, 0, 0], m.covariance[:, 1, 1]] for m in maps])
    assert np.allclose((off**2).mean(axis=0) / stated.mean(axis=0), 1, atol=0.15)
    mixed = np.array([m.covariance[:, 0, 1] for m in maps])
    assert np.allclose((off[:, 0] * off[:, 1]).mean(axis=0), mixed.mean(axis=0), atol=1e-5)


def test_own_error_is_the_spread_over_calibrations() -> None:
    rng = np.random.default_rng(4)
    z = np.array([0.5, -0.3, 0.2])
    raw = SLOPE * z + INTERCEPT
    maps = [fit_noisy(rng) for _ in range(1500)]
    off = np.array([m.combine([(raw, np.zeros(3))])[0] - z for m in maps])
    stated = np.array([np.sqrt(m.own_variance(z)) / m.slope for m in maps])
    assert np.allclose(off.std(axis=0) / stated.mean(axis=0), 1, atol=0.1)


def test_the_residual_leaves_shot_noise_out() -> None:
    rng = np.random.default_rng(5)
    squares = np.array([fit_noisy(rng, misfit=0.02).residual ** 2 for _ in range(500)])
    assert np.sqrt(squares.mean()) == pytest.approx(0.02, rel=0.05)


def test_inputs_are_seeded_random_angles(circuit: RingCircuit) -> None:
    inputs = calibration_inputs(circuit)
    again, other = calibration_inputs(circuit), calibration_inputs(circuit, seed=1)
    assert inputs.rows.shape == (32, circuit.num_angles + circuit.num_weights)
    assert np.array_equal(inputs.rows[:, : circuit.num_angles], inputs.angles)
    assert np.array_equal(inputs.rows, again.rows)
    assert not np.array_equal(inputs.rows, other.rows)
    assert 3 < np.abs(inputs.rows).max() <= np.pi


def test_rows_are_paired(noisy: Any, circuit: RingCircuit) -> None:
    inputs = calibration_inputs(circuit, 3)
    backend = noisy(device="fake_fez")
    rows = evaluate_rows(backend, inputs)
    product = backend.evaluate(*inputs).values
    assert np.allclose(rows.values, product[range(3), range(3)], atol=1e-12)
    assert rows.cost.circuits == 3


def test_it_beats_no_mitigation_under_a_devices_noise(noisy: Any, circuit: RingCircuit) -> None:
    fresh = calibration_inputs(circuit, 64, seed=9)
    ideal = ideal_values(circuit, fresh)
    raw, better = (
        evaluate_rows(noisy(device="fake_brisbane", mitigation=method), fresh).values - ideal
        for method in ("none", "affine")
    )
    assert np.sqrt((better**2).mean()) < 0.3 * np.sqrt((raw**2).mean())


@pytest.mark.parametrize("slope", [0.2, float("nan")])
def test_noise_too_strong_to_invert_is_refused(slope: float) -> None:
    ideal = draw_ideal(np.random.default_rng(6))
    with pytest.raises(MitigationError, match=rf"slope {slope:.3f}.*below 0\.3") as caught:
        fit_affine(slope * ideal, np.zeros_like(ideal), ideal, **WHERE)  # type: ignore[arg-type]
    assert "--mitigation readout" in caught.value.hint


def test_too_few_circuits_are_refused() -> None:
    ideal = draw_ideal(np.random.default_rng(7), rows=8)
    with pytest.raises(MitigationError, match="8 calibration circuits"):
        fit_affine(ideal, np.zeros_like(ideal), ideal, **WHERE)  # type: ignore[arg-type]


def test_an_output_that_never_moves_is_refused() -> None:
    ideal = draw_ideal(np.random.default_rng(8))
    ideal[:, 1] = 0.5
    with pytest.raises(MitigationError, match=r"output 1 vary by 0\.000"):
        fit_affine(ideal, np.zeros_like(ideal), ideal, **WHERE)  # type: ignore[arg-type]


def test_it_says_where_it_comes_from() -> None:
    facts = fit_noisy(np.random.default_rng(9)).facts().words()
    assert facts["affine calibration"] == "32 circuits x 4096 shots, 2026-01-01"
    assert facts["mitigation overhead"] == "1 x circuits, 1 x shots"
    assert "rms" in str(facts["affine residual"])


def test_a_residual_that_shots_hide_is_not_told_as_none() -> None:
    """Scatter minus the shots' variance is as often below 0 as above where little is missed."""
    maps = [fit_noisy(np.random.default_rng(seed)) for seed in range(20)]
    hidden = [each for each in maps if each.residual.max() < each.resolution]
    assert hidden
    for each in hidden:
        assert str(each.facts().words()["affine residual"]).startswith("below 0.0079 rms")
        assert each.own_error(np.zeros(3)).min() > 0.0079
    exact = dataclasses.replace(maps[0], shots=0)
    assert exact.resolution == 0


def test_the_fit_and_its_covariance_are_least_squares() -> None:
    rng = np.random.default_rng(12)
    ideal, errors = draw_ideal(rng), np.full((AFFINE_CIRCUITS, 3), NOISE)
    measured = SLOPE * ideal + INTERCEPT + rng.normal(0, NOISE, ideal.shape)
    fitted = fit_affine(measured, errors, ideal, **WHERE)  # type: ignore[arg-type]
    for output in range(3):
        columns = np.stack([ideal[:, output], np.ones(AFFINE_CIRCUITS)], axis=1)
        solution, squares, _, _ = np.linalg.lstsq(columns, measured[:, output], rcond=None)
        assert fitted.slope[output] == pytest.approx(solution[0], abs=1e-12)
        assert fitted.intercept[output] == pytest.approx(solution[1], abs=1e-12)
        scatter = squares[0] / (AFFINE_CIRCUITS - 2)
        expected = scatter * np.linalg.inv(columns.T @ columns)
        assert np.allclose(fitted.covariance[output], expected, rtol=1e-9, atol=0)
        beyond = max(scatter - NOISE**2, 0.0)
        assert fitted.residual[output] == pytest.approx(np.sqrt(beyond), abs=1e-12)


def test_own_error_is_the_root_of_fit_and_residual_over_the_slope() -> None:
    fitted = fit_noisy(np.random.default_rng(13), misfit=0.02)
    z = np.array([0.4, -0.6, 0.1])
    along = np.stack([z, np.ones(3)], axis=1)
    of_fit = np.einsum("ni,nij,nj->n", along, fitted.covariance, along)
    assert np.allclose(fitted.own_variance(z), of_fit)
    assert fitted.residual.min() > fitted.resolution
    assert np.allclose(fitted.own_error(z), np.sqrt(of_fit + fitted.residual**2) / fitted.slope)
