from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.environment import draw_labels, draw_latents
from policy import OwnCircuit, RingCircuit
from qhw.backends.opening import open_backend
from qhw.controllers.controller import load_controller
from qhw.controllers.exporting import export_controller
from qhw.errors import ConfigError, DamagedFileError, OutputError, UnknownNameError
from qhw.files import read_json, write_json
from qhw.runs.directory import RunDirectory
from qhw.training.player import Player
from tests.qhw.controllers.conftest import SETTINGS, trained_once


def test_it_sets_the_guidance_that_the_run_sets(trained: RunDirectory, exported: Path) -> None:
    player, controller = Player.of(trained), load_controller(exported)
    environment = player.environment
    shape = environment.sampler.denoiser.sample_shape
    state = environment.reset(draw_latents(5, 3, shape), draw_labels(5, 10))
    applied: list[float] = []
    for _ in range(environment.num_steps):
        with torch.no_grad():
            action = player.actor.action_mean(state)
        assert torch.equal(controller.action(state), environment.clip_actions(action))
        guidance = controller.guidance(state)
        result = environment.step(action)
        assert torch.equal(guidance, result.guidance)
        state = result.state
        applied += guidance.tolist()
    assert len(set(applied)) > 5


def test_a_folder_needs_nothing_beside_it(exported: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(exported, moved)
    controller = load_controller(moved)
    assert controller.record.updates == 1
    assert controller.record.name == "small"
    assert controller.features[-1] == "confidence"
    assert sorted(path.name for path in moved.iterdir()) == [
        "README.md",
        "actor.safetensors",
        "controller.json",
    ]


def test_other_backends_are_taken(exported: Path) -> None:
    state = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    noisy = load_controller(exported).guidance(state)
    exact = load_controller(exported, "aer").guidance(state)
    own = load_controller(exported, open_backend("aer", RingCircuit())).guidance(state)
    assert torch.equal(exact, own)
    assert not torch.equal(noisy, exact)
    with pytest.raises(ConfigError, match="The backend was made for"):
        load_controller(exported, open_backend("aer", RingCircuit(3, 1)))


def test_weights_are_played_on_no_other_circuit(tmp_path: Path) -> None:
    ring = RingCircuit(3, 1)
    built = ring.quantum_circuit()
    inputs = [p for p in built.parameters if p.vector.name == "angle"]
    built.cx(0, 1)
    own = open_backend("aer", OwnCircuit(built, inputs))
    settings = {**SETTINGS, "actor": {"circuit": {"qubits": 3, "depth": 1}}}
    run = trained_once(tmp_path, "own", settings, own)
    for backend in (None, open_backend("aer", ring)):
        with pytest.raises(ConfigError, match="circuit of its user's own"):
            Player.of(run, run.config, backend=backend)
    assert Player.of(run, backend=own).updates == 1
    export_controller(run, tmp_path / "c")
    for other in (None, "aer", open_backend("aer", ring)):
        with pytest.raises(ConfigError, match="circuit of its user's own"):
            load_controller(tmp_path / "c", other)
    state = torch.rand(2, 6, generator=torch.Generator().manual_seed(0))
    guidance = load_controller(tmp_path / "c", own).guidance(state)
    assert guidance.shape == (2,)
    assert "circuit of its maker's own on 3 qubits" in (tmp_path / "c" / "README.md").read_text()


@pytest.mark.parametrize("given", [{"shots": 7}, {"name": "x"}, {"nonsense": 1}])
def test_nothing_that_is_given_is_ignored(exported: Path, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no backend that it is for"):
        load_controller(exported, **given)
    with pytest.raises(ConfigError, match="with a backend of your own"):
        load_controller(exported, open_backend("aer", RingCircuit()), **given)


def test_a_device_must_be_named_again(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "of-device"
    shutil.copytree(exported, folder)
    record = read_json(folder / "controller.json")
    record["settings"]["backend"] = {"name": "fake_lima"}
    write_json(folder / "controller.json", record)
    with pytest.raises(ConfigError, match="trained on the device fake_lima") as caught:
        load_controller(folder)
    assert 'load_controller(folder, "aer_noisy", device="fake_fez")' in caught.value.hint
    assert load_controller(folder, "aer").record.name == "small"


def test_a_classical_controller_has_no_backend(tmp_path: Path) -> None:
    settings = {**SETTINGS, "actor": {"kind": "mlp_matched"}}
    run = trained_once(tmp_path, "classical", settings)
    export_controller(run, tmp_path / "c")
    controller = load_controller(tmp_path / "c")
    assert controller.backend is None
    assert controller.guidance(torch.zeros(2, 6)).shape == (2,)
    assert "classical network (`mlp_matched`)" in (tmp_path / "c" / "README.md").read_text()
    with pytest.raises(ConfigError, match="runs no circuit"):
        load_controller(tmp_path / "c", "aer")


@pytest.mark.parametrize("name", ["controller.json", "actor.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe"])
def test_damage_is_told(exported: Path, tmp_path: Path, name: str, content: bytes | None) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(exported, folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(DamagedFileError, match=name):
        load_controller(folder)


def test_what_is_no_export_is_told(trained: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no folder"):
        load_controller(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is a run"):
        load_controller(trained.path)


def test_arrays_are_states_too_and_must_be_finite(exported: Path) -> None:
    controller = load_controller(exported)
    state = torch.rand(2, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(controller.guidance(state.double().numpy()), controller.guidance(state))
    with pytest.raises(ValueError, match="not finite"):
        controller.guidance(state * torch.nan)


def test_nothing_is_written_over(trained: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="is there already"):
        export_controller(trained, tmp_path / "there")


def test_the_card_tells_what_was_measured(trained: RunDirectory, tmp_path: Path) -> None:
    export_controller(trained, tmp_path / "before")
    assert "not evaluated" in (tmp_path / "before" / "README.md").read_text()
    number = {"estimate": 0.05, "low": 0.04, "high": 0.06}
    row: dict[str, Any] = {"name": "policy", "mean_return": number, "gain": number}
    table = {"updates": 1, "latents": 40, "arms": "default", "rows": [row]}
    write_json(trained.path / "evaluation.json", table)
    try:
        export_controller(trained, tmp_path / "after")
    finally:
        (trained.path / "evaluation.json").unlink()
    card = (tmp_path / "after" / "README.md").read_text()
    assert "minus the best constant guidance +0.050 [+0.040, +0.060]" in card
    assert "40 latents" in card
    assert "between 1 and 3.44" in card


def test_a_state_of_other_columns_is_refused(exported: Path) -> None:
    with pytest.raises(ValueError, match=r"need \(N, 6\), the columns time, latent_norm"):
        load_controller(exported).action(torch.zeros(2, 5))
