"""A device's later calibration, from the properties a platform publishes as JSON.

A job's record names the calibration it ran under in this form. Laid over a snapshot of the same
device it gives the snapshot of that moment, without asking the platform for anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from calibration.snapshot import DeviceSnapshot, GateFacts, QubitFacts

_PARTS = {"ms": 10**3, "us": 10**6, "µs": 10**6, "ns": 10**9}
"""Of a second. Divided by, as the vendor does: the same calibration then has the same digest."""
_GIGAHERTZ = 10**9
_Numbers = dict[str, float]


def republished(snapshot: DeviceSnapshot, properties: Mapping[str, Any]) -> DeviceSnapshot:
    """The snapshot with the numbers of published properties; the structure stays.

    Args:
        snapshot: One of the same device, at another time.
        properties: `BackendProperties.to_dict()`, or its JSON read back.

    Returns:
        Numbers that the properties do not give are None; frequencies, durations, p01 and p10 stay
        where they are not given. Properties of the snapshot's own calibration give its equal.

    Raises:
        ValueError: If they are of another number of qubits, or no such properties.
    """
    try:
        published = [_numbers(each) for each in properties["qubits"]]
        gates = {
            (gate["gate"], tuple(gate["qubits"])): _numbers(gate["parameters"])
            for gate in properties["gates"]
        }
        date = str(properties["last_update_date"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a device's published properties: {error}") from error
    if len(published) != snapshot.num_qubits:
        raise ValueError(
            f"properties of {len(published)} qubits: {snapshot.name} has {snapshot.num_qubits}"
        )
    return replace(
        snapshot,
        taken_at=date,
        qubits=tuple(map(_qubit, snapshot.qubits, published)),
        gates=tuple(
            _gate(gate, gates.get((gate.name, gate.qubits), {})) for gate in snapshot.gates
        ),
        faulty_qubits=tuple(q for q, each in enumerate(published) if each.get("operational") == 0),
    )


def _numbers(parameters: Iterable[Mapping[str, Any]]) -> _Numbers:
    """Values by name, in seconds and Hz."""
    numbers: _Numbers = {}
    for parameter in parameters:
        name, value, unit = parameter["name"], float(parameter["value"]), parameter.get("unit", "")
        numbers[name] = value * _GIGAHERTZ if unit == "GHz" else value / _PARTS.get(unit, 1)
    return numbers


def _qubit(facts: QubitFacts, numbers: _Numbers) -> QubitFacts:
    symmetric = numbers.get("readout_error")
    return replace(
        facts,
        t1=numbers.get("T1"),
        t2=numbers.get("T2"),
        frequency=numbers.get("frequency", facts.frequency),
        readout_seconds=numbers.get("readout_length", facts.readout_seconds),
        p01=numbers.get("prob_meas1_prep0", facts.p01 if symmetric is None else symmetric),
        p10=numbers.get("prob_meas0_prep1", facts.p10 if symmetric is None else symmetric),
    )


def _gate(gate: GateFacts, numbers: _Numbers) -> GateFacts:
    return replace(
        gate, error=numbers.get("gate_error"), seconds=numbers.get("gate_length", gate.seconds)
    )
