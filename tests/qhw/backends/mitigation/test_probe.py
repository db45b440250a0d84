from __future__ import annotations

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
    probe_inputs,
    still_fits,
)
from qhw.config import CALIBRATION_SHOTS, PROBE_CIRCUITS

SLOPE, NOISE, MISFIT = 0.8, 0.015, 0.005


def draw(
    rng: np.random.Generator, rows: int, slope: float = SLOPE
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Measured, errors and ideal (rows, 4) of a device with this slope."""
    ideal = rng.normal(0.0, 0.25, (rows, 4)).clip(-1, 1)
    measured = slope * ideal + rng.normal(0, np.hypot(NOISE, MISFIT), ideal.shape)
    return measured, np.full(ideal.shape, NOISE), ideal


def fit(rng: np.random.Generator) -> AffineMap:
    return fit_affine(
        *draw(rng, 32), shots=4096, date="today", calibration_digest="c", device="fake", key="k"
    )


@pytest.mark.parametrize("stated", [0.1, 0.01])
def test_false_alarms_are_as_rare_as_stated(stated: float) -> None:
    rng = np.random.default_rng(1)
    rounds = 3000
    alarms = sum(
        not still_fits(fit(rng), *draw(rng, PROBE_CIRCUITS), false_alarms=stated).fits
        for _ in range(rounds)
    )
    assert 0.5 * stated < alarms / rounds < 2 * stated


@pytest.mark.parametrize("slope", [0.65, 0.95])
def test_another_slope_is_seen(slope: float) -> None:
    rng = np.random.default_rng(2)
    seen = [still_fits(fit(rng), *draw(rng, PROBE_CIRCUITS, slope)) for _ in range(200)]
    assert sum(not probe.fits for probe in seen) > 190
    assert np.mean([probe.drift for probe in seen]) == pytest.approx(slope - SLOPE, abs=0.01)


def test_a_change_that_no_slope_explains_is_seen() -> None:
    rng = np.random.default_rng(3)
    measured, errors, ideal = draw(rng, PROBE_CIRCUITS)
    found = still_fits(fit(rng), measured + [[0.1], [-0.1]] * 4, errors, ideal)
    assert not found.fits
    assert found.chi2 > found.threshold
    assert "no longer fits: reduced chi-square" in str(found)


def test_drifts_are_as_uncertain_as_stated() -> None:
    rng = np.random.default_rng(4)
    probes = [still_fits(fit(rng), *draw(rng, PROBE_CIRCUITS)) for _ in range(2000)]
    stated = np.mean([probe.drift_limit for probe in probes]) / 3.4808
    assert np.std([probe.drift for probe in probes]) == pytest.approx(stated, rel=0.07)


def test_twice_the_noise_is_seen_on_a_device(noisy: Any, circuit: RingCircuit) -> None:
    inputs, asked = calibration_inputs(circuit), probe_inputs(circuit)
    ideal = ideal_values(circuit, asked)
    same = noisy(device="fake_brisbane", shots=CALIBRATION_SHOTS, seed=1)
    worse = noisy(device="fake_brisbane", shots=CALIBRATION_SHOTS, seed=2, noise_scale=2)
    rows = evaluate_rows(same, inputs)
    fitted = fit_affine(
        rows.values,
        rows.errors,
        ideal_values(circuit, inputs),
        shots=CALIBRATION_SHOTS,
        date="today",
        calibration_digest="c",
        device="fake_brisbane",
        key="k",
    )
    found = {}
    for name, backend in (("same", same), ("worse", worse)):
        probed = evaluate_rows(backend, asked)
        found[name] = still_fits(fitted, probed.values, probed.errors, ideal)
    assert found["same"].fits
    assert not found["worse"].fits
    assert found["worse"].drift < -0.1


def test_an_exact_map_of_no_noise_still_fits_itself() -> None:
    rng = np.random.default_rng(5)
    ideal = rng.normal(0, 0.25, (32, 4))
    exact = np.zeros_like(ideal)
    fitted = fit_affine(
        ideal, exact, ideal, shots=0, date="", calibration_digest="", device="fake", key="k"
    )
    assert still_fits(fitted, ideal[:8], exact[:8], ideal[:8]).fits
