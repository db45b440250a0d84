from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.bundle import load_bundle
from qhw.controllers.controller import load_controller
from qhw.controllers.hub import pull_folder, push_folder
from qhw.errors import BundleError, DamagedFileError, HubError, OutputError, UnknownNameError
from qhw.training.parts import open_card
from tests.hub_server import HubServer, hub_in


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with hub_in(tmp_path / "hub", monkeypatch) as server:
        yield server


def test_a_controller_goes_and_comes_back(hub: HubServer, exported: Path, tmp_path: Path) -> None:
    address = push_folder(exported, "me/steering", private=True)
    assert address.startswith(f"{hub.url}/me/steering/commit/")
    assert hub.private == {"me/steering": True}
    assert pull_folder("me/steering", tmp_path / "back") == "controller"
    state = torch.rand(3, 6, generator=torch.Generator().manual_seed(1))
    before, after = load_controller(exported), load_controller(tmp_path / "back")
    assert torch.equal(before.guidance(state), after.guidance(state))
    names = {path.name for path in (tmp_path / "back").iterdir()}
    assert names == {"controller.json", "actor.safetensors", "README.md"}


def test_a_bundle_goes_and_comes_back(hub: HubServer, tmp_path: Path) -> None:
    push_folder("fashion-mnist-28", "me/pictures")
    assert pull_folder("me/pictures", tmp_path / "back", revision="main") == "bundle"
    assert load_bundle(tmp_path / "back").card == open_card("fashion-mnist-28")


def test_what_was_changed_on_the_way_is_not_kept(
    hub: HubServer, exported: Path, tmp_path: Path
) -> None:
    push_folder(exported, "me/steering")
    weights = hub.folder / "me" / "steering" / "actor.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedFileError, match="not the weights that were exported"):
        pull_folder("me/steering", tmp_path / "back")
    assert not [*tmp_path.glob("*back*")]


def test_a_public_repository_gets_nothing_private(hub: HubServer, exported: Path) -> None:
    push_folder(exported, "me/open")
    with pytest.raises(HubError, match="there already, and public"):
        push_folder(exported, "me/open", private=True)


def empty(card: dict[str, Any], folder: Path) -> None:
    card["checksums"] = {}


def outside(card: dict[str, Any], folder: Path) -> None:
    card["checksums"]["../secret"] = "0" * 64


def unknown(card: dict[str, Any], folder: Path) -> None:
    card["classifiers"]["proxy"] = "nope"


def listed(card: dict[str, Any], folder: Path) -> None:
    card["checksums"] = ["proxy.safetensors"]


def lost(card: dict[str, Any], folder: Path) -> None:
    (folder / "proxy.safetensors").unlink()


@pytest.mark.parametrize("spoil", [empty, outside, unknown, listed, lost])
def test_a_bundle_that_somebody_spoilt_is_refused(
    hub: HubServer, tmp_path: Path, spoil: Callable[[dict[str, Any], Path], None]
) -> None:
    push_folder("fashion-mnist-28", "me/pictures")
    theirs = hub.folder / "me" / "pictures"
    card = json.loads((theirs / "card.json").read_text())
    spoil(card, theirs)
    (theirs / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError):
        pull_folder("me/pictures", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_folder_of_other_things_shows_none_of_them(
    hub: HubServer, exported: Path, tmp_path: Path
) -> None:
    used = tmp_path / "used"
    shutil.copytree(exported, used)
    (used / "sub").mkdir()
    (used / "sub" / "secrets.json").write_text("{}")
    (used / "LICENSE.py").write_text("import os")
    push_folder(used, "me/used")
    assert sorted(path.name for path in (hub.folder / "me" / "used").rglob("*")) == [
        "README.md",
        "actor.safetensors",
        "controller.json",
    ]


def test_nothing_else_is_pulled(hub: HubServer, exported: Path, tmp_path: Path) -> None:
    push_folder(exported, "me/steering")
    (hub.folder / "me" / "steering" / "pytorch_model.bin").write_bytes(b"pickled")
    pull_folder("me/steering", tmp_path / "back")
    assert not (tmp_path / "back" / "pytorch_model.bin").exists()


def test_a_repository_that_is_neither_is_refused(
    hub: HubServer, exported: Path, tmp_path: Path
) -> None:
    (hub.folder / "me" / "notes").mkdir(parents=True)
    (hub.folder / "me" / "notes" / "README.md").write_text("hello")
    with pytest.raises(DamagedFileError, match="no controller, no bundle"):
        pull_folder("me/notes", tmp_path / "notes")


def test_a_wrong_token_is_told(
    hub: HubServer, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HubError, match="refused me/steering") as caught:
        push_folder(exported, "me/steering")
    assert "hf auth login" in caught.value.hint
    assert "hf_wrong" not in str(caught.value)


def test_a_repository_that_is_not_there_is_told(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="me/nothing"):
        pull_folder("me/nothing", tmp_path / "back")


def test_a_hub_that_is_not_there_is_told(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_local")
    with pytest.raises(HubError, match="cannot be reached"):
        push_folder(exported, "me/steering")
    with pytest.raises(HubError, match="cannot be reached"):
        pull_folder("me/steering", tmp_path / "back")


def test_places_and_names_are_checked_first(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is there already"):
        pull_folder("me/steering", tmp_path)
    with pytest.raises(UnknownNameError, match="fashion-mnst"):
        push_folder("fashion-mnst", "me/steering")
    with pytest.raises(DamagedFileError, match="holds neither"):
        push_folder(tmp_path, "me/steering")
    with pytest.raises(HubError, match="names no repository"):
        push_folder(exported, "me/steer ing/x")
