"""`qhw models`: what ships is listed, tells of itself, and is checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from diffusion.discriminator import FILE
from diffusion.embedded import DEFAULT, EMBEDDED, sha256
from qhw.cli.app import app
from qhw.commands.models import check_model, print_card
from qhw.errors import BundleError, DamagedFileError, UnknownNameError


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    shutil.copytree(EMBEDDED[DEFAULT], folder, ignore=shutil.ignore_patterns("baselines"))
    return folder


def test_what_ships_is_listed() -> None:
    told = CliRunner().invoke(app, ["models", "list"]).stdout
    assert all(name in told for name in EMBEDDED)
    assert "28 x 28 grey" in told
    listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
    assert [model["name"] for model in listed["models"]] == list(EMBEDDED)
    assert listed["models"][0]["accuracies"]["proxy"] == 0.9033
    assert listed["models"][0]["bytes"] > 4_000_000


def test_a_card_is_told_in_words_and_as_json(own: Path) -> None:
    in_words = CliRunner().invoke(app, ["models", "card", "fashion-mnist"]).stdout
    assert "Model bundle fashion-mnist" in in_words and "ankle boot" in in_words
    assert max(map(len, in_words.splitlines())) <= 80
    facts = json.loads(CliRunner().invoke(app, ["models", "card", str(own), "--json"]).stdout)
    assert facts["cfg_base"] == 1.44
    # The second card's settings are not those that the words tell of.
    earlier = CliRunner().invoke(app, ["models", "card", "fashion-mnist-0.1"]).stdout
    assert json.loads(earlier)["cfg_base"] == 1.75


@pytest.mark.parametrize("name", EMBEDDED)
def test_what_ships_is_sound(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    check_model(name)
    told = capsys.readouterr().out
    assert "all files are whole" in told and "a discriminator is there" in told


def test_a_bundle_without_a_discriminator_is_sound(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / FILE).unlink()
    check_model(str(own))
    assert "there is no discriminator: the bundle" in capsys.readouterr().out


def test_a_discriminator_of_another_denoiser_is_not_passed_over(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(EMBEDDED["fashion-mnist-28"] / FILE, own / FILE)
    check_model(str(own))
    assert "fitted to pictures of another denoiser" in " ".join(capsys.readouterr().out.split())


def test_damage_is_found(own: Path) -> None:
    (own / FILE).write_bytes(b"nothing")
    with pytest.raises(BundleError, match=r"discriminator\.safetensors is damaged"):
        check_model(str(own))
    (own / "proxy.safetensors").write_bytes(b"nothing")
    with pytest.raises(BundleError, match=r"proxy\.safetensors has SHA-256"):
        check_model(str(own))
    (own / "card.json").write_text("{")
    with pytest.raises(DamagedFileError, match=r"card\.json"):
        print_card(str(own))


def test_a_classifier_that_is_not_what_the_card_says_is_found(own: Path) -> None:
    weights = load_file(own / "judge_0.safetensors")
    save_file(
        {**weights, "head.bias": weights["head.bias"] + 9 * (weights["head.bias"] > 0)},
        own / "judge_0.safetensors",
    )
    card = json.loads((own / "card.json").read_text())
    card["checksums"]["judge_0.safetensors"] = sha256(own / "judge_0.safetensors")
    (own / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=r"judge_0 is right on .* the card says 0.902"):
        check_model(str(own))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no bundle named 'fashion-mnit'") as error:
        print_card("fashion-mnit")
    assert "fashion-mnist" in error.value.hint and "`qhw models list`" in error.value.hint
