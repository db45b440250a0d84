"""From a device's name to a backend that spends its time with care."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from policy import Ansatz
from qhw.budget.limits import Budget, Limits
from qhw.budget.planned_jobs import DEFAULT_SHOTS, default_mitigation
from qhw.config import BackendConfig, HardwareConfig, MethodName
from qhw.errors import ConfigError
from qhw.files import Cache, UserData
from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.patience import Patience
from qhw.jobs.prompt import opening_questions
from qhw.jobs.reconciling import close_orphans
from qhw.jobs.work import Progress, WorkSettings
from qhw.known import DeviceName, refuse_unknown

if TYPE_CHECKING:
    from calibration import DeviceSnapshot
    from qhw.backends.transpilation import TranspiledCircuit
    from qhw.devices.backend import DeviceBackend
    from qhw.jobs.ledger import Ledger
    from qhw.jobs.runner import JobRunner
    from qhw.jobs.work import PaidWork


@dataclass(frozen=True)
class Requester:
    """Who asks for paid work.

    Attributes:
        run_id: Identity of the run in the ledger.
        command: What goes on with it after a stop; the hint of a reached limit names it.
        mitigation: What an earlier process of the same run decided; None for the first.
        folder: Where the run keeps the circuit it began with; None to take the cache's. With the
            circuit in it the run is not new: before anything is sent, the platform is asked whether
            it has been already. So it is without a folder, where nobody can tell.
        tell: Shown every change of a job.
        announce: Told what should be read, such as that the device was recalibrated.
        clock: Tells the time and waits.
        settings: Waiting times of paid work.
        patience: Deadlines and retries of calls to the platform.
    """

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    command: str = ""
    mitigation: MethodName | None = None
    folder: Path | None = None
    tell: Callable[[Progress], None] = lambda _: None
    announce: Callable[[str], None] = lambda _: None
    clock: Clock = field(default_factory=SystemClock)
    settings: WorkSettings = field(default_factory=WorkSettings)
    patience: Patience = field(default_factory=Patience)

    @property
    def circuit_file(self) -> Path | None:
        """The circuit the run began with, kept before anything is sent; None without a folder."""
        return None if self.folder is None else self.folder / "circuit.qpy"

    @property
    def begun(self) -> bool:
        """Whether an earlier process may have sent something in this name."""
        return self.circuit_file is None or self.circuit_file.exists()


def open_device(
    backend: BackendConfig,
    hardware: HardwareConfig,
    circuit: Ansatz,
    requester: Requester,
    cache: Cache | None = None,
) -> DeviceBackend:
    """Open a device for one circuit; nothing is sent yet.

    Args:
        backend: Its name, shots and mitigation.
        hardware: Limits and how jobs are grouped.
        circuit: The ansatz.
        requester: Who asks.
        cache: Cache of transpiled circuits; the user's by default.

    Raises:
        UnknownNameError: If there is no such device.
        BackendUnavailableError: If it cannot be used, or the circuit would have to use gates that
            are not calibrated.
        CredentialsError: If the account cannot be used.
        ConfigError: If a limit is missing or out of range.
    """
    refuse_unknown(backend.name)
    with ExitStack() as opened:
        work = _paid_work(backend, hardware, requester, opened)
        device = _prepared(work, backend, hardware, circuit, requester, cache or Cache.of_user())
        opened.pop_all()
        return device


def _prepared(
    work: PaidWork,
    backend: BackendConfig,
    hardware: HardwareConfig,
    circuit: Ansatz,
    requester: Requester,
    cache: Cache,
) -> DeviceBackend:
    """The circuit laid out on the device, with its mitigation and the watch over drift."""
    from calibration import ASSUMED
    from qhw.backends.mitigation.affine import AffineStore
    from qhw.devices.backend import DeviceBackend
    from qhw.devices.drift import DriftWatch
    from qhw.devices.mitigation import DeviceMitigation

    snapshot = work.runner.snapshot()
    transpiled = _transpiled(circuit, snapshot, requester.circuit_file, cache)
    method, reason = choose_mitigation(backend, hardware, requester.mitigation)
    store = AffineStore(UserData.of_user().affine_maps)
    laid_out = circuit, transpiled, snapshot
    mitigation = DeviceMitigation(
        method,
        *laid_out,
        store,
        cache.folded,
        readout_errors=hardware.readout_errors,
        reason=reason,
        assumptions=ASSUMED if DeviceName(backend.name).stand_in else None,
    )
    shots = backend.shots or DEFAULT_SHOTS
    drift = DriftWatch(
        snapshot,
        transpiled,
        work.ledger.calibration,
        hardware.on_drift,
        requester.announce,
        work.ledger.keep_calibration(work.runner.published()),
    )
    return DeviceBackend(circuit, transpiled, work, requester.run_id, shots, mitigation, drift)


def spending_limits(backend: BackendConfig, hardware: HardwareConfig) -> Limits:
    """The limits of a run; on a device that costs money there must be one.

    Raises:
        ConfigError: If an `ibm_*` device was given none.
    """
    limits = Limits(hardware.max_qpu_seconds, hardware.max_jobs, hardware.max_cost)
    if DeviceName(backend.name).live and limits == Limits():
        raise ConfigError(
            f"{backend.name!r} spends QPU time, and no limit was given.",
            "Add --max-qpu-seconds, --max-jobs or --max-cost; `qhw plan` with the same options "
            "tells what the work takes.",
        )
    return limits


def choose_mitigation(
    backend: BackendConfig, hardware: HardwareConfig, before: MethodName | None
) -> tuple[MethodName, str]:
    """The method, and why where nobody named it; `before` is what the run began with."""
    if backend.mitigation is not None:
        return backend.mitigation, ""
    if before is not None:
        return before, "as the run began"
    return default_mitigation(spending_limits(backend, hardware), hardware.price)


def open_runner(
    backend: BackendConfig, hardware: HardwareConfig, ledger: Ledger, requester: Requester
) -> JobRunner:
    """The device itself: IBM's, or the local one."""
    if DeviceName(backend.name).stand_in:
        from qhw.jobs.local.runner import LocalRunner

        if hardware.mode != "job":
            raise ConfigError(
                f"hardware.mode = {hardware.mode!r}: the local device {backend.name!r} has no "
                "queue, so nothing is gained by grouping jobs.",
                "Leave --mode out.",
            )
        return LocalRunner(backend.name)
    from qhw.jobs.ibm.runner import IbmRunner

    def write_down(group_id: str) -> None:
        ledger.group_opened(group_id, hardware.mode, backend.name, requester.run_id)

    def opened() -> IbmRunner:
        return IbmRunner.open(backend.name, hardware.mode, write_down, requester.announce)

    questions = opening_questions(requester.patience, requester.clock)
    return questions.ask(f"opening {backend.name}", opened)


def _paid_work(
    backend: BackendConfig, hardware: HardwareConfig, requester: Requester, opened: ExitStack
) -> PaidWork:
    """The device and what is left of its budget, with the ledger, which `opened` closes."""
    from qhw.jobs.ledger import Ledger
    from qhw.jobs.patience import PatientRunner
    from qhw.jobs.work import PaidWork

    limits = spending_limits(backend, hardware)
    settings = replace(requester.settings, job_wait=hardware.job_wait)
    ledger = opened.enter_context(Ledger.of_user(requester.clock))
    runner = PatientRunner(
        open_runner(backend, hardware, ledger, requester),
        requester.patience,
        requester.clock,
        random.Random(),  # noqa: S311 - spreads waits, protects nothing
    )
    close_orphans(ledger, requester.run_id)
    spent = ledger.spent(requester.run_id)
    budget = Budget(limits, hardware.price, spent.qpu_seconds, spent.jobs, requester.command)
    return PaidWork(
        runner, ledger, budget, requester.clock, settings, requester.tell, begun=requester.begun
    )


def _transpiled(
    circuit: Ansatz, snapshot: DeviceSnapshot, kept: Path | None, cache: Cache
) -> TranspiledCircuit:
    """The circuit the run began with, or the cache's."""
    from qhw.backends.transpilation import TranspileOptions, refuse_uncalibrated
    from qhw.backends.transpile_cache import pinned, transpile_for

    def make() -> TranspiledCircuit:
        made = transpile_for(circuit, snapshot, TranspileOptions(), cache.transpiled)
        refuse_uncalibrated(snapshot, made)
        return made

    return make() if kept is None else pinned(kept, make, snapshot)
