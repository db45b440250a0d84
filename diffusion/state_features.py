"""What a policy may be told about an image under way: the columns of the environment's state.

x_t is the latent of size d = C H W at noise level t; eps_u and eps_c are the noise that the
denoiser sees in it without and with the wanted class y; p(k) is the proxy's answer on the clean
picture predicted from eps_c, and p that for k = y. After the last step there is no noise left to
predict, and what is made of eps is 0.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Observation:
    """N images under way, as far as features need them.

    Attributes:
        level: t / T, in [0, 1).
        latents: x_t (N, C, H, W).
        eps_uncond: eps_u (N, C, H, W).
        eps_cond: eps_c (N, C, H, W).
        action: (N,) the previous action, as the environment's ``previous_action`` has it.
        log_probabilities: log p(k) (N, K) in nats, K >= 2.
        labels: y (N,), int64.
    """

    level: float
    latents: Tensor
    eps_uncond: Tensor
    eps_cond: Tensor
    action: Tensor
    log_probabilities: Tensor
    labels: Tensor

    @property
    def difference(self) -> Tensor:
        """eps_c - eps_u (N, C, H, W), the direction in which guidance pushes."""
        return self.eps_cond - self.eps_uncond

    @property
    def log_probability(self) -> Tensor:
        """The proxy's log p (N,) in nats."""
        return self.log_probabilities.gather(1, self.labels[:, None])[:, 0]


@dataclass(frozen=True)
class StateFeature:
    """A number that describes each image.

    Attributes:
        name: As settings name it.
        meaning: Formula and words.
        of: Gives it (N,) for what is seen.
    """

    name: str
    meaning: str
    of: Callable[[Observation], Tensor]


def _norm(latents: Tensor) -> Tensor:
    """Root mean square |x| / sqrt(d) of every latent; (N,)."""
    return latents.square().mean(dim=(1, 2, 3)).sqrt()


def _overlap(latents: Tensor, others: Tensor) -> Tensor:
    """<x, y> / d of every pair; (N,)."""
    return (latents * others).mean(dim=(1, 2, 3))


def _entropy(seen: Observation) -> Tensor:
    logs = seen.log_probabilities
    return -(logs.exp() * logs).sum(dim=1) / math.log(logs.shape[1])


def _margin(seen: Observation) -> Tensor:
    others = seen.log_probabilities.scatter(1, seen.labels[:, None], -math.inf)
    return seen.log_probability - others.amax(dim=1)


_FEATURES = (
    StateFeature(
        "time",
        "t / T, the noise level",
        lambda seen: seen.action.new_full(seen.action.shape, seen.level),
    ),
    StateFeature("latent_norm", "|x_t| / sqrt(d)", lambda seen: _norm(seen.latents)),
    StateFeature("noise_norm", "|eps_c| / sqrt(d)", lambda seen: _norm(seen.eps_cond)),
    StateFeature("overlap", "<x_t, eps_c> / d", lambda seen: _overlap(seen.latents, seen.eps_cond)),
    StateFeature("previous_action", "the previous action", lambda seen: seen.action / 2),
    StateFeature(
        "confidence", "p, the proxy's confidence", lambda seen: seen.log_probability.exp()
    ),
    StateFeature(
        "difference_norm",
        "|eps_c - eps_u| / sqrt(d), how far guidance pushes",
        lambda seen: _norm(seen.difference),
    ),
    StateFeature(
        "difference_overlap",
        "<x_t, eps_c - eps_u> / d, how much of that is along the latent",
        lambda seen: _overlap(seen.latents, seen.difference),
    ),
    StateFeature(
        "entropy", "-sum p(k) log p(k) / log K, how undecided the proxy is, 0 to 1", _entropy
    ),
    StateFeature(
        "margin",
        "log p - max log p(k) for k not y, the lead over the runner-up in nats",
        _margin,
    ),
)

STATE_FEATURES: Mapping[str, StateFeature] = MappingProxyType({f.name: f for f in _FEATURES})
"""All features by name."""
PAPER_FEATURES = (
    "time",
    "latent_norm",
    "noise_norm",
    "overlap",
    "previous_action",
    "confidence",
)
"""The six of arXiv 2509.14163, whose statistics stand in a bundle's card."""


def state_of(seen: Observation, names: Sequence[str]) -> Tensor:
    """The state (N, F) float32 of what is seen, a column for each name."""
    import torch

    return torch.stack([STATE_FEATURES[name].of(seen) for name in names], dim=1).float()


def check_features(names: Sequence[str]) -> None:
    """Refuse names that make no state.

    Raises:
        ValueError: If there is none, one is unknown, or one comes twice.
    """
    known = ", ".join(STATE_FEATURES)
    if not names:
        raise ValueError(f"there is no feature: name at least one of {known}")
    for name in names:
        if name not in STATE_FEATURES:
            close = difflib.get_close_matches(name, STATE_FEATURES, n=1, cutoff=0.4)
            meant = f"did you mean {close[0]!r}? " if close else ""
            raise ValueError(f"there is no feature {name!r}: {meant}There are {known}")
        if list(names).count(name) > 1:
            raise ValueError(f"feature {name!r} is named twice: name it once")


def slot_order(names: Sequence[str]) -> tuple[int, ...]:
    """The columns in the order in which a circuit takes them: p first, then as they stand.

    What there is to learn hangs on p most, so it must not be what a slot is missing for.
    """
    columns = range(len(names))
    return tuple(sorted(columns, key=lambda column: names[column] != "confidence"))
