"""From a name to a backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from policy import ExpectationBackend, RingCircuit
from qhw.backends.backend import Backend
from qhw.config import Engine, MethodName
from qhw.errors import BackendUnavailableError, ConfigError
from qhw.files import Cache
from qhw.known import BACKEND_NAMES, DeviceName, open_snapshot, refuse_unknown

if TYPE_CHECKING:
    from calibration import DeviceSnapshot
    from qhw.backends.compiled import CompiledBackend
    from qhw.backends.transpilation import TranspiledCircuit


def open_backend(
    name: str,
    circuit: RingCircuit,
    *,
    device: str = "fake_brisbane",
    shots: int | None = None,
    noise_scale: float = 1.0,
    seed: int = 0,
    engine: Engine = "auto",
    mitigation: MethodName = "none",
    cache: Cache | None = None,
    snapshot: DeviceSnapshot | None = None,
) -> Backend:
    """Open a backend for one circuit.

    Args:
        name: `aer` (noiseless) or `aer_noisy` (a device's noise).
        circuit: The ansatz.
        device: Snapshot whose noise `aer_noisy` takes.
        shots: Bit strings per circuit; None for exact values.
        noise_scale: Multiplies the device's errors.
        seed: Of the bit strings.
        engine: `compiled` computes Aer's numbers much faster and is checked against it here;
            `auto` takes it where it can, and Aer where it cannot.
        mitigation: What `aer_noisy` does to its values; see `qhw.backends.mitigation`.
        cache: Of transpiled circuits and verdicts; the user's by default.
        snapshot: A calibration that `aer_noisy` takes instead of the named device's, such as an
            older one; the circuit stays where it is laid out on that device.

    Raises:
        UnknownNameError: If there is no such backend or device.
        BackendUnavailableError: If it exists but cannot be opened here, or the compiled engine
            does not agree with Aer.
        ConfigError: If the circuit is too large to simulate, or there is no noise to mitigate.
        MitigationError: If the mitigation does not fit the device.
    """
    refuse_unknown(name, device)
    if name not in BACKEND_NAMES:
        raise BackendUnavailableError(
            f"{name!r} takes jobs; only {' and '.join(BACKEND_NAMES)} are opened here.",
            f"Take `qhw.devices.opening.open_device`, or a snapshot's noise: `--backend "
            f"aer_noisy --device {DeviceName(name).local}`.",
        )
    kept = cache or Cache.of_user()
    from qhw.backends import aer

    if name == "aer":
        _refuse_mitigation(mitigation)
        return _choose(_noiseless(circuit, shots, seed), engine, kept.verdicts)
    aer.refuse_above(circuit.num_qubits, aer.MAX_QUBITS_NOISY, 16 * 4**circuit.num_qubits)
    taken, transpiled = _laid_out(circuit, device, snapshot, kept)
    simulated = _Simulated(circuit, taken, transpiled, noise_scale, engine, kept)
    if mitigation == "none":
        return simulated.open_at(simulated.transpiled, shots, seed)
    return _open_mitigated(simulated, mitigation, shots, seed)


def _laid_out(
    circuit: RingCircuit, device: str, snapshot: DeviceSnapshot | None, cache: Cache
) -> tuple[DeviceSnapshot, TranspiledCircuit]:
    """The calibration to take, and the circuit in the device's gates."""
    from qhw.backends.transpilation import TranspileOptions
    from qhw.backends.transpile_cache import kept_layout, transpile_for

    options = TranspileOptions()
    if snapshot is not None:
        return snapshot, kept_layout(circuit, snapshot, options, cache.transpiled)
    own = open_snapshot(device)
    return own, transpile_for(circuit, own, options, cache.transpiled)


def _refuse_mitigation(mitigation: MethodName) -> None:
    if mitigation != "none":
        raise ConfigError(
            f"--mitigation {mitigation} applies to noisy backends; 'aer' has no noise.",
            "Leave it out, or take --backend aer_noisy.",
        )


@dataclass(frozen=True)
class _Simulated:
    """A device's noise and the circuit laid out on it; opened as often as scales are needed."""

    circuit: RingCircuit
    snapshot: DeviceSnapshot
    transpiled: TranspiledCircuit
    noise_scale: float
    engine: Engine
    cache: Cache

    def open_at(self, transpiled: TranspiledCircuit, shots: int | None, seed: int) -> Backend:
        """The backend of this circuit, laid out already, perhaps folded."""
        from qhw.backends.transpilation import uncalibrated_gates

        pair = _noisy(self.circuit, self.snapshot, transpiled, self.noise_scale, shots, seed)
        backend = _choose(pair, self.engine, self.cache.verdicts)
        lost = uncalibrated_gates(self.snapshot, transpiled)
        backend.warning = "; ".join(filter(None, [backend.warning, lost]))
        return backend


def _open_mitigated(
    simulated: _Simulated, method: MethodName, shots: int | None, seed: int
) -> Backend:
    from calibration import scale_noise
    from qhw.backends.mitigation.simulated import Simulation, open_mitigated

    simulation = Simulation(
        simulated.circuit,
        scale_noise(simulated.snapshot, simulated.noise_scale).snapshot,
        simulated.transpiled,
        simulated.open_at,
        shots,
        seed,
        simulated.cache.folded,
    )
    return open_mitigated(method, simulation)


@dataclass(frozen=True)
class _Pair:
    """The two engines for one backend, not opened yet; `exact` is Aer without shots."""

    compiled: Callable[[], CompiledBackend]
    aer: Callable[[], Backend]
    exact: Callable[[], ExpectationBackend]


def _noiseless(circuit: RingCircuit, shots: int | None, seed: int) -> _Pair:
    from qhw.backends.aer import AerBackend
    from qhw.backends.compiled import CompiledBackend

    return _Pair(
        compiled=partial(CompiledBackend, circuit, shots, seed),
        aer=partial(AerBackend, circuit, shots, seed),
        exact=partial(AerBackend, circuit),
    )


def _noisy(
    circuit: RingCircuit,
    snapshot: DeviceSnapshot,
    transpiled: TranspiledCircuit,
    noise_scale: float,
    shots: int | None,
    seed: int,
) -> _Pair:
    from qhw.backends.aer import NoisyAerBackend
    from qhw.backends.compiled import CompiledNoisyBackend

    compiled = partial(CompiledNoisyBackend, circuit, snapshot, transpiled)
    simulated = partial(NoisyAerBackend, circuit, snapshot, transpiled)
    return _Pair(
        compiled=partial(compiled, noise_scale=noise_scale, shots=shots, seed=seed),
        aer=partial(simulated, noise_scale=noise_scale, shots=shots, seed=seed),
        exact=partial(simulated, noise_scale=noise_scale),
    )


def _choose(pair: _Pair, engine: Engine, verdicts: Path) -> Backend:
    from qhw.backends.compiled import CompileError, TooLargeError
    from qhw.backends.compiled.checking import checked

    if engine == "aer":
        return pair.aer()
    try:
        backend = pair.compiled()
    except (CompileError, TooLargeError) as error:
        if engine == "compiled":
            raise
        fallback = pair.aer()
        fallback.warning = f"the compiled engine refused: {error.message}"
        return fallback
    backend.verdict = checked(backend, pair.exact, verdicts)
    return backend
