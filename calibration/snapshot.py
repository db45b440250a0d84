"""What is known about one device at one moment, as plain facts that can be kept in a file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qiskit.providers import BackendV2
    from qiskit.transpiler import Target


UNUSABLE = 1.0
"""The error that platforms publish for a gate they could not calibrate."""


@dataclass(frozen=True)
class QubitFacts:
    """One qubit's calibration.

    Attributes:
        t1: Relaxation time in seconds; None where the device gives none.
        t2: Dephasing time in seconds; None where the device gives none.
        frequency: In Hz; None where the device gives none.
        p01: P(read 1 | prepared 0), in [0, 1].
        p10: P(read 0 | prepared 1), in [0, 1].
        readout_seconds: Duration of a read-out.
    """

    t1: float | None
    t2: float | None
    frequency: float | None
    p01: float
    p10: float
    readout_seconds: float

    @property
    def readout_error(self) -> float:
        """Mean of p01 and p10: what the vendor's own noise model uses for both."""
        return (self.p01 + self.p10) / 2


@dataclass(frozen=True)
class GateFacts:
    """One gate on one set of qubits.

    Attributes:
        name: As in the device's basis.
        qubits: Physical qubits, in order.
        error: Average gate infidelity in [0, 1]; None where the device gives none.
        seconds: Duration; None where the device gives none.
    """

    name: str
    qubits: tuple[int, ...]
    error: float | None
    seconds: float | None

    @property
    def usable(self) -> bool:
        """Whether the device could calibrate it, as far as is known."""
        return self.error is None or self.error < UNUSABLE


@dataclass(frozen=True)
class DeviceSnapshot:
    """A device's structure and calibration.

    Attributes:
        name: The device's.
        taken_at: When the calibration was taken, ISO 8601.
        dt: Length of a sample in seconds; None where the device gives none.
        qubits: One per physical qubit.
        gates: Every gate the device offers.
        faulty_qubits: Qubits the device reports as not operational.
    """

    name: str
    taken_at: str
    dt: float | None
    qubits: tuple[QubitFacts, ...]
    gates: tuple[GateFacts, ...]
    faulty_qubits: tuple[int, ...] = ()

    @property
    def num_qubits(self) -> int:
        """Physical qubits."""
        return len(self.qubits)

    @property
    def structure_digest(self) -> str:
        """Identity of gates, coupling and faulty qubits: a transpiled circuit stays valid."""
        gates = sorted((gate.name, gate.qubits) for gate in self.gates)
        return _digest([self.name, self.num_qubits, gates, self.faulty_qubits])

    @property
    def calibration_digest(self) -> str:
        """Identity of every number in the snapshot: noise stays the same."""
        return _digest(dataclasses.asdict(self))

    @property
    def two_qubit_gates(self) -> tuple[str, ...]:
        """Names of the entangling gates, e.g. ecr, or cz and rzz; empty on a single qubit."""
        return tuple(sorted({gate.name for gate in self.gates if len(gate.qubits) == 2}))

    def _repr_html_(self) -> str:
        """As a notebook shows it: best, median and worst of what was measured."""
        from calibration.summary import summary_html

        return summary_html(self)

    def target(self, active: Sequence[int] | None = None) -> Target:
        """The device, or its part on some qubits, as a transpiler target.

        Args:
            active: Physical qubits, renumbered 0, 1, ... in this order; all by default.
        """
        from qiskit.circuit import Measure
        from qiskit.circuit.library import get_standard_gate_name_mapping
        from qiskit.transpiler import InstructionProperties, QubitProperties, Target

        chosen = list(range(self.num_qubits)) if active is None else list(active)
        position = {qubit: index for index, qubit in enumerate(chosen)}
        facts = [self.qubits[qubit] for qubit in chosen]
        target = Target(
            num_qubits=len(chosen),
            dt=self.dt,
            qubit_properties=[QubitProperties(q.t1, q.t2, q.frequency) for q in facts],
        )
        known = get_standard_gate_name_mapping()
        for name in sorted({gate.name for gate in self.gates}):
            properties = {
                tuple(position[q] for q in gate.qubits): InstructionProperties(
                    gate.seconds, gate.error
                )
                for gate in self.gates
                if gate.name == name and set(gate.qubits) <= position.keys()
            }
            if properties:
                target.add_instruction(known[name], properties)
        target.add_instruction(
            Measure(),
            {
                (i,): InstructionProperties(q.readout_seconds, q.readout_error)
                for i, q in enumerate(facts)
            },
        )
        return target

    def to_json(self) -> str:
        """Render as JSON; `from_json` reads it back to an equal snapshot."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> DeviceSnapshot:
        """Read what `to_json` wrote.

        Raises:
            ValueError: If it is not a snapshot.
        """
        values = json.loads(text)
        try:
            values["qubits"] = tuple(QubitFacts(**facts) for facts in values["qubits"])
            values["gates"] = tuple(
                GateFacts(**{**facts, "qubits": tuple(facts["qubits"])})
                for facts in values["gates"]
            )
            values["faulty_qubits"] = tuple(values["faulty_qubits"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a device snapshot: {error}; take it anew") from error

    @classmethod
    def from_backend(cls, backend: BackendV2) -> DeviceSnapshot:
        """Take a snapshot of any BackendV2, with p01 and p10 apart where it publishes them."""
        target = backend.target
        properties = backend.properties() if hasattr(backend, "properties") else None
        return cls(
            name=backend.name,
            taken_at=properties.last_update_date.isoformat() if properties else "unknown",
            dt=target.dt,
            qubits=tuple(_qubit(target, properties, q) for q in range(target.num_qubits)),
            gates=tuple(_gates(target)),
            faulty_qubits=tuple(properties.faulty_qubits()) if properties else (),
        )


def _qubit(target: Target, properties: Any, qubit: int) -> QubitFacts:
    relaxation = target.qubit_properties[qubit] if target.qubit_properties else None
    measure = target["measure"].get((qubit,)) if "measure" in target.operation_names else None
    symmetric = (measure.error if measure else None) or 0.0
    published = properties.qubit_property(qubit) if properties else {}
    return QubitFacts(
        t1=getattr(relaxation, "t1", None),
        t2=getattr(relaxation, "t2", None),
        frequency=getattr(relaxation, "frequency", None),
        p01=float(published.get("prob_meas1_prep0", (symmetric,))[0]),
        p10=float(published.get("prob_meas0_prep1", (symmetric,))[0]),
        readout_seconds=(measure.duration if measure else None) or 0.0,
    )


def _gates(target: Target) -> Iterator[GateFacts]:
    """The standard gates, idling aside, sorted by name and qubits.

    Devices also offer measurements and resets of other lengths (`measure_2`), delays and control
    flow: a ring circuit uses none of them.
    """
    from qiskit.circuit import Gate
    from qiskit.circuit.library import get_standard_gate_name_mapping

    known = get_standard_gate_name_mapping()
    standard = {name for name in target.operation_names if isinstance(known.get(name), Gate)}
    for name in sorted(standard - {"id"}):
        for qubits, facts in sorted((target[name] or {}).items()):
            error = facts.error if facts else None
            duration = facts.duration if facts else None
            yield GateFacts(name, tuple(qubits), error, duration)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
