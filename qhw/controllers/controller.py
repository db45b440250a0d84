"""A trained controller without its run: `qhw.load_controller`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion.actions import ActionMap
from policy import Actor, ExpectationBackend, Frozen, StateScaler
from policy.backend import FloatArray
from qhw.controllers.record import WEIGHTS, ControllerRecord, read_controller_record
from qhw.devices.configured import close_backend, open_configured, open_named
from qhw.errors import ConfigError, DamagedFileError, UnknownNameError
from qhw.runs.checkpoint import Checkpoint, restore_module
from qhw.training import parts


class Controller:
    """Turns what is seen of images under way into guidance; it draws nothing and learns nothing.

    Attributes:
        record: What it is and where it comes from.
        actor: The policy.
        backend: Evaluates its circuit; None for a classical one.
        features: Columns of the state, names in `diffusion.state_features`.
        actions: How its actions become guidance.
    """

    def __init__(
        self, record: ControllerRecord, actor: Actor, backend: ExpectationBackend | None
    ) -> None:
        self.record, self.actor, self.backend = record, actor, backend
        self.features: tuple[str, ...] = record.config.state.features
        self.actions: ActionMap = record.actions

    @torch.no_grad()
    def action(self, state: Tensor | FloatArray) -> Tensor:
        """Mean actions (N,), clipped, for states (N, F); see `diffusion.state_features.state_of`.

        Raises:
            ValueError: If the state has other columns, or a number is not finite.
        """
        state = torch.as_tensor(state, dtype=torch.float32)
        if not bool(torch.isfinite(state).all()):
            raise ValueError("the state holds a number that is not finite")
        if state.ndim != 2 or state.shape[1] != len(self.features):
            raise ValueError(
                f"the state has shape {tuple(state.shape)}: need (N, {len(self.features)}), the "
                f"columns {', '.join(self.features)}"
            )
        return self.actions.clip(self.actor.action_mean(state))

    def guidance(self, state: Tensor | FloatArray) -> Tensor:
        """Guidance scales (N,) for states (N, F), as they are: not standardised."""
        return self.actions.guidance(self.action(state))

    def close(self) -> None:
        """End a device's session or batch, if there is one."""
        close_backend(self.backend)


def load_controller(
    folder: str | Path,
    backend: str | ExpectationBackend | None = None,
    *,
    name: str | None = None,
    **settings: Any,
) -> Controller:
    """Open what `qhw export` wrote; nothing is needed beside the folder.

    Args:
        folder: It.
        backend: Evaluates the circuit, by name or one of your own; by default the simulator it was
            trained on, since its weights have learned that one's noise.
        name: As for `qhw.torch.Layer`.
        **settings: As for `qhw.torch.Layer`.

    Raises:
        UnknownNameError: If there is no such folder.
        DamagedFileError: If it is not what was exported.
        ConfigError: If it was trained on a device, or a backend of one's own, and none is given;
            if the backend is of another circuit; if settings are given without a backend.
        QhwError: If the backend cannot be opened.
    """
    folder = Path(folder)
    _require_export(folder)
    record = read_controller_record(folder)
    opened = _opened(record, backend, name, settings)
    count = len(record.config.state.features)
    # Its statistics are among the weights.
    scaler = StateScaler([0.0] * count, [1.0] * count)
    actor = parts.make_actor(record.config, scaler, opened, Frozen())
    restore_module(actor, "actor", _weights(folder, record))
    return Controller(record, actor.eval(), opened)


def _require_export(folder: Path) -> None:
    if not folder.is_dir():
        raise UnknownNameError(
            f"There is no folder {folder}.", "`qhw export RUN FOLDER` makes one."
        )
    if (folder / "config.toml").is_file():
        raise ConfigError(
            f"{folder} is a run.", f"`qhw export {folder} FOLDER` makes a controller of it."
        )


def _opened(
    record: ControllerRecord,
    backend: str | ExpectationBackend | None,
    name: str | None,
    settings: dict[str, Any],
) -> ExpectationBackend | None:
    config = record.config
    if backend is None and (name is not None or settings):
        given = ", ".join(["name"] * (name is not None) + list(settings))
        raise ConfigError(
            f"{given} was given, and no backend that it is for.",
            'Name it: load_controller(folder, "aer_noisy", shots=1024).',
        )
    if config.actor.kind != "ring":
        if backend is not None:
            raise ConfigError(
                f"A backend was given, but the actor {config.actor.kind!r} runs no circuit.",
                "Leave it out.",
            )
        return None
    circuit = parts.ring_circuit(config.actor.circuit)
    if record.own_circuit:
        return _of_own_circuit(record, backend)
    if backend is not None:
        return open_named(circuit, backend, name=name, seed=config.seed, settings=settings)
    _require_simulator(record)
    return open_configured(config.backend, config.hardware, circuit, seed=config.seed)


def _of_own_circuit(
    record: ControllerRecord, backend: str | ExpectationBackend | None
) -> ExpectationBackend:
    """The user's backend, if it is of the circuit that the weights belong to."""
    if backend is None or isinstance(backend, str) or backend.circuit.digest != record.own_circuit:
        raise ConfigError(
            f"{record.name} was trained with a circuit of its user's own ({record.own_circuit}); "
            "on another one its weights mean nothing.",
            "Give a backend of that circuit: load_controller(folder, open_backend(..., circuit)).",
        )
    return backend


def _require_simulator(record: ControllerRecord) -> None:
    backend = record.config.backend
    if backend.takes_jobs or record.own_backend:
        what = "a backend of its user's own" if record.own_backend else f"the device {backend.name}"
        raise ConfigError(
            f"{record.name} was trained on {what} ({record.trained_on}): on what shall it run?",
            'Say so: load_controller(folder, "aer_noisy", device="fake_fez"), or "aer" for a '
            "circuit without noise.",
        )


def _weights(folder: Path, record: ControllerRecord) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return Checkpoint(record.updates, load_file(folder / WEIGHTS), {})
    except SafetensorError as error:
        raise DamagedFileError.of(folder / WEIGHTS, error) from error
