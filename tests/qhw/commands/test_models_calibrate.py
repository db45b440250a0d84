"""From a tiny Stable Diffusion to a bundle, a training, and pictures."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from diffusion.bundle import load_bundle
from diffusion.embedded import EMBEDDED
from diffusion.latent.denoiser import LatentDenoiser
from diffusion.solvers import Ddim
from qhw.commands.fit import fit_discriminator_again, measure_again
from qhw.commands.models_calibrate import Asked, calibrate_and_report
from qhw.commands.run import DeploymentRequest, deploy
from qhw.config import parse_config
from qhw.controllers.hub import pull_folder, push_folder
from qhw.errors import BundleError, ConfigError, InstallationError, UnknownNameError
from qhw.training.idle import remarks
from qhw.training.parts import make_environment, open_bundle
from qhw.training.player import Player
from qhw.training.trainer import Trainer
from tests.hub_server import COMMIT, HubServer
from tests.qhw.controllers.conftest import trained_once
from tests.tiny_model import SIDE, save_tiny_model

PROMPTS = "a {label}"
CPU = torch.device("cpu")


def calibrated(model: Path | str, out: Path, revision: str | None = None, **changed: Any) -> None:
    """`qhw models calibrate`, small."""
    names = {"prompts": PROMPTS, "labels": None, "negative_prompt": "", "eyes": "fashion-mnist"}
    asked = {**names, **{name: changed.pop(name) for name in names if name in changed}}
    values = {
        **{"steps": 2, "latents": 20, "resolution": None, "price": "abs(g - 1)", "batch": 8},
        **{"precision": "auto", "torch_device": "cpu", "seed": 0},
        **changed,
    }
    with pytest.MonkeyPatch.context() as fewer:
        fewer.setattr("diffusion.refinement.EVALUATIONS_OF_ONE", 2)
        fewer.setattr("diffusion.refinement.EVALUATIONS_OF_MORE", 3)
        calibrate_and_report(Asked(str(model), revision, **asked), out, **values)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "steered"
    calibrated(model, folder, negative_prompt="grey")
    return folder


def settings(bundle: Path, **environment: Any) -> dict[str, Any]:
    return {
        "environment": {"bundle": str(bundle), "steps": 2, **environment},
        "ppo": {"updates": 2, "environments": 5, "minibatches": 2, "epochs": 1},
        "backend": {"name": "aer"},
        "evaluation": {"latents": 20},
    }


def test_the_card_says_what_is_asked_and_what_was_chosen(bundle: Path, model: Path) -> None:
    card = load_bundle(bundle).card
    assert card.is_latent
    assert card.name == "steered"
    assert card.denoiser["model"] == str(model)
    assert card.denoiser["prompts"][1] == "a trouser"
    assert card.denoiser["negative_prompt"] == "grey"
    assert card.denoiser["side"] == SIDE
    assert (card.num_steps, card.reward.guidance_price) == (2, "abs")
    assert 1 <= card.cfg_base <= 12
    told = (bundle / "MODEL_CARD.md").read_text()
    assert "| trouser | a trouser |" in told
    assert 'Guidance leads away from "grey".' in told
    assert "those of `fashion-mnist`; they look at pictures shrunk to\n16 x 16, in grey" in told


def test_typed_again_nothing_is_played_again(
    bundle: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = Path(shutil.copytree(bundle, tmp_path / "steered"))
    (again / "card.json").unlink()
    elsewhere = Path(shutil.copytree(model, tmp_path / "moved"))
    calibrated(elsewhere, again, negative_prompt="grey", batch=4)
    assert "accuracy" not in capsys.readouterr().out
    card, before = load_bundle(again).card, load_bundle(bundle).card
    assert (card.cfg_base, card.chosen) == (before.cfg_base, before.chosen)
    assert (card.denoiser["model"], card.denoiser["batch"]) == (str(elsewhere), 4)


def test_what_was_played_with_other_settings_is_not_taken(
    bundle: Path, model: Path, tmp_path: Path
) -> None:
    again = Path(shutil.copytree(bundle, tmp_path / "steered"))
    with pytest.raises(BundleError, match="with another model or other settings"):
        calibrated(model, again, negative_prompt="blurred")


def test_training_resumes_bit_for_bit(bundle: Path) -> None:
    config = parse_config(settings(bundle))
    whole, begun, resumed = (Trainer(config) for _ in range(3))
    whole.advance()
    begun.advance()
    resumed.restore(begun.checkpoint())
    one, other = whole.advance(), resumed.advance()
    assert one["mean_return"] == other["mean_return"]
    for ours, theirs in zip(whole.actor.parameters(), resumed.actor.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_run_leaves_pictures_of_full_size(bundle: Path, tmp_path: Path) -> None:
    run = trained_once(tmp_path, "steering", settings(bundle))
    request = DeploymentRequest(images=3, seed=0, query_every=1, resume=False, fresh=False)
    deploy(run.path, run.config, request)
    (folder,) = run.path.glob("samples/aer/*")
    singles = sorted((folder / "full-size" / "policy").iterdir())
    assert [path.name for path in singles] == [
        "000-T-shirt.png", "001-trouser.png", "002-pullover.png",
    ]  # fmt: skip
    pixels = np.asarray(Image.open(singles[0]))
    assert pixels.shape == (SIDE, SIDE, 3)
    assert pixels.std() > 0
    assert len(list((folder / "full-size").iterdir())) == 2
    assert json.loads((folder / "metrics.json").read_text())["arms"]["policy"]["mean_return"] < 0


def test_a_batch_of_its_own_makes_the_same_pictures(bundle: Path) -> None:
    opened = open_bundle(str(bundle))
    assert isinstance(opened.denoiser, LatentDenoiser)
    made = []
    for batch in (2, 5):
        config = parse_config(settings(bundle, batch=batch)).environment
        environment = make_environment(config, opened, CPU)
        assert opened.denoiser.batch == batch
        environment.reset(torch.ones(5, 4, 16, 16), torch.arange(5))
        environment.step(torch.zeros(5))
        environment.step(torch.zeros(5))
        made.append(environment.final_images)
    torch.testing.assert_close(*made, rtol=0, atol=1e-5)


def test_a_batch_is_refused_where_it_does_nothing() -> None:
    config = parse_config({"environment": {"batch": 4}}).environment
    with pytest.raises(ConfigError, match=r"environment\.batch = 4 is for text-prompted models"):
        make_environment(config, open_bundle("fashion-mnist"), CPU)


def test_a_precision_is_refused_where_the_model_has_one(bundle: Path) -> None:
    config = parse_config(settings(bundle, precision="bf16")).environment
    opened = open_bundle(str(bundle))
    with pytest.raises(
        ConfigError, match=r"is not for text-prompted models: .* makes its own in fp32"
    ) as no:
        make_environment(config, opened, CPU)
    assert "qhw models calibrate ... --precision bf16" in no.value.hint
    assert opened.denoiser.precision == "fp32"


def test_a_batch_that_does_not_fit_is_told_before_it_is_tried(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diffusion.latent.memory.free_memory", lambda _device: 0)
    with pytest.raises(ConfigError, match="8 pictures of 32 x 32 in one forward need about") as no:
        make_environment(parse_config(settings(bundle)).environment, open_bundle(str(bundle)), CPU)
    assert "environment.batch=NUMBER" in no.value.hint


def test_a_model_without_a_card_is_answered_with_the_command(model: Path) -> None:
    with pytest.raises(BundleError, match="nothing is known of it yet") as refused:
        open_bundle(str(model))
    assert f"qhw models calibrate {model} --prompts" in refused.value.hint


def test_a_replaced_or_missing_model_is_told(bundle: Path, model: Path, tmp_path: Path) -> None:
    ours = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    theirs = Path(shutil.copytree(model, tmp_path / "model"))
    card = json.loads((ours / "card.json").read_text())
    card["denoiser"]["model"] = str(theirs)
    (ours / "card.json").write_text(json.dumps(card))
    open_bundle(str(ours))
    weights = theirs / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match="the model was replaced, calibrate it again"):
        open_bundle(str(ours))
    shutil.rmtree(theirs)
    with pytest.raises(BundleError, match=r"the model's folder .* is not there any more"):
        open_bundle(str(ours))


def test_changed_prompts_are_told(bundle: Path, tmp_path: Path) -> None:
    ours = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    content = bytearray((ours / "prompts.safetensors").read_bytes())
    content[-1] ^= 1
    (ours / "prompts.safetensors").write_bytes(content)
    with pytest.raises(BundleError, match=r"prompts\.safetensors has SHA-256"):
        open_bundle(str(ours))


@pytest.mark.parametrize(
    ("changed", "kind", "said"),
    [
        ({"prompts": "a photo"}, ConfigError, "has no {label}"),
        ({"labels": "cat, dog"}, ConfigError, "are 2 names for the 10 classes of fashion-mnist"),
        ({"labels": ""}, ConfigError, "are 1 names for the 10 classes"),
        ({"labels": ",".join("abcdefghia")}, ConfigError, "labels repeat"),
        ({"eyes": "fashion-mnst"}, UnknownNameError, "no bundle named 'fashion-mnst'"),
        ({"resolution": 30}, BundleError, "30 pixels: take a multiple of 4"),
        ({"steps": 1000}, BundleError, "begin at level 1000, beyond the last"),
    ],
)
def test_what_does_not_fit_is_refused(
    model: Path, tmp_path: Path, changed: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        calibrated(model, tmp_path / "out", **changed)
    assert not (tmp_path / "out" / "card.json").exists()


def test_a_name_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="There is no model 'sd'"):
        calibrated("sd", tmp_path / "out")
    with pytest.raises(BundleError, match="no model in diffusers' layout"):
        calibrated(tmp_path, tmp_path / "out")


def test_a_missing_package_is_told(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qhw.packages.installed_version", lambda _package: None)
    with pytest.raises(InstallationError, match="Text-prompted models") as refused:
        calibrated(model, tmp_path / "out")
    assert "qhw[sd]" in refused.value.hint


def test_a_model_by_name_is_brought_once_and_kept(
    hub: HubServer, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = hub.folder / "me" / "sd"
    shutil.copytree(model, there)
    (there / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    calibrated("me/sd", tmp_path / "out")
    card = load_bundle(tmp_path / "out").card
    assert (card.denoiser["model"], card.denoiser["revision"]) == ("me/sd", COMMIT)
    brought = [name for _, _, names in os.walk(tmp_path / "cache") for name in names]
    assert not [name for name in brought if name.endswith(".bin")], "no pickle is downloaded"
    shutil.rmtree(there)
    assert open_bundle(str(tmp_path / "out")).card == card, "opened without asking the hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    calibrated("me/sd", tmp_path / "out")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(BundleError, match="me/sd at main is not on this machine"):
        calibrated("me/sd", tmp_path / "another")
    with pytest.raises(BundleError, match=f"hf download me/sd --revision {COMMIT}"):
        open_bundle(str(tmp_path / "out"))


def test_without_its_card_there_is_no_bundle(bundle: Path, tmp_path: Path) -> None:
    """The card is written last: what was stopped before is not taken for whole."""
    again = Path(shutil.copytree(bundle, tmp_path / "steered"))
    (again / "card.json").unlink()
    with pytest.raises(UnknownNameError):
        open_bundle(str(again))


def test_a_folder_with_another_bundle_is_not_written_to(
    model: Path, bundle: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    shutil.copytree(EMBEDDED["fashion-mnist"], there, ignore=shutil.ignore_patterns("baselines"))
    before = {path.name: path.read_bytes() for path in there.iterdir()}
    for eyes in ("fashion-mnist", str(there)):
        with pytest.raises(ConfigError, match=r"holds the (bundle 'fashion-mnist'|eyes)"):
            calibrated(model, there, eyes=eyes)
    assert {path.name: path.read_bytes() for path in there.iterdir()} == before
    with pytest.raises(ConfigError, match="holds the bundle 'steered'"):
        calibrated(model, bundle, labels="a,b,c,d,e,f,g,h,i,j")


def test_a_revision_of_a_folder_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--revision main is for models of the hub"):
        calibrated(model, tmp_path / "out", revision="main")


def test_where_nothing_gains_the_way_out_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"abs\(g - 1\): constant") as refused:
        calibrated(model, tmp_path / "out", price="best", steps=3)
    assert "--price 'abs(g - 1)'" in refused.value.hint


def test_pictures_that_are_no_numbers_are_told(model: Path, tmp_path: Path) -> None:
    spoilt = Path(shutil.copytree(model, tmp_path / "spoilt"))
    weights = spoilt / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["decoder.conv_out.bias"][:] = float("nan")
    save_file(tensors, weights)
    with pytest.raises(BundleError, match="not finite in fp32: take --precision bf16"):
        calibrated(spoilt, tmp_path / "out")


def test_a_scheduler_s_own_spacing_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for spacing, taken in (("trailing", "trailing"), ("linspace", "leading")):
        model = save_tiny_model(tmp_path / spacing, timestep_spacing=spacing)
        calibrated(model, tmp_path / f"{spacing}-out")
        assert load_bundle(tmp_path / f"{spacing}-out").card.solver == Ddim(taken)  # type: ignore[arg-type]
    assert capsys.readouterr().out.count("spaces levels linspace: leading is taken") == 1


def test_other_steps_than_were_measured_are_remarked_on(bundle: Path) -> None:
    config = parse_config({**settings(bundle), "environment": {"bundle": str(bundle), "steps": 3}})
    (told,) = [line for line in remarks(Player(config)) if "environment.steps" in line]
    assert "was measured at 2" in told
    assert not [line for line in remarks(Player(parse_config(settings(bundle)))) if "steps" in line]


def test_what_a_card_lacks_is_told(bundle: Path, tmp_path: Path) -> None:
    ours = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    card = json.loads((ours / "card.json").read_text())
    for field in ("eyes", "schedule", "prediction_type"):
        described = {name: value for name, value in card["denoiser"].items() if name != field}
        (ours / "card.json").write_text(json.dumps({**card, "denoiser": described}))
        with pytest.raises(BundleError, match=f"not described whole: .*{field}"):
            open_bundle(str(ours))


def test_a_changed_architecture_is_told_and_the_text_encoder_is_not_asked(
    bundle: Path, model: Path, tmp_path: Path
) -> None:
    ours = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    theirs = Path(shutil.copytree(model, tmp_path / "model"))
    card = json.loads((ours / "card.json").read_text())
    card["denoiser"]["model"] = str(theirs)
    (ours / "card.json").write_text(json.dumps(card))
    shutil.rmtree(theirs / "text_encoder")
    opened = open_bundle(str(ours))
    assert opened.denoiser.prediction_type == "epsilon"
    scheduler = theirs / "scheduler" / "scheduler_config.json"
    changed = {**json.loads(scheduler.read_text()), "prediction_type": "v_prediction"}
    scheduler.write_text(json.dumps(changed))
    assert open_bundle(str(ours)).denoiser.prediction_type == "epsilon", "the card's"
    unet = theirs / "unet" / "config.json"
    unet.write_text(unet.read_text() + " ")
    with pytest.raises(BundleError, match=r"unet/config\.json has SHA-256"):
        open_bundle(str(ours))


def test_nothing_of_it_is_measured_as_if_it_were_fitted(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nothing of it was fitted") as refused:
        measure_again("images", tmp_path, bundle, latents=20)
    assert "qhw models calibrate" in refused.value.hint
    with pytest.raises(BundleError, match="nothing of it was fitted"):
        fit_discriminator_again("images", tmp_path, bundle)
    priced = {**settings(bundle), "environment": {"bundle": str(bundle), "reward": {"realism": 1}}}
    with pytest.raises(ConfigError, match="no discriminator") as no:
        Player(parse_config(priced))
    assert "remeasure" not in no.value.hint


def test_a_bundle_of_a_folder_is_not_shared(bundle: Path, hub: HubServer) -> None:
    with pytest.raises(BundleError, match="nobody else could open it"):
        push_folder(bundle, "me/steered")


def test_a_bundle_of_the_hub_is_shared_before_the_model_is_there(
    hub: HubServer, model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, hub.folder / "me" / "sd")
    calibrated("me/sd", tmp_path / "out")
    push_folder(tmp_path / "out", "me/steered")
    shutil.rmtree(tmp_path / "cache")
    assert pull_folder("me/steered", tmp_path / "back") == "bundle"
    with pytest.raises(BundleError, match="hf download me/sd"):
        open_bundle(str(tmp_path / "back"))


def test_pickles_on_the_hub_are_answered_before_anything_is_brought(
    hub: HubServer, model: Path, tmp_path: Path
) -> None:
    there = Path(shutil.copytree(model, hub.folder / "me" / "sd"))
    weights = there / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(BundleError, match="is a pickle, which may execute anything") as refused:
        calibrated("me/sd", tmp_path / "out")
    assert "P.from_pretrained('me/sd', use_safetensors=False)" in refused.value.message
    assert not (tmp_path / "cache").exists()
