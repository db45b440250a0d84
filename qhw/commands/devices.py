"""`qhw devices`: the account's live devices as they are now, and the snapshots that need none."""

from __future__ import annotations

from rich.console import Console

from policy import RingCircuit
from qhw.errors import QhwError
from qhw.known import CREDENTIALS, LIVE_DEVICES, has_credentials, stand_in_names


def print_devices(circuit: RingCircuit | None = None) -> None:
    """Print the account's devices if there is an account, then the snapshots.

    Args:
        circuit: Laid out on each device; the default one without it.

    Raises:
        QhwError: If the account or the platform is out of reach; the snapshots are printed first.
    """
    console = Console()
    if not has_credentials():
        _print_snapshots(console)
        console.print(f"Live devices ({', '.join(LIVE_DEVICES)}) need an account. {CREDENTIALS}")
        return
    from qhw.commands.devices_of_account import print_account

    try:
        print_account(console, circuit or RingCircuit())
    except QhwError:
        _print_snapshots(console)
        raise
    _print_snapshots(console)


def _print_snapshots(console: Console) -> None:
    console.print(
        "Snapshots, free and without a queue: `--backend NAME` takes them through the whole path "
        "of jobs, `--backend aer_noisy --device NAME` simulates their noise quickly."
    )
    console.print(", ".join(stand_in_names()))
