"""Measure what a text-prompted model can do, choose its reward and CFG_0, and write its bundle.

Nothing is trained. Classifiers and real pictures are those of the *eyes*, another bundle or a
folder of their own (`diffusion.eyes`): they look at the model's pictures in the size that they
know. What was played is kept, so that the command may be stopped and goes on where it was.
"""

from __future__ import annotations

import dataclasses
import platform
import shutil
from importlib import metadata
from typing import Any

import torch

from diffusion import headroom
from diffusion.bundle import BundleCard, RewardChoice, card_json
from diffusion.embedded import sha256
from diffusion.environment import GuidanceEnvironment
from diffusion.headroom import Candidate, FormResult, Trial
from diffusion.latent.calibration import BEST, Calibration
from diffusion.latent.description import PROMPTS_FILE, save_prompts
from diffusion.latent.kept_trials import KeptTrials
from diffusion.latent.model_card import latent_model_card
from diffusion.latent.preview import Preview
from diffusion.rewards import PRICE_FORMS, RewardConfig

PREVIEW_SEED, HEADROOM_SEED, EXPLORING_SEED = 555_000, 777_000, 999_000
PREVIEWED = 64
"""Pictures for the preview: its map is fitted to half of them, the other half tells its worth."""
PREVIEW_GUIDANCE = 5.0
COARSE_LOWS, COARSE_SLOPES = (0.0, 1.0, 2.0), (2.0, 4.0, 9.0)
"""Rules to begin with, fewer than where a picture costs a millisecond."""
VAGUE = 0.5
"""Share of variance below which a preview is said to be vague."""


def calibrate(calibration: Calibration) -> BundleCard:
    """Fit the preview, play constants and rules, choose reward and CFG_0, and write the bundle.

    Raises:
        NoGainError: If the best price is asked for, and none leaves anything to gain.
        ValueError: If pictures are no numbers, or what was kept is another model's.
    """
    work = calibration.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    calibration.denoiser.to(calibration.device)
    explained = fit_preview(calibration)
    results = measure_headroom(calibration, KeptTrials(work, _facts(calibration)))
    reward, base, chosen = choose_price(results, calibration.config.price)
    states = measure_states(calibration, reward, base)
    _write_tensors(calibration)
    made = {
        **_how_it_was_made(calibration),
        "price_forms": [dataclasses.asdict(result) for result in results],
        "preview_explains": explained,
    }
    card = _card(calibration, reward, base, chosen, states, made)
    # The card comes last: without it a folder is no bundle.
    (calibration.out / "MODEL_CARD.md").write_text(latent_model_card(card), encoding="utf-8")
    (calibration.out / "card.json").write_text(card_json(card), encoding="utf-8")
    return card


def fit_preview(calibration: Calibration) -> float:
    """Fit the cheap pictures between the steps; the share of variance that they explain."""
    count = min(calibration.config.latents, PREVIEWED)
    noise, labels = (part.to(calibration.device) for part in calibration.draw(count, PREVIEW_SEED))
    clean = calibration.sampler().sample(noise, labels, PREVIEW_GUIDANCE)
    pictures = calibration.denoiser.render(clean)
    if not bool(torch.isfinite(pictures).all()):
        raise ValueError(
            f"pictures of {calibration.source.model} are not finite in "
            f"{calibration.config.precision}: take --precision bf16 or fp32"
        )
    half = count // 2
    preview = Preview.fit(clean[:half].cpu(), pictures[:half].cpu())
    calibration.denoiser.preview_map = preview
    explained = preview.explained(clean[half:].cpu(), pictures[half:].cpu())
    calibration.report(f"preview: a linear map explains {explained:.1%} of the pictures' variance")
    if explained < VAGUE:
        calibration.report("that is little: what the state holds of p between the steps is vague")
    return explained


def measure_headroom(calibration: Calibration, kept: KeptTrials) -> list[FormResult]:
    """Play constants and rules, and find the best of every price form."""
    proxy = calibration.eyes.proxy.to(calibration.device)
    environment = GuidanceEnvironment(
        calibration.sampler(), proxy, headroom.NEUTRAL_REWARD, 3.0
    ).widened()
    latents, labels = calibration.draw(calibration.config.latents, HEADROOM_SEED)

    def play(candidate: Candidate, first: int) -> Trial:
        def tried() -> Trial:
            here = latents[:first], labels[:first]
            trial = headroom.play_trial(environment, proxy, candidate, *here)
            said = f"{candidate.low:g} + {candidate.slope:g} (1 - p)"
            accuracy, unpriced = trial.correct.mean(), trial.unpriced.mean()
            calibration.report(f"{said}: accuracy {accuracy:.3f}, return {unpriced:.3f}")
            return trial

        return kept.recall(candidate, first, tried)

    candidates = [Candidate(g) for g in headroom.CONSTANT_GRID]
    candidates += [Candidate(low, slope) for low in COARSE_LOWS for slope in COARSE_SLOPES]
    trials = [play(candidate, len(latents)) for candidate in candidates]
    real = headroom.real_features(proxy, calibration.eyes.references)
    price = calibration.config.price
    forms = tuple(PRICE_FORMS) if price == BEST else (price,)
    return headroom.compare_forms(trials, real, play, forms)


def choose_price(results: list[FormResult], price: str) -> tuple[RewardConfig, float, RewardChoice]:
    """The reward, CFG_0 and baselines of a price form, or of the best.

    Raises:
        ValueError: If the best is asked for, and none leaves anything to learn.
    """
    return headroom.choose(results) if price == BEST else headroom.consequences(*results)


def measure_states(
    calibration: Calibration, reward: RewardConfig, base: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation (6,) of the states that an untrained policy sees."""
    environment = GuidanceEnvironment(calibration.sampler(), calibration.eyes.proxy, reward, base)
    latents, labels = calibration.draw(calibration.config.latents, EXPLORING_SEED)
    episode = headroom.explore(environment, latents, labels, calibration.config.seed)
    return headroom.state_statistics(episode)


def _facts(calibration: Calibration) -> dict[str, Any]:
    """What trials depend on; neither where the model lies nor how many are made in one forward."""
    config, described = calibration.config, calibration.description.record
    played = {"steps": config.num_steps, "seed": config.seed, "eyes": calibration.eyes.digest}
    silent = ("model", "revision", "batch")
    return {**{k: v for k, v in described.items() if k not in silent}, **played}


def _write_tensors(calibration: Calibration) -> None:
    """Everything that the card will name."""
    out, eyes = calibration.out, calibration.eyes
    save_prompts(out, calibration.source.encoded.embeddings, calibration.denoiser.preview_map)
    for name in eyes.files:
        shutil.copyfile(eyes.folder / name, out / name)


def _how_it_was_made(calibration: Calibration) -> dict[str, Any]:
    config = dataclasses.asdict(calibration.config)
    return {
        "command": calibration.command,
        "config": {**config, "accuracy": calibration.eyes.required_accuracy},
        "cut": calibration.source.encoded.cut,
        "eyes": dict(calibration.eyes.made),
        "torch_device": str(calibration.device),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("torch", "diffusers")},
    }


def _card(
    calibration: Calibration,
    reward: RewardConfig,
    base: float,
    chosen: RewardChoice,
    states: tuple[tuple[float, ...], tuple[float, ...]],
    made: dict[str, Any],
) -> BundleCard:
    schedule = calibration.source.checkpoint.schedule
    return BundleCard(
        name=calibration.out.absolute().name,
        class_names=calibration.source.labels,
        denoiser=calibration.description.record,
        classifiers=dict(calibration.eyes.classifiers),
        accuracies=dict(calibration.eyes.accuracies),
        num_train_timesteps=schedule.num_train_timesteps,
        beta_schedule=schedule.beta_schedule,
        num_steps=calibration.config.num_steps,
        cfg_base=base,
        state_mean=states[0],
        state_sd=states[1],
        reward=reward,
        chosen=chosen,
        made=made,
        checksums={
            name: sha256(calibration.out / name) for name in (PROMPTS_FILE, *calibration.eyes.files)
        },
        solver=calibration.solver,
    )
