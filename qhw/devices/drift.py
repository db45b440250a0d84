"""What to do when a run's jobs come to run under another calibration than before.

Every job's record holds the calibration it ran under, as the platform published it, and the one
under which the device was opened lies beside them. What moved is read from there and from nowhere
else, so a resumed run comes to the same judgement, word for word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from calibration import DeviceSnapshot, Drift, compare, expected_error, republished
from calibration.drift import Verdict
from policy import Ansatz
from qhw.backends.facts import DriftFacts
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions, fresh_layout, operations
from qhw.config import OnDrift
from qhw.errors import DriftError

MOST_REASONS = 4
NOTHING = "nothing on the circuit's qubits is beyond its threshold"
UNTOLD = "the platform does not tell what moved"


@dataclass(frozen=True)
class DriftNote:
    """A change of calibration that a run met.

    Attributes:
        update: Number of the training's update; 0 outside.
        step: Number of the step, of the phase it was met in.
        calibration: Digest of the new one in the ledger.
        verdict: For the circuit's own qubits; `unknown` where the platform gives no numbers.
        action: What was done, as `--on-drift` asked.
        text: For people.
    """

    update: int
    step: int
    calibration: str
    verdict: Verdict | Literal["unknown"]
    action: OnDrift
    text: str


@dataclass(frozen=True)
class Judgement:
    """What a change of calibration means for a circuit.

    Attributes:
        verdict: See `DriftNote`.
        reasons: For it, one phrase each.
        present: The device under the new calibration; None where the platform gives no numbers.
    """

    verdict: Verdict | Literal["unknown"]
    reasons: tuple[str, ...]
    present: DeviceSnapshot | None

    @property
    def drifted(self) -> bool:
        """Whether something must be done; what cannot be judged counts as drifted."""
        return self.verdict != "none"


class DriftWatch:
    """The calibration that a run's mitigation rests on, and what its user wants when it moves.

    Args:
        snapshot: The device when the run was opened; gives structure.
        transpiled: The circuit.
        read: Gives a calibration's JSON by its digest in the ledger.
        on_drift: `warn` says so and has an affine map probed; `refit` measures or reads anew what
            the mitigation rests on; `stop` ends the command.
        announce: Shown one line for every change, and one for what a probe found.
        opened: Digest of the snapshot's calibration; empty where the platform tells none.
    """

    def __init__(
        self,
        snapshot: DeviceSnapshot,
        transpiled: TranspiledCircuit,
        read: Callable[[str], str],
        on_drift: OnDrift = "warn",
        announce: Callable[[str], None] = lambda _: None,
        opened: str = "",
    ) -> None:
        self._snapshot, self._transpiled, self._read = snapshot, transpiled, read
        self.opened = opened
        self.on_drift, self.announce = on_drift, announce
        self.baseline = ""
        self.notes: list[DriftNote] = []

    def begin(self, calibration: str) -> None:
        """The mitigation rests on this calibration, unless it is known to rest on another."""
        self.baseline = self.baseline or calibration

    def moved(self, before: str, after: str) -> bool:
        """Whether two calibrations are different ones.

        The platform may word the one that is in force otherwise than a job's, so that of the
        opened snapshot is compared by its numbers.
        """
        if after in ("", before):
            return False
        old, new = self._at(before), self._at(after)
        return before != self.opened or old is None or old != new

    def judge(self, calibration: str) -> Judgement:
        """Compare with what the mitigation rests on, on the circuit's own qubits and pairs."""
        old, new = self._at(self.baseline), self._at(calibration)
        if old is None or new is None:
            return Judgement("unknown", (UNTOLD,), new)
        drift = on_circuit(old, new, self._transpiled)
        return Judgement(drift.verdict, drift.reasons or (NOTHING,), new)

    def note(
        self, judgement: Judgement, calibration: str, place: tuple[int, int], command: str
    ) -> None:
        """Write a change down and say it, or stop.

        Args:
            judgement: What it means.
            calibration: Digest of the new one.
            place: Update and step of the run.
            command: What goes on with the run after a stop.

        Raises:
            DriftError: If the user wants to stop, and the circuit's qubits have drifted.
        """
        text = self._text(judgement)
        if judgement.drifted and self.on_drift == "stop":
            raise DriftError(f"{text} Nothing more was sent (--on-drift stop).", _hint(command))
        self.notes.append(DriftNote(*place, calibration, judgement.verdict, self.on_drift, text))
        self.announce(text)

    def state(self) -> dict[str, Any]:
        """What a replay depends on, as plain JSON."""
        return {"baseline": self.baseline, "notes": [asdict(note) for note in self.notes]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.baseline = state["baseline"]
        self.notes = [DriftNote(**note) for note in state["notes"]]

    def facts(self) -> DriftFacts:
        """For the first lines and for provenance."""
        latest = self.notes[-1].text if self.notes else ""
        return DriftFacts(self.on_drift, len(self.notes), latest)

    def _at(self, calibration: str) -> DeviceSnapshot | None:
        """The device under a calibration; None where its JSON has no numbers (fake devices)."""
        content = self._read(calibration)
        properties = json.loads(content) if content else {}
        return republished(self._snapshot, properties) if "gates" in properties else None

    def _text(self, judgement: Judgement) -> str:
        date = f" ({judgement.present.taken_at})" if judgement.present else ""
        shown = "; ".join(judgement.reasons[:MOST_REASONS])
        more = len(judgement.reasons) - MOST_REASONS
        others = f"; and {more} more" if more > 0 else ""
        name, verdict = self._snapshot.name, judgement.verdict
        return f"{name} was recalibrated{date}, verdict {verdict}: {shown}{others}."


@dataclass(frozen=True)
class CircuitDrift:
    """What moved under a circuit.

    Attributes:
        drift: On the circuit's qubits and pairs alone; its verdict knows the scores below.
        score_before: Expected error in [0, 1] under the earlier calibration.
        score_after: The same qubits under the later one; None if a gate is gone.
        fresh: The best layout under the later one.
    """

    drift: Drift
    score_before: float
    score_after: float | None
    fresh: TranspiledCircuit


def on_circuit(
    before: DeviceSnapshot, after: DeviceSnapshot, transpiled: TranspiledCircuit
) -> Drift:
    """Compare what a circuit uses: its qubits' times and gates, its pairs, its read-out."""
    return compare(
        before,
        after,
        qubits=transpiled.active_qubits,
        pairs=transpiled.two_qubit_pairs,
        measured=transpiled.output_qubits,
    )


def circuit_drift(
    before: DeviceSnapshot,
    after: DeviceSnapshot,
    circuit: Ansatz,
    transpiled: TranspiledCircuit,
) -> CircuitDrift:
    """Compare on a circuit's qubits, and ask whether others would do clearly better now.

    What is clearly better is what lays a circuit of the cache out anew: `relayout_factor`.

    Args:
        before: The earlier calibration.
        after: The later one.
        circuit: The ansatz.
        transpiled: Laid out on the device, scored under `before`.
    """
    options = TranspileOptions()
    drift = on_circuit(before, after, transpiled)
    fresh = fresh_layout(circuit, after, options)
    gates = operations(transpiled.circuit)
    there = {(gate.name, gate.qubits) for gate in after.gates}.issuperset(gates)
    score = expected_error(after, gates, transpiled.output_qubits) if there else None
    if score is not None and score > options.relayout_factor * fresh.score:
        drift = drift.relaid(
            f"expected error {score:.3f} on the circuit's qubits, {fresh.score:.3f} on others"
        )
    return CircuitDrift(drift, transpiled.score, score, fresh)


def _hint(command: str) -> str:
    plain = re.sub(r" --on-drift \S+", "", command) or "the same command with --resume"
    return (
        f"`{plain} --on-drift refit` goes on with a new fit, `--on-drift warn` probes the old one; "
        "a new run takes other qubits if they do better."
    )
