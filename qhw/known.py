"""Which backends and devices there are."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhw.errors import BackendUnavailableError, UnknownNameError

if TYPE_CHECKING:
    from calibration import DeviceSnapshot

BACKEND_NAMES = ("aer", "aer_noisy")
RETIRED_DEVICES = ("brisbane", "sherbrooke", "kyiv", "kyoto", "osaka", "nazca", "cusco", "quebec")
LIVE_DEVICES = ("ibm_fez", "ibm_marrakesh", "ibm_kingston", "ibm_boston", "ibm_pittsburgh")
CREDENTIALS = (
    "Credentials are read from QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE, or from the account file "
    "that QiskitRuntimeService.save_account writes."
)


def fake_device_names() -> list[str]:
    """Names of all snapshots that need no account."""
    return sorted(fake_classes())


@lru_cache(maxsize=1)
def fake_classes() -> dict[str, Any]:
    """Snapshot classes by device name; none is instantiated."""
    from qiskit_ibm_runtime.fake_provider import backends

    found = {}
    for module_info in pkgutil.iter_modules(backends.__path__):
        package = importlib.import_module(f"{backends.__name__}.{module_info.name}")
        for _, value in inspect.getmembers(package, inspect.isclass):
            name = getattr(value, "backend_name", None)
            if isinstance(name, str) and value.__module__.startswith(package.__name__):
                found[name] = value
    return found


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
        name: Of the backend.
        device: Whose noise `aer_noisy` is to take; None where the run's own stays.

    Raises:
        UnknownNameError: If there is no such backend or device.
        BackendUnavailableError: If it exists but cannot be opened here.
    """
    if name == "aer_noisy" and device is not None and device not in fake_classes():
        raise UnknownNameError.nearest("device", device, fake_classes(), "qhw devices")
    if name in BACKEND_NAMES:
        return
    if name.startswith("ibm_"):
        refuse_without_account(name)
        return
    if name in fake_device_names():
        return
    raise UnknownNameError.nearest(
        "backend", name, [*BACKEND_NAMES, *fake_device_names(), *LIVE_DEVICES], "qhw devices"
    )


def refuse_without_account(name: str) -> None:
    """Say what to take instead of a device that no account can open.

    With an account, the platform itself is asked; see `qhw.jobs.ibm.account.find_device`.

    Raises:
        BackendUnavailableError: If there are no credentials.
    """
    if has_credentials():
        return
    short = name.removeprefix("ibm_")
    if short in RETIRED_DEVICES:
        raise BackendUnavailableError(
            f"The device {name!r} is retired.",
            f"Take its last noise by `--backend fake_{short}`, or a live device "
            f"({', '.join(LIVE_DEVICES)}; needs an account). {CREDENTIALS}",
        )
    local = f"fake_{short}"
    instead = f"`--backend {local}`" if local in fake_classes() else "`--backend aer_noisy`"
    raise BackendUnavailableError(
        f"The device {name!r} needs an account, and there is none here.",
        f"{CREDENTIALS} Without one take {instead}.",
    )


def open_snapshot(device: str) -> DeviceSnapshot:
    """Take the snapshot of a device that ships with the vendor's package.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    from calibration import DeviceSnapshot

    classes = fake_classes()
    if device not in classes:
        raise UnknownNameError.nearest("device", device, classes, "qhw devices")
    return DeviceSnapshot.from_backend(classes[device]())
