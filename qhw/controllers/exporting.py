"""From a run to a folder that stands by itself: weights, settings, card."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from qhw.controllers.card import card_of
from qhw.controllers.record import CARD, RECORD, WEIGHTS, ControllerRecord, checksum
from qhw.files import make_folder, refuse_existing, replace_file, whole_folder, write_json
from qhw.runs.checkpoint import Checkpoint, prefixed, section
from qhw.runs.directory import RunDirectory
from qhw.training.parts import open_card
from qhw.training.reopening import recorded_backend


def export_controller(run: RunDirectory, folder: str | Path) -> ControllerRecord:
    """Write a run's controller into a new folder, in one step.

    Args:
        run: A trained run; its newest weights are taken.
        folder: It must not be there yet.

    Raises:
        OutputError: If the folder is there, or cannot be written.
        CheckpointError: If the run has no weights.
        UnknownNameError: If its model bundle is gone.
    """
    folder = Path(folder)
    refuse_existing(folder)
    from safetensors.torch import save_file

    checkpoint = run.latest_checkpoint()
    make_folder(folder.absolute().parent)
    weights = prefixed(section(checkpoint.tensors, "actor"), "actor")
    with whole_folder(folder) as filling:
        save_file(weights, filling / WEIGHTS)
        record = _record(run, checkpoint, checksum(filling / WEIGHTS))
        write_json(filling / RECORD, record.model_dump(mode="json"))
        replace_file(filling / CARD, card_of(record).encode())
    return record


def _record(run: RunDirectory, checkpoint: Checkpoint, digest: str) -> ControllerRecord:
    config = run.config
    card = open_card(config.environment.bundle)
    facts = recorded_backend(run)
    chosen = config.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return ControllerRecord(
        qhw=metadata.version("qhw"),
        name=run.name,
        updates=checkpoint.update,
        settings={**chosen, "defaults": config.defaults},
        trained_on=facts.phrase,
        own_backend=facts.own,
        own_circuit=facts.own_circuit,
        bundle=card.name,
        bundle_digest=card.digest,
        cfg_base=config.environment.cfg_base or card.cfg_base,
        checksum=digest,
        **_returns(run, checkpoint.update),
    )


def _returns(run: RunDirectory, updates: int) -> dict[str, Any]:
    """The paired table's first row, if these weights were played for it."""
    table = run.evaluation
    if table is None or table["updates"] != updates:
        return {"latents": None, "mean_return": None, "gain": None}
    row = table["rows"][0]
    return {
        "latents": table["latents"],
        "mean_return": row["mean_return"],
        "gain": row["gain"],
    }
