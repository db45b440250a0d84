"""What an account sees: its live devices as they are now, and what its plan still allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from policy import RingCircuit
from qhw.console.tables import listing, platform_moment
from qhw.files import Cache
from qhw.jobs.ibm.account import LiveDevice
from qhw.jobs.ledger import Ledger
from qhw.jobs.patience import PatientRunner
from qhw.jobs.prompt import ask_at_prompt, at_prompt
from qhw.known import LIVE_PREFIX

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

WINDOW_SECONDS = 28 * 86400.0
"""The Open plan counts QPU seconds over 28 days."""
HOW_TO_READ = (
    "Expected error: how likely at least one gate or read-out of {circuit} goes wrong on the "
    "device's best qubits, by its published calibration."
)


def print_account(console: Console, circuit: RingCircuit) -> None:
    """Print what could be learned, even if not all could.

    Args:
        console: Where.
        circuit: Laid out on each device.

    Raises:
        QhwError: If the account or the platform is out of reach.
    """
    from qhw.jobs.ibm.account import list_devices, open_service

    with console.status("opening the IBM account"):
        service = ask_at_prompt("opening the IBM account", open_service)
        devices = ask_at_prompt("listing the devices", partial(list_devices, service))
    if not devices:
        console.print("The account sees no device.")
        return
    table = listing("device", "qubits", "queue", "calibrated (UTC)", "expected error")
    try:
        for cells in _surveys(console, service, devices, circuit):
            table.add_row(*cells)
    finally:
        console.print(table)
    described = f"the circuit of {circuit.num_qubits} qubits and depth {circuit.depth}"
    console.print(HOW_TO_READ.format(circuit=described))
    _print_spending(console, _runner(service, devices[0].name))


def _surveys(
    console: Console, service: QiskitRuntimeService, devices: list[LiveDevice], circuit: RingCircuit
) -> Iterator[tuple[str, ...]]:
    """A row of the table for every device as it is now, one after the other."""
    from qhw.backends.transpilation import TranspileOptions
    from qhw.backends.transpile_cache import transpile_for

    cache = Cache.of_user().transpiled
    for device in devices:
        with console.status(f"reading the calibration of {device.name}") as status:
            snapshot = _runner(service, device.name).snapshot()
            status.update(f"laying the circuit out on {device.name}")
            score = transpile_for(circuit, snapshot, TranspileOptions(), cache).score
        queue = f"{device.pending_jobs}{'' if device.operational else ' (not running)'}"
        date = platform_moment(snapshot.taken_at).removesuffix(" UTC")
        yield device.name, str(device.num_qubits), queue, date, f"{score:.3f}"


def _runner(service: QiskitRuntimeService, name: str) -> PatientRunner:
    from qhw.jobs.ibm.account import find_device
    from qhw.jobs.ibm.runner import IbmRunner

    def opened() -> IbmRunner:
        return IbmRunner(service, find_device(service, name), "job", lambda _: None)

    return at_prompt(ask_at_prompt(f"opening {name}", opened))


def _print_spending(console: Console, runner: PatientRunner) -> None:
    """What the plan still allows, and what went through this ledger."""
    limits = runner.limits()
    left = "" if limits.seconds_left is None else f", {limits.seconds_left:.0f} QPU s left"
    with Ledger.of_user() as ledger:
        spent = ledger.spent_since(LIVE_PREFIX, time.time() - WINDOW_SECONDS)
    estimated = f" ({spent.estimated_jobs} not billed yet)" if spent.estimated_jobs else ""
    console.print(
        f"Plan {limits.plan}{left}. Through this ledger in the last 28 days: "
        f"{spent.qpu_seconds:.1f} QPU s in {spent.jobs} jobs{estimated}."
    )
