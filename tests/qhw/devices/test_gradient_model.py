"""What rule `model` differentiates: the device as its calibration describes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calibration import Assumptions, Idle
from policy import Cost, Estimate, RingCircuit
from policy.backend import FloatArray
from qhw.backends.backend import Adopted
from qhw.backends.compiled import CompiledBackend
from qhw.backends.opening import open_backend as open_simulator
from qhw.config import BackendConfig
from qhw.devices.backend import DeviceBackend
from qhw.devices.gradient_model import DeviceModel, gradient_model
from qhw.devices.opening import Requester
from qhw.errors import ConfigError
from tests.clock import SteppedClock
from tests.ibm_cloud.cloud import Cloud
from tests.ibm_cloud.nairobi import OpenNairobi
from tests.qhw.devices.test_drift_watch import MUCH, ask, meet

CIRCUIT = RingCircuit(4, 2)
Open = Callable[..., DeviceBackend]


@pytest.fixture
def open_backend(open_nairobi: OpenNairobi) -> Open:
    def opening(mitigation: str = "affine", **hardware: object) -> DeviceBackend:
        return open_nairobi(Requester("run", clock=SteppedClock()), mitigation, **hardware)

    return opening


def question(circuit: RingCircuit) -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(5)
    return (
        rng.uniform(-3, 3, (6, circuit.num_angles)),
        rng.uniform(-3, 3, circuit.num_weights),
        rng.standard_normal((6, circuit.num_qubits)),
    )


@pytest.mark.parametrize("mitigation", ["none", "readout", "affine"])
def test_it_predicts_what_a_device_answers(
    mitigation: str, small_cloud: Cloud, open_backend: Open
) -> None:
    """Within the shots' errors, under whatever mitigation the answers get."""
    backend = open_backend(mitigation)
    circuit = backend.circuit
    assert isinstance(circuit, RingCircuit)
    angles, weights, _ = question(circuit)
    answer = backend.evaluate(angles, weights[None])
    predicted = DeviceModel(backend)().evaluate(angles, weights[None])
    assert (predicted.standard_errors == 0).all()
    pulls = (answer.values - predicted.values) / answer.standard_errors
    assert np.abs(pulls).max() < 5
    assert np.square(pulls).mean() == pytest.approx(1, abs=0.7)


def test_its_derivative_is_that_of_its_values(small_cloud: Cloud, open_backend: Open) -> None:
    """By differences of its own values: the affine map's slope is in both."""
    backend = open_backend("affine")
    model = DeviceModel(backend)()
    assert isinstance(backend.circuit, RingCircuit)
    angles, weights, upstream = question(backend.circuit)
    steps = 1e-5 * np.eye(len(weights))
    values = model.evaluate(angles, np.concatenate([weights + steps, weights - steps])).values
    plus, minus = np.split(values, 2)
    slopes = np.einsum("wbi,bi->w", (plus - minus) / 2e-5, upstream)
    assert np.allclose(model.vjp(angles, weights, upstream), slopes, atol=1e-7)


def test_it_is_opened_anew_when_the_device_was_recalibrated(
    small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend("affine")
    model = DeviceModel(backend)
    before = model()
    assert model() is before
    meet(small_cloud, backend, MUCH)
    ask(backend, 3)
    assert model() is not before
    assert model() is model()


def test_where_the_platform_mitigates_it_is_noiseless(
    small_cloud: Cloud, open_backend: Open
) -> None:
    model = DeviceModel(open_backend("native"))()
    assert type(model) is CompiledBackend


def test_a_simulators_model_knows_what_is_published_alone() -> None:
    """Coherent errors and multiplied noise are the device's secret; waits are as configured."""
    idles: tuple[Idle, ...] = ("alap", "off")
    for idle in idles:
        settings = BackendConfig(device="fake_nairobi", idle=idle, zz_angle=0.3)
        angles, weights, _ = question(CIRCUIT)
        published = open_simulator(
            "aer_noisy", CIRCUIT, device="fake_nairobi", assumptions=Assumptions(idle)
        )
        model = gradient_model(published, settings)()
        expected = published.evaluate(angles, weights[None]).values
        assert np.abs(model.evaluate(angles, weights[None]).values - expected).max() < 1e-12


class Own:
    """A backend of the user's own."""

    circuit = CIRCUIT

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        values = np.zeros((len(weights), len(angles), 4))
        return Estimate(values, values, Cost())


def test_nothing_is_published_of_a_backend_of_ones_own() -> None:
    with pytest.raises(ConfigError, match=r"published of .*Own") as caught:
        gradient_model(Adopted(Own()), BackendConfig())
    assert "--gradient shift" in caught.value.hint
