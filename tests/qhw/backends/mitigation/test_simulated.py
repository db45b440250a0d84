from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from policy import Adjoint, DifferentiableBackend, ParameterShift, RingCircuit
from policy.backend import FloatArray
from qhw.backends.mitigation.fitting import calibration_inputs, evaluate_rows, ideal_values
from qhw.backends.mitigation.method import Unmitigated
from qhw.backends.mitigation.simulated import MitigatedBackend, mitigated
from qhw.backends.opening import open_backend
from qhw.errors import ConfigError, MitigationError

METHODS = ("readout", "affine", "zne")


def rmse(backend: Any, circuit: RingCircuit) -> float:
    fresh = calibration_inputs(circuit, 48, seed=3)
    off = evaluate_rows(backend, fresh).values - ideal_values(circuit, fresh)
    return float(np.sqrt((off**2).mean()))


def inputs(circuit: RingCircuit, rows: int = 4) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(5)
    return (
        rng.uniform(-3, 3, (rows, circuit.num_angles)),
        rng.uniform(-3, 3, (1, circuit.num_weights)),
    )


@pytest.mark.parametrize("device", ["fake_brisbane", "fake_fez"])
def test_every_method_comes_nearer_the_ideal(noisy: Any, circuit: RingCircuit, device: str) -> None:
    errors = {m: rmse(noisy(device=device, mitigation=m), circuit) for m in ("none", *METHODS)}
    assert errors["readout"] < 0.95 * errors["none"]
    assert errors["zne"] < 0.4 * errors["none"]
    assert errors["affine"] < 0.3 * errors["none"]


@pytest.mark.parametrize("engine", ["aer", "compiled"])
def test_costs_count_every_scale(noisy: Any, circuit: RingCircuit, engine: str) -> None:
    angles, weights = inputs(circuit)
    for method, scales in (("none", 1), ("readout", 1), ("affine", 1), ("zne", 2)):
        backend = noisy(device="fake_lima", mitigation=method, shots=100, engine=engine)
        cost = backend.evaluate(angles, weights).cost
        assert (cost.circuits, cost.shots) == (4 * scales, 400 * scales)
        assert cost.seconds > 0


@pytest.mark.parametrize(("shots", "spent"), [(None, 0), (100, 32 * 4096)])
def test_the_calibration_has_its_own_cost(noisy: Any, shots: int | None, spent: int) -> None:
    backend = noisy(device="fake_lima", mitigation="affine", shots=shots)
    assert backend.calibration.circuits == 32
    assert backend.calibration.shots == spent
    counted = "4096 shots" if shots else "exact values"
    assert f"32 circuits x {counted}" in backend.facts().words()["affine calibration"]
    assert noisy(device="fake_lima", mitigation="zne").calibration.circuits == 0


@pytest.mark.parametrize("method", METHODS)
def test_stated_errors_are_the_spread(noisy: Any, circuit: RingCircuit, method: str) -> None:
    angles, weights = inputs(circuit, 1)
    backend = noisy(device="fake_brisbane", mitigation=method, shots=1024, seed=2)
    estimate = backend.evaluate(np.repeat(angles, 2000, axis=0), weights)
    spread = estimate.values[0].std(axis=0)
    assert np.allclose(spread / estimate.standard_errors[0].mean(axis=0), 1, atol=0.06)


@pytest.mark.parametrize("method", METHODS)
def test_random_states_restore_every_generator(
    noisy: Any, circuit: RingCircuit, method: str
) -> None:
    angles, weights = inputs(circuit)
    backend = noisy(device="fake_lima", mitigation=method, shots=50, seed=1)
    state = backend.random_state()
    first = backend.evaluate(angles, weights).values
    second = backend.evaluate(angles, weights).values
    reopened = noisy(device="fake_lima", mitigation=method, shots=50, seed=1)
    assert np.array_equal(reopened.evaluate(angles, weights).values, first)
    reopened.restore_random_state(state)
    assert np.array_equal(reopened.evaluate(angles, weights).values, first)
    assert np.array_equal(reopened.evaluate(angles, weights).values, second)


def test_the_first_scale_draws_the_unmitigated_bit_strings(
    noisy: Any, circuit: RingCircuit
) -> None:
    angles, weights = inputs(circuit)
    raw = noisy(device="fake_lima", shots=50, seed=3).evaluate(angles, weights)
    backend = noisy(device="fake_lima", shots=50, seed=3, mitigation="readout")
    pair = (raw.values, raw.standard_errors)
    assert np.array_equal(
        backend.evaluate(angles, weights).values, backend.method.combine([pair])[0]
    )


@pytest.mark.parametrize("method", ["readout", "affine"])
def test_its_derivative_is_that_of_its_values(
    noisy: Any, circuit: RingCircuit, method: str
) -> None:
    backend = noisy(device="fake_brisbane", mitigation=method)
    assert isinstance(backend, DifferentiableBackend)
    angles, weights = inputs(circuit)
    upstream = np.random.default_rng(6).standard_normal((4, circuit.num_qubits))
    found = Adjoint().weight_gradient(backend, angles, weights[0], upstream).weights
    shifted = ParameterShift().weight_gradient(backend, angles, weights[0], upstream).weights
    step = 1e-5 * np.eye(circuit.num_weights)
    values = backend.evaluate(angles, np.concatenate([weights + step, weights - step])).values
    plus, minus = np.split(np.einsum("wbi,bi->w", values, upstream), 2)
    assert np.abs(found - shifted).max() < 1e-10
    assert np.abs(found - (plus - minus) / 2e-5).max() < 1e-7


def test_what_cannot_be_differentiated_does_not_offer_it(noisy: Any) -> None:
    assert not isinstance(noisy(device="fake_lima", mitigation="zne"), DifferentiableBackend)
    aer = noisy(device="fake_lima", mitigation="readout", engine="aer")
    assert not isinstance(aer, DifferentiableBackend)


def test_stronger_noise_is_known_to_its_read_out(noisy: Any, circuit: RingCircuit) -> None:
    raw = rmse(noisy(device="fake_fez", noise_scale=2.0), circuit)
    assert rmse(noisy(device="fake_fez", noise_scale=2.0, mitigation="zne"), circuit) < 0.4 * raw


def test_nothing_to_mitigate_is_refused(circuit: RingCircuit) -> None:
    with pytest.raises(ConfigError, match="'aer' has no noise"):
        open_backend("aer", circuit, mitigation="zne")
    open_backend("aer", circuit, mitigation="none")


def test_the_platforms_own_is_refused(noisy: Any) -> None:
    with pytest.raises(MitigationError, match="platform's own"):
        noisy(device="fake_lima", mitigation="native")


def test_doing_nothing_changes_nothing(noisy: Any, circuit: RingCircuit) -> None:
    angles, weights = inputs(circuit)
    plain = noisy(device="fake_lima")
    backend = mitigated([plain], Unmitigated())
    assert isinstance(backend, DifferentiableBackend)
    assert np.array_equal(
        backend.evaluate(angles, weights).values, plain.evaluate(angles, weights).values
    )
    assert backend.facts().words() == {**plain.facts().words(), "mitigation": "none"}


def test_backends_and_scales_must_match(noisy: Any) -> None:
    plain = noisy(device="fake_lima")
    with pytest.raises(ValueError, match="2 backends for the scales"):
        MitigatedBackend([plain, plain], Unmitigated())


def test_a_note_of_the_engine_is_passed_on(noisy: Any) -> None:
    plain = noisy(device="fake_lima", engine="aer")
    plain.warning = "why"
    assert mitigated([plain], Unmitigated()).warning == "why"
