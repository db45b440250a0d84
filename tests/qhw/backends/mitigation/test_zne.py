from __future__ import annotations

import numpy as np
import pytest

from policy.backend import FloatArray
from qhw.backends.mitigation.readout import ReadoutInversion
from qhw.backends.mitigation.zne import ZeroNoise, extrapolation_weights
from qhw.errors import MitigationError

SCALES = [(1, 3), (1, 3, 5), (1, 5, 9), (1, 3, 5, 7)]


def draw(scales: tuple[int, ...]) -> FloatArray:
    return np.random.default_rng(1).uniform(-1, 1, (len(scales), 6, 2))


def of_mitiq(factory: object, scales: tuple[int, ...], values: FloatArray) -> FloatArray:
    """Mitiq's extrapolation, one list of values at a time."""
    pytest.importorskip("mitiq", reason="there is no Mitiq for this Python to compare with")
    flat = values.reshape(len(scales), -1)
    columns = [_one(factory, scales, column) for column in flat.T]
    return np.array(columns).reshape(values.shape[1:])


def _one(factory: object, scales: tuple[int, ...], column: FloatArray) -> float:
    from mitiq.zne.inference import LinearFactory, PolyFactory, RichardsonFactory

    floats = [float(scale) for scale in scales]
    if factory == "linear":
        return float(LinearFactory.extrapolate(floats, column.tolist()))
    if factory == "richardson":
        return float(RichardsonFactory.extrapolate(floats, column.tolist()))
    return float(PolyFactory.extrapolate(floats, column.tolist(), order=2))


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("method", ["linear", "richardson"])
def test_extrapolation_equals_mitiqs(scales: tuple[int, ...], method: str) -> None:
    values = draw(scales)
    zero_noise = ZeroNoise(scales, method=method)  # type: ignore[arg-type]
    found, _ = zero_noise.combine([(v, np.zeros_like(v)) for v in values])
    assert np.abs(found - of_mitiq(method, scales, values)).max() < 1e-12
    assert zero_noise.weights.sum() == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("scales", [s for s in SCALES if len(s) > 2])
def test_polynomials_equal_mitiqs(scales: tuple[int, ...]) -> None:
    values = draw(scales)
    found = np.tensordot(extrapolation_weights(scales, 2), values, axes=1)
    assert np.abs(found - of_mitiq("poly", scales, values)).max() < 1e-12


def test_read_out_is_inverted_at_every_scale() -> None:
    values = draw((1, 3))
    readout = ReadoutInversion(np.array([0.02, 0.03]), np.array([0.05, 0.01]), "made up")
    errors = np.full(values[0].shape, 0.01)
    found, stated = ZeroNoise(readout=readout).combine([(v, errors) for v in values])
    inverted = [readout.combine([(v, errors)]) for v in values]
    weights = extrapolation_weights((1, 3), 1)
    assert np.allclose(found, weights[0] * inverted[0][0] + weights[1] * inverted[1][0])
    assert np.allclose(stated, np.hypot(weights[0] * inverted[0][1], weights[1] * inverted[1][1]))


@pytest.mark.parametrize("method", ["linear", "richardson"])
def test_stated_errors_are_the_spread(method: str) -> None:
    rng = np.random.default_rng(2)
    scales, errors = (1, 3, 5), np.array([0.01, 0.012, 0.015])
    measured = [(rng.normal(0.3, e, (20_000, 1)), np.full((20_000, 1), e)) for e in errors]
    values, stated = ZeroNoise(scales, method=method).combine(measured)  # type: ignore[arg-type]
    assert values.std() == pytest.approx(stated.mean(), rel=0.03)


@pytest.mark.parametrize("scales", [(1,), (3, 1), (1, 1), (1, 2), (0, 3)])
def test_useless_scales_are_refused(scales: tuple[int, ...]) -> None:
    with pytest.raises(MitigationError, match=r"Noise scale"):
        ZeroNoise(scales)


def test_there_is_no_gradient_through_it() -> None:
    with pytest.raises(MitigationError, match=r"\.925 with it and \.977 without"):
        ZeroNoise().gain()
    assert not ZeroNoise().differentiable


def test_a_missing_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="1 measured scales: need 2"):
        ZeroNoise().combine([(np.zeros(1), np.zeros(1))])


def test_it_says_what_it_costs() -> None:
    readout = ReadoutInversion(np.array([0.02]), np.array([0.05]), "published today")
    facts = ZeroNoise((1, 3, 5), readout, "richardson").facts().words()
    assert facts["mitigation"] == "zne"
    assert facts["mitigation overhead"] == "3 x circuits, 3 x shots"
    assert facts["extrapolation"] == "richardson, scales 1, 3, 5, weights +1.88, -1.25, +0.375"
    assert "published today" in str(facts["read-out errors"])


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_weights_are_those_of_a_least_squares_polynomial(
    scales: tuple[int, ...], degree: int
) -> None:
    if degree >= len(scales):
        return
    values = draw(scales)
    found = np.tensordot(extrapolation_weights(scales, degree), values, axes=1)
    fitted = np.polyfit(scales, values.reshape(len(scales), -1), degree)
    assert np.abs(found - fitted[-1].reshape(values.shape[1:])).max() < 1e-10


def test_known_weights() -> None:
    """Two points in a line through 1 and 3, and Richardson's through 1, 3 and 5."""
    assert np.allclose(extrapolation_weights((1, 3), 1), [1.5, -0.5])
    assert np.allclose(extrapolation_weights((1, 3, 5), 2), [15 / 8, -10 / 8, 3 / 8])


def test_noise_that_decays_linearly_is_taken_out_whole() -> None:
    ideal = np.array([[0.8, -0.3]])
    measured = [(ideal * (1 - 0.07 * scale), np.zeros((1, 2))) for scale in (1, 3)]
    values, _ = ZeroNoise().combine(measured)
    assert np.abs(values - ideal).max() < 1e-14
    decaying = [(ideal * np.exp(-0.07 * scale), np.zeros((1, 2))) for scale in (1, 3)]
    values, _ = ZeroNoise().combine(decaying)
    bias = np.exp(-0.07) * 1.5 - np.exp(-0.21) * 0.5 - 1
    assert np.allclose(values, ideal * (1 + bias)), "and what is not linear leaves its curvature"
