"""Check an installation and say what is there; nothing here touches a network.

Nothing heavy is imported unless it is asked for: versions are read from what pip wrote down,
weights are compared with their cards, and the driver is asked about GPUs.
"""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from diffusion.embedded import EMBEDDED, require_whole
from qhw.commands.doctor_packages import gpu, packages
from qhw.console.output import show
from qhw.console.tables import listing
from qhw.errors import InstallationError, LedgerError
from qhw.files import Cache, UserData
from qhw.known import has_credentials

PACKAGES = ("qhw", "policy", "diffusion", "calibration")
CREDENTIAL_VARIABLES = ("QISKIT_IBM_TOKEN", "QISKIT_IBM_INSTANCE")
ACCOUNT_FILE = Path("~/.qiskit/qiskit-ibm.json")
PRIVATE = 0o600
"""Mode of a file that its user alone can read."""
INSTALL_AGAIN = "`pip install --force-reinstall qhw`"


@dataclass(frozen=True)
class Check:
    """One line of the table: what was looked at, whether it is fine, and what was seen."""

    name: str
    fine: bool
    seen: str


def print_checks(*, load: bool = False) -> None:
    """Print every check as a table.

    Args:
        load: Import the heavy packages and load the weights, too; takes seconds.

    Raises:
        InstallationError: If something is wrong; the table says what, and what to type.
    """
    checks = [*all_checks(), *([_check_loading()] if load else [])]
    show([asdict(check) for check in checks], lambda console: console.print(_table(checks)))
    wrong = [check.name for check in checks if not check.fine]
    if wrong:
        raise InstallationError(
            f"{len(wrong)} of {len(checks)} checks found something wrong: {', '.join(wrong)}.",
            "The lines marked ! say what to type; then `qhw doctor` again.",
        )


def _table(checks: Sequence[Check]) -> Table:
    table = listing("check", "", "seen")
    for check in checks:
        table.add_row(check.name, "ok" if check.fine else "!", check.seen)
    return table


def all_checks() -> list[Check]:
    """Look at Python, packages, GPU, weights, credentials, the ledger and folders."""
    return [
        Check("Python", (3, 11) <= sys.version_info < (3, 14), sys.version.split()[0]),
        Check("dependencies", *packages()),
        Check("GPU", True, gpu()),
        *(_check_package(name) for name in PACKAGES),
        *(_check_weights(name) for name in EMBEDDED),
        _check_credentials(),
        _check_ledger(),
        _check_folder("data folder", UserData.of_user().root, "XDG_DATA_HOME"),
        _check_folder("cache folder", Cache.of_user().root, "XDG_CACHE_HOME"),
    ]


def _check_package(name: str) -> Check:
    """Another distribution may ship a package of the same short name: say which one is used."""
    spec = importlib.util.find_spec(name)
    origin = Path(spec.origin).parent if spec and spec.origin else None
    ours = Path(__file__).resolve().parents[2]
    fine = origin is not None and origin.resolve().parent == ours
    advice = "" if fine else f": it shadows ours, in {ours}; uninstall it or change PYTHONPATH"
    return Check(f"package {name}", fine, f"{origin}{advice}")


def _check_weights(name: str) -> Check:
    """Whether a bundle's files are those of its card; none is loaded."""
    path = EMBEDDED[name]
    path, folder = (path / "card.json", path) if path.is_dir() else (path, path.parent)
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        require_whole(folder, card["checksums"])
        accuracy = card["accuracies"]["proxy"]
    except (ValueError, KeyError, OSError) as error:
        return Check(f"weights {name}", False, f"{error}: {INSTALL_AGAIN}")
    return Check(f"weights {name}", True, f"as their card says, proxy accuracy {accuracy:.3f}")


def _check_loading() -> Check:
    """Import what is heavy and load the default weights: finds a torch that cannot start."""
    try:
        import qiskit_aer  # noqa: F401
        import torch

        from diffusion.bundle import load_bundle

        card = load_bundle().card
    except (ImportError, OSError, ValueError) as error:
        return Check("loading", False, f"{error}: {INSTALL_AGAIN}")
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return Check("loading", True, f"torch {torch.__version__} sees {cuda}; {card.name} is loaded")


def _check_credentials() -> Check:
    """Where the client would find a token; never the token."""
    if not has_credentials():
        return Check("IBM credentials", True, "none: simulators only")
    variables = [name for name in CREDENTIAL_VARIABLES if os.environ.get(name)]
    files = [str(ACCOUNT_FILE)] if ACCOUNT_FILE.expanduser().exists() else []
    return Check("IBM credentials", True, ", ".join([*variables, *files]))


def _check_ledger() -> Check:
    """Whether the ledger of paid work is whole, and can be read by its user alone."""
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
            ledger.require_whole()
            jobs = len(ledger.entries())
    except LedgerError as error:
        return Check("ledger of jobs", False, f"{error.message} {error.hint}")
    return Check("ledger of jobs", True, f"{path}: schema {SCHEMA_VERSION}, {jobs} entries")


def _check_folder(name: str, folder: Path, variable: str) -> Check:
    """Whether a folder can be written to, or made: a file without a name is put there."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"qhw")
            file.flush()
    except OSError as error:
        advice = f"make {existing} a folder you may write to, with space, or set {variable}"
        return Check(name, False, f"{folder}: {error.strerror}; {advice}")
    return Check(name, True, str(folder))
