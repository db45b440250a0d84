"""A run that is there already is opened again: with what it was started with, or not at all."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from policy import ExpectationBackend
from qhw.backends.facts import BackendFacts
from qhw.config import RunConfig
from qhw.console.tables import from_here
from qhw.devices.backend import DeviceBackend
from qhw.devices.opening import Requester
from qhw.devices.session import Display
from qhw.errors import ConfigError, LedgerError
from qhw.runs.directory import RunDirectory, open_run

RESUME = "train --resume"
"""What goes on with a training, before the run's path."""


def requester_of(
    run: RunDirectory, display: Display | None = None, command: str = RESUME
) -> Requester:
    """Who asks a device in a run's name.

    Args:
        run: Its folder.
        display: Shows what a device does; nothing is shown without it.
        command: What goes on with it if a limit is reached, between `qhw` and the run's path.
    """
    recorded = recorded_backend(run).mitigation
    shown = display or Display(Console(quiet=True))
    return Requester(
        run_id=run.id,
        command=f"qhw {command} {from_here(run.path)}",
        mitigation=recorded.method if recorded else None,
        folder=run.path / "device",
        tell=shown.tell,
        announce=shown.announce,
    )


def require_own_backend(run: RunDirectory) -> None:
    """Refuse a run that cannot be opened without the backend its user gave it.

    Raises:
        ConfigError: If it was trained on a backend of one's own.
    """
    facts = recorded_backend(run)
    if facts.own:
        raise ConfigError(
            f"{run.name} was trained on a backend of one's own ({facts.phrase}).",
            "Call `train_run(run, backend=...)` or `evaluate_run` from Python with it.",
        )


def require_own_circuit(run: RunDirectory, backend: ExpectationBackend | None = None) -> None:
    """Refuse to play a run's weights on another circuit than they were trained on.

    Args:
        run: The run.
        backend: The caller's own; None where one is opened by the settings.

    Raises:
        ConfigError: If it was trained on a circuit of one's own, and the backend is not of it.
    """
    own = recorded_backend(run).own_circuit
    if own and (backend is None or backend.circuit.digest != own):
        raise ConfigError(
            f"{run.name} was trained with a circuit of its user's own ({own}); on another one its "
            "weights mean nothing.",
            "Call `qhw.evaluate(run, backend=...)` from Python with a backend of that circuit.",
        )


def require_fitting_weights(config: RunConfig) -> None:
    """Refuse to start from a run without weights, or whose networks are of other shapes.

    Raises:
        ConfigError: Naming the setting, and what it is in both.
        CheckpointError: If it was never trained, or its weights are damaged.
        UnknownNameError: If there is no such run.
    """
    if config.start_from is None:
        return
    source = open_run(Path(config.start_from))
    source.latest_checkpoint()
    require_own_circuit(source)
    theirs, asked = _shaping(source.config), _shaping(config)
    unlike = [name for name in theirs if name in asked and theirs[name] != asked[name]]
    if unlike:
        told = ", ".join(f"{name} = {asked[name]!r} instead of {theirs[name]!r}" for name in unlike)
        raise ConfigError(
            f"The weights of {from_here(Path(config.start_from))} do not fit: {told}.",
            "Leave that setting out to go on with the run's own, or --from to begin with fresh "
            "weights.",
        )


def _shaping(config: RunConfig) -> dict[str, object]:
    """The settings that decide what the networks are; a circuit's only where there is one."""
    shaping: dict[str, object] = {
        "actor.kind": config.actor.kind,
        "actor.sigma": config.actor.sigma,
        "state.features": len(config.state.features),
    }
    if config.actor.kind == "ring":
        circuit = config.actor.circuit
        shaping |= {"actor.circuit.qubits": circuit.qubits, "actor.circuit.depth": circuit.depth}
        linear = circuit.encoding == "linear"
        shaping["actor.circuit.encoding"] = "linear" if linear else "fixed"
    return shaping


def require_ledger(run: RunDirectory, backend: DeviceBackend | None, updates: int) -> None:
    """Refuse to go on where nothing is known of what was paid for: it would be paid for again.

    Args:
        run: Its folder.
        backend: What it is trained on, if that costs QPU time.
        updates: How many it has had.

    Raises:
        LedgerError: If finished updates on a device are not in the ledger.
    """
    if backend is None or not updates:
        return
    ledger = backend.work.ledger
    if not ledger.entries(run=run.id):
        raise LedgerError(
            f"{run.name} has {updates} updates on {run.config.backend.name}, and the "
            f"ledger {ledger.path} knows of none.",
            "Go on where its ledger is (XDG_DATA_HOME moves it), or begin a new run from its "
            f"weights: `qhw train --from {from_here(run.path)}`.",
        )


def recorded_backend(run: RunDirectory) -> BackendFacts:
    """What was written down of the backend as the run began; nothing before that."""
    if not (run.path / "provenance.json").exists():
        return BackendFacts("")
    return BackendFacts.read(run.read_json("provenance.json")["backend"] or {})
