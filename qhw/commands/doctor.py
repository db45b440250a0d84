"""Check an installation and say what is there; nothing here touches a network."""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from qhw.console import listing
from qhw.errors import LedgerError
from qhw.files import Cache, UserData
from qhw.known import has_credentials

PACKAGES = ("qhw", "policy", "diffusion", "calibration")
CREDENTIAL_VARIABLES = ("QISKIT_IBM_TOKEN", "QISKIT_IBM_INSTANCE")
ACCOUNT_FILE = Path("~/.qiskit/qiskit-ibm.json")
PRIVATE = 0o600
"""Mode of a file that its user alone can read."""


@dataclass(frozen=True)
class Check:
    """One line of the table: what was looked at, whether it is fine, and what was seen."""

    name: str
    fine: bool
    seen: str


def print_checks() -> None:
    """Print every check as a table."""
    table = listing("check", "", "seen")
    for check in all_checks():
        table.add_row(check.name, "ok" if check.fine else "!", check.seen)
    Console().print(table)


def all_checks() -> list[Check]:
    """Look at Python, torch, packages, weights, credentials, the ledger and folders."""
    return [
        Check("Python", (3, 11) <= sys.version_info < (3, 13), sys.version.split()[0]),
        *_check_torch(),
        *(_check_package(name) for name in PACKAGES),
        _check_bundle(),
        _check_credentials(),
        _check_ledger(),
        _check_cache(),
    ]


def _check_torch() -> list[Check]:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none: pictures on the CPU"
    return [Check("torch", True, torch.__version__), Check("GPU", True, gpu)]


def _check_package(name: str) -> Check:
    """Another distribution may ship a package of the same short name: say which one is used."""
    spec = importlib.util.find_spec(name)
    origin = Path(spec.origin).parent if spec and spec.origin else None
    ours = Path(__file__).resolve().parents[2]
    fine = origin is not None and origin.resolve().parent == ours
    return Check(f"package {name}", fine, str(origin))


def _check_bundle() -> Check:
    from diffusion.bundle import load_bundle

    try:
        card = load_bundle().card
    except (ValueError, FileNotFoundError) as error:
        return Check("weights", False, str(error))
    return Check("weights", True, f"{card.name}, proxy accuracy {card.accuracies['proxy']:.3f}")


def _check_credentials() -> Check:
    """Where the client would find a token; never the token."""
    if not has_credentials():
        return Check("IBM credentials", True, "none: simulators only")
    variables = [name for name in CREDENTIAL_VARIABLES if os.environ.get(name)]
    files = [str(ACCOUNT_FILE)] if ACCOUNT_FILE.expanduser().exists() else []
    return Check("IBM credentials", True, ", ".join([*variables, *files]))


def _check_ledger() -> Check:
    """Whether the ledger of paid work can be read, and by its user alone."""
    from qhw.jobs.ledger import Ledger
    from qhw.jobs.ledger.file import SCHEMA_VERSION

    path = UserData.of_user().ledger
    if not path.exists():
        return Check("ledger of jobs", True, f"{path}: none yet")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode != PRIVATE:
        return Check("ledger of jobs", False, f"{path} has mode {mode:o}: `chmod 600 {path}`")
    try:
        with Ledger.of_user() as ledger:
            jobs = len(ledger.entries())
    except LedgerError as error:
        return Check("ledger of jobs", False, f"{error.message} {error.hint}")
    return Check("ledger of jobs", True, f"{path}: schema {SCHEMA_VERSION}, {jobs} entries")


def _check_cache() -> Check:
    folder = Cache.of_user().root
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return Check("cache folder", os.access(existing, os.W_OK), str(folder))
