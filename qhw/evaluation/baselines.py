"""Guidance that needs no training: played once per model, reward and set of latents, then recalled.

An outcome is looked for beside the bundle (`qhw fit` puts the default setting's there) and in the
user's cache folder. Its key holds everything it depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from diffusion.bundle import Bundle
from diffusion.comparison import ScoredArm
from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Episode, play_schedule
from diffusion.headroom import Candidate, play_candidate
from diffusion.schedules import baseline_schedules
from qhw.errors import BundleError
from qhw.evaluation.choices import Choices
from qhw.evaluation.constant_grid import constants_within, placebos_within
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Judges, Outcome, PairedLatents, Score
from qhw.evaluation.likeness import PaperMetrics
from qhw.evaluation.published import published
from qhw.evaluation.setting import Setting, key_of, name_of
from qhw.files import Cache, make_folder, replace_file
from qhw.training.player import Player

FOLDER = "baselines"
LIKENESS = "likeness/"
"""What columns of the paper's metrics begin with."""
VERSION = 2
"""Of what is stored: an outcome of another version is made anew. 1 had no stranger's eye."""


@dataclass(frozen=True)
class NamedOutcome:
    """What an arm came to, under the name that tables give it."""

    name: str
    outcome: Outcome


@dataclass(frozen=True)
class Baseline(NamedOutcome):
    """Hand-made guidance of two numbers, and what it came to."""

    candidate: Candidate


class Baselines:
    """Constants, the confidence rule, greedy feedback and fixed schedules on one set of latents.

    Args:
        bundle: The model.
        judges: Its eyes.
        environment: The run's, whose reward and guidance range are used; the action is unlimited.
        paired: The latents.
        cache: Folder for outcomes that do not come with the bundle.
        tell: Is told what is played or chosen, where it is not recalled.
    """

    def __init__(
        self,
        bundle: Bundle,
        judges: Judges,
        environment: GuidanceEnvironment,
        paired: PairedLatents,
        cache: Path,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tell = tell
        self._bundle, self._judges, self.paired = bundle, judges, paired
        self._base, self._environment = environment.cfg_base, environment.widened()
        self._folders = (bundle.folder / FOLDER, cache)
        self._setting = Setting(bundle, environment)
        self._choices = Choices(self._setting, len(paired.labels), self._folders, tell)
        self.paper_metrics = PaperMetrics(bundle, environment, paired)

    @classmethod
    def of(
        cls,
        player: Player,
        judges: Judges,
        paired: PairedLatents,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Baselines:
        """What a player is compared with, kept in the user's cache."""
        cache = Cache.of_user().baselines
        return cls(player.bundle, judges, player.environment, paired, cache, tell)

    def rule(self) -> Baseline:
        """The confidence rule that was chosen on other latents."""
        rule = self._choices.rule()
        return self.candidate(f"rule {rule.low:g} + {rule.slope:g}(1-p)", rule)

    def base(self) -> Baseline:
        """The base guidance, which an action of 0 gives."""
        return self.candidate(f"a = 0: g = {self._base:g}", Candidate(self._base))

    def constant(self) -> Baseline:
        """The constant to beat, chosen on other latents."""
        best = self._choices.constant()
        return self.candidate(f"constant {best.low:g}, best", best)

    def greedy(self) -> NamedOutcome:
        """Greedy feedback on the predicted picture, its price chosen on other latents."""
        greedy = self._choices.greedy()
        play = partial(greedy.play, self._environment)
        return NamedOutcome("greedy feedback", self._recall({"greedy": asdict(greedy)}, play))

    def constants(self) -> list[Baseline]:
        """The grid of constants inside the guidance range, which everything is compared with."""
        grid = constants_within(self._environment.guidance_range)
        return [self.candidate(f"constant {g:g}", Candidate(g)) for g in grid]

    def placebos(self) -> list[Baseline]:
        """Constants between those of the grid: what is read for them is what cannot be told."""
        between = placebos_within(self._environment.guidance_range)
        return [self.candidate(f"placebo: g = {g:g}", Candidate(g)) for g in between]

    def schedules(self) -> list[NamedOutcome]:
        """Ramps and the limited interval, with the best constant as their mean (or inside)."""
        mean = self._choices.constant().low
        named = baseline_schedules(self._environment.num_steps, mean)
        del named["constant"]
        outcomes = []
        for name, guidance in named.items():
            play = partial(play_schedule, self._environment, guidance=guidance)
            outcome = self._recall({"schedule": guidance.tolist()}, play)
            outcomes.append(NamedOutcome(name, outcome))
        return outcomes

    def published(self) -> list[NamedOutcome]:
        """Published methods, their numbers chosen on other latents."""
        outcomes = []
        for method in published(self._environment, self._choices.constant().low):
            point = self._choices.find(method.search)
            facts = {"published": method.search.name, "numbers": point}
            outcome = self._recall(facts, method.search.play(point))
            outcomes.append(NamedOutcome(method.named(point), outcome))
        return outcomes

    def candidate(self, name: str, candidate: Candidate) -> Baseline:
        """A constant or a confidence rule."""
        play = partial(play_candidate, self._environment, candidate)
        return Baseline(name, self._recall(asdict(candidate), play), candidate)

    def _recall(self, guidance: dict[str, Any], play: Callable[..., Episode]) -> Outcome:
        facts = {
            **self._setting.facts(),
            "cfg_base": self._base,
            "latents": len(self.paired.labels),
            "version": VERSION,
            "guidance": guidance,
        }
        name = f"{name_of(facts)}.safetensors"
        for folder in self._folders:
            if (folder / name).exists():
                return read_outcome(folder / name)
        self._tell(f"playing {name_of_guidance(guidance)}")
        latents, labels = self.paired.latents, self.paired.labels
        episode = play(latents, labels)
        likeness = self.paper_metrics.measure(episode.images)
        outcome = replace(self._judges.judge(episode, labels), likeness=likeness)
        path = self._folders[-1] / name
        write_outcome(path, outcome, key_of(facts))
        # What is recalled later was rounded on the way to the disk; be the same the first time.
        return read_outcome(path)


def name_of_guidance(guidance: dict[str, Any]) -> str:
    """For people who wait."""
    if "low" in guidance:
        rule = f"{guidance['low']:g} + {guidance['slope']:g}(1-p)"
        return f"rule {rule}" if guidance["slope"] else f"constant {guidance['low']:g}"
    return str(guidance.get("published", next(iter(guidance))))


def columns_of(outcome: Outcome) -> dict[str, NDArray[np.float64]]:
    """An outcome as named columns; `outcome_of_columns` makes one of them."""
    columns = {"returns": outcome.returns, "guidance": outcome.guidance}
    for eye, score in outcome.scores.items():
        columns[f"{eye}/log_probability"] = score.arm.log_probability
        columns[f"{eye}/correct"] = score.arm.correct
        columns[f"{eye}/effect"] = score.arm.effect
        columns[f"{eye}/scalars"] = np.array([score.arm.distance, score.diversity, score.kernel])
    return columns | {f"{LIKENESS}{name}": values for name, values in outcome.likeness.items()}


def write_outcome(path: Path, outcome: Outcome, key: str) -> None:
    """Store an outcome; the key goes along for people who look into the file."""
    make_folder(path.parent)
    columns = columns_of(outcome)
    tensors = {name: torch.from_numpy(column).float() for name, column in columns.items()}
    replace_file(path, save(tensors, metadata={"key": key}))


def read_outcome(path: Path) -> Outcome:
    """Read what `write_outcome` stored.

    Raises:
        BundleError: If the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            columns = {name: file.get_tensor(name).double().numpy() for name in names}
    except SafetensorError as error:
        raise BundleError(f"{path} is damaged: {error}.", "Delete it; it is made anew.") from error
    return outcome_of_columns(columns)


def outcome_of_columns(columns: Mapping[str, NDArray[np.float64]]) -> Outcome:
    """The outcome whose columns these are."""
    likeness = {
        name.removeprefix(LIKENESS): column
        for name, column in columns.items()
        if name.startswith(LIKENESS)
    }
    scores = {eye: _score(columns, eye) for eye in ALL_EYES}
    return Outcome(columns["returns"], columns["guidance"], scores, likeness)


def _score(columns: Mapping[str, NDArray[np.float64]], eye: str) -> Score:
    distance, spread, kernel = (float(scalar) for scalar in columns[f"{eye}/scalars"])
    correct, log_probability, effect = (
        columns[f"{eye}/{name}"] for name in ("correct", "log_probability", "effect")
    )
    return Score(ScoredArm(correct, log_probability, distance, effect), spread, kernel)
