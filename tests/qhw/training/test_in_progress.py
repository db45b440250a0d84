"""A training is taken up in the middle of a rollout or an update, also by what wrote it earlier.

`written_before/` holds one training's journals before the last step of its second rollout and
before the second gradient of its second update, and the record that it came to. They were written
by 0.1.0 with the settings below.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.environment import draw_labels, draw_latents
from diffusion.episodes import Playing
from qhw.config import parse_config
from qhw.runs.checkpoint import section, unpack
from qhw.training.in_progress import COLUMNS, restore_rollout, rollout_of, rollout_tensors
from qhw.training.trainer import Trainer

WRITTEN = Path(__file__).parent / "written_before"
SETTINGS: dict[str, Any] = {
    "defaults": "0.1",
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "aer", "shots": 100},
    "gradient": {"rule": "spsa"},
    "environment": {"steps": 3},
    "ppo": {"updates": 2, "environments": 2, "epochs": 1, "minibatches": 2},
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["rollout", "gradient"])
def test_a_training_that_was_left_before_comes_to_the_same_update(name: str) -> None:
    trainer = Trainer(parse_config(SETTINGS))
    trainer.restore(unpack((WRITTEN / f"{name}.safetensors").read_bytes()))
    assert trainer.player.updates == 1
    record = trainer.advance()
    written = json.loads((WRITTEN / "update.json").read_text(encoding="utf-8"))
    for phase, cost in written.pop("cost").items():
        assert record["cost"][phase].items() >= cost.items(), phase
    for key, value in written.items():
        wanted = pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
        assert record[key] == wanted, key


@pytest.mark.parametrize("name", ["rollout", "gradient"])
def test_a_journal_has_the_names_it_always_had(name: str) -> None:
    journal = unpack((WRITTEN / f"{name}.safetensors").read_bytes())
    trainer = Trainer(parse_config(SETTINGS))
    trainer.restore(journal)
    again = trainer.checkpoint()
    assert again.tensors.keys() == journal.tensors.keys()
    assert again.state.keys() == journal.state.keys()
    for key, tensor in journal.tensors.items():
        assert torch.equal(again.tensors[key], tensor), key


def test_a_rollout_taken_up_at_any_step_is_the_whole_one() -> None:
    trainer = Trainer(parse_config(SETTINGS))
    environment = trainer.player.environment
    latents, labels = (
        draw_latents(4, 1, trainer.player.bundle.denoiser.sample_shape),
        draw_labels(4, 10),
    )
    beside = {name: torch.ones(4) for name in ("log_probs", "values", "dones")}
    action = torch.tensor([3.0, -0.5, 0.1, 1.0])
    playing = Playing.start(environment, latents, labels)
    put_aside = []
    while not playing.done:
        put_aside.append(rollout_tensors(playing))
        playing.advance(action, **beside)
    whole = rollout_of(playing)
    assert torch.equal(whole.actions[0], action), "a rollout keeps actions as they were drawn"
    assert whole.features is None
    for step, tensors in enumerate(put_aside):
        taken_up = restore_rollout(environment, tensors)
        assert taken_up is not None
        assert taken_up.step == step
        while not taken_up.done:
            taken_up.advance(action, **beside)
        for name in COLUMNS[:6]:
            assert torch.equal(getattr(rollout_of(taken_up), name), getattr(whole, name)), name
    assert section(put_aside[0], "collecting").keys() == {"state"}
    assert restore_rollout(environment, {}) is None
