"""A bundle that keeps what is seen in real pictures, and not the pictures."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from diffusion.assembling import CPU
from diffusion.bundle import card_json, load_bundle
from diffusion.embedded import EMBEDDED, sha256
from diffusion.environment import GuidanceEnvironment
from diffusion.headroom import Candidate, play_candidate, proxy_features, real_features
from diffusion.realism import all_eyes, see
from diffusion.references import FILES, References
from qhw.commands.models import check_model
from qhw.controllers.hub import OF_BUNDLE, require_shareable
from qhw.errors import BundleError
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.evaluation.likeness import REAL, SAME_LATENT
from qhw.training.parts import open_bundle
from tests.qhw.commands.test_models_calibrate import calibrated
from tests.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default bundle with features in the place of its pictures."""
    whole = load_bundle()
    folder = tmp_path_factory.mktemp("bare") / "bare"
    shutil.copytree(EMBEDDED["fashion-mnist"], folder, ignore=shutil.ignore_patterns("baselines"))
    classifiers = dict(
        zip(("proxy", "judge_0", "judge_1"), (whole.proxy, *whole.judges), strict=True)
    )
    references = whole.references
    features = see(all_eyes(classifiers, CPU), references.images)
    seen = References(references.labels, features=features)
    (folder / FILES["pictures"]).unlink()
    name = seen.save(folder)
    sums = {k: v for k, v in whole.card.checksums.items() if k != FILES["pictures"]}
    card = dataclasses.replace(whole.card, checksums={**sums, name: sha256(folder / name)})
    (folder / "card.json").write_text(card_json(card))
    return folder


def test_distances_are_those_to_the_pictures(bare: Path) -> None:
    outcomes = []
    for name in ("fashion-mnist", str(bare)):
        bundle = open_bundle(name)
        paired = evaluation_latents(bundle, 60)
        environment = GuidanceEnvironment(bundle.sampler(4), bundle.proxy, bundle.card.reward, 2.0)
        episode = play_candidate(
            environment.widened(), Candidate(2.0), paired.latents, paired.labels
        )
        outcomes.append(Judges(bundle).judge(episode, paired.labels))
    for eye, score in outcomes[0].scores.items():
        other = outcomes[1].scores[eye]
        assert other.kernel == pytest.approx(score.kernel, rel=2e-3, abs=1e-5)
        assert other.arm.distance == pytest.approx(score.arm.distance, rel=2e-3)


def test_the_paper_s_metrics_are_against_the_same_latent_alone(bare: Path, tmp_path: Path) -> None:
    bundle = open_bundle(str(bare))
    environment = GuidanceEnvironment(bundle.sampler(3), bundle.proxy, bundle.card.reward, 2.0)
    paired = evaluation_latents(bundle, 20)
    baselines = Baselines(bundle, Judges(bundle), environment, paired, tmp_path)
    measured = baselines.paper_metrics.measure(torch.rand(20, 1, 16, 16))
    assert {name.split("/")[0] for name in measured} == {SAME_LATENT}
    assert REAL not in measured


def test_a_check_says_what_it_cannot_see(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_model(str(bare))
    told = capsys.readouterr().out
    assert "its 1,000 real pictures are not in it, only what is seen in them" in told
    assert "is right on" not in told


def test_it_is_shared_whole(bare: Path, tmp_path: Path) -> None:
    assert require_shareable(bare) == "bundle"
    assert FILES["features"] in OF_BUNDLE
    damaged = Path(shutil.copytree(bare, tmp_path / "damaged"))
    content = bytearray((damaged / FILES["features"]).read_bytes())
    content[-1] ^= 1
    (damaged / FILES["features"]).write_bytes(content)
    with pytest.raises(BundleError, match=r"seen\.safetensors has SHA-256"):
        open_bundle(str(damaged))


def test_its_eyes_look_at_another_model(bare: Path, tmp_path: Path) -> None:
    calibrated(save_tiny_model(tmp_path / "tiny"), tmp_path / "out", eyes=str(bare))
    made = load_bundle(tmp_path / "out")
    assert made.references.pictures is None
    assert json.loads((tmp_path / "out" / "card.json").read_text())["denoiser"]["image_size"] == 16
    whole, kept = load_bundle(), load_bundle(bare)
    seen = proxy_features(whole.proxy, whole.references.images)
    assert real_features(kept.proxy, kept.references) == pytest.approx(seen, rel=1e-3, abs=1e-3)
