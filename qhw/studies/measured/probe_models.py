"""Find the probe circuits that the runs' jobs measured, and ask a noise model about them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from calibration import DeviceSnapshot, republished
from policy import RingCircuit
from qhw.backends.aer import NoisyAerBackend
from qhw.backends.mitigation.fitting import (
    CalibrationInputs,
    calibration_inputs,
    evaluate_rows,
    ideal_values,
    probe_inputs,
)
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import kept_layout, pinned
from qhw.devices.snapshots import SnapshotStore, read_snapshot
from qhw.files import Cache, UserData
from qhw.jobs.ledger import Entry, Ledger
from qhw.known import DeviceName, open_snapshot
from qhw.runs.directory import RunDirectory
from qhw.studies.measured.probe_jobs import INDEX, STUDY, ProbeJob, model_file
from qhw.studies.store import Arrays
from qhw.studies.study import Scope
from qhw.training.parts import ring_circuit

PHASE = "calibration"


def acquire_probes(scope: Scope) -> None:
    """Find the jobs in the ledger and model each that was not modelled yet."""
    jobs = []
    if UserData.of_user().ledger.exists():
        with Ledger.of_user() as ledger:
            for run in scope.runs:
                jobs += [_acquire(scope, ledger, run, *found) for found in _found(ledger, run)]
    jobs.sort(key=lambda job: job.finished)
    scope.store(STUDY).keep_json(INDEX, [asdict(job) for job in jobs])


def ledger_identities(run: RunDirectory) -> dict[str, Path]:
    """Under which names a run paid for work, and where the circuit of each is laid out."""
    deployments = {path.parent.name: path for path in run.path.glob("samples/*/*/circuit.qpy")}
    return {run.id: run.path / "device" / "circuit.qpy", **deployments}


def _found(ledger: Ledger, run: RunDirectory) -> Iterator[tuple[Entry, Path]]:
    """Jobs of probe circuits that are done, each with the file of its layout."""
    circuit = ring_circuit(run.config.actor.circuit)
    for identity, layout in ledger_identities(run).items():
        for entry in ledger.entries(run=identity, states=["done"]):
            if entry.unit.phase == PHASE and _inputs(circuit, entry.shapes) is not None:
                yield entry, layout


def _acquire(
    scope: Scope, ledger: Ledger, run: RunDirectory, entry: Entry, layout: Path
) -> ProbeJob:
    snapshot = _snapshot(ledger, entry)
    if snapshot is not None:
        what = f"modelling job {entry.job_id} of {entry.device}"
        model = partial(_model, ledger, run, entry, layout, snapshot)
        scope.store(STUDY).acquire(model_file(entry.job_id), what, model)
    return ProbeJob(
        entry.job_id,
        entry.device,
        entry.platform.get("finished", ""),
        entry.circuits,
        entry.shots,
        snapshot.taken_at if snapshot else "",
    )


def _model(
    ledger: Ledger, run: RunDirectory, entry: Entry, layout: Path, snapshot: DeviceSnapshot
) -> Arrays:
    """What the job measured, and what the model and a noiseless simulation say."""
    circuit = ring_circuit(run.config.actor.circuit)
    inputs = _inputs(circuit, entry.shapes)
    assert inputs is not None, "such jobs are not looked at"
    cached = partial(kept_layout, circuit, snapshot, TranspileOptions(), Cache.of_user().transpiled)
    transpiled = pinned(layout, cached, snapshot) if layout.exists() else cached()
    model = NoisyAerBackend(circuit, snapshot, transpiled)
    measured = ledger.result(entry)[0]
    return {
        "measured": measured.values,
        "errors": measured.standard_errors,
        "model": evaluate_rows(model, inputs).values,
        "ideal": ideal_values(circuit, inputs),
    }


def _inputs(circuit: RingCircuit, shapes: Sequence[tuple[int, int]]) -> CalibrationInputs | None:
    """The angles of a job, told by its shape; None if it is no job of probe circuits."""
    for known in (calibration_inputs(circuit), probe_inputs(circuit)):
        if tuple(shapes) == ((len(known.angles), circuit.num_qubits),):
            return known
    return None


def _snapshot(ledger: Ledger, entry: Entry) -> DeviceSnapshot | None:
    """The device as it was when the job ran: the numbers its record holds, over a kept snapshot.

    None if the record holds no numbers, or no snapshot of the device is kept to lay them over.
    """
    if DeviceName(entry.device).stand_in:
        return open_snapshot(entry.device)
    properties = json.loads(ledger.calibration(entry.calibration_digest) or "{}")
    snapshots = SnapshotStore.of_user().of(entry.device)
    if "gates" not in properties or not snapshots:
        return None
    return republished(read_snapshot(snapshots[-1].path), properties)
