"""`qhw run`: sample with a trained controller, beside the best constant on the same latents."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor

from diffusion.episodes import Episode
from diffusion.headroom import Candidate, play_candidate
from qhw.config import RunConfig
from qhw.console.output import show, terminal
from qhw.console.tables import from_here, plain_table, print_facts
from qhw.devices.opening import Requester
from qhw.devices.session import Display, paid_session
from qhw.evaluation import plots
from qhw.evaluation.eyes import EYES
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.evaluation.likeness import likeness
from qhw.evaluation.playing import play_policy, prepare_device
from qhw.files import make_folder, write_json
from qhw.runs.deployment import DeploymentRecord
from qhw.runs.directory import RunDirectory, open_run
from qhw.runs.lock import sole_use
from qhw.threads import for_pictures, one_thread
from qhw.training.player import Player

SAMPLE_SEED = 31_337
FILES = ("pictures.png", "guidance.png", "metrics.json")
SINGLE = "full-size"
"""Folder of the pictures of a text-prompted model, one by one."""


@dataclass(frozen=True)
class DeploymentRequest:
    """What `qhw run` was asked for.

    Attributes:
        images: Pictures to make.
        seed: Seed of the latents.
        query_every: The circuit is asked at every K-th step; the action is held between.
        resume: Go on with an unfinished deployment on a device.
        fresh: Begin a new one although an earlier one on the device is unfinished.
    """

    images: int = 16
    seed: int = 0
    query_every: int = 1
    resume: bool = False
    fresh: bool = False

    @property
    def folder(self) -> str:
        """Where the pictures go, such as `seed0-images16`: others do not replace them."""
        held = f"-every{self.query_every}" if self.query_every > 1 else ""
        return f"seed{self.seed}-images{self.images}{held}"


@dataclass(frozen=True)
class Sampled:
    """What one arm's pictures came to, means over the pictures.

    Attributes:
        mean_return: Undiscounted.
        mean_guidance: Over steps and pictures.
        accuracy: Eye to the share of pictures whose class it names.
        log_probability: Eye to the mean log p of the wanted class, nats.
    """

    mean_return: float
    mean_guidance: float
    accuracy: dict[str, float]
    log_probability: dict[str, float]


@one_thread()
def deploy(run_path: Path, config: RunConfig, request: DeploymentRequest) -> None:
    """Make pictures, traces and a table in the run's folder, and print the table.

    Args:
        run_path: A trained run.
        config: Its settings on the backend to sample on; `qhw.runs.settings.settings_on_backend`.
        request: What to make.

    Raises:
        QhwError: Its message says what to do; what was paid for is kept.
    """
    console = terminal()
    display = Display(console)
    run = open_run(run_path)
    folder = run.path / "samples" / _backend_name(config)
    if config.backend.takes_jobs:
        with sole_use(folder):
            _deploy_on_device(console, display, run, folder, config, request)
        return
    _sample(console, display, folder / request.folder, Player.of(run, config), request)


def _backend_name(config: RunConfig) -> str:
    """A folder's name for the backend, such as `aer_noisy-fake_brisbane`."""
    name = config.backend.name
    return f"{name}-{config.backend.device}" if name == "aer_noisy" else name


def _deploy_on_device(
    console: Console,
    display: Display,
    run: RunDirectory,
    folder: Path,
    config: RunConfig,
    request: DeploymentRequest,
) -> None:
    """Begin a deployment or go on with one; nothing is sent before it is written down."""
    record = _record(folder, run, config, request)
    requester = Requester(
        run_id=record.id,
        command=record.command,
        mitigation=record.mitigation,
        folder=folder / record.id,
        tell=display.tell,
        announce=display.announce,
    )
    player = Player.of(run, config, requester=requester)
    assert player.paid_backend is not None, "a device is paid"
    begun = replace(record, mitigation=player.paid_backend.mitigation.name)
    begun.write(folder)
    with paid_session(console, player.paid_backend, folder):
        _sample(console, display, folder / request.folder, player, request)
    replace(begun, finished=True).write(folder)


def _sample(
    console: Console, display: Display, folder: Path, player: Player, request: DeploymentRequest
) -> None:
    make_folder(folder)
    if player.paid_backend is not None:
        prepare_device(player, player.paid_backend, "images")
        print_facts(console, player.paid_backend.facts().words())
    card = player.bundle.card
    paired = evaluation_latents(player.bundle, request.images, SAMPLE_SEED + request.seed)
    started = time.perf_counter()
    with for_pictures(), display.work(f"sampling {request.images} pictures"):
        episode = play_policy(player, paired, "images", request.query_every)
        seconds = time.perf_counter() - started
        best = Candidate(card.chosen.constant)
        wide = player.environment.widened()
        constant = play_candidate(wide, best, paired.latents, paired.labels)
    episodes = {"policy": episode, f"constant {best.low:g}": constant}
    panels = {name: _rendered(player, played) for name, played in episodes.items()}
    titles = [card.class_names[int(label)] for label in paired.labels]
    plots.picture_grid(folder / "pictures.png", panels, titles)
    if card.is_latent:
        plots.single_pictures(folder / SINGLE, panels, titles)
    plots.guidance_traces(folder / "guidance.png", episode.guidance, best.low)
    judges = Judges(player.bundle)
    arms = {name: _sampled(judges, played, paired.labels) for name, played in episodes.items()}
    measured = likeness(episode.images, constant.images)
    alike = {name: float(values.mean()) for name, values in measured.items()}
    _report(folder, player, arms, alike, seconds, request)


def _rendered(player: Player, episode: Episode) -> Tensor:
    """An episode's pictures (N, c, h, w) in [0, 1], as large as they were made."""
    with for_pictures():
        return player.bundle.denoiser.render(episode.latents.to(player.device)).cpu()


def _record(
    folder: Path, run: RunDirectory, config: RunConfig, request: DeploymentRequest
) -> DeploymentRecord:
    """The unfinished deployment that is resumed, or a new one."""
    settings = {
        "update": run.latest_checkpoint().update,
        "images": request.images,
        "seed": request.seed,
        "query_every": request.query_every,
        "shots": config.backend.shots,
        "mitigation": config.backend.mitigation,
        "readout_errors": config.hardware.readout_errors,
    }
    command, resume, fresh = _command(run, config, request), request.resume, request.fresh
    return DeploymentRecord.open(folder, settings, command, resume=resume, fresh=fresh)


def _command(run: RunDirectory, config: RunConfig, request: DeploymentRequest) -> str:
    """What goes on with a deployment, its limits included."""
    hardware = config.hardware.model_dump(exclude_unset=True, exclude_none=True)
    options = {
        "backend": config.backend.name,
        "images": request.images,
        "seed": request.seed or None,
        "query-every": request.query_every if request.query_every > 1 else None,
        "shots": config.backend.shots,
        "mitigation": config.backend.mitigation,
        **{name.replace("_", "-"): value for name, value in hardware.items()},
    }
    typed = [
        f"--{name} {value:.12g}" if isinstance(value, float) else f"--{name} {value}"
        for name, value in options.items()
        if value is not None
    ]
    return " ".join([f"qhw run {from_here(run.path)}", *typed, "--resume"])


def _sampled(judges: Judges, episode: Episode, labels: Tensor) -> Sampled:
    sights = judges.see(episode.images, labels)
    return Sampled(
        float(episode.returns.mean()),
        float(episode.guidance.mean()),
        {eye: float(sight.correct.mean()) for eye, sight in sights.items()},
        {eye: float(sight.log_probability.mean()) for eye, sight in sights.items()},
    )


def _report(
    folder: Path,
    player: Player,
    arms: dict[str, Sampled],
    alike: dict[str, float],
    seconds: float,
    request: DeploymentRequest,
) -> None:
    facts = player.backend.facts().words() if player.backend else {}
    record = {
        "arms": {name: asdict(arm) for name, arm in arms.items()},
        "policy against constant": alike,
        "backend": facts,
        "drift": player.paid_backend.drift.state()["notes"] if player.paid_backend else [],
        "query every": request.query_every,
        "cost": player.cost_meter.take(),
        "seconds": seconds,
    }
    write_json(folder / "metrics.json", record)
    measures = ", ".join(f"{name} {value:.3f}" for name, value in alike.items())
    shown = {} if player.paid_backend else facts  # a device's were printed before it was asked
    made = (*FILES, SINGLE) if player.bundle.card.is_latent else FILES
    files = [str(from_here(folder / file)) for file in made]

    def print_it(console: Console) -> None:
        console.print(_table(arms, request.images))
        console.print(
            f"The policy's pictures against the constant's, latent by latent: {measures}."
        )
        console.print("Few pictures tell little: `qhw evaluate` compares on 2,000 latents.")
        print_facts(console, {**shown, "sampling seconds": round(seconds, 1)})
        for file in files:
            console.print(file, soft_wrap=True)

    show({**record, "files": files}, print_it)


def _table(arms: dict[str, Sampled], count: int) -> Table:
    table = plain_table(f"The same {count} latents", *arms)
    table.add_row("return", *(f"{arm.mean_return:+.3f}" for arm in arms.values()))
    table.add_row("mean guidance", *(f"{arm.mean_guidance:.2f}" for arm in arms.values()))
    for eye in EYES:
        accuracy = (f"{arm.accuracy[eye]:.3f}" for arm in arms.values())
        table.add_row(f"{EYES[eye].title} accuracy", *accuracy)
        log_probability = (f"{arm.log_probability[eye]:.3f}" for arm in arms.values())
        table.add_row(f"{EYES[eye].title} log p", *log_probability)
    return table
