"""Say what to take instead of a backend that cannot be opened, before anything heavy is done."""

from __future__ import annotations

from qhw.backends.names import (
    BACKEND_NAMES,
    CREDENTIALS,
    LIVE_DEVICES,
    RETIRED_DEVICES,
    fake_classes,
    fake_device_names,
)
from qhw.errors import BackendUnavailableError, UnknownNameError
from qhw.jobs.ibm_account import has_credentials


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

    With an account, the platform itself is asked; see `qhw.jobs.ibm_account.find_device`.

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
