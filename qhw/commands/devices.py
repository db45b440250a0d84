"""`qhw devices`: the account's live devices as they are now, and the snapshots that need none."""

from __future__ import annotations

from rich.console import Console

from policy import RingCircuit
from qhw.console.output import show, terminal
from qhw.known import CREDENTIALS, LIVE_DEVICES, has_credentials, stand_in_names

RECOMMENDED = (
    "For the default circuit take ibm_miami with `--mitigation affine` or `readout`: on its square "
    "lattice the ring of four takes 8 two-qubit gates, elsewhere 17 or more; its read-out errs "
    "more, which these correct. Without mitigation take ibm_boston."
)
"""Measured on snapshots of April 2026: `benchmarks/lattice.py`."""


def print_devices(circuit: RingCircuit | None = None) -> None:
    """Print the account's devices if there is an account, then the snapshots.

    Args:
        circuit: Laid out on each device; the default one without it.

    Raises:
        QhwError: If the account or the platform is out of reach; the snapshots are printed first.
    """
    if not has_credentials():
        show({"snapshots": stand_in_names(), "account": None}, _print_without_account)
        return
    from qhw.commands.devices_of_account import Account

    account = Account(circuit or RingCircuit())

    def print_it(console: Console) -> None:
        account.print(console)
        _print_snapshots(console)

    try:
        account.survey(terminal())
    finally:
        show({"snapshots": stand_in_names(), "account": account.record()}, print_it)


def _print_without_account(console: Console) -> None:
    _print_snapshots(console)
    console.print(f"Live devices ({', '.join(LIVE_DEVICES)}) need an account. {CREDENTIALS}")


def _print_snapshots(console: Console) -> None:
    console.print(
        "Snapshots, free and without a queue: `--backend NAME` takes them through the whole path "
        "of jobs, `--backend aer_noisy --device NAME` simulates their noise quickly."
    )
    console.print(", ".join(stand_in_names()))
    console.print(RECOMMENDED)
