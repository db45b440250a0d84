"""Jobs of fake devices on disk, so that they outlive the process that sent them.

FOLDER/local-HEX/        appears in one step, complete
  job.json               tags, shots, rows, digest
  circuits.qpy           what to run; read from here alone, where this program alone writes
  parameters.npz         (rows, P) per PUB; both are deleted once the job has ended
  values.npz             what was measured
  end.json               how it ended; written last
  lock                   held while the job is computed
"""

from __future__ import annotations

import dataclasses
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from filelock import FileLock

from policy.backend import FloatArray
from qhw.errors import DamagedFileError, HardwareError, OutputError
from qhw.files import (
    make_private,
    read_json,
    read_record,
    replace_file,
    whole_folder,
    write_json,
)
from qhw.jobs.request import JobRequest, Pub, Shapes

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

ID_PREFIX = "local-"
_ID = re.compile(ID_PREFIX + "[0-9a-f]{24}")


@dataclass(frozen=True)
class StoredJob:
    """What was submitted, but for the circuits and their parameters.

    Attributes:
        job_id: `local-` and 24 hexadecimal digits that rise with time.
        tags: As submitted.
        shots: Per circuit.
        rows: Circuits of each PUB.
        outputs: Physical qubits that each PUB reads.
        max_seconds: QPU seconds after which it is cancelled.
        digest: Digest of the request.
        created: Date on which it was accepted, ISO 8601.
    """

    job_id: str
    tags: tuple[str, ...]
    shots: int
    rows: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]
    max_seconds: int
    digest: str
    created: str

    @property
    def shapes(self) -> Shapes:
        """What an answer looks like."""
        widths = (len(qubits) for qubits in self.outputs)
        return tuple(zip(self.rows, widths, strict=True))


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        state: Its last state.
        usage_seconds: QPU seconds that a device would have billed.
        started: When it began to run, ISO 8601; empty if it never did.
        finished: Date of its end.
        reason: Why it failed or was cancelled.
        calibration: What it ran under, JSON; empty if it never ran.
    """

    state: Literal["done", "failed", "cancelled"]
    usage_seconds: float
    started: str
    finished: str
    reason: str = ""
    calibration: str = ""


class JobStore:
    """One device's jobs.

    Args:
        folder: Is made, for this user alone, when the first job is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, job: StoredJob, request: JobRequest) -> None:
        """Store a job in one step.

        Raises:
            HardwareError: If the disk refuses; nothing was stored then.
        """
        try:
            make_private(self.folder)
            with whole_folder(self.folder / job.job_id, mode=0o700) as filling:
                _write_inputs(filling, request)
                write_json(filling / "job.json", dataclasses.asdict(job))
        except OutputError as error:
            raise HardwareError(
                f"The job could not be stored: {error.message}",
                "Nothing was run. Free some space or mend the folder's permissions.",
            ) from error

    def jobs(self) -> list[StoredJob]:
        """All jobs, oldest first."""
        paths = self.folder.glob(f"{ID_PREFIX}*/job.json")
        return [_job(path) for path in sorted(paths)]

    def read(self, job_id: str) -> StoredJob:
        """One job.

        Raises:
            HardwareError: If there is none of this id.
        """
        path = self.folder / job_id / "job.json"
        if not _ID.fullmatch(job_id) or not path.is_file():
            raise HardwareError(
                f"There is no local job {job_id!r} in {self.folder}.",
                "`qhw jobs list` shows the jobs there are.",
            )
        return _job(path)

    def lock(self, job_id: str, seconds: float) -> FileLock:
        """Keeps other processes from computing or cancelling the job; freed if this one dies."""
        return FileLock(self.folder / job_id / "lock", timeout=seconds)

    def pubs(self, job: StoredJob) -> tuple[Pub, ...]:
        """What to run; the job must not have ended."""
        from qiskit import qpy

        folder = self.folder / job.job_id
        with (folder / "circuits.qpy").open("rb") as file:
            circuits: list[QuantumCircuit] = qpy.load(file)
        parameters = _read_arrays(folder / "parameters.npz")
        return tuple(map(Pub, circuits, job.outputs, parameters))

    def ending(self, job_id: str) -> Ending | None:
        """How the job ended; None if it has not."""
        path = self.folder / job_id / "end.json"
        return read_record(path, Ending) if path.exists() else None

    def end(self, job_id: str, ending: Ending, values: tuple[FloatArray, ...] = ()) -> None:
        """Store the results, then the end, then let go of the inputs; the lock must be held."""
        folder = self.folder / job_id
        replace_file(folder / "values.npz", _arrays(values))
        write_json(folder / "end.json", dataclasses.asdict(ending))
        for name in ("circuits.qpy", "parameters.npz"):
            (folder / name).unlink(missing_ok=True)

    def values(self, job_id: str) -> tuple[FloatArray, ...]:
        """What a job that is done measured: (rows, n) per PUB."""
        return _read_arrays(self.folder / job_id / "values.npz")


def _job(path: Path) -> StoredJob:
    values = read_json(path)
    try:
        values["outputs"] = tuple(tuple(qubits) for qubits in values["outputs"])
        return StoredJob(**{**values, "tags": tuple(values["tags"]), "rows": tuple(values["rows"])})
    except (KeyError, TypeError) as error:
        raise DamagedFileError.of(path, error) from error


def _write_inputs(folder: Path, request: JobRequest) -> None:
    from qiskit import qpy

    buffer = io.BytesIO()
    qpy.dump([pub.circuit for pub in request.pubs], buffer)
    replace_file(folder / "circuits.qpy", buffer.getvalue())
    replace_file(folder / "parameters.npz", _arrays(tuple(pub.parameters for pub in request.pubs)))


def _arrays(arrays: tuple[FloatArray, ...]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, *arrays)
    return buffer.getvalue()


def _read_arrays(path: Path) -> tuple[FloatArray, ...]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return tuple(stored[f"arr_{index}"] for index in range(len(stored.files)))
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise DamagedFileError.of(path, error) from error
