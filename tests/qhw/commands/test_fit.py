"""`qhw fit`: a folder of pictures becomes a bundle that is trained on, or nothing at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from diffusion import headroom
from diffusion.bundle import RewardChoice, load_bundle
from diffusion.discriminator import discriminator_facts
from diffusion.embedded import EMBEDDED
from diffusion.headroom import FormResult
from diffusion.rewards import PRICE_FORMS, RewardConfig
from qhw.cli.app import app, main
from qhw.commands import fit
from qhw.errors import ConfigError, DataError
from qhw.evaluation.baselines import FOLDER
from qhw.runs.directory import RunDirectory

COLOURS = {"green": (30, 200, 40), "orange": (240, 140, 20), "violet": (140, 40, 220)}
EACH = 60


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Discs in three colours on grey noise, larger than the bundle's pictures, without splits."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24]
    for name, colour in COLOURS.items():
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for k in range(EACH):
            pixels = rng.integers(90, 130, (24, 24, 1)).repeat(3, axis=2).astype(np.uint8)
            row, column = rng.uniform(8, 16, 2)
            pixels[(x - column) ** 2 + (y - row) ** 2 < 50] = colour
            Image.fromarray(pixels).save(folder / f"{k}.jpg")
    return tmp_path / "photos"


def type_in(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr("sys.argv", ["qhw", *line.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def choose_first(results: list[FormResult]) -> tuple[RewardConfig, float, RewardChoice]:
    """Networks of thirty batches leave no choice worth the name."""
    return PRICE_FORMS[results[0].form], 2.0, RewardChoice(2.0, 1.0, 2.0)


@pytest.mark.slow  # fits four networks, measures them, and trains on the bundle
def test_a_folder_in_colour_becomes_a_bundle_that_is_trained_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fit, "SHIPPED_LATENTS", (20,))
    monkeypatch.setattr(headroom, "choose", choose_first)
    type_in(
        monkeypatch,
        "fit --dataset images --data photos --resolution 16 --pictures 12000 --latents 20 "
        "--accuracy 0.6 --out own",
    )
    bundle = load_bundle(tmp_path / "own")
    card = bundle.card
    assert card.class_names == ("green", "orange", "violet")
    assert card.denoiser["image_channels"] == 3
    assert card.required_accuracy == 0.6 <= min(card.accuracies.values())
    assert "--dataset images --data DIR --resolution 16 --pictures" in card.made["command"]
    assert bundle.references.images.shape == (3 * EACH // 6, 3, 16, 16)
    assert 0.4 < float(discriminator_facts(bundle)["accuracy"]) <= 1
    assert len(list((tmp_path / "own" / FOLDER).glob("*.safetensors"))) > 10
    type_in(
        monkeypatch,
        "train --model own --backend aer --preset realism --updates 1 --environments 5 "
        "--set ppo.group=5 --latents 20 --name tried",
    )
    run = RunDirectory(tmp_path / "runs" / "tried")
    (record,) = run.metrics()
    assert np.isfinite(record["mean_return"])
    assert run.evaluation is not None


def test_what_is_begun_with_is_not_written_over(photos: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(EMBEDDED["fashion-mnist"], own, ignore=shutil.ignore_patterns("baselines"))
    result = CliRunner().invoke(
        app, ["fit", "--data", str(photos), "--start-from", str(own), "--out", str(own)]
    )
    assert isinstance(result.exception, ConfigError)
    assert "is what --out" in str(result.exception)


@pytest.mark.parametrize("damaged", [True, False])
def test_a_folder_that_misleads_leaves_nothing_behind(
    photos: Path, tmp_path: Path, damaged: bool
) -> None:
    Image.new("RGB", (8, 8)).save(photos / "orange" / "0.jpg")
    if damaged:
        (photos / "green" / "3.jpg").write_bytes(b"x")
    said = "3.jpg is no intact picture" if damaged else "0.jpg is 8 x 8: smaller than 16 x 16"
    with pytest.raises(DataError, match=said):
        fit.fit_and_report(
            "images",
            photos,
            tmp_path / "own",
            resolution=16,
            minutes=1.0,
            pictures=None,
            accuracy=0.88,
            latents=1000,
            precision="fp32",
            torch_device="cpu",
            references="pictures",
            start_from=None,
            mirror=False,
            seed=0,
        )
    assert not (tmp_path / "own").exists()
