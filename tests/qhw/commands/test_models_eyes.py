"""Classifiers of others as eyes: measured on labelled pictures, then looking at a tiny model."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import get_model
from typer.testing import CliRunner

from diffusion.bundle import load_bundle
from diffusion.datasets import load_dataset
from diffusion.environment import GuidanceEnvironment
from diffusion.eyes import CARD
from diffusion.foreign.clip import ClipClassifier
from diffusion.foreign.imagenet import ImageNetClassifier
from diffusion.foreign.reference_file import read_named
from diffusion.headroom import Candidate, play_candidate
from qhw.cli.app import app
from qhw.commands.models_eyes import AskedEyes, make_and_report_eyes
from qhw.config import parse_config
from qhw.controllers.hub import push_folder
from qhw.errors import BundleError, ConfigError, DataError, UnknownNameError
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.training.parts import open_eyes
from qhw.training.trainer import Trainer
from tests.hub_server import COMMIT, HubServer
from tests.qhw.commands.test_models_calibrate import calibrated, settings
from tests.tiny_clip import save_tiny_clip
from tests.tiny_model import save_tiny_model

SIDE = 40
CLASSES = ("dark", "light")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CLIPs, a classifier of torchvision's, a map, and pictures of two classes."""
    folder = tmp_path_factory.mktemp("eyes")
    for seed in (0, 1):
        save_tiny_clip(folder / f"clip-{seed}", seed)
    torch.manual_seed(0)
    small = get_model("mobilenet_v3_small", weights=None)
    save_file(small.state_dict(), folder / "small.safetensors")
    (folder / "map.json").write_text(json.dumps({"dark": [0, 1], "light": ["tench", 2][1:]}))
    draw = np.random.default_rng(0)
    for shade, name in ((40, "dark"), (200, "light")):
        (folder / "photos" / name).mkdir(parents=True)
        for k in range(30):
            pixels = draw.integers(shade - 20, shade + 20, (SIDE, SIDE, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{k}.png")
    return folder


def asked(place: Path, **changed: Any) -> AskedEyes:
    values = {
        "proxy": f"clip:{place / 'clip-0'}",
        "judges": (
            f"clip:{place / 'clip-1'}",
            f"torchvision:mobilenet_v3_small:{place / 'small.safetensors'}",
        ),
        "prompts": "a {label} photo",
        "label_map": place / "map.json",
        **changed,
    }
    return AskedEyes(**values)


def make(place: Path, out: Path, accuracy: float = 0.05, **changed: Any) -> None:
    """`qhw models eyes`; the classifiers are random, so little is asked of them."""
    sizes = {"dataset": "images", "data": place / "photos", "resolution": SIDE}
    sizes |= {name: changed.pop(name) for name in sizes if name in changed}
    make_and_report_eyes(
        asked(place, **changed),
        str(sizes["dataset"]),
        Path(str(sizes["data"])),
        out,
        resolution=int(str(sizes["resolution"])),
        accuracy=accuracy,
        torch_device="cpu",
        seed=0,
    )


@pytest.fixture(scope="module")
def eyes(place: Path) -> Path:
    make(place, place / "my-eyes")
    return place / "my-eyes"


def test_the_card_says_how_often_they_are_right(eyes: Path) -> None:
    card = json.loads((eyes / CARD).read_text())
    assert card["class_names"] == list(CLASSES)
    assert card["classifiers"] == {"proxy": "clip", "judge_0": "clip", "judge_1": "torchvision"}
    assert card["required_accuracy"] == 0.05
    assert card["made"]["seen"] == 10
    assert "--resolution 40 --accuracy 0.05 --seed 0" in card["made"]["command"]
    assert sum(path.stat().st_size for path in eyes.iterdir()) < 100_000, "no weights, no pictures"


def test_accuracies_are_those_of_the_test_pictures(eyes: Path, place: Path) -> None:
    opened = open_eyes(str(eyes))
    assert isinstance(opened.proxy, ClipClassifier)
    assert opened.references.features.keys() == set(ALL_EYES)
    test = torch.stack(
        [
            torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255
            for path in sorted((place / "photos").glob("*/*.png"))
        ]
    )
    features = opened.proxy.features(test).half().float()
    kept = opened.references.features["proxy"]
    distances = torch.cdist(kept, features).amin(dim=1)
    assert float(distances.max()) < 1e-3, "what was kept is seen in pictures of the folder"
    assert opened.references.labels.bincount().tolist() == [5, 5]
    split = load_dataset("images", place / "photos", SIDE).test
    named = opened.proxy(split.images.float() / 255).argmax(dim=1)
    right = float((named == split.labels).double().mean())
    assert opened.accuracies["proxy"] == pytest.approx(right)


def test_a_model_is_calibrated_trained_and_judged_with_them(eyes: Path, tmp_path: Path) -> None:
    calibrated(save_tiny_model(tmp_path / "tiny"), tmp_path / "steered", eyes=str(eyes))
    bundle = load_bundle(tmp_path / "steered")
    assert bundle.card.class_names == CLASSES
    assert (bundle.card.denoiser["eyes"], bundle.card.denoiser["image_size"]) == ("my-eyes", SIDE)
    assert isinstance(bundle.judges[1], ImageNetClassifier)
    told = (tmp_path / "steered" / "MODEL_CARD.md").read_text()
    assert "clip-0) " in told
    assert "torchvision:mobilenet_v3_small:" in told
    record = Trainer(parse_config(settings(tmp_path / "steered"))).advance()
    assert record["mean_return"] < 0
    paired = evaluation_latents(bundle, 4)
    environment = GuidanceEnvironment(bundle.sampler(2), bundle.proxy, bundle.card.reward, 2.0)
    episode = play_candidate(environment.widened(), Candidate(3.0), paired.latents, paired.labels)
    outcome = Judges(bundle).judge(episode, paired.labels)
    assert set(outcome.scores) == set(ALL_EYES)
    assert all(np.isfinite(score.arm.distance) for score in outcome.scores.values())


def test_a_clip_of_the_hub_is_brought_once_and_kept(
    hub: HubServer, place: Path, tmp_path: Path
) -> None:
    there = Path(shutil.copytree(place / "clip-0", hub.folder / "me" / "clip"))
    (there / "pytorch_model.bin").write_bytes(b"a pickle")
    make(place, tmp_path / "eyes", proxy="clip:me/clip")
    named, _ = read_named(tmp_path / "eyes" / "proxy.safetensors")
    assert (named.model, named.revision) == ("me/clip", COMMIT)
    assert not list((tmp_path / "cache").rglob("*.bin")), "no pickle is downloaded"
    (there / "model.safetensors").unlink()
    with pytest.raises(BundleError, match="is a pickle, which may execute anything"):
        make(place, tmp_path / "again", proxy="clip:me/clip")
    shutil.rmtree(there)
    assert isinstance(open_eyes(str(tmp_path / "eyes")).proxy, ClipClassifier)
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(BundleError, match="hf download me/clip"):
        open_eyes(str(tmp_path / "eyes"))


def test_eyes_of_one_machine_are_not_shared(hub: HubServer, eyes: Path, tmp_path: Path) -> None:
    save_tiny_model(hub.folder / "me" / "sd")
    calibrated("me/sd", tmp_path / "steered", eyes=str(eyes))
    with pytest.raises(BundleError, match=r"names the proxy in .*clip-0, on one machine"):
        push_folder(tmp_path / "steered", "me/steered")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"judges": ("clip:a",)}, "1 judges were named"),
        ({"judges": ("clip:a", "clip:a")}, "is named twice"),
        ({"judges": ("clip:{place}/clip-0/", "clip:{place}/clip-1")}, "are the same weights"),
        ({"proxy": "resnet50"}, "'resnet50' names no classifier"),
        ({"proxy": "torchvision:resnet50"}, "names no classifier"),
        ({"prompts": "a photo"}, "has no {label}: all classes would be alike"),
        ({"label_map": None}, "nothing says which are yours"),
        ({"label_map": Path("no.json")}, "--label-map no.json cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(
    changed: dict[str, Any], said: str, place: Path, tmp_path: Path
) -> None:
    if "judges" in changed:
        changed = {"judges": tuple(each.format(place=place) for each in changed["judges"])}
    with pytest.raises(ConfigError, match=re.escape(said)):
        make(place, tmp_path / "out", **changed)
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_that_guesses_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="below 1 test accuracy") as no:
        make(place, tmp_path / "out", accuracy=1.0)
    assert "--accuracy" in no.value.hint
    assert list(tmp_path.iterdir()) == []


def test_other_inputs_are_answered(place: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="smaller than 224 x 224"):
        make(place, tmp_path / "out", resolution=224)
    with pytest.raises(UnknownNameError, match="no CLIP 'nowhere'"):
        make(place, tmp_path / "out", proxy="clip:nowhere")
    with pytest.raises(BundleError, match="is no CLIP in transformers' layout"):
        make(place, tmp_path / "out", proxy=f"clip:{place / 'photos'}")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear")
    for _ in range(2):
        with pytest.raises(ConfigError, match="is there, and not eyes alone"):
            make(place, tmp_path / "mine")
        assert (tmp_path / "mine" / "notes.txt").read_text() == "dear"
        (tmp_path / "mine" / CARD).write_text("{}")
    with pytest.raises(BundleError, match="alike: what tells them apart is beyond its window"):
        make(place, tmp_path / "out", prompts=f"{'a' * 40} {{label}}")


def test_eyes_that_were_damaged_or_replaced_are_refused(eyes: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(eyes, tmp_path / "eyes"))
    (copy / "judge_0.safetensors").write_bytes((copy / "proxy.safetensors").read_bytes())
    with pytest.raises(BundleError, match=r"judge_0\.safetensors has SHA-256"):
        open_eyes(str(copy))
    (copy / CARD).write_text("{}")
    with pytest.raises(BundleError, match="is not a card of eyes"):
        open_eyes(str(copy))
    card = json.loads((eyes / CARD).read_text())
    for kinds in ({"judge_0": "clip", "judge_1": "clip"}, {**card["classifiers"], "proxy": "dog"}):
        (copy / CARD).write_text(json.dumps({**card, "classifiers": kinds}))
        with pytest.raises(BundleError, match="a proxy and two judges are needed"):
            open_eyes(str(copy))


def test_a_judge_that_is_gone_is_noticed_before_anything_is_played(
    place: Path, tmp_path: Path
) -> None:
    judge = Path(shutil.copytree(place / "clip-1", tmp_path / "judge"))
    network = f"torchvision:mobilenet_v3_small:{place / 'small.safetensors'}"
    make(place, tmp_path / "eyes", judges=(f"clip:{judge}", network))
    (judge / "model.safetensors").unlink()
    model = save_tiny_model(tmp_path / "tiny")
    with pytest.raises(BundleError, match="is not there any more") as no:
        calibrated(model, tmp_path / "steered", eyes=str(tmp_path / "eyes"))
    assert "qhw models eyes" in no.value.hint
    assert not (tmp_path / "steered").exists()


def test_eyes_are_not_written_over_by_the_bundle_that_takes_them(
    eyes: Path, tmp_path: Path
) -> None:
    model = save_tiny_model(tmp_path / "tiny")
    before = sorted(path.name for path in eyes.iterdir())
    with pytest.raises(ConfigError, match="holds the eyes"):
        calibrated(model, eyes, eyes=str(eyes))
    assert sorted(path.name for path in eyes.iterdir()) == before


def test_the_command_speaks_json(place: Path, tmp_path: Path) -> None:
    line = [
        *("models", "eyes", "--data", str(place / "photos"), "--proxy", f"clip:{place / 'clip-0'}"),
        *("--judge", f"clip:{place / 'clip-1'}", "--label-map", str(place / "map.json")),
        *("--judge", f"torchvision:mobilenet_v3_small:{place / 'small.safetensors'}"),
        *("--resolution", str(SIDE), "--accuracy", "0.05", "--out", str(tmp_path / "eyes")),
    ]
    done = CliRunner().invoke(app, [*line, "--json"])
    assert done.exit_code == 0, done.exception
    told = json.loads(done.stdout)
    assert told["accuracies"] == json.loads((tmp_path / "eyes" / CARD).read_text())["accuracies"]
    again = CliRunner().invoke(app, line)
    assert "`qhw models calibrate MODEL --eyes" in " ".join(again.stdout.split())
