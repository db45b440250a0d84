"""`qhw calibrate --measure`: read-out errors and the affine map of one circuit, measured and kept.

Both go the way of all paid work: quoted against the limits, journaled, sent once. A measurement
that was stopped goes on when the same command is typed again; what it paid for is looked up.

DATA/measurements/DEVICE/CIRCUIT/
  measurement.json     the newest one: its identity in the ledger, when it began, whether it ended
  ID/measured.json     what came of it
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.mitigation.affine import AffineMap, affine_to_json
from qhw.backends.mitigation.readout import ReadoutInversion
from qhw.budget.limits import qpu_seconds
from qhw.config import (
    AFFINE_CIRCUITS,
    CALIBRATION_SHOTS,
    PROBE_CIRCUITS,
    READOUT_CIRCUITS,
    BackendConfig,
    HardwareConfig,
)
from qhw.console.tables import plain_table, platform_moment
from qhw.devices.backend import DeviceBackend
from qhw.devices.opening import Requester, open_device, spending_limits
from qhw.devices.session import Display, paid_session
from qhw.errors import ConfigError
from qhw.files import UserData, make_private, read_record, write_json
from qhw.runs.lock import sole_use

SURE = 3.0
"""Standard errors from which on a measured number differs from the published one."""


@dataclass(frozen=True)
class MeasurementRecord:
    """One measurement.

    Attributes:
        id: Its identity in the ledger.
        began: ISO 8601.
        finished: Whether everything has been measured.
    """

    id: str
    began: str
    finished: bool = False


@dataclass(frozen=True)
class Measured:
    """What came of it.

    Attributes:
        readout: Measured p01 and p10.
        affine: The map; measured now, or an earlier one that a probe found to hold.
        origin: Where the map comes from, for people.
    """

    readout: ReadoutInversion
    affine: AffineMap
    origin: str


def measure(
    console: Console, circuit: RingCircuit, device: str, hardware: HardwareConfig, command: str
) -> tuple[dict[str, Any], Callable[[Console], None]]:
    """Measure on a device and keep what came of it.

    Args:
        console: Told what goes on.
        circuit: The ansatz.
        device: Its name.
        hardware: Limits.
        command: What was typed; goes on with a measurement that was stopped.

    Returns:
        What was measured as plain JSON, and what prints it.

    Raises:
        ConfigError: If a device that costs money was given no limit.
        BudgetReachedError: If a limit is reached; the same command with a higher one goes on.
        BusyError: If another process measures the same.
        HardwareError: If the platform refuses or fails.
    """
    measurements = UserData.of_user().measurements
    make_private(measurements)
    folder = measurements / device / circuit.digest[:16]
    backend = BackendConfig(name=device, mitigation="affine")
    display = Display(console)
    console.print(_quote(hardware.price), highlight=False)
    with sole_use(folder):
        record = _take_up(console, folder)
        requester = Requester(record.id, command, folder=folder / record.id, tell=display.tell)
        opened = open_device(backend, hardware, circuit, requester)
        with paid_session(console, opened, folder / record.id):
            write_json(folder / "measurement.json", asdict(record))
            measured = _measure(opened)
        kept = _plain(opened, measured)
        write_json(folder / record.id / "measured.json", kept)
        write_json(folder / "measurement.json", asdict(replace(record, finished=True)))
    return kept, partial(_print, opened=opened, measured=measured)


def refuse_unlimited(device: str, hardware: HardwareConfig) -> None:
    """Refuse to measure on a device that costs money without a limit.

    Raises:
        ConfigError: Telling what measuring takes.
    """
    try:
        spending_limits(BackendConfig(name=device), hardware)
    except ConfigError as error:
        raise ConfigError(
            error.message,
            f"Add --max-qpu-seconds {math.ceil(_most_seconds())}, --max-jobs or --max-cost. "
            f"{_quote(hardware.price)}",
        ) from error


def _quote(price: float) -> str:
    """What is measured and what it takes, told before anything is sent."""
    return (
        f"Read-out errors take {READOUT_CIRCUITS} circuits; the affine map nothing while one of "
        f"the present calibration is kept, {PROBE_CIRCUITS} to probe an earlier one, "
        f"{AFFINE_CIRCUITS} to fit it: at most {math.ceil(_most_seconds())} QPU s, "
        f"${price * _most_seconds():.0f}."
    )


def _most_seconds() -> float:
    """QPU seconds of all three jobs."""
    jobs = (READOUT_CIRCUITS, PROBE_CIRCUITS, AFFINE_CIRCUITS)
    return sum(qpu_seconds(1, circuits, CALIBRATION_SHOTS) for circuits in jobs)


def _take_up(console: Console, folder: Path) -> MeasurementRecord:
    """The measurement that was stopped, or a new one."""
    path = folder / "measurement.json"
    if path.exists():
        newest = read_record(path, MeasurementRecord)
        if not newest.finished:
            console.print(f"Going on with the measurement that began {newest.began}.")
            return newest
    return MeasurementRecord(uuid.uuid4().hex[:16], datetime.now(UTC).isoformat(timespec="seconds"))


def _measure(opened: DeviceBackend) -> Measured:
    """Read-out first: its two circuits are one calibration job, the map's jobs come after it."""
    affine = opened.mitigation
    opened.mitigation = replace(affine, name="readout", readout_errors="measured")
    opened.prepare()
    readout = opened.mitigation.correction
    before = opened.mitigation.calibrations
    opened.mitigation = replace(affine, calibrations=before)
    opened.prepare()
    fitted = opened.mitigation.correction
    assert isinstance(readout, ReadoutInversion) and isinstance(fitted, AffineMap)
    origin = "Fitted now."
    if opened.mitigation.probe:
        origin = f"An earlier map was probed: {opened.mitigation.probe}."
    elif opened.mitigation.calibrations == before:
        origin = "Kept from before: the calibration is the same."
    return Measured(readout, fitted, origin)


def _plain(opened: DeviceBackend, measured: Measured) -> dict[str, Any]:
    readout = measured.readout
    return {
        "device": opened.mitigation.snapshot.name,
        "calibration": opened.mitigation.snapshot.calibration_digest,
        "qubits": list(opened.transpiled.output_qubits),
        "readout": {
            "p01": readout.p01.tolist(),
            "p10": readout.p10.tolist(),
            "shots": readout.shots,
            "source": readout.source,
        },
        "affine": json.loads(affine_to_json(measured.affine)),
        "affine origin": measured.origin,
    }


def _print(console: Console, opened: DeviceBackend, measured: Measured) -> None:
    outputs = opened.transpiled.output_qubits
    published = ReadoutInversion.published(opened.mitigation.snapshot, outputs)
    console.print(_readout_table(outputs, published, measured.readout))
    console.print(_agreement(published, measured.readout), highlight=False)
    console.print(_affine_table(outputs, measured.affine))
    affine = measured.affine
    how = f"{affine.circuits} circuits x {affine.shots} shots, {platform_moment(affine.date)}"
    console.print(
        f"noisy = slope x ideal + intercept, +- one standard error; {how}. {measured.origin} Runs "
        "on this device with --mitigation affine take it.",
        highlight=False,
    )


def _readout_table(
    outputs: tuple[int, ...], published: ReadoutInversion, measured: ReadoutInversion
) -> Table:
    title = f"Read-out errors, {READOUT_CIRCUITS} circuits x {CALIBRATION_SHOTS} shots"
    names = ("1 for 0, published", "measured", "0 for 1, published", "measured")
    table = plain_table(title, *names)
    for index, qubit in enumerate(outputs):
        cells = []
        for expected, counted in ((published.p01, measured.p01), (published.p10, measured.p10)):
            error = _shot_error(counted, measured.shots)[index]
            cells += [
                f"{100 * expected[index]:.2f} %",
                f"{100 * counted[index]:.2f} +- {100 * error:.2f} %",
            ]
        table.add_row(f"qubit {qubit}", *cells)
    return table


def _shot_error(probability: FloatArray, shots: int | None) -> FloatArray:
    """Standard error of a share that was counted; of none counted, that of one in all shots."""
    assert shots is not None, "measured with shots"
    at_least = np.maximum(probability, 1 / shots)
    error: FloatArray = np.sqrt(at_least * (1 - probability) / shots)
    return error


def _agreement(published: ReadoutInversion, measured: ReadoutInversion) -> str:
    pairs = ((published.p01, measured.p01), (published.p10, measured.p10))
    distances = [
        np.abs(counted - expected) / _shot_error(counted, measured.shots)
        for expected, counted in pairs
    ]
    beyond = int((np.concatenate(distances) > SURE).sum())
    total = 2 * len(measured.p01)
    return (
        f"{beyond} of {total} differ from the published ones by more than {SURE:g} standard errors "
        "(0 for 1 holds the error of the x gate, too)."
    )


def _residual(affine: AffineMap, index: int) -> str:
    """What a line misses, or that it is hidden by the shots."""
    size = affine.residual[index]
    return f"{size:.4f}" if size >= affine.resolution else f"below {affine.resolution:.4f}"


def _affine_table(outputs: tuple[int, ...], affine: AffineMap) -> Table:
    table = plain_table("Affine map of <Z>", "slope", "intercept", "residual rms")
    slope, intercept = (np.sqrt(affine.covariance[:, i, i]) for i in range(2))
    for index, qubit in enumerate(outputs):
        table.add_row(
            f"output {index}, qubit {qubit}",
            f"{affine.slope[index]:.4f} +- {slope[index]:.4f}",
            f"{affine.intercept[index]:+.4f} +- {intercept[index]:.4f}",
            _residual(affine, index),
        )
    return table
