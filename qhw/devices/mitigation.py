"""What a device must measure before its values can be corrected, and when to measure it again.

An affine map is fitted once per device, layout and circuit, kept on disk, and used until a probe of
eight circuits says that it no longer fits; a recalibration alone does not throw it away. Read-out
errors are those the device publishes, or measured on two circuits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calibration import Assumptions, DeviceSnapshot
from policy import Ansatz
from policy.backend import FloatArray
from qhw.backends.facts import MitigationFacts
from qhw.backends.mitigation.affine import (
    AffineMap,
    AffineStore,
    affine_from_json,
    affine_key,
    affine_to_json,
)
from qhw.backends.mitigation.fitting import (
    CalibrationInputs,
    calibration_inputs,
    fit_affine,
    ideal_values,
    probe_inputs,
    refuse_too_little,
    still_fits,
)
from qhw.backends.mitigation.folded_cache import folded_for
from qhw.backends.mitigation.method import Mitigation, Unmitigated
from qhw.backends.mitigation.readout import ReadoutInversion, measurement_circuits
from qhw.backends.mitigation.zne import ZeroNoise
from qhw.backends.transpilation import TranspiledCircuit, parameter_columns
from qhw.config import AFFINE_CIRCUITS, CALIBRATION_SHOTS, ZNE_SCALES, MethodName
from qhw.jobs.request import Pub
from qhw.jobs.work import Answer

Calibrate = Callable[[list[Pub], int], Answer]
"""Runs one job of these PUBs with so many shots per circuit."""


@dataclass
class DeviceMitigation:
    """One method on one device, for one circuit in one layout.

    Attributes:
        name: The method; `native` is the platform's own, whose values are passed on.
        circuit: The ansatz.
        transpiled: The circuit in the device's gates.
        snapshot: The device's present calibration.
        store: Where affine maps are kept.
        folded: Folder of folded circuits.
        readout_errors: Where p01 and p10 come from, for `readout` and `zne`.
        reason: Why this method was taken, where nobody named one.
        assumptions: How the device is simulated; None where it is a live one.
        correction: What is done to values, once what it needs has been measured.
        calibrations: Calibration jobs so far in this run.
        probe: What the last probe of an affine map found; empty without one.
    """

    name: MethodName
    circuit: Ansatz
    transpiled: TranspiledCircuit
    snapshot: DeviceSnapshot
    store: AffineStore
    folded: Path
    readout_errors: Literal["published", "measured"] = "published"
    reason: str = ""
    assumptions: Assumptions | None = None
    correction: Mitigation | None = None
    calibrations: int = 0
    probe: str = ""
    _folded_circuits: dict[int, TranspiledCircuit] = field(default_factory=dict)

    @property
    def scales(self) -> tuple[int, ...]:
        """Fold factors at which circuits are measured."""
        return ZNE_SCALES if self.name == "zne" else (1,)

    def circuit_at(self, scale: int) -> TranspiledCircuit:
        """The circuit with its noise multiplied; folded once, never transpiled again."""
        if scale not in self._folded_circuits:
            self._folded_circuits[scale] = folded_for(
                self.circuit, self.snapshot, self.transpiled, scale, self.folded
            )
        return self._folded_circuits[scale]

    def pub_at(self, scale: int, rows: FloatArray) -> Pub:
        """A PUB of that circuit; angles and weights (rows, A + P) are put into its own order."""
        at = self.circuit_at(scale)
        order = parameter_columns(at.circuit, self.circuit.num_angles)
        return Pub(at.circuit, at.output_qubits, rows[:, order])

    def take_number(self) -> int:
        """Number of the next calibration job."""
        self.calibrations += 1
        return self.calibrations - 1

    def prepare(self, calibrate: Calibrate) -> None:
        """Get the correction ready; `calibrate` is called for what is not known yet."""
        if self.name == "affine":
            self._prepare_affine(calibrate)
        elif self.name == "readout":
            self.correction = self._readout(calibrate)
        elif self.name == "zne":
            self.correction = ZeroNoise(ZNE_SCALES, self._readout(calibrate))
        else:
            self.correction = Unmitigated()

    @property
    def rests_on_published(self) -> bool:
        """Whether it rests on numbers that the device publishes."""
        return self.name in ("readout", "zne") and self.readout_errors == "published"

    def check(self, calibrate: Calibrate, present: DeviceSnapshot | None) -> bool:
        """The device was recalibrated under way: probe the affine map, refit it if it must be.

        Args:
            calibrate: See `prepare`.
            present: As in `renew`.

        Returns:
            Whether there was anything to check.
        """
        if not isinstance(self.correction, AffineMap):
            return False
        self.snapshot = present or self.snapshot
        self.correction = self._probed(self.correction, calibrate)
        return True

    def renew(self, calibrate: Calibrate, present: DeviceSnapshot | None) -> None:
        """The device was recalibrated under way: measure or read everything anew, probe nothing.

        Args:
            calibrate: See `prepare`.
            present: The device under its new calibration; None where the platform tells none, and
                published read-out errors stay as they are.
        """
        self.snapshot = present or self.snapshot
        if self.name == "affine":
            self.correction = self._fit(calibrate)
        elif self.name in ("readout", "zne"):
            self.prepare(calibrate)

    def facts(self) -> MitigationFacts:
        """For the first lines and for provenance."""
        facts = self.correction.facts() if self.correction else MitigationFacts(self.name)
        return replace(facts, method=self.name, reason=self.reason, probe=self.probe)

    def state(self) -> dict[str, Any]:
        """What a replay depends on, as plain JSON."""
        correction = correction_to_json(self.correction)
        return {"ready": correction, "numbered": self.calibrations, "told": self.probe}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.calibrations, self.probe = state["numbered"], state["told"]
        self.correction = correction_from_json(state["ready"]) or self.correction

    def _prepare_affine(self, calibrate: Calibrate) -> None:
        earlier = self.store.load(self.snapshot.name, self._key)
        if earlier is None:
            self.correction = self._fit(calibrate)
        elif earlier.calibration_digest == self.snapshot.calibration_digest:
            self.correction = earlier
        else:
            self.correction = self._probed(earlier, calibrate)

    def _probed(self, affine: AffineMap, calibrate: Calibrate) -> AffineMap:
        """The map if a probe says that it still fits, else a new one."""
        inputs = probe_inputs(self.circuit)
        (measured,) = self._measure(inputs, calibrate).values
        ideal = ideal_values(self.circuit, inputs)
        probe = still_fits(affine, measured.values, measured.standard_errors, ideal)
        self.probe = str(probe)
        if not probe.fits:
            return self._fit(calibrate)
        # Kept under the present calibration, so that the next start need not probe again.
        held = replace(affine, calibration_digest=self.snapshot.calibration_digest)
        self._keep(held)
        return held

    def _keep(self, affine: AffineMap) -> None:
        """Keep a map; a run that replays an old one leaves what was fitted since alone."""
        earlier = self.store.load(self.snapshot.name, self._key)
        if earlier is None or earlier.date <= affine.date:
            self.store.save(affine)

    def _fit(self, calibrate: Calibrate) -> AffineMap:
        inputs = calibration_inputs(self.circuit, AFFINE_CIRCUITS)
        ideal = ideal_values(self.circuit, inputs)
        refuse_too_little(ideal)  # before anything is paid for
        answer = self._measure(inputs, calibrate)
        (measured,) = answer.values
        fitted = fit_affine(
            measured.values,
            measured.standard_errors,
            ideal,
            shots=CALIBRATION_SHOTS,
            date=answer.date,
            calibration_digest=self.snapshot.calibration_digest,
            device=self.snapshot.name,
            key=self._key,
        )
        self._keep(fitted)
        return fitted

    def _measure(self, inputs: CalibrationInputs, calibrate: Calibrate) -> Answer:
        return calibrate([self.pub_at(1, inputs.rows)], CALIBRATION_SHOTS)

    def _readout(self, calibrate: Calibrate) -> ReadoutInversion:
        outputs = self.transpiled.output_qubits
        if self.readout_errors == "published":
            return ReadoutInversion.published(self.snapshot, outputs)
        circuits = measurement_circuits(self.snapshot.num_qubits, outputs)
        pubs = [Pub(circuit, outputs, np.empty((1, 0))) for circuit in circuits]
        answer = calibrate(pubs, CALIBRATION_SHOTS)
        zeros, ones = answer.values
        return ReadoutInversion.measured(
            zeros.values[0], ones.values[0], CALIBRATION_SHOTS, answer.date
        )

    @cached_property
    def _key(self) -> str:
        return affine_key(self.transpiled, self.assumptions)


def correction_to_json(correction: Mitigation | None) -> dict[str, Any] | None:
    """What `correction_from_json` takes; None where nothing was measured or read for it."""
    if isinstance(correction, AffineMap):
        return {"affine": affine_to_json(correction)}
    if isinstance(correction, ReadoutInversion):
        return {"readout": _readout_to_json(correction)}
    if isinstance(correction, ZeroNoise) and correction.readout is not None:
        return {"scales": list(correction.scales), "readout": _readout_to_json(correction.readout)}
    return None


def correction_from_json(correction: dict[str, Any] | None) -> Mitigation | None:
    """The same correction, bit for bit."""
    if correction is None:
        return None
    if "affine" in correction:
        return affine_from_json(correction["affine"])
    values = correction["readout"]
    p01, p10 = (np.array(values[name], dtype=np.float64) for name in ("p01", "p10"))
    readout = ReadoutInversion(p01, p10, values["source"], values["shots"])
    return ZeroNoise(tuple(correction["scales"]), readout) if "scales" in correction else readout


def _readout_to_json(readout: ReadoutInversion) -> dict[str, Any]:
    return {
        "p01": readout.p01.tolist(),
        "p10": readout.p10.tolist(),
        "source": readout.source,
        "shots": readout.shots,
    }
