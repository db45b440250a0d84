"""Which circuit somebody asks about: that of a run, or one described by options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration import DeviceSnapshot
from policy import RingCircuit
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions
from qhw.backends.transpile_cache import kept_layout, pinned
from qhw.config import CircuitConfig, parse_config
from qhw.errors import ConfigError
from qhw.files import Cache
from qhw.runs.directory import open_run


@dataclass(frozen=True)
class ChosenCircuit:
    """A circuit, and where it is laid out already.

    Attributes:
        circuit: The ansatz.
        device: Which the run was trained on; empty where there is no run.
        layout: File of the layout that run began with; None where there is none.
    """

    circuit: RingCircuit
    device: str = ""
    layout: Path | None = None

    @property
    def title(self) -> str:
        """For tables and pictures, such as `4 qubits, depth 2, ring`."""
        circuit = self.circuit
        return f"{circuit.num_qubits} qubits, depth {circuit.depth}, {circuit.entanglement}"

    def laid_out(self, snapshot: DeviceSnapshot) -> TranspiledCircuit:
        """As the run began with it, else as the cache has it; scored under the snapshot.

        Raises:
            ConfigError: If the device is too small, or the run's layout has a gate that the
                snapshot has not got.
        """

        def cached() -> TranspiledCircuit:
            cache = Cache.of_user().transpiled
            return kept_layout(self.circuit, snapshot, TranspileOptions(), cache)

        if self.layout is not None and self.device == snapshot.name:
            try:
                return pinned(self.layout, cached, snapshot)
            except ValueError as error:
                raise ConfigError(
                    f"The run's own layout cannot be judged: {error}.",
                    "Leave --run out to judge the layout that a new run would take.",
                ) from error
        return cached()


def choose_circuit(run: Path | None, options: Mapping[str, Any]) -> ChosenCircuit:
    """The circuit of a run, or the one that options describe; the default one without any.

    Args:
        run: A run's folder.
        options: `qubits`, `depth`, `encoding`, `entanglement`; None where it was not typed.

    Raises:
        UnknownNameError: If there is no such run.
        ConfigError: If the run has no circuit, both are given, or an option is out of range.
    """
    typed = {name: value for name, value in options.items() if value is not None}
    if run is None:
        return ChosenCircuit(_ring(parse_config({"actor": {"circuit": typed}}).actor.circuit))
    if typed:
        raise ConfigError(
            f"--run {run} has its own circuit, and {', '.join(f'--{name}' for name in typed)} "
            "describes another.",
            "Leave one of them out.",
        )
    return _of_run(run)


def _of_run(path: Path) -> ChosenCircuit:
    run = open_run(path)
    config = run.config
    if config.actor.kind != "ring":
        raise ConfigError(
            f"The actor {config.actor.kind!r} of {path} runs no circuit.",
            "Name a run with the ring circuit, or leave --run out for the default one.",
        )
    file = run.path / "device" / "circuit.qpy"
    layout = file if file.exists() else None
    return ChosenCircuit(_ring(config.actor.circuit), config.backend.name, layout)


def _ring(section: CircuitConfig) -> RingCircuit:
    return RingCircuit(section.qubits, section.depth, section.encoding, section.entanglement)
