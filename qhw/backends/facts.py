"""What a backend's numbers come from, typed; words for it are written and read here alone.

The words are what commands print and what is kept on disk, such as in `provenance.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from calibration import Assumptions, DeviceSnapshot, Idle
    from qhw.backends.transpilation import TranspiledCircuit
    from qhw.config import MethodName, OnDrift

Words = dict[str, str | int | float]
"""What is told, by what it is about."""
NO_BACKEND: Words = {"backend": "none (classical actor)"}
_OWN = "own: "
_NOISELESS = "none (noiseless)"
_NONE = "none"
_CACHED, _MADE = "from cache", "now"
_LATEST = ", the last: "
_IN_PHRASE = ("device", "noise scale", "noise by kind", "coherent errors", "shots")
_WAITING: dict[Idle, str] = {
    "alap": "decay, scheduled as late as possible",
    "off": "do not decay, as in the vendor's model",
}
_IDLE = {text: idle for idle, text in _WAITING.items()}


@dataclass(frozen=True)
class MitigationFacts:
    """How measured values are corrected.

    Attributes:
        method: Its name.
        details: Where its numbers come from and how good they are, for people, by title.
        overhead: How many times as much is executed as without it; None where that says nothing.
        extrapolation: Scales and weights, for people; empty where nothing is extrapolated.
        reason: Why this method was taken; empty where somebody named it.
        probe: What the last probe of an affine map found, for people; empty without one.
    """

    method: MethodName
    details: Mapping[str, str] = field(default_factory=dict)
    overhead: int | None = None
    extrapolation: str = ""
    reason: str = ""
    probe: str = ""

    def words(self) -> Words:
        """As they are printed and kept."""
        times = self.overhead
        words = {
            "mitigation": self.method,
            **self.details,
            "mitigation overhead": f"{times} x circuits, {times} x shots" if times else "",
            "extrapolation": self.extrapolation,
            "mitigation chosen": self.reason,
            "affine probe": self.probe,
        }
        return {title: text for title, text in words.items() if text}


@dataclass(frozen=True)
class DriftFacts:
    """What a run does when its device is recalibrated, and what it met.

    Attributes:
        on_drift: As its user asked.
        recalibrations: So many were met.
        latest: What the last one came to, for people; empty without one.
    """

    on_drift: OnDrift
    recalibrations: int = 0
    latest: str = ""

    def words(self) -> Words:
        """As they are printed and kept."""
        if not self.recalibrations:
            return {"on drift": self.on_drift}
        met = f"{self.recalibrations}{_LATEST}{self.latest}"
        return {"on drift": self.on_drift, "recalibrations": met}


@dataclass(frozen=True)
class BackendFacts:
    """What a backend's numbers come from; None and empty where that does not apply.

    Attributes:
        name: `aer`, `aer_noisy`, a device's, or the class of a backend of one's own.
        own: Whether it is a backend of one's own; nothing else is known of it then.
        own_circuit: Digest of its circuit, where that is not the settings' own.
        device: Whose noise is simulated.
        mode: How jobs are grouped.
        calibrated: When the device was calibrated, ISO 8601.
        calibration: Digest of all numbers of that calibration.
        structure: Digest of the device's qubits and gates.
        layout: Physical qubit of each output.
        two_qubit_gates: In the transpiled circuit.
        from_cache: Whether that circuit was read from the disk.
        noise_scale: Multiplies the device's errors.
        idle: Whether qubits that wait decay in a simulation.
        severity: Kinds of noise that are not taken as published, for people.
        coherent: Coherent errors that a simulation assumes, for people.
        noise_caps: Errors that met their physical limit by that, for people.
        engine: What computes, and how it was checked, for people.
        shots: Per circuit, or `exact`.
        mitigation: How values are corrected.
        drift: What is done when the device is recalibrated.
    """

    name: str
    own: bool = False
    own_circuit: str = ""
    device: str | None = None
    mode: str | None = None
    calibrated: str = ""
    calibration: str = ""
    structure: str = ""
    layout: tuple[int, ...] = ()
    two_qubit_gates: int | None = None
    from_cache: bool = False
    noise_scale: float | None = None
    idle: Idle | None = None
    severity: str = ""
    coherent: str = ""
    noise_caps: tuple[str, ...] = ()
    engine: str = ""
    shots: int | Literal["exact"] | None = None
    mitigation: MitigationFacts | None = None
    drift: DriftFacts | None = None

    @classmethod
    def laid_out(
        cls,
        name: str,
        snapshot: DeviceSnapshot,
        transpiled: TranspiledCircuit,
        assumptions: Assumptions | None = None,
    ) -> BackendFacts:
        """What a circuit on a device's qubits says of itself.

        Args:
            name: The backend's.
            snapshot: The device under its present calibration.
            transpiled: The circuit in the device's gates.
            assumptions: What its simulation assumes; None for a live device.
        """
        return cls(
            name,
            idle=None if assumptions is None else assumptions.idle,
            severity=assumptions.severity.words if assumptions else "",
            coherent=assumptions.coherent if assumptions else "",
            calibrated=snapshot.taken_at,
            calibration=snapshot.calibration_digest,
            structure=snapshot.structure_digest,
            layout=transpiled.output_qubits,
            two_qubit_gates=transpiled.two_qubit_gates,
            from_cache=transpiled.from_cache,
        )

    def words(self) -> Words:
        """As they are printed and kept; `read` takes them back."""
        words: dict[str, str | int | float | None] = {
            "backend": f"{_OWN}{self.name}" if self.own else self.name,
            "device": _NOISELESS if self.name == "aer" else self.device,
            "mode": self.mode,
            "own circuit": self.own_circuit or None,
        }
        if self.structure:
            words |= {
                "calibration": self.calibration_phrase,
                "structure": self.structure,
                "layout": str(list(self.layout)),
                "two-qubit gates": self.two_qubit_gates,
                "transpiled": _CACHED if self.from_cache else _MADE,
            }
        if self.noise_scale is not None:
            caps = "; ".join(self.noise_caps) or _NONE
            words |= {"noise scale": self.noise_scale, "noise caps": caps}
        if self.idle is not None:
            words |= {"waiting qubits": _WAITING[self.idle]}
        words |= {"noise by kind": self.severity or None}
        words |= {"coherent errors": self.coherent or None}
        words |= {"engine": self.engine or None, "shots": self.shots}
        parts = [part.words() for part in (self.mitigation, self.drift) if part is not None]
        known: Words = {title: value for title, value in words.items() if value is not None}
        return known | {title: value for part in parts for title, value in part.items()}

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> BackendFacts:
        """What `words` gave, or as much as is told."""
        rest = dict(words)
        name, device = str(rest.pop("backend", "")), rest.pop("device", None)
        calibrated, _, calibration = rest.pop("calibration", "").rstrip(")").rpartition(" (")
        caps = rest.pop("noise caps", _NONE)
        return cls(
            name=name.removeprefix(_OWN),
            own=name.startswith(_OWN),
            device=None if device == _NOISELESS else device,
            mode=rest.pop("mode", None),
            own_circuit=rest.pop("own circuit", ""),
            calibrated=calibrated,
            calibration=calibration,
            structure=rest.pop("structure", ""),
            layout=tuple(json.loads(rest.pop("layout", "[]"))),
            two_qubit_gates=rest.pop("two-qubit gates", None),
            from_cache=rest.pop("transpiled", _MADE) == _CACHED,
            noise_scale=rest.pop("noise scale", None),
            idle=_IDLE.get(rest.pop("waiting qubits", "")),
            severity=rest.pop("noise by kind", ""),
            coherent=rest.pop("coherent errors", ""),
            noise_caps=() if caps == _NONE else tuple(caps.split("; ")),
            engine=rest.pop("engine", ""),
            shots=rest.pop("shots", None),
            drift=_read_drift(rest),
            mitigation=_read_mitigation(rest),
        )

    @property
    def calibration_phrase(self) -> str:
        """Date and digest of the calibration; empty where there is none."""
        return f"{self.calibrated} ({self.calibration})" if self.calibration else ""

    @property
    def phrase(self) -> str:
        """What the numbers are from, such as `aer_noisy, device fake_fez, shots exact`."""
        words = self.words()
        shown = [f"{title} {words[title]}" for title in _IN_PHRASE if title in words]
        return ", ".join([str(words["backend"]), *shown])


def _read_drift(rest: dict[str, Any]) -> DriftFacts | None:
    """Takes its words out of the rest."""
    if "on drift" not in rest:
        return None
    count, _, latest = rest.pop("recalibrations", "0").partition(_LATEST)
    return DriftFacts(rest.pop("on drift"), int(count), latest)


def _read_mitigation(rest: dict[str, Any]) -> MitigationFacts | None:
    """Every title that nobody else has taken is a detail of the method."""
    if "mitigation" not in rest:
        return None
    times = rest.pop("mitigation overhead", "").partition(" ")[0]
    return MitigationFacts(
        method=rest.pop("mitigation"),
        overhead=int(times) if times else None,
        extrapolation=rest.pop("extrapolation", ""),
        reason=rest.pop("mitigation chosen", ""),
        probe=rest.pop("affine probe", ""),
        details=rest,
    )
