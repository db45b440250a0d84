from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calibration import DeviceSnapshot
from policy import Ansatz, Cost, Estimate, ParameterShift, RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import AerBackend, NoisyAerBackend
from qhw.backends.compiled import CompiledBackend, CompiledNoisyBackend, TooLargeError, checking
from qhw.backends.compiled.backend import shared_base
from qhw.backends.compiled.checking import EngineMismatchError, Verdict, checked, compare
from qhw.backends.compiled.transfer import CompileError, Transfer, linear
from qhw.backends.opening import open_backend
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.errors import ConfigError
from qhw.files import Cache
from qhw.known import open_snapshot

QUICK = TranspileOptions(seeds=1)
SHAPES = [
    (2, 2, "linear", "ring"),
    (3, 1, "paper", "line"),
    (4, 2, "dense", "ring"),
    (4, 1, "dense", "none"),
    (4, 2, "linear", "full"),
    (3, 2, "reupload", "ring"),
    (1, 2, "paper", "ring"),
]
DEVICES = ["fake_brisbane", "fake_fez"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def draw(circuit: Ansatz, inputs: int, sets: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(circuit.num_weights)
    return (
        rng.uniform(-3, 3, (inputs, circuit.num_angles)),
        rng.uniform(-3, 3, (sets, circuit.num_weights)),
    )


def laid_out(
    circuit: RingCircuit, device: str, folder: Path
) -> tuple[RingCircuit, DeviceSnapshot, TranspiledCircuit]:
    snapshot = open_snapshot(device)
    return circuit, snapshot, transpile_for(circuit, snapshot, QUICK, folder)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_noiseless_values_are_aers(shape: Any) -> None:
    circuit = RingCircuit(*shape)
    angles, weights = draw(circuit, 5, 3)
    found = CompiledBackend(circuit).evaluate(angles, weights)
    expected = AerBackend(circuit).evaluate(angles, weights)
    assert np.abs(found.values - expected.values).max() < 1e-12
    assert found.cost.circuits == 15
    assert not found.standard_errors.any()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_noisy_values_are_aers(shape: Any, device: str, folder: Path) -> None:
    parts = laid_out(RingCircuit(*shape), device, folder)
    angles, weights = draw(parts[0], 2, 2)
    for options in ({}, {"noise_scale": 3.0}, {"noise_scale": 0.0}, {"symmetric_readout": True}):
        found = CompiledNoisyBackend(*parts, **options).evaluate(angles, weights)
        expected = NoisyAerBackend(*parts, **options).evaluate(angles, weights)
        assert np.abs(found.values - expected.values).max() < 1e-12, options


@pytest.mark.slow  # density matrices of six qubits
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(4, 6, "dense", "ring"), (6, 2, "dense", "ring")], ids=str)
def test_large_circuits_are_aers(shape: Any, device: str, folder: Path) -> None:
    parts = laid_out(RingCircuit(*shape), device, folder)
    angles, weights = draw(parts[0], 2, 1)
    found = CompiledNoisyBackend(*parts).evaluate(angles, weights)
    expected = NoisyAerBackend(*parts).evaluate(angles, weights)
    assert np.abs(found.values - expected.values).max() < 1e-12


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_derivative_is_parameter_shift(shape: Any, folder: Path) -> None:
    circuit = RingCircuit(*shape)
    angles, weights = draw(circuit, 4, 1)
    upstream = np.random.default_rng(1).standard_normal((4, circuit.num_qubits))
    for backend in (
        CompiledBackend(circuit),
        CompiledNoisyBackend(*laid_out(circuit, "fake_fez", folder)),
    ):
        by_weights = backend.vjp(angles, weights[0], upstream)
        shifted = ParameterShift().weight_gradient(backend, angles, weights[0], upstream).weights
        assert np.abs(by_weights - shifted).max() < 1e-12


def test_the_derivative_is_that_of_aer_and_of_finite_differences(folder: Path) -> None:
    parts = laid_out(RingCircuit(3, 1), "fake_brisbane", folder)
    compiled, aer = CompiledNoisyBackend(*parts), NoisyAerBackend(*parts)
    angles, weights = draw(parts[0], 2, 1)
    upstream = np.random.default_rng(1).standard_normal((2, 3))
    found = compiled.vjp(angles, weights[0], upstream)
    shifted = ParameterShift().weight_gradient(aer, angles, weights[0], upstream).weights
    assert np.abs(found - shifted).max() < 1e-11
    moves = 1e-5 * np.eye(12)
    ahead, behind = (compiled.evaluate(angles, weights + sign * moves) for sign in (1, -1))
    slope = np.einsum("wbi,bi->w", ahead.values - behind.values, upstream) / 2e-5
    assert np.abs(found - slope).max() < 1e-8


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shifted_sets_are_recognised_and_right(shape: Any, folder: Path) -> None:
    circuit = RingCircuit(*shape)
    angles, weights = draw(circuit, 3, 1)
    moves = np.pi / 2 * np.eye(circuit.num_weights)
    sets = np.concatenate([weights + moves, weights - moves, weights])
    for backend in (
        CompiledBackend(circuit),
        CompiledNoisyBackend(*laid_out(circuit, "fake_fez", folder)),
    ):
        if backend.program.prefix is not None:
            assert shared_base(backend.program, sets) is not None
        one_by_one = np.concatenate([backend.evaluate(angles, w[None]).values for w in sets])
        assert np.abs(backend.evaluate(angles, sets).values - one_by_one).max() < 1e-12


def test_unrelated_sets_are_not_taken_for_shifted_ones() -> None:
    circuit = RingCircuit()
    assert shared_base(CompiledBackend(circuit).program, draw(circuit, 1, 6)[1]) is None


def test_pieces_that_fit_into_memory_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from qhw.backends.compiled import backend as module

    for shape in [(4, 2, "dense", "ring"), (3, 2, "reupload", "ring")]:
        circuit = RingCircuit(*shape)  # type: ignore[arg-type]
        compiled = CompiledBackend(circuit)
        angles, weights = draw(circuit, 9, 5)
        upstream = np.random.default_rng(1).standard_normal((9, circuit.num_qubits))
        whole = compiled.evaluate(angles, weights).values
        slope = compiled.vjp(angles, weights[0], upstream)
        monkeypatch.setattr(module, "CHUNK_NUMBERS", 4 * 4**circuit.num_qubits)
        assert np.abs(compiled.evaluate(angles, weights).values - whole).max() < 1e-13
        assert np.abs(compiled.vjp(angles, weights[0], upstream) - slope).max() < 1e-13


def test_sampling_follows_the_exact_distribution(folder: Path) -> None:
    parts = laid_out(RingCircuit(3, 1), "fake_brisbane", folder)
    angles, weights = draw(parts[0], 1, 1)
    backend = CompiledNoisyBackend(*parts, shots=200_000, seed=3)
    distribution = backend.probabilities(angles, weights)[0, 0]
    assert distribution.sum() == pytest.approx(1, abs=1e-8)
    exact = CompiledNoisyBackend(*parts).evaluate(angles, weights).values[0, 0]
    signs = 1 - 2.0 * ((np.arange(8)[:, None] >> np.arange(3)) & 1)
    assert np.abs(distribution @ signs - exact).max() < 1e-12
    aer = NoisyAerBackend(*parts)
    rows = np.hstack([angles, weights])
    expected = aer.probabilities(rows)[0]
    assert np.abs(distribution - expected).max() < 1e-12  # correlations included
    counts = np.random.default_rng(3).multinomial(200_000, distribution / distribution.sum())
    drawn = backend.evaluate(angles, weights).values[0, 0]
    assert np.abs(drawn - counts @ signs / 200_000).max() < 1e-12
    test = stats.chisquare(counts, distribution / distribution.sum() * 200_000)
    assert test.pvalue > 1e-6


def test_sampling_is_reproducible_and_can_be_resumed() -> None:
    circuit = RingCircuit(3, 1)
    angles, weights = draw(circuit, 2, 2)
    one, other = (CompiledBackend(circuit, shots=100, seed=5) for _ in range(2))
    first = one.evaluate(angles, weights)
    assert np.array_equal(first.values, other.evaluate(angles, weights).values)
    assert first.cost.shots == 400
    state = one.random_state()
    second = one.evaluate(angles, weights).values
    assert not np.array_equal(second, first.values)
    one.restore_random_state(state)
    assert np.array_equal(one.evaluate(angles, weights).values, second)


class Crooked:
    """Aer with a mistake."""

    def __init__(self, circuit: RingCircuit, mistake: float) -> None:
        self.circuit, self._aer, self._mistake = circuit, AerBackend(circuit), mistake

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        estimate = self._aer.evaluate(angles, weights)
        values = estimate.values.copy()
        values[..., 0] += self._mistake * np.sin(weights[:, :1])
        return Estimate(values, estimate.standard_errors, Cost())


def test_the_opening_check_finds_a_mistake() -> None:
    circuit = RingCircuit(3, 1)
    verdict = compare(CompiledBackend(circuit), AerBackend(circuit))
    assert verdict.rows >= 2
    assert verdict.max_difference < 1e-12
    assert verdict.gradient_difference < 1e-12
    with pytest.raises(EngineMismatchError, match=r"gives <Z> = .* where Aer gives"):
        compare(CompiledBackend(circuit), Crooked(circuit, 1e-6))


def test_a_corrupted_noise_model_trips_the_check(folder: Path) -> None:
    parts = laid_out(RingCircuit(3, 1), "fake_fez", folder)
    compiled = CompiledNoisyBackend(*parts)
    wrong = NoisyAerBackend(*parts, noise_scale=1.01)
    with pytest.raises(EngineMismatchError, match="the limit is 1e-08"):
        compare(compiled, wrong)


def test_a_verdict_is_remembered_by_program(tmp_path: Path) -> None:
    backend = CompiledBackend(RingCircuit(3, 1))
    verdict = checked(backend, lambda: AerBackend(backend.circuit), tmp_path)

    def never() -> AerBackend:
        raise AssertionError("the verdict was on disk")

    assert checked(backend, never, tmp_path) == verdict
    other = CompiledBackend(RingCircuit(3, 2))
    assert other.program.digest != backend.program.digest


def test_a_verdict_does_not_outlive_the_code_it_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    circuit = RingCircuit(3, 1)
    checked(CompiledBackend(circuit), lambda: AerBackend(circuit), tmp_path)
    broken = CompiledBackend(circuit)
    exact = broken.exact
    monkeypatch.setattr(broken, "exact", lambda angles, weights: -exact(angles, weights))
    checked(broken, lambda: AerBackend(circuit), tmp_path)  # the code looks the same: recalled
    monkeypatch.setattr(checking, "code_digest", lambda: "of other code")
    with pytest.raises(EngineMismatchError):
        checked(broken, lambda: AerBackend(circuit), tmp_path)


def test_the_codes_identity_is_of_every_file_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = checking.code_digest.__wrapped__
    before = compute()
    assert compute() == before == checking.code_digest()
    monkeypatch.setattr(checking, "installed_version", lambda name: f"{name} of tomorrow")
    assert compute() != before
    monkeypatch.undo()
    read = Path.read_bytes
    for name in ("backend.py", "program.py", "transfer.py", "aer.py"):
        monkeypatch.setattr(
            Path, "read_bytes", lambda path, n=name: read(path) + (b"#" if path.name == n else b"")
        )
        assert compute() != before, name
        monkeypatch.undo()


def test_opening_prefers_the_compiled_engine_and_says_so(tmp_path: Path) -> None:
    circuit = RingCircuit(3, 1)
    auto = open_backend("aer", circuit, cache=Cache(tmp_path))
    assert "compiled (checked against Aer" in str(auto.facts().words()["engine"])
    assert isinstance(auto.verdict, Verdict)  # type: ignore[attr-defined]
    aer = open_backend("aer", circuit, engine="aer")
    assert aer.facts().words()["engine"] == "aer statevector"


def test_what_cannot_be_compiled_goes_through_aer(tmp_path: Path) -> None:
    large = RingCircuit(9, 1)
    backend = open_backend("aer", large, cache=Cache(tmp_path))
    assert isinstance(backend, AerBackend)
    assert "9 qubits" in backend.warning
    with pytest.raises(TooLargeError, match="9 qubits"):
        open_backend("aer", large, engine="compiled", cache=Cache(tmp_path))


def test_noise_that_cannot_be_represented_is_refused() -> None:
    from qiskit.circuit import Parameter
    from qiskit_aer.noise import NoiseModel, depolarizing_error

    on_rz = NoiseModel()
    on_rz.add_quantum_error(depolarizing_error(0.1, 1), ["rz"], [0])
    with pytest.raises(CompileError, match="rz is noisy"):
        Transfer(on_rz)
    everywhere = NoiseModel()
    everywhere.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), ["sx"])
    with pytest.raises(CompileError, match="bound to no qubits"):
        Transfer(everywhere)
    with pytest.raises(CompileError, match="not linear"):
        linear(Parameter("x") ** 2, {})


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="shots = 0"):
        CompiledBackend(RingCircuit(), shots=0)
    backend = CompiledBackend(RingCircuit(3, 1))
    angles, weights = draw(backend.circuit, 2, 1)
    with pytest.raises(ValueError, match="upstream has shape"):
        backend.vjp(angles, weights[0], np.zeros((2, 4)))
    with pytest.raises(ValueError, match="not finite"):
        backend.evaluate(angles * np.nan, weights)
