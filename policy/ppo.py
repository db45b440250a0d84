"""Proximal policy optimisation (Schulman et al., arXiv 1707.06347), clipped, on whole episodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.optim import Optimizer

from policy.actors import Actor, RingActor
from policy.known_features import KnownFeatures, Reuse
from policy.rollout import Rollout, gae


@dataclass(frozen=True)
class PpoConfig:
    """Settings of an update; the defaults learn fast, the paper's are its preset in `qhw.config`.

    Attributes:
        epochs: Passes over the rollout.
        minibatches: Parts of a pass; every transition is in exactly one.
        gamma: Discount.
        gae_lambda: Trace decay of the advantages.
        clip: Largest change of the probability ratio that still counts.
        entropy: Weight of the entropy bonus.
        value_coefficient: Weight of the critic's loss.
        max_gradient_norm: Gradients of actor and critic are each scaled down to this norm.
        group: Neighbouring episodes that began with the same latent and label; 1 for none.
        entropy_into_circuit: Let the entropy bonus reach the circuit's weights. Off on paid
            backends, so that rows clipped by PPO have exactly zero gradient and cost nothing.
        reuse_features: When the <Z_i> measured in the rollout serve instead of new ones.
    """

    epochs: int = 4
    minibatches: int = 4
    gamma: float = 0.995
    gae_lambda: float = 0.95
    clip: float = 0.15
    entropy: float = 0.005
    value_coefficient: float = 0.5
    max_gradient_norm: float = 0.5
    group: int = 1
    entropy_into_circuit: bool = True
    reuse_features: Reuse = "never"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.minibatches < 1:
            raise ValueError(f"epochs {self.epochs}, minibatches {self.minibatches}: at least 1")
        if not 0 < self.clip < 1:
            raise ValueError(f"clip is {self.clip}: choose a number in (0, 1)")
        if self.group < 1:
            raise ValueError(f"group is {self.group}: at least 1")


@dataclass(frozen=True)
class PpoDiagnostics:
    """How an update went; means over its minibatches unless said otherwise.

    Attributes:
        policy_loss: Clipped surrogate loss.
        value_loss: Mean squared error of the critic.
        entropy: Entropy of the policy, in nats.
        approximate_kl: E[(r - 1) - log r], in nats, of the last epoch.
        clip_fraction: Share of transitions whose ratio left the trust region, last epoch.
        explained_variance: 1 - Var(target - value) / Var(target), before the update.
        circuit_gradient_norm: Norm of the gradient by the circuit's weights, before clipping; 0 for
            classical actors.
        first_ratio_spread: Standard deviation of the ratio at unchanged weights, i.e. in the first
            minibatch; 0 when the backend is exact or the rollout's features are reused.
    """

    policy_loss: float
    value_loss: float
    entropy: float
    approximate_kl: float
    clip_fraction: float
    explained_variance: float
    circuit_gradient_norm: float
    first_ratio_spread: float


@dataclass(frozen=True)
class Minibatch:
    """Transitions (M,) with their normalised advantages and value targets.

    Features (M, n) are those measured in the rollout, where they are to be used again.
    """

    states: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    targets: Tensor
    features: Tensor | None = None


@dataclass(frozen=True)
class Losses:
    """The three losses of a minibatch, and the ratios (M,) they came from."""

    policy: Tensor
    value: Tensor
    entropy: Tensor
    ratio: Tensor


@dataclass(frozen=True)
class MinibatchRecord:
    """What one minibatch came to; the names are those of `PpoDiagnostics`."""

    epoch: int
    policy: float
    value: float
    entropy: float
    kl: float
    clipped: float
    circuit_norm: float
    ratio_spread: float


@dataclass
class UpdateProgress:
    """How far an update has come: with the rollout, all that is needed to go on in the middle.

    Attributes:
        order: Permutation (T N,) of the transitions in the present pass; empty before the first.
        passes: Permutations drawn so far.
        records: One per finished minibatch.
    """

    order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    passes: int = 0
    records: list[MinibatchRecord] = field(default_factory=list)


def update(
    actor: Actor,
    critic: nn.Module,
    actor_optimizer: Optimizer,
    critic_optimizer: Optimizer,
    rollout: Rollout,
    config: PpoConfig,
    generator: torch.Generator,
    progress: UpdateProgress | None = None,
    before_minibatch: Callable[[UpdateProgress], None] | None = None,
) -> PpoDiagnostics:
    """Improve actor and critic on one rollout.

    Args:
        actor: The policy; changed in place.
        critic: The value function; changed in place.
        actor_optimizer: Steps the actor's parameters.
        critic_optimizer: Steps the critic's.
        rollout: Whole episodes.
        config: Settings.
        generator: Permutes the transitions.
        progress: Where an interrupted update stood; changed in place.
        before_minibatch: Called when everything a minibatch depends on stands, and nothing of it
            has been evaluated yet.

    Raises:
        FloatingPointError: If a loss is not finite: the policy has run away.
        ValueError: If there are more minibatches than transitions, or features are to be carried
            along from weights that have moved already.
    """
    if config.minibatches > rollout.size:
        raise ValueError(f"{config.minibatches} minibatches of {rollout.size} transitions: fewer")
    progress = UpdateProgress() if progress is None else progress
    if progress.records and config.reuse_features == "carried":
        raise ValueError("carried features begin with the rollout's weights: begin the update anew")
    known = KnownFeatures(actor, rollout, config.reuse_features)
    advantages, targets = normalised_advantages(rollout, config)
    while len(progress.records) < config.epochs * config.minibatches:
        epoch, index = divmod(len(progress.records), config.minibatches)
        if progress.passes == epoch:
            progress.order = torch.randperm(rollout.size, generator=generator)
            progress.passes += 1
        if before_minibatch is not None:
            before_minibatch(progress)
        chosen = progress.order.tensor_split(config.minibatches)[index]
        part = take_transitions(rollout, advantages, targets, chosen, known.of(chosen, epoch))
        losses = minibatch_losses(actor, critic, part, config)
        norm = _descend(actor, critic, actor_optimizer, critic_optimizer, losses, config)
        progress.records.append(_record(epoch, losses, norm, config.clip))
    unexplained = (targets - rollout.values).var() / targets.var().clamp(min=1e-12)
    return _summarise(progress.records, float(1 - unexplained), config.epochs)


def minibatch_losses(actor: Actor, critic: nn.Module, part: Minibatch, config: PpoConfig) -> Losses:
    """The clipped surrogate, the critic's squared error and the entropy of one minibatch.

    ratio   = pi(a | s) / pi_old(a | s)
    policy  = - mean min(ratio A, clip(ratio, 1 - clip, 1 + clip) A)
    value   = mean (V(s) - target)^2
    entropy = mean log(sigma sqrt(2 pi e))
    """
    distribution, sigma = _distribution(actor, part, config)
    policy, ratio = surrogate_loss(distribution, part, config.clip)
    return Losses(
        policy=policy,
        value=(critic(part.states) - part.targets).square().mean(),
        entropy=(sigma.log() + 0.5 * math.log(2 * math.pi * math.e)).mean(),
        ratio=ratio.detach(),
    )


def surrogate_loss(distribution: Normal, part: Minibatch, clip: float) -> tuple[Tensor, Tensor]:
    """The policy's clipped loss, and the ratios (M,); see `minibatch_losses`."""
    ratio = (distribution.log_prob(part.actions) - part.log_probs).exp()
    surrogate = torch.minimum(
        ratio * part.advantages, ratio.clamp(1 - clip, 1 + clip) * part.advantages
    )
    return -surrogate.mean(), ratio


def _distribution(actor: Actor, part: Minibatch, config: PpoConfig) -> tuple[Normal, Tensor]:
    """The policy, and the sigma whose entropy is rewarded."""
    if isinstance(actor, RingActor) and not config.entropy_into_circuit:
        return actor.split_distribution(part.states, part.features)
    if isinstance(actor, RingActor):
        distribution = actor.distribution_of(actor.features(part.states, part.features))
    else:
        distribution = actor.distribution(part.states)
    return distribution, distribution.scale


def _descend(
    actor: Actor,
    critic: nn.Module,
    actor_optimizer: Optimizer,
    critic_optimizer: Optimizer,
    losses: Losses,
    config: PpoConfig,
) -> float:
    """Take one step of both optimisers; return the circuit's gradient norm."""
    loss = losses.policy - config.entropy * losses.entropy
    loss = loss + config.value_coefficient * losses.value
    if not bool(torch.isfinite(loss)):
        raise FloatingPointError(f"the PPO loss is {float(loss.detach())}")
    actor_optimizer.zero_grad()
    critic_optimizer.zero_grad()
    loss.backward()
    norm = 0.0
    if isinstance(actor, RingActor) and actor.circuit_weights.grad is not None:
        norm = float(actor.circuit_weights.grad.norm())
    for module in (actor, critic):
        nn.utils.clip_grad_norm_(module.parameters(), config.max_gradient_norm)
    actor_optimizer.step()
    critic_optimizer.step()
    return norm


def normalised_advantages(rollout: Rollout, config: PpoConfig) -> tuple[Tensor, Tensor]:
    """Advantages beside their groups, of mean 0 and spread 1, and value targets, both (T, N)."""
    nothing = torch.zeros_like(rollout.values[-1])
    advantages, targets = gae(
        rollout.rewards, rollout.values, nothing, rollout.dones, config.gamma, config.gae_lambda
    )
    advantages = beside_its_group(advantages, config.group)
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8), targets


def beside_its_group(advantages: Tensor, group: int) -> Tensor:
    """Subtract from every advantage the mean of the others' in its group.

    Episodes of one latent differ by their actions alone, so what the latent brings, most of the
    variance, is gone. The leave-one-out mean (Kool et al., RLOO, 2019; Ahmadian et al., arXiv
    2402.14740) leaves the gradient's expectation as it was:

        A_k - 1/(K-1) sum_{j != k} A_j = K/(K-1) (A_k - mean A)

    Args:
        advantages: (T, N), N a multiple of `group`, groups contiguous.
        group: K episodes that began with the same latent; 1 changes nothing.

    Raises:
        ValueError: If there are no whole groups.
    """
    if group == 1:
        return advantages
    steps, count = advantages.shape
    if count % group:
        raise ValueError(f"{count} episodes are not whole groups of {group}")
    grouped = advantages.reshape(steps, count // group, group)
    centred = grouped - grouped.mean(dim=2, keepdim=True)
    return (centred * group / (group - 1)).reshape(steps, count)


def take_transitions(
    rollout: Rollout,
    advantages: Tensor,
    targets: Tensor,
    chosen: Tensor,
    features: Tensor | None,
) -> Minibatch:
    """The chosen transitions (M,), with their features (M, n) where those are known."""
    return Minibatch(
        rollout.states.flatten(0, 1)[chosen],
        rollout.actions.flatten()[chosen],
        rollout.log_probs.flatten()[chosen],
        advantages.flatten()[chosen],
        targets.flatten()[chosen],
        features,
    )


def _record(epoch: int, losses: Losses, circuit_norm: float, clip: float) -> MinibatchRecord:
    ratio = losses.ratio
    return MinibatchRecord(
        epoch,
        float(losses.policy.detach()),
        float(losses.value.detach()),
        float(losses.entropy.detach()),
        float((ratio - 1 - ratio.log()).mean()),
        float(((ratio - 1).abs() > clip).float().mean()),
        circuit_norm,
        float(ratio.std(correction=0)),
    )


def _summarise(records: list[MinibatchRecord], explained: float, epochs: int) -> PpoDiagnostics:
    last = [record for record in records if record.epoch == epochs - 1]
    return PpoDiagnostics(
        policy_loss=_mean([r.policy for r in records]),
        value_loss=_mean([r.value for r in records]),
        entropy=_mean([r.entropy for r in records]),
        approximate_kl=_mean([r.kl for r in last]),
        clip_fraction=_mean([r.clipped for r in last]),
        explained_variance=explained,
        circuit_gradient_norm=_mean([r.circuit_norm for r in records]),
        first_ratio_spread=records[0].ratio_spread,
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
