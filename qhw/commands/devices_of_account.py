"""What an account sees: its live devices as they are now, and what its plan still allows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console

from policy import RingCircuit
from qhw.budget.limits import OPEN_PLAN_DAYS
from qhw.console.tables import listing, platform_moment
from qhw.files import Cache
from qhw.jobs.ibm.account import LiveDevice
from qhw.jobs.ledger import Ledger
from qhw.jobs.patience import PatientRunner
from qhw.jobs.prompt import ask_at_prompt, at_prompt
from qhw.known import LIVE_PREFIX

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

WINDOW_SECONDS = OPEN_PLAN_DAYS * 86400.0
"""Over which the Open plan counts QPU seconds."""
HOW_TO_READ = (
    "Expected error: how likely at least one gate or read-out of {circuit} goes wrong on the "
    "device's best qubits, by its published calibration."
)


@dataclass
class Account:
    """What could be learned of an account, even if not all could.

    Attributes:
        circuit: Laid out on each device.
        devices: A record for each device that was read.
        plan: What the plan still allows, and what went through this ledger.
        opened: Whether the account answered at all.
    """

    circuit: RingCircuit
    devices: list[dict[str, Any]] = field(default_factory=list)
    plan: dict[str, Any] | None = None
    opened: bool = False

    def survey(self, console: Console) -> None:
        """Ask for everything, one device after the other.

        Args:
            console: Where people see what is waited for.

        Raises:
            QhwError: If the account or the platform is out of reach.
        """
        from qhw.jobs.ibm.account import list_devices, open_service

        with console.status("opening the IBM account"):
            service = ask_at_prompt("opening the IBM account", open_service)
            seen = ask_at_prompt("listing the devices", partial(list_devices, service))
        self.opened = True
        for device in seen:
            self.devices.append(_surveyed(console, service, device, self.circuit))
        if seen:
            self.plan = _plan(_runner(service, seen[0].name))

    def record(self) -> dict[str, Any] | None:
        """All of it as plain JSON; None if the account did not answer."""
        return {"devices": self.devices, "plan": self.plan} if self.opened else None

    def print(self, console: Console) -> None:
        """What was learned, for people."""
        if self.opened and not self.devices and self.plan is None:
            console.print("The account sees no device.")
        if self.devices:
            table = listing("device", "qubits", "queue", "calibrated (UTC)", "expected error")
            for device in self.devices:
                table.add_row(*_cells(device))
            console.print(table)
            described = f"the circuit of {self.circuit.num_qubits} qubits and depth "
            console.print(HOW_TO_READ.format(circuit=f"{described}{self.circuit.depth}"))
        if self.plan is not None:
            _print_plan(console, self.plan)


def _surveyed(
    console: Console, service: QiskitRuntimeService, device: LiveDevice, circuit: RingCircuit
) -> dict[str, Any]:
    """A device as it is now, as plain JSON."""
    from qhw.backends.transpilation import TranspileOptions
    from qhw.backends.transpile_cache import transpile_for

    cache = Cache.of_user().transpiled
    with console.status(f"reading the calibration of {device.name}") as status:
        snapshot = _runner(service, device.name).snapshot()
        status.update(f"laying the circuit out on {device.name}")
        score = transpile_for(circuit, snapshot, TranspileOptions(), cache).score
    return {
        "device": device.name,
        "qubits": device.num_qubits,
        "pending_jobs": device.pending_jobs,
        "operational": device.operational,
        "calibrated": snapshot.taken_at,
        "expected_error": score,
    }


def _cells(device: dict[str, Any]) -> tuple[str, ...]:
    queue = f"{device['pending_jobs']}{'' if device['operational'] else ' (not running)'}"
    date = platform_moment(device["calibrated"]).removesuffix(" UTC")
    return device["device"], str(device["qubits"]), queue, date, f"{device['expected_error']:.3f}"


def _runner(service: QiskitRuntimeService, name: str) -> PatientRunner:
    from qhw.jobs.ibm.account import find_device
    from qhw.jobs.ibm.runner import IbmRunner

    def opened() -> IbmRunner:
        return IbmRunner(service, find_device(service, name), "job", lambda _: None)

    return at_prompt(ask_at_prompt(f"opening {name}", opened))


def _plan(runner: PatientRunner) -> dict[str, Any]:
    """What the plan still allows, and what went through this ledger in its window."""
    limits = runner.limits()
    with Ledger.of_user() as ledger:
        spent = ledger.spent_since(LIVE_PREFIX, time.time() - WINDOW_SECONDS)
    return {
        "plan": limits.plan,
        "seconds_left": limits.seconds_left,
        "spent_seconds": spent.qpu_seconds,
        "spent_jobs": spent.jobs,
        "jobs_not_billed": spent.estimated_jobs,
    }


def _print_plan(console: Console, plan: dict[str, Any]) -> None:
    left = "" if plan["seconds_left"] is None else f", {plan['seconds_left']:.0f} QPU s left"
    pending = plan["jobs_not_billed"]
    estimated = f" ({pending} not billed yet)" if pending else ""
    console.print(
        f"Plan {plan['plan']}{left}. Through this ledger in the last {OPEN_PLAN_DAYS} days: "
        f"{plan['spent_seconds']:.1f} QPU s in {plan['spent_jobs']} jobs{estimated}."
    )
