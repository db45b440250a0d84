"""From settings to parts: bundle, environment, backend, gradient rule, actor, PPO."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from diffusion.bundle import Bundle, BundleCard, load_bundle, read_card
from diffusion.discriminator import MissingDiscriminatorError, load_discriminator
from diffusion.embedded import EMBEDDED
from diffusion.environment import GuidanceEnvironment
from diffusion.eyes import CARD as EYES_CARD
from diffusion.eyes import Eyes
from diffusion.latent.checkpoint import INDEX, ModelError
from diffusion.latent.denoiser import LatentDenoiser
from diffusion.latent.memory import require_memory
from diffusion.lpips_distance import LpipsDistance
from diffusion.precision import Precision
from diffusion.rewards import PAPER_REWARD, REALISM_REWARD, RewardConfig
from diffusion.solvers import SOLVERS
from diffusion.state_features import PAPER_FEATURES, slot_order
from policy import (
    Adjoint,
    DifferentiableBackend,
    ExpectationBackend,
    Frozen,
    GradientRule,
    MlpActor,
    ModelGradient,
    ParameterShift,
    PpoConfig,
    PrunedShift,
    RingActor,
    RingCircuit,
    Spsa,
    StateScaler,
)
from policy.ansatz import stands_for
from qhw.backends.backend import Adopted, AdoptedDifferentiable, Backend
from qhw.config import (
    CircuitConfig,
    EnvironmentConfig,
    PpoSection,
    RewardSection,
    RunConfig,
)
from qhw.devices.configured import open_configured
from qhw.devices.gradient_model import gradient_model
from qhw.devices.opening import Requester
from qhw.errors import BundleError, ConfigError, UnknownNameError
from qhw.training.streams import stream_seed

ReadT = TypeVar("ReadT")


def choose_torch_device(name: str) -> torch.device:
    """Resolve `auto`, and refuse `cuda` where there is none.

    Raises:
        ConfigError: When CUDA is asked for and torch sees no GPU.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError(
            "torch_device = 'cuda', but torch sees no GPU.", "Take --torch-device cpu."
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def open_bundle(name: str) -> Bundle:
    """Open an embedded bundle by its name, or another by its folder or card.

    Raises:
        UnknownNameError: When there is no such bundle.
        BundleError: When it is damaged.
    """
    return _read_bundle(name, load_bundle)


def open_eyes(name: str) -> Eyes:
    """Who looks: those of a bundle by its name or folder, or a folder of their own.

    Raises:
        UnknownNameError: When there is neither.
        BundleError: When a file is damaged, or weights are not where they were.
    """
    if not (Path(name) / EYES_CARD).is_file():
        return Eyes.of_bundle(open_bundle(name))
    try:
        return Eyes.load(Path(name))
    except (FileNotFoundError, ValueError) as error:
        raise BundleError(str(error), "`qhw models eyes` makes them anew.") from error


def open_card(name: str) -> BundleCard:
    """A bundle's card without its weights; raises as `open_bundle` does."""
    return _read_bundle(name, read_card)


def _read_bundle(name: str, read: Callable[[Path], ReadT]) -> ReadT:
    path = EMBEDDED.get(name, Path(name))
    if (path / INDEX).is_file():
        raise BundleError(
            f"{name} is a diffusion model, and nothing is known of it yet: neither what its "
            "pictures are rewarded by, nor CFG_0, nor what a controller must beat.",
            f"`qhw models calibrate {name} --prompts 'a photo of a {{label}}' --eyes BUNDLE` "
            "measures it and writes a bundle that --model takes.",
        )
    try:
        return read(path)
    except ModelError as error:
        raise BundleError(
            str(error), "Bring the model back, or `qhw models calibrate` it anew."
        ) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnknownNameError.nearest("bundle", name, EMBEDDED, "qhw models list") from error
    except ValueError as error:
        raise BundleError(str(error), "Install again, or make the bundle anew.") from error


def reward_config(section: RewardSection, card: BundleCard) -> RewardConfig:
    """The preset's weights with the configured ones laid over them.

    Raises:
        ConfigError: If one of them is no number that weighs.
    """
    presets = {"bundle": card.reward, "paper": PAPER_REWARD, "realism": REALISM_REWARD}
    try:
        return dataclasses.replace(presets[section.preset], **set_in(section))
    except ValueError as error:
        raise ConfigError(
            str(error), "Change it in [environment.reward] of the settings."
        ) from error


def set_in(section: RewardSection) -> dict[str, Any]:
    """The weights and forms that were configured; the others are the preset's."""
    return section.model_dump(exclude={"preset"}, exclude_none=True)


def make_environment(
    config: EnvironmentConfig,
    bundle: Bundle,
    device: torch.device,
    features: tuple[str, ...] = PAPER_FEATURES,
) -> GuidanceEnvironment:
    """The diffusion sampler as an environment, on the given torch device.

    Args:
        config: Its settings.
        bundle: The model.
        device: Where pictures are made.
        features: Columns of the state.

    Raises:
        ConfigError: If settings do not fit each other or the bundle.
    """
    settle_batch(bundle, config.batch, device)
    bundle.denoiser.to(device)
    settle_precision(bundle, config.precision)
    reward = reward_config(config.reward, bundle.card)
    try:
        return GuidanceEnvironment(
            bundle.sampler(config.steps, SOLVERS[config.solver] if config.solver else None),
            bundle.proxy.to(device),
            reward,
            cfg_base=config.cfg_base or bundle.card.cfg_base,
            guidance_range=(config.guidance_min, config.guidance_max),
            previous_action=config.previous_action,
            distance=LpipsDistance(device) if reward.needs_distance else None,
            discriminator=load_discriminator(bundle, device) if reward.realism else None,
            features=features,
        )
    except MissingDiscriminatorError as error:
        fits = (
            f"`qhw remeasure --only discriminator --data DIR --bundle {bundle.folder}` fits one; "
        )
        raise ConfigError(
            f"environment.reward.realism is {reward.realism:g}, but {error}.",
            f"{'' if bundle.card.is_latent else fits}"
            "--set environment.reward.realism=0 does without.",
        ) from error
    except ValueError as error:
        raise ConfigError(str(error), "Change it in [environment] of the settings.") from error


def settle_batch(bundle: Bundle, batch: int | None, device: torch.device) -> None:
    """Take the configured batch of a text-prompted model, if it fits on the device.

    Raises:
        ConfigError: If it does not, or the model makes all pictures in one forward.
    """
    denoiser = bundle.denoiser
    if not isinstance(denoiser, LatentDenoiser):
        if batch is not None:
            raise ConfigError(
                f"environment.batch = {batch} is for text-prompted models: "
                f"{bundle.card.name} makes its pictures in one forward.",
                "Leave it out.",
            )
        return
    denoiser.batch = batch or denoiser.batch
    try:
        require_memory(denoiser, device)
    except MemoryError as error:
        raise ConfigError(
            str(error), "--set environment.batch=NUMBER makes fewer in one forward."
        ) from error


def settle_precision(bundle: Bundle, precision: Precision | None) -> None:
    """Make pictures in the configured precision, or in what the card says and the device has.

    Raises:
        ConfigError: If the device has not what is asked for, or the model has a precision of its
            own.
    """
    denoiser = bundle.denoiser
    if isinstance(denoiser, LatentDenoiser):
        if precision is not None:
            raise ConfigError(
                f"environment.precision = {precision!r} is not for text-prompted models: "
                f"{bundle.card.name} makes its own in {bundle.card.pictures_in}.",
                f"Leave it out, or `qhw models calibrate ... --precision {precision}`.",
            )
        return
    try:
        denoiser.make_in(precision)
    except ValueError as error:
        raise ConfigError(
            f"environment.precision = {precision!r}: {error}.", "Take fp32, or leave it out."
        ) from error


def ring_circuit(config: CircuitConfig) -> RingCircuit:
    """The ansatz that the settings describe."""
    return RingCircuit(config.qubits, config.depth, config.encoding, config.entanglement)


def make_backend(
    config: RunConfig, circuit: RingCircuit, requester: Requester | None = None
) -> Backend:
    """Open the configured backend; a device is opened in the name of who asks."""
    seed = stream_seed(config.seed, "shots")
    return open_configured(config.backend, config.hardware, circuit, seed=seed, requester=requester)


def adopt(backend: ExpectationBackend, circuit: RingCircuit) -> Backend:
    """Take a backend of the user's own, after checking that it is for this circuit.

    Raises:
        ConfigError: If it is for another.
    """
    if not stands_for(backend.circuit, circuit):
        raise ConfigError(
            f"The backend was made for {backend.circuit}, the settings ask for {circuit}.",
            "Give both the same circuit: `qhw.training.parts.ring_circuit(config.actor.circuit)`, "
            "or one of your own with as many qubits, angles and weights.",
        )
    if isinstance(backend, DifferentiableBackend):
        return AdoptedDifferentiable(backend)
    return Adopted(backend)


def make_rule(
    config: RunConfig, generator: np.random.Generator, backend: Backend | None
) -> GradientRule:
    """The gradient rule; random ones draw from `generator`, and `model` asks what is published.

    Raises:
        ConfigError: If the rule is `model` and there is no model of the backend.
    """
    gradient = config.gradient
    if gradient.rule == "pruned":
        return PrunedShift(gradient.pruned_fraction, generator)
    if gradient.rule == "spsa":
        return Spsa(generator, gradient.spsa_step)
    if gradient.rule == "model" and backend is not None:
        return ModelGradient(gradient_model(backend, config.backend))
    if gradient.rule == "adjoint":
        return Adjoint()
    if gradient.rule == "frozen":
        return Frozen()
    return ParameterShift()


def make_actor(
    config: RunConfig, scaler: StateScaler, backend: ExpectationBackend | None, rule: GradientRule
) -> RingActor | MlpActor:
    """The controller, with weights drawn from the run's seed.

    Raises:
        ConfigError: If the rule is `adjoint` and the backend has no derivative of its own.
    """
    if isinstance(rule, Adjoint) and not isinstance(backend, DifferentiableBackend):
        name = backend.name if isinstance(backend, Adopted) else type(backend).__name__
        raise ConfigError(
            "gradient.rule = 'adjoint' needs a backend that differentiates itself, and here "
            f"{name} cannot.",
            "Take --gradient shift, or leave --engine out; a backend of your own needs a `vjp`.",
        )
    generator = torch.Generator().manual_seed(config.seed)
    sigma, hidden = config.actor.sigma, config.actor.hidden
    if backend is not None:
        order = slot_order(config.state.features)
        circuit = ring_circuit(config.actor.circuit)
        return RingActor(circuit, backend, rule, scaler, generator, order, sigma, hidden)
    if config.actor.kind == "mlp":
        return MlpActor(scaler, generator, hidden, sigma)
    return MlpActor.matched(scaler, generator, sigma)


def ppo_config(ppo: PpoSection) -> PpoConfig:
    """The update's settings out of the configuration's."""
    return PpoConfig(
        epochs=ppo.epochs,
        minibatches=ppo.minibatches,
        gamma=ppo.gamma,
        gae_lambda=ppo.gae_lambda,
        clip=ppo.clip,
        entropy=ppo.entropy,
        value_coefficient=ppo.value_coefficient,
        max_gradient_norm=ppo.max_gradient_norm,
        group=ppo.group_size,
    )
