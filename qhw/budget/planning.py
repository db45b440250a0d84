"""From settings to a quote, and the quote as people read it; nothing is sent.

Imports neither torch nor qiskit: a quote for a full training is there in a fraction of a second.
"""

from __future__ import annotations

from qhw.budget.limits import Limits
from qhw.budget.planned_jobs import (
    DEFAULT_SHOTS,
    MitigationPlan,
    RunShape,
    StoredMap,
    TrainingShape,
    default_mitigation,
)
from qhw.budget.quote import Quote, quote_run, quote_training
from qhw.config import CircuitConfig, RunConfig
from qhw.errors import ConfigError
from qhw.files import UserData
from qhw.known import LIVE_DEVICES, DeviceName, refuse_not_there, stand_in_names, stand_in_qubits

ASSUMED_DEVICE = LIVE_DEVICES[0]
"""Stands for any device where none is named."""
WEIGHTS_PER_QUBIT = 4
ANGLES_PER_QUBIT = 2


def named_device(named: str | None, own: str) -> str:
    """The device to quote for: the one named, else the run's own, else `ASSUMED_DEVICE`.

    Raises:
        ConfigError: If a simulator is named.
        UnknownNameError: If there is no such device.
        BackendUnavailableError: If the device is retired.
    """
    name = named or (own if DeviceName(own).takes_jobs else ASSUMED_DEVICE)
    if not DeviceName(name).takes_jobs:
        raise ConfigError(
            f"The backend {name!r} spends no QPU time: there is nothing to quote.",
            "Name a device by --backend ibm_* or fake_*, or leave --backend out for any device.",
        )
    refuse_not_there(name)
    return name


def limits_of(config: RunConfig) -> Limits:
    """What a run may spend."""
    hardware = config.hardware
    return Limits(hardware.max_qpu_seconds, hardware.max_jobs, hardware.max_cost)


def plan_run(
    config: RunConfig, *, images: int, query_every: int = 1, queue: int | None = None
) -> Quote:
    """Quote `qhw run`.

    Args:
        config: The run's settings on a device; see `qhw.runs.settings`. Its limits decide the
            default mitigation.
        images: Pictures in lockstep.
        query_every: The device is asked at every such step.
        queue: Jobs waiting at the device; None where it is not known.

    Raises:
        ConfigError: If the actor runs no circuit, the device is too small for it, or a number is
            out of range.
    """
    _require_circuit(config)
    shape = RunShape(config.environment.steps, images, _shots(config), query_every)
    mitigation = _mitigation(config)
    return quote_run(shape, mitigation, dollars_per_second=config.hardware.price, queue=queue)


def plan_training(config: RunConfig, *, queue: int | None = None) -> Quote:
    """Quote `qhw train`; arguments as in `plan_run`.

    Raises:
        ConfigError: If the actor runs no circuit, or the settings do not go with the device.
        MitigationError: If the mitigation does not go with the gradient rule.
    """
    _require_circuit(config)
    mitigation = _mitigation(config)
    shape = training_shape(config)
    return quote_training(shape, mitigation, dollars_per_second=config.hardware.price, queue=queue)


def refuse_endless_jobs(config: RunConfig) -> None:
    """Refuse a training on a device whose largest job the platform would end, before it is begun.

    Raises:
        ConfigError: Naming that job.
    """
    if not config.backend.takes_jobs:
        return
    warnings = plan_training(config, queue=0).warnings
    if warnings:
        raise ConfigError(warnings[0], "`qhw plan train` with other numbers quotes them.")


def training_shape(config: RunConfig) -> TrainingShape:
    """The numbers of a training that decide what it costs."""
    circuit, ppo = config.actor.circuit, config.ppo
    return TrainingShape(
        updates=ppo.updates,
        steps=config.environment.steps,
        environments=ppo.environments,
        epochs=ppo.epochs,
        minibatches=ppo.minibatches,
        rule=config.gradient.rule,
        weights=num_weights(circuit),
        angles=num_angles(circuit),
        shots=_shots(config),
        latents=config.evaluation.latents,
        pruned_fraction=config.gradient.pruned_fraction,
        canary_every=config.gradient.canary.every,
        canary_transitions=config.gradient.canary.transitions,
        trained_encoding=circuit.encoding == "linear",
        fresh=config.start_from is None,
    )


def num_weights(circuit: CircuitConfig) -> int:
    """Trainable angles, as `policy.RingCircuit` counts them."""
    return WEIGHTS_PER_QUBIT * circuit.qubits * circuit.depth


def num_angles(circuit: CircuitConfig) -> int:
    """Encoding angles, as `policy.RingCircuit` counts them."""
    layers = circuit.depth if circuit.encoding == "reupload" else 1
    return ANGLES_PER_QUBIT * circuit.qubits * layers


def kept_map(config: RunConfig) -> StoredMap:
    """Whether any affine map of the device is kept; which circuit it is of is not looked at."""
    folder = UserData.of_user().affine_maps
    return "unknown" if any(folder.glob(f"{config.backend.name}-*.json")) else "none"


def _mitigation(config: RunConfig) -> MitigationPlan:
    method = config.backend.mitigation
    if method is None:
        method, _ = default_mitigation(limits_of(config), config.hardware.price)
    stored = kept_map(config) if method == "affine" else "none"
    measured = config.hardware.readout_errors == "measured"
    return MitigationPlan(method, stored, measured, by_default=config.backend.mitigation is None)


def _shots(config: RunConfig) -> int:
    return config.backend.shots or DEFAULT_SHOTS


def _require_circuit(config: RunConfig) -> None:
    if config.actor.kind != "ring":
        raise ConfigError(
            f"The actor {config.actor.kind!r} runs no circuit: there is nothing to quote.",
            "Take actor.kind = 'ring'.",
        )
    device, wanted = config.backend.name, config.actor.circuit.qubits
    # A circuit has at most 12 qubits and a live device many more, so that none is asked.
    there = stand_in_qubits(device) if device in stand_in_names() else wanted
    if wanted > there:
        raise ConfigError.too_wide(wanted, device, there)
