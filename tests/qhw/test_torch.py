from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from torch import Tensor, nn

from policy import OwnCircuit, RingCircuit, Spsa
from qhw.backends.opening import open_backend
from qhw.devices.backend import DeviceBackend
from qhw.errors import BudgetReachedError, ConfigError, LedgerError, MitigationError, QhwError
from qhw.torch import Layer


def kernel() -> OwnCircuit:
    """Three qubits, three inputs, five weights; nothing of the ring."""
    inputs, weights = ParameterVector("x", 3), ParameterVector("w", 5)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.h(qubit)
        circuit.rz(inputs[qubit], qubit)
        circuit.ry(weights[qubit], qubit)
    circuit.rzz(weights[3], 0, 1)
    circuit.cx(1, 2)
    circuit.rx(weights[4], 2)
    return OwnCircuit(circuit, inputs[:])


def sample(rows: int, columns: int) -> Tensor:
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("circuit", [RingCircuit(2, 1), kernel()], ids=["ring", "own"])
@pytest.mark.parametrize("backend", ["aer", "aer_noisy"])
def test_gradients_are_those_of_small_differences(circuit: Any, backend: str) -> None:
    layer = Layer(circuit, backend, seed=3).double()
    inputs = sample(3, circuit.num_angles).double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (inputs,), eps=1e-5, atol=1e-7)
    layer(inputs).square().sum().backward()
    assert layer.weights.grad is not None
    move = 1e-5 * torch.eye(circuit.num_weights, dtype=torch.float64)[0]
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            layer.weights.add_(sign * move)
            losses.append(float(layer(inputs).square().sum()))
            layer.weights.sub_(sign * move)
    assert float(layer.weights.grad[0]) == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-7)


def test_it_learns_beside_other_layers_and_is_restored() -> None:
    inputs = sample(40, 2)
    labels = (inputs[:, 0] * inputs[:, 1] > 0).long()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), Layer(RingCircuit(2, 2)), nn.Linear(2, 2))
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    again = nn.Sequential(nn.Linear(2, 4), Layer(RingCircuit(2, 2), seed=9), nn.Linear(2, 2))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(inputs), model(inputs))
    assert "2 qubits, depth 2" in repr(model)


def answers(name: str, seed: int = 0) -> tuple[Tensor, Tensor, float]:
    """Values, a gradient, and the QPU seconds spent in this name so far, of the local device."""
    settings: dict[str, Any] = {"shots": 128, "mitigation": "none", "max_qpu_seconds": 50}
    with Layer(RingCircuit(2, 1), "fake_lima", name=name, seed=seed, **settings) as layer:
        values = layer(sample(4, 4))
        values.sum().backward()
        assert layer.weights.grad is not None
        assert isinstance(layer.backend, DeviceBackend)
        spent = layer.backend.work.ledger.spent(name).qpu_seconds
        return values.detach(), layer.weights.grad, spent


def test_a_device_is_paid_once_under_one_name() -> None:
    first, second, other = answers("once"), answers("once"), answers("other")
    assert first[2] > 0
    assert second[2] == first[2]
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert other[2] == pytest.approx(first[2])
    assert not torch.equal(first[0], other[0])
    with pytest.raises(LedgerError, match="does not replay"):
        answers("once", seed=1)


def test_a_limit_stops_it_before_anything_is_sent() -> None:
    with Layer(
        RingCircuit(2, 1), "fake_lima", shots=128, mitigation="none", max_qpu_seconds=3
    ) as layer:
        values = layer(sample(4, 4))
        assert layer.qpu_seconds(4) > 3
        spent = layer.cost
        with pytest.raises(BudgetReachedError, match="max-qpu-seconds 3"):
            values.sum().backward()
        assert layer.cost == spent


def test_a_quote_is_what_a_step_takes() -> None:
    with Layer(RingCircuit(2, 1), "fake_lima", shots=128, mitigation="none") as layer:
        layer(sample(4, 4)).sum().backward()
        assert layer.qpu_seconds(4) == pytest.approx(layer.cost.qpu_seconds)


def test_a_calibration_that_can_fit_nothing_is_not_paid_for() -> None:
    circuit = QuantumCircuit(3)
    data, weight = ParameterVector("x", 1), ParameterVector("w", 1)
    circuit.rx(data[0], 0)
    circuit.ry(weight[0], 1)
    own = OwnCircuit(circuit, data[:])
    with Layer(own, "fake_lima", name="idle", mitigation="affine") as layer:
        assert isinstance(layer.backend, DeviceBackend)
        with pytest.raises(MitigationError, match=r"output 2 vary by 0\.000"):
            layer(sample(2, 1))
        assert layer.backend.work.ledger.spent("idle").jobs == 0


def test_the_circuit_of_a_name_stays_where_it_was_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answers("pinned")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    monkeypatch.setattr("qhw.backends.transpile_cache.transpile_for", None)
    assert torch.equal(answers("pinned")[0], first[0])


def test_other_rules_and_backends_of_ones_own() -> None:
    circuit = kernel()
    backend = open_backend("aer", circuit)
    layer = Layer(circuit, backend, rule=Spsa(np.random.default_rng(0)))
    layer(sample(2, 3)).sum().backward()
    assert layer.cost.circuits == 2 + 2 * 2
    assert layer.weights.grad is not None and layer.weights.grad.any()
    with pytest.raises(ConfigError, match="shots was given with a backend of your own"):
        Layer(circuit, backend, shots=5)
    with pytest.raises(ConfigError, match="The backend was made for"):
        Layer(RingCircuit(), backend)


@pytest.mark.parametrize(
    ("backend", "settings", "told"),
    [
        ("ibm_fez", {}, "has no name"),
        ("aer", {"shot": 5}, "Did you mean shots"),
        ("aer", {"shots": 0}, "backend.shots"),
        ("aer", {"max_jobs": 5}, "hardware.max_jobs applies to devices"),
        ("ear", {}, "'ear'"),
    ],
)
def test_bad_settings_are_answered(backend: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(QhwError) as caught:
        Layer(RingCircuit(2, 1), backend, **settings)
    assert told in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("inputs", "told"),
    [(torch.zeros(2, 3), "need"), (torch.full((1, 4), torch.nan), "not finite")],
)
def test_inputs_that_do_not_fit_are_refused(inputs: Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Layer(RingCircuit(2, 1))(inputs)
