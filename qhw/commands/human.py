"""`qhw human`: ask people which of two pictures is better, and tell what they answered.

FOLDER/
  ask.html          the questions; it needs nothing else, and does not know whose pictures are whose
  key.json          that, and what every eye prefers
  answers-NAME.json what a person saved, put here
  preference.json   what they came to
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ValidationError
from rich.console import Console
from torch import Tensor

from diffusion.episodes import Episode
from diffusion.headroom import play_candidate
from qhw.console.output import show, terminal
from qhw.console.tables import from_here, listing
from qhw.errors import ConfigError, DamagedFileError, DataError
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.eyes import EYES
from qhw.evaluation.judges import Judges, PairedLatents, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.files import make_folder, replace_file
from qhw.runs.directory import RunDirectory, open_run
from qhw.studies.human import Answers, Key, Pairs, Preference, Question, preference_of, questions_of
from qhw.studies.questions.pictures import png_text
from qhw.studies.statistics.holm import ALPHA
from qhw.studies.statistics.intervals import shown
from qhw.threads import for_pictures
from qhw.training.player import Player

PAGE, KEY, PREFERENCE = "ask.html", "key.json", "preference.json"
VISIBLE = 4 / 255
"""Root mean square of the pixels' difference from which on two pictures can be told apart."""
BY_HAND = ("constant", "rule")
"""What a run may be held against, beside another run."""

FactT = TypeVar("FactT", bound=BaseModel)


@dataclass(frozen=True)
class AskRequest:
    """What is asked about.

    Attributes:
        run: The first arm.
        against: `constant`, `rule`, or another run.
        pairs: That are asked.
        repeated: How many of these come twice.
        latents: That both arms play; pairs are drawn from them.
        seed: Of what is drawn.
    """

    run: RunDirectory
    against: str
    pairs: int
    repeated: int
    latents: int
    seed: int


def ask_people(request: AskRequest, folder: Path) -> None:
    """Make both arms' pictures, and write the page and its key.

    Raises:
        ConfigError: If there are fewer latents than pairs, pictures would be paid for, or the
            folder holds questions already.
        DataError: If the arms make the same pictures.
        OutputError: If the folder cannot be written.
    """
    from qhw.reports.human_page import Shown, write_human_page
    from qhw.reports.inline import data_uri

    _refuse(request, folder)
    pairs, pictures = _pairs(request)
    questions = questions_of(pairs, request.pairs, request.repeated, request.seed)
    page = secrets.token_hex(6)
    alike = int((~pairs.different).sum())
    key = Key(page=page, arms=pairs.arms, questions=questions, alike=alike, run=request.run.name)

    def side(question: Question, left: bool) -> str:
        mine = pictures[0] if question.first_is_left == left else pictures[1]
        return data_uri(png_text(mine[question.latent].double().numpy()))

    make_folder(folder)
    asked = [Shown(q.label, side(q, left=True), side(q, left=False)) for q in questions]
    write_human_page(folder / PAGE, page, asked)
    replace_file(folder / KEY, (key.model_dump_json(indent=2) + "\n").encode())
    _tell_asked(key, folder)


def tell_preference(folder: Path, answers: Sequence[Path]) -> None:
    """Print what people prefer, and keep it.

    Args:
        folder: Of the questions.
        answers: Files that the page wrote; those in the folder if none are named.

    Raises:
        DataError: If there are no questions or answers, or they do not belong together.
        DamagedFileError: If a file cannot be read.
    """
    if not (folder / KEY).is_file():
        raise DataError(
            f"{from_here(folder)} holds no questions.", "`qhw human ask RUN` writes them."
        )
    key = _read(folder / KEY, Key)
    files = list(answers) or sorted(folder.glob("answers*.json"))
    if not files:
        raise DataError(
            f"There are no answers in {from_here(folder)}.",
            f"Open {from_here(folder / PAGE)}, save your answers, and put the file there.",
        )
    found = preference_of(key, [_read(file, Answers) for file in files])
    replace_file(folder / PREFERENCE, (found.model_dump_json(indent=2) + "\n").encode())
    show(
        {"arms": key.arms, **found.model_dump(mode="json")},
        lambda console: _print(console, key, found),
    )


def _refuse(request: AskRequest, folder: Path) -> None:
    if request.run.config.backend.takes_jobs:
        raise ConfigError(
            f"{request.run.name} plays on {request.run.config.backend.name!r}, and pictures would "
            "be paid for.",
            "Ask about a run on a simulator.",
        )
    if request.latents < request.pairs:
        raise ConfigError(
            f"--latents {request.latents} are fewer than --pairs {request.pairs}.",
            "Play more latents, or ask for fewer pairs.",
        )
    if (folder / KEY).exists():
        raise ConfigError(
            f"{from_here(folder)} holds questions already, and there may be answers to them.",
            "Name another --out.",
        )


def _pairs(request: AskRequest) -> tuple[Pairs, tuple[Tensor, Tensor]]:
    """Both arms on the same latents, and their pictures (N, c, h, w) in full size."""
    player = Player.of(request.run)
    paired = evaluation_latents(player.bundle, request.latents)
    judges = Judges(player.bundle)
    with for_pictures(), torch.no_grad():
        episode = play_policy(player, paired, "human")
        name, other = _other(request, player, judges, paired)
        outcomes = (judges.judge(episode, paired.labels), judges.judge(other, paired.labels))
        render = player.bundle.denoiser.render
        one, two = (render(each.latents.to(player.device)).cpu() for each in (episode, other))
    names = player.bundle.card.class_names
    labels = [names[label] for label in paired.labels.tolist()]
    apart = (one - two).square().mean(dim=(1, 2, 3)).sqrt().numpy() >= VISIBLE
    arms = (request.run.name, name)
    return Pairs(arms, labels, outcomes, np.asarray(apart)), (one, two)


def _other(
    request: AskRequest, player: Player, judges: Judges, paired: PairedLatents
) -> tuple[str, Episode]:
    """The second arm's name, and its episodes.

    Raises:
        ConfigError: If it is a run on another model.
    """
    if request.against in BY_HAND:
        baselines = Baselines.of(player, judges, paired, terminal().print)
        arm = baselines.constant() if request.against == "constant" else baselines.rule()
        widened = player.environment.widened()
        return arm.name, play_candidate(widened, arm.candidate, paired.latents, paired.labels)
    run = open_run(Path(request.against))
    other = Player.of(run)
    if other.bundle.card.digest != player.bundle.card.digest:
        raise ConfigError(
            f"{run.name} steers {other.bundle.card.name!r}, {request.run.name} "
            f"{player.bundle.card.name!r}: their pictures are not of the same latents.",
            "Name a run on the same model.",
        )
    return run.name, play_policy(other, paired, "human")


def _tell_asked(key: Key, folder: Path) -> None:
    page = from_here(folder / PAGE)
    facts: dict[str, Any] = {
        "page": str(page),
        "questions": len(key.questions),
        "alike": key.alike,
        "arms": key.arms,
    }

    def print_it(console: Console) -> None:
        console.print(str(page), soft_wrap=True)
        console.print(f"{len(key.questions)} questions, {' against '.join(key.arms)}")
        if key.alike:
            console.print(f"{key.alike} latents whose two pictures look alike were not asked")
        console.print(
            f"Give people the page alone, put what they save into {from_here(folder)}, then "
            f"`qhw human tell {from_here(folder)}`."
        )

    show(facts, print_it)


def _print(console: Console, key: Key, found: Preference) -> None:
    one, other = key.arms
    table = listing("", "share")
    table.add_row(f"{one} is preferred to {other}", shown(found.share, "{:.2f}"))
    table.add_row("cannot tell", f"{found.undecided:.2f}")
    if found.consistency is not None:
        table.add_row("the same pair answered alike again", f"{found.consistency:.2f}")
    for eye, share in found.agreement.items():
        table.add_row(f"{EYES[eye].title} prefers the same picture", shown(share, "{:.2f}"))
    console.print(table)
    console.print(_verdict(key, found))
    console.print(
        f"{found.people} {'person' if found.people == 1 else 'people'}, {found.pairs} pairs; "
        "intervals are 95 %, over "
        f"{'pairs of one person' if found.people == 1 else 'people and pairs'}; half is chance."
    )


def _verdict(key: Key, found: Preference) -> str:
    one, other = key.arms
    if found.p_value >= ALPHA:
        return f"No preference between {one} and {other} is seen."
    more, less = (one, other) if found.share.value > 0.5 else (other, one)
    said = f"{more}'s pictures are preferred to {less}'s"
    return f"{said}, p = {found.p_value:.2g}."


def _read(path: Path, kind: type[FactT]) -> FactT:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DamagedFileError.of(path, error) from error
