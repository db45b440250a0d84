"""What guidance can gain: constants against the two-number rule g = lo + k (1 - p), proxy only.

The table decides a bundle's default reward and CFG_0 by a written rule, so that nobody picks them
by taste and the judges stay unseen:

1. For every price form, the constant and the rule of the largest mean return are found on one half
   of the latents: the best of a grid, refined from there. Both must lie inside the grid's bounds.
2. On the other half the forms whose rule beats their constant in return are kept.
3. Among them the one is taken whose rule has the smallest Frechet distance, in the proxy's
   features, against the constants at equal log p of the proxy.
4. CFG_0 is half-way between that rule's lo, or 1 where lo lies below, and that constant.

Guidance is clipped at 1, so a lo below 1 guides like any other: g leaves 1 only once p has fallen
below 1 - (1 - lo) / k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from diffusion.bundle import RewardChoice
from diffusion.classifiers import Classifier, batches
from diffusion.comparison import (
    ConstantCurve,
    Interval,
    ScoredArm,
    bootstrap_difference,
    resample_counts,
)
from diffusion.datasets.splits import Split
from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Episode, play
from diffusion.metrics import FloatArray, GaussianReference, diversity
from diffusion.references import References
from diffusion.refinement import refine
from diffusion.rewards import PRICE_FORMS, RewardConfig

CONSTANT_GRID = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
LOW_GRID = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
SLOPE_GRID = (1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 13.0)
REFINED_FROM = (0.25, 1.0)
"""How far from the grid's best rule its first neighbours lie, in lo and k."""
FIRST_SIGMA = 0.6
"""Standard deviation of an untrained policy's actions."""
NEUTRAL_REWARD = RewardConfig(beta=0.0, lambda_guidance=0.0)
"""The terminal term alone; the price forms are added to it afterwards."""


class NoGainError(ValueError):
    """No price form leaves a rule anything to gain."""


@dataclass(frozen=True)
class Candidate:
    """A hand-made way of guiding: g = low + slope (1 - p); a constant has slope 0."""

    low: float
    slope: float = 0.0

    def guidance(self, confidence: Tensor) -> Tensor:
        """Guidance (N,) for the proxy's p (N,) in [0, 1], before clipping."""
        return self.low + self.slope * (1 - confidence)


@dataclass(frozen=True)
class Trial:
    """What a candidate made of the latents; every field has one row per latent.

    Attributes:
        candidate: The rule.
        unpriced: (N,) return without any price on guidance.
        prices: Form to (N,), the price's term in the return, not positive.
        log_probability: (N,) the proxy's, nats.
        correct: (N,) 1 where the proxy names the wanted class.
        features: (N, F) of the proxy.
    """

    candidate: Candidate
    unpriced: FloatArray
    prices: dict[str, FloatArray]
    log_probability: FloatArray
    correct: FloatArray
    features: FloatArray

    def returns(self, form: str) -> FloatArray:
        """Return (N,) under one price form."""
        return self.unpriced + self.prices[form]


Play = Callable[[Candidate, int], Trial]
"""Plays a candidate on the first so many of the latents."""


@dataclass(frozen=True)
class FormResult:
    """The best constant and rule under one price form, and how they differ on fresh latents."""

    form: str
    constant: Candidate
    rule: Candidate
    gain: Interval
    frechet_difference: Interval
    inside: bool


def play_candidate(
    environment: GuidanceEnvironment, candidate: Candidate, latents: Tensor, labels: Tensor
) -> Episode:
    """Play whole episodes under a candidate, in an environment that is `widened`."""

    def act(_step: int, _state: Tensor) -> Tensor:
        return candidate.guidance(environment.confidence) - environment.cfg_base

    return play(environment, latents, labels, act)


def explore(
    environment: GuidanceEnvironment, latents: Tensor, labels: Tensor, seed: int
) -> Episode:
    """Play whole episodes under drawn actions about CFG_0, as a policy does before it learns."""
    generator = torch.Generator().manual_seed(seed)

    def act(_step: int, state: Tensor) -> Tensor:
        return FIRST_SIGMA * torch.randn(len(state), generator=generator)

    return play(environment, latents, labels, act)


def try_candidates(
    environment: GuidanceEnvironment,
    proxy: Classifier,
    candidates: Sequence[Candidate],
    latents: Tensor,
    labels: Tensor,
    report: Callable[[Trial], None],
) -> list[Trial]:
    """Play every candidate on the same latents; `report` hears of every one as it ends."""
    trials = []
    for candidate in candidates:
        trials.append(play_trial(environment, proxy, candidate, latents, labels))
        report(trials[-1])
    return trials


def play_trial(
    environment: GuidanceEnvironment,
    proxy: Classifier,
    candidate: Candidate,
    latents: Tensor,
    labels: Tensor,
) -> Trial:
    """Play one candidate, and look at what it made."""
    episode = play_candidate(environment, candidate, latents, labels)
    return _trial(candidate, episode, proxy, labels)


def grid() -> list[Candidate]:
    """All constants, then all rules."""
    constants = [Candidate(g) for g in CONSTANT_GRID]
    return constants + [Candidate(low, slope) for low in LOW_GRID for slope in SLOPE_GRID]


def compare_forms(
    trials: Sequence[Trial],
    references: FloatArray,
    play: Play,
    forms: Sequence[str] = tuple(PRICE_FORMS),
) -> list[FormResult]:
    """Apply steps 1 and 2 of the rule to price forms.

    Args:
        trials: Trials of `grid()`; the first half of the latents chooses, the second compares.
        references: (M, F) features of real pictures.
        play: Plays more candidates on the latents of the trials; every one is asked for once.
        forms: Their names in `PRICE_FORMS`.
    """
    reference, recalled = GaussianReference.of(references), cache(play)
    return [_compare_form(form, trials, reference, recalled) for form in forms]


def best_constant(score: Callable[[Candidate], float], tried: Sequence[Candidate]) -> Candidate:
    """The constant of the largest score: the best of those tried, refined between its neighbours.

    Args:
        score: Mean return on fixed latents; asked again for those tried.
        tried: Constants, two at least.
    """
    best = max(tried, key=score).low
    gaps = sorted(abs(constant.low - best) for constant in tried)
    reach = gaps[min(2, len(gaps) - 1)]  # the first gap is its own, the next two its neighbours'
    bounds = [(CONSTANT_GRID[0], CONSTANT_GRID[-1])]
    (low,) = refine(lambda point: score(Candidate(*point)), (best,), (reach,), bounds)
    return Candidate(low)


def best_rule(score: Callable[[Candidate], float], tried: Sequence[Candidate]) -> Candidate:
    """The rule of the largest score: the best of those tried, refined from there."""
    best = max(tried, key=score)
    bounds = [(LOW_GRID[0], LOW_GRID[-1]), (SLOPE_GRID[0], SLOPE_GRID[-1])]
    start = (best.low, best.slope)
    return Candidate(*refine(lambda point: score(Candidate(*point)), start, REFINED_FROM, bounds))


def choose(results: Sequence[FormResult]) -> tuple[RewardConfig, float, RewardChoice]:
    """Apply steps 3 and 4: the default reward, CFG_0, and its baselines.

    Raises:
        NoGainError: If no form is left: the model leaves nothing to learn, or its best constant
            lies at the edge of the grid.
    """
    worthwhile = [r for r in results if r.inside and r.gain.estimate > 0]
    if not worthwhile:
        found = "; ".join(
            f"{r.form}: constant {r.constant.low:g}, "
            f"rule {r.rule.low:g} + {r.rule.slope:g} (1 - p), gain {r.gain.estimate:+.4f}"
            for r in results
        )
        raise NoGainError(
            f"no price form has a rule that beats its best constant inside the grid ({found}): "
            "guidance hardly changes these pictures, or the denoiser is too weak"
        )
    best = min(worthwhile, key=lambda result: result.frechet_difference.estimate)
    return consequences(best)


def consequences(result: FormResult) -> tuple[RewardConfig, float, RewardChoice]:
    """Reward, CFG_0 (step 4) and baselines of a price form."""
    rule, constant = result.rule, result.constant.low
    base = round((max(rule.low, 1.0) + constant) / 2, 2)
    return PRICE_FORMS[result.form], base, RewardChoice(constant, rule.low, rule.slope)


def table_rows(trials: Sequence[Trial], references: FloatArray, labels: Tensor) -> list[list[str]]:
    """The head-room table as rows of text, header first."""
    reference = GaussianReference.of(references)
    header = ["lo", "k", "proxy accuracy", "log p", "proxy frechet", "diversity"]
    rows = [header + [f"return {form}" for form in PRICE_FORMS]]
    for trial in trials:
        numbers = [
            float(trial.correct.mean()),
            float(trial.log_probability.mean()),
            reference.distance(trial.features),
            diversity(trial.features, labels),
            *(float(trial.returns(form).mean()) for form in PRICE_FORMS),
        ]
        named = [f"{trial.candidate.low:g}", f"{trial.candidate.slope:g}"]
        rows.append(named + [f"{number:.4f}" for number in numbers])
    return rows


def proxy_features(proxy: Classifier, images: Tensor) -> FloatArray:
    """Features (N, F) of pictures (N, c, h, w) in [0, 1], in batches."""
    with torch.no_grad():
        parts = [proxy.features(part) for part in batches(images, proxy.device)]
    return torch.cat(parts).cpu().double().numpy()


def real_features(proxy: Classifier, references: References) -> FloatArray:
    """What a proxy sees in real pictures, (M, F)."""
    if references.features:
        return references.features["proxy"].double().numpy()
    return proxy_features(proxy, references.images)


def state_statistics(episode: Episode) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation (6,) of an episode's states, over steps and images."""
    states = episode.states.reshape(-1, 6).double()
    return tuple(states.mean(0).tolist()), tuple(states.std(0).tolist())


def accuracy(classifier: Classifier, images: Tensor, labels: Tensor) -> float:
    """Fraction of pictures (N, c, h, w) in [0, 1], or uint8, whose class is named rightly."""
    with torch.no_grad():
        named = [classifier(part).argmax(1) for part in batches(images, classifier.device)]
    return float((torch.cat(named).cpu() == labels).double().mean())


def accuracies(
    classifiers: Mapping[str, Classifier], split: Split, least: float, report: Callable[[str], None]
) -> dict[str, float]:
    """Accuracy of every classifier on test pictures, in [0, 1], by its name.

    Raises:
        ValueError: If one is below `least`: too weak for a reward or a judgement.
    """
    found = {name: accuracy(each, split.images, split.labels) for name, each in classifiers.items()}
    report(f"test accuracies: {found}")
    weak = {name: value for name, value in found.items() if value < least}
    if weak:
        raise ValueError(f"below {least:g} test accuracy: {weak}")
    return found


def _trial(candidate: Candidate, episode: Episode, proxy: Classifier, labels: Tensor) -> Trial:
    features = proxy_features(proxy, episode.images)
    with torch.no_grad():
        logits = proxy.head(torch.from_numpy(features).float().to(proxy.device)).cpu()
    guidance = episode.guidance
    prices = {
        form: sum(reward.guidance_cost(g, len(guidance)) for g in guidance)
        for form, reward in PRICE_FORMS.items()
    }
    return Trial(
        candidate,
        episode.returns.double().numpy(),
        {form: torch.as_tensor(price).double().numpy() for form, price in prices.items()},
        episode.log_probability.double().numpy(),
        (logits.argmax(1) == labels).double().numpy(),
        features,
    )


def _compare_form(
    form: str, trials: Sequence[Trial], reference: GaussianReference, play: Play
) -> FormResult:
    known = {trial.candidate: trial for trial in trials}
    size = len(trials[0].correct)
    half = size // 2

    def chosen_by(candidate: Candidate) -> float:
        trial = known.get(candidate) or play(candidate, half)
        return float(trial.returns(form)[:half].mean())

    constants = [t for t in trials if t.candidate.slope == 0]
    constant = best_constant(chosen_by, [t.candidate for t in constants])
    rule = best_rule(chosen_by, [t.candidate for t in trials if t.candidate.slope != 0])
    ruled, held = (known.get(best) or play(best, size) for best in (rule, constant))
    gain = bootstrap_difference(ruled.returns(form)[half:], held.returns(form)[half:])
    counts = resample_counts(size - half, resamples=1000, seed=0)

    def scored(trial: Trial) -> ScoredArm:
        correct, log_probability = trial.correct[half:], trial.log_probability[half:]
        return ScoredArm.of(correct, log_probability, trial.features[half:], reference)

    curve = ConstantCurve.through({t.candidate.low: scored(t) for t in constants}, counts)
    compared = curve.beside(scored(ruled))
    inside = _inside(constant.low, CONSTANT_GRID) and (
        _inside(rule.low, LOW_GRID) and _inside(rule.slope, SLOPE_GRID)
    )
    return FormResult(form, constant, rule, gain, compared.difference, inside)


def _inside(value: float, values: Sequence[float]) -> bool:
    return min(values) < value < max(values)
