"""From a name to a backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration import ASSUMED, Assumptions
from policy import Ansatz
from qhw.backends.backend import Backend
from qhw.config import Engine, MethodName
from qhw.errors import BackendUnavailableError, ConfigError
from qhw.files import Cache
from qhw.known import BACKEND_NAMES, DeviceName, open_snapshot, refuse_unknown

if TYPE_CHECKING:
    from calibration import DeviceSnapshot
    from qhw.backends.compiled import CompiledBackend, CompiledNoisyBackend
    from qhw.backends.transpilation import TranspiledCircuit


def open_backend(
    name: str,
    circuit: Ansatz,
    *,
    device: str = "fake_brisbane",
    shots: int | None = None,
    noise_scale: float = 1.0,
    assumptions: Assumptions = ASSUMED,
    seed: int = 0,
    engine: Engine = "auto",
    mitigation: MethodName = "none",
    cache: Cache | None = None,
    snapshot: DeviceSnapshot | None = None,
    transpiled: TranspiledCircuit | None = None,
) -> Backend:
    """Open a backend for one circuit.

    Args:
        name: `aer` (noiseless) or `aer_noisy` (a device's noise).
        circuit: The ansatz.
        device: Snapshot whose noise `aer_noisy` takes.
        shots: Bit strings per circuit; None for exact values.
        noise_scale: Multiplies the device's errors.
        assumptions: What the device's snapshot does not tell; by default, waiting qubits decay.
        seed: Seed of the bit strings.
        engine: `compiled` computes Aer's numbers much faster and is checked against it here;
            `auto` takes it where it can, and Aer where it cannot.
        mitigation: What `aer_noisy` does to its values; see `qhw.backends.mitigation`.
        cache: Cache of transpiled circuits and verdicts; the user's by default.
        snapshot: A calibration that `aer_noisy` takes instead of the named device's, such as an
            older one; the circuit stays where it is laid out on that device.
        transpiled: A layout that `aer_noisy` takes instead of the kept one.

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
    cache = cache or Cache.of_user()
    from qhw.backends import aer

    if name == "aer":
        if mitigation != "none":
            raise ConfigError(
                f"--mitigation {mitigation} applies to noisy backends; 'aer' has no noise.",
                "Leave it out, or take --backend aer_noisy.",
            )
        from qhw.backends.compiled import CompiledBackend

        engines = partial(CompiledBackend, circuit), partial(aer.AerBackend, circuit)
        return _choose(*engines, shots, seed, engine, cache.verdicts)
    assert name == "aer_noisy", f"nothing opens the backend {name!r}"
    aer.refuse_above(circuit.num_qubits, aer.MAX_QUBITS_NOISY, 16 * 4**circuit.num_qubits)
    if transpiled is not None:
        taken = snapshot or open_snapshot(device)
    else:
        taken, transpiled = _laid_out(circuit, device, snapshot, cache)
    noisy = partial(_open_noisy, circuit, taken, noise_scale, assumptions, engine, cache.verdicts)
    if mitigation == "none":
        return noisy(transpiled, shots, seed)
    from calibration import misread, scale_noise
    from qhw.backends.mitigation.simulated import Simulation, open_mitigated

    scaled = scale_noise(taken, noise_scale).snapshot
    scaled = misread(scaled, assumptions.severity.readout)
    simulation = Simulation(circuit, scaled, transpiled, noisy, shots, seed, cache.folded)
    return open_mitigated(mitigation, simulation)


def open_published(
    circuit: Ansatz, snapshot: DeviceSnapshot, transpiled: TranspiledCircuit, cache: Cache
) -> CompiledNoisyBackend:
    """A laid-out circuit under what a device publishes, exact, by the compiled engine.

    Args:
        circuit: The ansatz.
        snapshot: The device.
        transpiled: The circuit in its gates.
        cache: Keeps the engine's verdicts.

    Raises:
        TooLargeError: If the engine cannot hold the circuit.
        EngineMismatchError: If it does not agree with Aer.
    """
    from qhw.backends.compiled import CompiledNoisyBackend

    laid_out = circuit, snapshot, 1.0, ASSUMED
    opened = _open_noisy(*laid_out, "compiled", cache.verdicts, transpiled, None, 0)
    assert isinstance(opened, CompiledNoisyBackend)
    return opened


def _laid_out(
    circuit: Ansatz, device: str, snapshot: DeviceSnapshot | None, cache: Cache
) -> tuple[DeviceSnapshot, TranspiledCircuit]:
    """The calibration to take, and the circuit in the device's gates."""
    from qhw.backends.transpilation import TranspileOptions
    from qhw.backends.transpile_cache import kept_layout, transpile_for

    options = TranspileOptions()
    if snapshot is not None:
        return snapshot, kept_layout(circuit, snapshot, options, cache.transpiled)
    own = open_snapshot(device)
    return own, transpile_for(circuit, own, options, cache.transpiled)


def _open_noisy(
    circuit: Ansatz,
    snapshot: DeviceSnapshot,
    noise_scale: float,
    assumptions: Assumptions,
    engine: Engine,
    verdicts: Path,
    transpiled: TranspiledCircuit,
    shots: int | None,
    seed: int,
) -> Backend:
    """The noisy backend of a circuit that is laid out already, perhaps folded."""
    from qhw.backends.aer import NoisyAerBackend
    from qhw.backends.compiled import CompiledNoisyBackend
    from qhw.backends.transpilation import uncalibrated_gates

    def noisy(engine: type[NoisyAerBackend] | type[CompiledNoisyBackend]) -> partial[Any]:
        laid_out = circuit, snapshot, transpiled
        return partial(engine, *laid_out, noise_scale=noise_scale, assumptions=assumptions)

    engines = noisy(CompiledNoisyBackend), noisy(NoisyAerBackend)
    backend = _choose(*engines, shots, seed, engine, verdicts)
    lost = uncalibrated_gates(snapshot, transpiled)
    backend.warning = "; ".join(filter(None, [backend.warning, lost]))
    return backend


def _choose(
    compiled: Callable[..., CompiledBackend],
    aer: Callable[..., Backend],
    shots: int | None,
    seed: int,
    engine: Engine,
    verdicts: Path,
) -> Backend:
    """Open one of two engines for a backend; Aer without shots, which is exact, is the judge."""
    from qhw.backends.compiled import CompileError, TooLargeError
    from qhw.backends.compiled.checking import checked

    if engine == "aer":
        return aer(shots=shots, seed=seed)
    try:
        backend = compiled(shots=shots, seed=seed)
    except (CompileError, TooLargeError) as error:
        if engine == "compiled":
            raise
        fallback = aer(shots=shots, seed=seed)
        fallback.warning = f"the compiled engine refused: {error.message}"
        return fallback
    backend.verdict = checked(backend, aer, verdicts)
    return backend
