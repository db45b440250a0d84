"""Snapshots of devices, kept on disk and found by what people type.

DATA/snapshots/DEVICE/DATE-DIGEST.json

A name is a file, a kept snapshot (`ibm_fez@2026-11-20`, `ibm_fez@latest`), or a device: one that
ships with the vendor's package, or a live one as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from calibration import DeviceSnapshot
from qhw.errors import ConfigError, DataError, UnknownNameError
from qhw.files import UserData, make_private, replace_file
from qhw.known import DeviceName, open_snapshot, refuse_unknown

LATEST = "latest"


@dataclass(frozen=True)
class KeptSnapshot:
    """One snapshot in the store; its file is read when it is asked for.

    Attributes:
        path: Its file.
    """

    path: Path

    @property
    def device(self) -> str:
        """Name of the device."""
        return self.path.parent.name

    @property
    def date(self) -> str:
        """When the calibration was taken, UTC, such as `2026-11-20T08-00-00`, or `unknown`."""
        return self.path.stem.rpartition("-")[0]

    @property
    def digest(self) -> str:
        """Digest of the calibration."""
        return self.path.stem.rpartition("-")[2]

    @property
    def name(self) -> str:
        """What to type for it."""
        return f"{self.device}@{self.date}"


@dataclass(frozen=True)
class SnapshotStore:
    """Every snapshot that was kept.

    Attributes:
        folder: Is made, for its owner alone, when the first one is kept.
    """

    folder: Path

    @classmethod
    def of_user(cls) -> SnapshotStore:
        """The one that commands use; XDG_DATA_HOME moves it."""
        return cls(UserData.of_user().snapshots)

    def keep(self, snapshot: DeviceSnapshot) -> KeptSnapshot:
        """Keep a snapshot; one with the same numbers is kept once."""
        digest = snapshot.calibration_digest
        for earlier in self.of(snapshot.name):
            if earlier.digest == digest:
                return earlier
        folder = self.folder / snapshot.name
        make_private(folder)
        path = folder / f"{_sortable(snapshot.taken_at)}-{digest}.json"
        replace_file(path, snapshot.to_json().encode())
        return KeptSnapshot(path)

    def of(self, device: str) -> list[KeptSnapshot]:
        """A device's snapshots, newest last."""
        kept = map(KeptSnapshot, (self.folder / device).glob("*-*.json"))
        # By date; what has none comes first.
        return sorted(kept, key=lambda x: (x.date[:1].isdigit(), x.path.stem))

    def devices(self) -> list[str]:
        """Devices of which something is kept."""
        return sorted({path.parent.name for path in self.folder.glob("*/*-*.json")})

    def find(self, name: str) -> KeptSnapshot:
        """A kept snapshot by `DEVICE@DATE`; the beginning of a date is enough.

        `DEVICE@DATE-DIGEST` tells two of one date apart.

        Raises:
            UnknownNameError: If nothing of the device is kept, no date begins so, or several do.
        """
        device, _, wanted = name.partition("@")
        kept = self.of(device)
        if not kept:
            raise UnknownNameError(
                f"No snapshot of {device!r} is kept, only of: "
                f"{', '.join(self.devices()) or 'nothing'}.",
                f"`qhw calibrate --device {device}` takes one.",
            )
        if wanted == LATEST:
            return kept[-1]
        begun = wanted.replace(":", "-").replace(" ", "T")
        fitting = [x for x in kept if x.path.stem.startswith(begun)] if begun else []
        if len(fitting) == 1:
            return fitting[0]
        what = f"{len(fitting)} begin" if fitting else "None begins"
        offered = (fitting or kept)[-5:]
        dates = [x.date for x in offered]
        # The digest is named where the date alone is not enough.
        names = [x.name if dates.count(x.date) == 1 else f"{x.name}-{x.digest}" for x in offered]
        raise UnknownNameError(
            f"{what} with {name!r}.", f"Type one of: {', '.join(names)}; or {device}@{LATEST}."
        )


def find_snapshot(name: str, store: SnapshotStore | None = None) -> DeviceSnapshot:
    """The snapshot that a name stands for; see the module's text.

    Raises:
        UnknownNameError: If there is no such file, kept snapshot or device.
        DataError: If a file is no snapshot.
        HardwareError: If a live device cannot be read.
    """
    path = Path(name)
    if path.is_file():
        return read_snapshot(path)
    if path.suffix == ".json" or len(path.parts) > 1:
        raise UnknownNameError(
            f"There is no file {name!r}.", "`qhw calibrate --list` tells what is kept."
        )
    if "@" in name:
        return read_snapshot((store or SnapshotStore.of_user()).find(name).path)
    return device_snapshot(name)


def read_snapshot(path: Path) -> DeviceSnapshot:
    """Read a file.

    Raises:
        DataError: If it is no snapshot.
    """
    try:
        return DeviceSnapshot.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(
            f"{path} cannot be read: {error}", "Delete it, and take it anew by `qhw calibrate`."
        ) from error


def device_snapshot(device: str) -> DeviceSnapshot:
    """The present calibration of a device.

    Raises:
        ConfigError: If it is a simulator.
        UnknownNameError: If there is no such device.
        BackendUnavailableError: If it cannot be opened here.
        HardwareError: If the account cannot be used, or the platform does not answer.
    """
    refuse_unknown(device)
    if not DeviceName(device).takes_jobs:
        raise ConfigError(
            f"{device!r} is a simulator without a calibration of its own.",
            "Take a device: `qhw devices` lists them.",
        )
    if DeviceName(device).stand_in:
        return open_snapshot(device)
    from qhw.jobs.prompt import open_at_prompt

    return open_at_prompt(device).snapshot()


def _sortable(stamp: str) -> str:
    """A date in UTC without colons, which not every file system takes; `unknown` stays."""
    try:
        date = datetime.fromisoformat(stamp)
    except ValueError:
        return "unknown"
    return date.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%S")
