"""The trainer of a run that is there already, with what it was started with."""

from __future__ import annotations

from rich.console import Console

from policy import ExpectationBackend
from qhw.backends.facts import BackendFacts
from qhw.console import from_here
from qhw.devices.opening import Requester
from qhw.devices.session import Display
from qhw.errors import ConfigError, LedgerError
from qhw.runs.directory import RunDirectory
from qhw.training.trainer import Trainer

RESUME = "train --resume"
"""What goes on with a training, before the run's path."""


def open_trainer(
    run: RunDirectory,
    backend: ExpectationBackend | None = None,
    display: Display | None = None,
    command: str = RESUME,
) -> Trainer:
    """Build a run's trainer, with the backend the run was started with.

    Args:
        run: Its folder.
        backend: The one of one's own that the run was started with, if it was.
        display: Shows what a device does; nothing is shown without it.
        command: What goes on with it if a limit is reached, between `qhw` and the run's path.

    Raises:
        ConfigError: If the run was trained on a backend of one's own, and none is given.
    """
    facts = BackendFacts("")
    if backend is None and (run.path / "provenance.json").exists():
        facts = BackendFacts.read(run.read_json("provenance.json")["backend"] or {})
        if facts.own:
            raise ConfigError(
                f"{run.name} was trained on a backend of one's own ({facts.phrase}).",
                "Call `train_run(run, backend=...)` or `evaluate_run` from Python with it.",
            )
    shown = display or Display(Console(quiet=True))
    requester = Requester(
        run_id=run.id,
        command=f"qhw {command} {from_here(run.path)}",
        mitigation=facts.mitigation.method if facts.mitigation else None,
        folder=run.path / "device",
        tell=shown.tell,
        announce=shown.announce,
    )
    return Trainer(run.config, backend, requester)


def require_ledger(run: RunDirectory, trainer: Trainer) -> None:
    """Refuse to go on where nothing is known of what was paid for: it would be paid for again.

    Raises:
        LedgerError: If finished updates on a device are not in the ledger.
    """
    if trainer.paid is None or not trainer.done:
        return
    ledger = trainer.paid.work.ledger
    if not ledger.entries(run=run.id):
        raise LedgerError(
            f"{run.name} has {trainer.done} updates on {trainer.config.backend.name}, and the "
            f"ledger {ledger.path} knows of none.",
            "Go on where its ledger is (XDG_DATA_HOME moves it), or begin a new run from its "
            f"weights: `qhw train --from {from_here(run.path)}`.",
        )
