"""`qhw compare`: what two runs were asked differently, and what came out on the same latents.

RUN_A/compare-RUN_B/
  compare.json    differing settings, metrics with paired intervals, cost
  pictures.png    pictures of the same latents
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from calibration.notebook import html_folded, html_lines
from diffusion.comparison import resample_counts
from qhw.backends.facts import NO_BACKEND, BackendFacts
from qhw.config import RunConfig
from qhw.console.notebook import table_html
from qhw.console.output import show, terminal
from qhw.console.tables import from_here, listing, plain_table, print_facts, resolved, signed
from qhw.devices.session import Display
from qhw.errors import ConfigError
from qhw.evaluation import plots
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.beside_baselines import OUTSIDE
from qhw.evaluation.beside_constants import beside_constants
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.evaluation.pairs import AtEqualLogP, Metric, alikeness, at_equal_log_p, metrics
from qhw.evaluation.playing import play_policy
from qhw.files import make_folder, write_json
from qhw.known import refuse_unknown
from qhw.runs.differences import Difference, differences
from qhw.runs.directory import RunDirectory, open_run
from qhw.runs.settings import settings_on_backend
from qhw.threads import for_pictures, one_thread
from qhw.training.player import Player

PICTURES = 16
"""Latents whose pictures are shown."""
ONE_SEED_EACH = (
    "One training seed each: this compares two policies, not the two methods that made them. For "
    "methods, train several seeds of both."
)
HOW_TO_READ = (
    "B minus A is paired over the same latents; intervals are 95 %: one that holds 0 does not tell "
    "A from B, and of twenty one misses by chance. log p and accuracy: higher is better; Frechet: "
    "lower is better, the larger the fewer the latents, and fair between A and B only at equal "
    "log p, so the second table sets each beside constant guidance of its own log p in that eye: "
    "below 0 is better than the constants of that log p, and B minus A below 0 says that B gains "
    "more. Placebos are constants that are not among those compared with: what is no larger than "
    "what they read (~), or holds 0, is no difference. * no constant reaches a log p, so the one "
    "of the highest is compared. AlexNet names no classes: its log p is the mean of the judges'."
)
NO_RETURNS = "The runs were rewarded differently, so their returns are not compared."


@dataclass(frozen=True)
class ComparisonRequest:
    """What `qhw compare` was asked for.

    Attributes:
        latents: How many both policies play; Frechet distances want 2,000.
        backend: Settings laid over both runs' own backends; None leaves one as it is.
        folder: Where the files go; beside run A by default.
    """

    latents: int = 500
    backend: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def changes_backend(self) -> bool:
        """Whether other backends than the runs' own are asked for."""
        return any(value is not None for value in self.backend.values())


@dataclass(frozen=True)
class Side:
    """One run of the two, ready to play."""

    run: RunDirectory
    player: Player

    @property
    def facts(self) -> dict[str, Any]:
        """What is played on what."""
        backend = self.player.backend
        return {
            "run": self.run.name,
            "id": self.run.id,
            "seed": self.player.config.seed,
            "updates": self.player.updates,
            "backend": backend.facts().words() if backend else NO_BACKEND["backend"],
        }


@dataclass(frozen=True)
class Comparison:
    """What `compare.json` holds and the tables show.

    Attributes:
        latents: How many both policies played.
        settings: The settings that differ.
        metrics: Numbers of both policies, and their paired differences.
        at_equal_log_p: Both policies beside constant guidance, one row for each eye.
        alike: How alike the pictures of the same latent are: name to estimate, low and high.
        returns_compared: Whether both were rewarded alike, so that returns can be compared.
    """

    latents: int
    settings: list[Difference]
    metrics: list[Metric]
    at_equal_log_p: list[AtEqualLogP]
    alike: dict[str, Any]
    returns_compared: bool


@dataclass(frozen=True)
class Compared:
    """Two runs side by side, and where that is kept; a notebook shows the tables.

    Attributes:
        folder: Holds `compare.json` and `pictures.png`.
        facts: Of A and of B: run, identity, seed, updates, backend.
        comparison: What was found.
    """

    folder: Path
    facts: tuple[dict[str, Any], dict[str, Any]]
    comparison: Comparison

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        found = self.comparison
        return (
            html_lines(*who_is_compared(self.facts))
            + table_html(settings_table(found.settings))
            + table_html(metrics_table(found.metrics, found.latents))
            + html_lines("" if found.returns_compared else NO_RETURNS)
            + table_html(equal_log_p_table(found.at_equal_log_p))
            + html_folded("How to read it", HOW_TO_READ)
            + html_lines(ONE_SEED_EACH)
        )


@one_thread()
def compare_runs(first: Path, second: Path, request: ComparisonRequest) -> Compared:
    """Play both policies on the evaluation's latents, write the files, print the tables.

    Args:
        first: Run A.
        second: Run B.
        request: Latents, backend, folder.

    Returns:
        What was found, and the folder of the files.

    Raises:
        ConfigError: If the runs cannot be compared; its message says why.
        UnknownNameError: If there is no such run or backend.
    """
    runs = open_run(first), open_run(second)
    configs = [_config(run, request) for run in runs]
    _refuse_unlike_settings(runs, configs)
    a, b = (
        Side(run, Player.of(run, config if request.changes_backend else None))
        for run, config in zip(runs, configs, strict=True)
    )
    _refuse_other_model(a, b)
    folder = request.folder or a.run.path / f"compare-{b.run.name}"
    make_folder(folder)
    comparison = _compare(a, b, request.latents, folder, Display(terminal()))
    record = {
        "A": a.facts,
        "B": b.facts,
        "command": f"qhw compare {from_here(first)} {from_here(second)}",
        **asdict(comparison),
    }
    write_json(folder / "compare.json", record)

    def print_it(console: Console) -> None:
        print_runs(console, (a.facts, b.facts), comparison)
        for name in ("compare.json", "pictures.png"):
            console.print(str(from_here(folder / name)), soft_wrap=True)

    show(record, print_it)
    return Compared(folder, (a.facts, b.facts), comparison)


def _config(run: RunDirectory, request: ComparisonRequest) -> RunConfig:
    """The run's settings, on another backend if one was asked for and there is a circuit."""
    config = run.config
    if config.actor.kind == "ring" and request.changes_backend:
        if request.backend.get("name") is not None:
            refuse_unknown(request.backend["name"], request.backend.get("device"))
        config = settings_on_backend(config, request.backend, {})
    if config.backend.takes_jobs:
        raise ConfigError(
            f"{run.name} plays on {config.backend.name!r}, where every step is a job; compare "
            "plays on simulators.",
            "Give one for both, such as `--backend aer_noisy`.",
        )
    return config


def _refuse_unlike_settings(
    runs: tuple[RunDirectory, RunDirectory], configs: list[RunConfig]
) -> None:
    if runs[0].path == runs[1].path:
        raise ConfigError(f"Both runs are {runs[0].name}.", "Give two: `qhw runs` lists them.")
    steps = [config.environment.steps for config in configs]
    if steps[0] != steps[1]:
        raise ConfigError(
            f"{runs[0].name} takes {steps[0]} denoising steps, {runs[1].name} {steps[1]}: their "
            "pictures would differ without any controller.",
            "Compare runs of the same environment.steps.",
        )


def _refuse_other_model(a: Side, b: Side) -> None:
    cards = a.player.bundle.card, b.player.bundle.card
    if cards[0].digest != cards[1].digest:
        models = " and ".join(f"{card.name} ({card.digest})" for card in cards)
        raise ConfigError(
            f"The runs steer different models: {models}.",
            "Compare runs of the same environment.bundle.",
        )


def _compare(a: Side, b: Side, latents: int, folder: Path, display: Display) -> Comparison:
    paired = evaluation_latents(a.player.bundle, latents)
    judges = Judges(a.player.bundle)
    with for_pictures(), display.work(f"playing both on {latents} latents"):
        episodes = [play_policy(side.player, paired, "compare") for side in (a, b)]
        outcomes = [judges.judge(episode, paired.labels) for episode in episodes]
        resamples = a.player.config.evaluation.bootstrap
        counts = resample_counts(latents, resamples, seed=0)
        constants = beside_constants(Baselines.of(a.player, judges, paired), counts)
    names = a.player.bundle.card.class_names
    titles = [names[int(label)] for label in paired.labels[:PICTURES]]
    headings = f"A: {a.run.name}", f"B: {b.run.name}"
    panels = {h: e.images[:PICTURES] for h, e in zip(headings, episodes, strict=True)}
    plots.picture_grid(folder / "pictures.png", panels, titles)
    alike = alikeness(episodes[0].images, episodes[1].images, resamples)
    rewarded_alike = _reward(a) == _reward(b)
    return Comparison(
        latents=latents,
        settings=differences(a.run.config, b.run.config),
        metrics=metrics(outcomes[0], outcomes[1], counts, returns=rewarded_alike),
        at_equal_log_p=at_equal_log_p(outcomes[0], outcomes[1], constants),
        alike={name: asdict(interval) for name, interval in alike.items()},
        returns_compared=rewarded_alike,
    )


def _reward(side: Side) -> tuple[dict[str, Any], float]:
    environment = side.player.environment
    return asdict(environment.reward), environment.cfg_base


def print_runs(
    console: Console, facts: tuple[dict[str, Any], dict[str, Any]], comparison: Comparison
) -> None:
    """Print who is compared, the differing settings, both tables, and how to read them."""
    for line in who_is_compared(facts):
        console.print(line)
    console.print(settings_table(comparison.settings))
    console.print(metrics_table(comparison.metrics, comparison.latents))
    if not comparison.returns_compared:
        console.print(NO_RETURNS, style="yellow")
    console.print(equal_log_p_table(comparison.at_equal_log_p))
    console.print("Not resolved (~) is what the placebos read, up to:")
    print_facts(console, {row.eye: f"{row.resolution:.2f}" for row in comparison.at_equal_log_p})
    alike = {
        name: f"{i['estimate']:.3f} [{i['low']:.3f}, {i['high']:.3f}]"
        for name, i in comparison.alike.items()
    }
    console.print("B's pictures against A's, latent by latent:")
    print_facts(console, alike)
    console.print(HOW_TO_READ)
    console.print(ONE_SEED_EACH, style="bold")


def who_is_compared(facts: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each run and what it was played on, in words."""
    for letter, side in zip("AB", facts, strict=True):
        backend = side["backend"]
        phrase = BackendFacts.read(backend).phrase if isinstance(backend, dict) else backend
        yield (
            f"{letter}: {side['run']}, seed {side['seed']}, {side['updates']} updates, "
            f"played on {phrase}"
        )


def settings_table(settings: Sequence[Difference]) -> Table | str:
    """The settings that differ."""
    if not settings:
        return "Both runs have the same settings."
    table = listing("setting that differs", "A", "B")
    for difference in settings:
        table.add_row(difference.setting, difference.first, difference.second)
    return table


def metrics_table(metrics: Sequence[Metric], latents: int) -> Table:
    """All metrics, one per line."""
    table = plain_table(f"The same {latents} latents", "A", "B", "B minus A")
    for metric in metrics:
        numbers = (f"{value:.3f}" for value in (metric.first, metric.second))
        table.add_row(metric.name, *numbers, signed(metric.difference))
    return table


def equal_log_p_table(rows: Sequence[AtEqualLogP]) -> Table:
    """Each policy beside the constants, one eye per line."""
    title = "Frechet distance minus the constants' at equal log p"
    table = plain_table(title, "A", "B", "B minus A")
    for row in rows:
        mark = "*" if row.outside > OUTSIDE else " "
        distances = (row.first, row.second, row.difference)
        table.add_row(row.eye + mark, *(resolved(each, row.resolution) for each in distances))
    return table
