"""Which backends, devices and accounts there are, and what to say of others.

`aer` and `aer_noisy` compute here. `ibm_*` is a device of the platform; `fake_*` is the snapshot of
one that ships with the vendor's package, takes the same path of jobs, and runs here.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhw.errors import BackendUnavailableError, UnknownNameError

if TYPE_CHECKING:
    from calibration import DeviceSnapshot

VENDOR = "qiskit_ibm_runtime"
BACKEND_NAMES = ("aer", "aer_noisy")
LIVE_PREFIX, STAND_IN_PREFIX = "ibm_", "fake_"
RETIRED_DEVICES = ("brisbane", "sherbrooke", "kyiv", "kyoto", "osaka", "nazca", "cusco", "quebec")
LIVE_DEVICES = (
    "ibm_fez", "ibm_marrakesh", "ibm_kingston", "ibm_boston", "ibm_pittsburgh", "ibm_miami",
)  # fmt: skip
CREDENTIALS = (
    "Credentials are read from QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE, or from the account file "
    "that QiskitRuntimeService.save_account writes."
)


class DeviceName(str):
    """A backend's name and what it tells; settings and files hold it as a plain string."""

    __slots__ = ()

    @property
    def live(self) -> bool:
        """Whether it is a device of the platform, whose time costs money."""
        return self.startswith(LIVE_PREFIX)

    @property
    def stand_in(self) -> bool:
        """Whether it is a snapshot that takes jobs, runs here, and bills nothing."""
        return self.startswith(STAND_IN_PREFIX)

    @property
    def takes_jobs(self) -> bool:
        """Whether it is asked by jobs: a live device, or one that stands in for it."""
        return self.live or self.stand_in

    @property
    def short(self) -> str:
        """What a device and its stand-in have in common, such as `fez`."""
        return self.removeprefix(LIVE_PREFIX).removeprefix(STAND_IN_PREFIX)

    @property
    def local(self) -> DeviceName:
        """The stand-in of a device, whether or not it exists; a simulator's name stays."""
        return DeviceName(f"{STAND_IN_PREFIX}{self.short}") if self.takes_jobs else self

    @property
    def retired(self) -> bool:
        """Whether it was a device of the platform and is none any more."""
        return self.live and self.short in RETIRED_DEVICES


def saved_accounts() -> dict[str, dict[str, Any]]:
    """What the client's account file holds; nothing if there is none or it cannot be read."""
    path = Path.home() / ".qiskit" / "qiskit-ibm.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    accounts = content.items() if isinstance(content, dict) else ()
    return {name: account for name, account in accounts if isinstance(account, dict)}


def has_credentials() -> bool:
    """Whether the client would find an account; asks nobody."""
    if os.environ.get("QISKIT_IBM_TOKEN"):
        return True
    return any(account.get("token") for account in saved_accounts().values())


def refuse_unknown(name: str, device: str | None = None) -> None:
    """Say why a backend cannot be opened here, before anything heavy is done.

    Args:
        name: The backend's.
        device: Whose noise `aer_noisy` is to take; None where the run's own stays.

    Raises:
        UnknownNameError: If there is no such backend or device.
        BackendUnavailableError: If it exists but cannot be opened here.
    """
    stand_ins = stand_in_names()
    if name == "aer_noisy" and device is not None and device not in stand_ins:
        raise UnknownNameError.nearest("device", device, stand_ins, "qhw devices")
    if DeviceName(name).live:
        refuse_without_account(name)
    elif name not in (*BACKEND_NAMES, *stand_ins):
        raise UnknownNameError.nearest(
            "backend", name, [*BACKEND_NAMES, *stand_ins, *LIVE_DEVICES], "qhw devices"
        )


def refuse_without_account(name: str) -> None:
    """Say what to take instead of a device that no account can open.

    With an account, the platform itself is asked; see `qhw.jobs.ibm.account.find_device`.

    Raises:
        BackendUnavailableError: If there are no credentials.
    """
    if has_credentials():
        return
    device = DeviceName(name)
    if device.retired:
        raise BackendUnavailableError(
            f"The device {name!r} is retired.",
            f"Take its last noise by `--backend {device.local}`, or a live device "
            f"({', '.join(LIVE_DEVICES)}; needs an account). {CREDENTIALS}",
        )
    instead = device.local if device.local in stand_in_names() else "aer_noisy"
    raise BackendUnavailableError(
        f"The device {name!r} needs an account, and there is none here.",
        f"{CREDENTIALS} Without one take `--backend {instead}`.",
    )


def refuse_not_there(name: str) -> None:
    """Refuse a device that cannot be there, whoever asks; no account is needed, nobody is asked.

    Raises:
        UnknownNameError: If there is no such stand-in.
        BackendUnavailableError: If the device is retired.
    """
    device = DeviceName(name)
    if device.stand_in and name not in stand_in_names():
        raise UnknownNameError.nearest("device", name, stand_in_names(), "qhw devices")
    if device.retired:
        raise BackendUnavailableError(
            f"The device {name!r} is retired.",
            f"Take a live device ({', '.join(LIVE_DEVICES)}) or its snapshot {device.local}.",
        )


def not_in_account(name: str, seen: Sequence[str]) -> BackendUnavailableError:
    """The error of a device that an account does not see.

    Args:
        name: The device's.
        seen: Names of the devices that it sees.
    """
    device = DeviceName(name)
    state = "is retired" if device.retired else "is none of this account's"
    last = f" Its last noise: `--backend {device.local}`."
    return BackendUnavailableError(
        f"The device {name!r} {state}.",
        f"Live devices of this account: {', '.join(seen) or 'none'}."
        f"{last if device.local in stand_in_names() else ''}",
    )


def stand_in_names() -> list[str]:
    """Names of all snapshots in the vendor's package, read from its folders, not imported."""
    return [f"{STAND_IN_PREFIX}{path.parent.name}" for path in _vendor_files("__init__.py")]


def stand_in_configurations() -> dict[str, dict[str, Any]]:
    """What the vendor tells of the build of each snapshot's device, by short name, in order."""
    return {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))
        for path in _vendor_files("conf_*.json")
    }


def stand_in_qubits(device: str) -> int:
    """Qubits of a snapshot in the vendor's package."""
    (path,) = _vendor_files(f"conf_{DeviceName(device).short}.json")
    return int(json.loads(path.read_text(encoding="utf-8"))["n_qubits"])


def stand_in_device(device: str) -> Any:
    """The vendor's own object of a snapshot, a `qiskit_ibm_runtime` backend.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    if device not in stand_in_names():
        raise UnknownNameError.nearest("device", device, stand_in_names(), "qhw devices")
    module = importlib.import_module(f"{VENDOR}.fake_provider.backends.{DeviceName(device).short}")
    classes = (value for value in vars(module).values() if isinstance(value, type))
    (vendor_class,) = {cls for cls in classes if getattr(cls, "backend_name", None) == device}
    return vendor_class()


@lru_cache(maxsize=32)
def open_snapshot(device: str) -> DeviceSnapshot:
    """Take the snapshot of a device that ships with the vendor's package.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    from calibration import DeviceSnapshot

    return DeviceSnapshot.from_backend(stand_in_device(device))


def _vendor_files(pattern: str) -> list[Path]:
    """Files in the folders of all snapshots of the vendor's package, one folder a device."""
    package = find_spec(VENDOR)
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "fake_provider" / "backends"
    return sorted(folder.glob(f"*/{pattern}"))
