"""Which backends and devices there are."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import lru_cache
from typing import Any

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
