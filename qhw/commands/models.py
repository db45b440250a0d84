"""`qhw models`: the bundles that ship, what one says of itself, and whether it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

from diffusion.embedded import DEFAULT, EMBEDDED
from qhw.console.output import show
from qhw.console.tables import plain_table
from qhw.errors import BundleError, DamagedFileError, UnknownNameError
from qhw.files import read_json

if TYPE_CHECKING:
    from diffusion.bundle import Bundle

LISTING = "qhw models list"
COLUMNS = ("pictures", "classes", "proxy", "judges", "CFG_0", "MB")
MAIN_CARD = "card.json"
"""The one that `MODEL_CARD.md` tells of."""
DEVIATIONS = 4
"""Standard deviations that chance takes the accuracy on a bundle's own pictures from the card's."""
MEGABYTE = 1_000_000


def print_models() -> None:
    """Give the bundles that ship: size of the pictures, classes, accuracies, what they weigh."""
    models = [_facts(name) for name in EMBEDDED]

    def print_it(console: Console) -> None:
        table = plain_table("Model bundles", *COLUMNS)
        for model in models:
            table.add_row(*_row(model))
        console.print(table)
        console.print(
            f"`--model NAME` or `--model FOLDER` takes one; {DEFAULT} is the default. "
            "`qhw models card NAME` tells more; `qhw fit` makes one of your own."
        )

    show({"models": models, "default": DEFAULT}, print_it)


def print_card(name: str) -> None:
    """Give a bundle's model card; where there is none in words, its facts.

    Raises:
        UnknownNameError: If there is no such bundle.
        DamagedFileError: If its card cannot be read.
    """
    path = _path(name)
    facts, in_words = _read(path), path.with_name("MODEL_CARD.md")
    words = path.name == MAIN_CARD and in_words.is_file()
    text = (in_words if words else path).read_text(encoding="utf-8")
    told = Markdown(text) if words else Text(text)
    show(facts, lambda console: console.print(told))


def check_model(name: str) -> None:
    """Read a bundle's files, and let its classifiers look at its real pictures.

    Raises:
        UnknownNameError: If there is no such bundle.
        BundleError: If a file is damaged, or a classifier is not what the card says.
    """
    from qhw.training.parts import open_bundle

    _path(name)
    bundle = open_bundle(name)
    found = {} if bundle.references.features else _accuracies(bundle)
    lacking = _lacking_discriminator(bundle)
    card, seen = bundle.card, len(bundle.references.labels)

    def print_it(console: Console) -> None:
        console.print(f"{card.name} ({card.digest}): all files are whole, and")
        if not found:
            console.print(f"  its {seen:,} real pictures are not in it, only what is seen in them")
        for key, share in found.items():
            said = f"the card says {card.accuracies[key]:.3f}"
            console.print(f"  {key} is right on {share:.3f} of {seen:,} real pictures; {said}")
        there = f"there is no discriminator: {lacking}" if lacking else "a discriminator is there"
        console.print(f"  {there} (environment.reward.realism needs one)")

    record = {"name": card.name, "digest": card.digest, "accuracies": found}
    show({**record, "discriminator": not lacking}, print_it)


def _accuracies(bundle: Bundle) -> dict[str, float]:
    """Of every classifier, on the bundle's real pictures.

    Raises:
        BundleError: If one is further from what the card says than chance takes it.
    """
    from diffusion.headroom import accuracy

    images, labels = bundle.references.images, bundle.references.labels
    networks = {"proxy": bundle.proxy, "judge_0": bundle.judges[0], "judge_1": bundle.judges[1]}
    found = {key: accuracy(network, images, labels) for key, network in networks.items()}
    for key, said in bundle.card.accuracies.items():
        deviation = (said * (1 - said) / len(labels)) ** 0.5
        if abs(found[key] - said) > DEVIATIONS * deviation:
            raise BundleError(
                f"{bundle.card.name}: {key} is right on {found[key]:.3f} of {len(labels):,} real "
                f"pictures, the card says {said:.3f}.",
                "Install again, or `qhw fit` another bundle.",
            )
    return found


def _lacking_discriminator(bundle: Bundle) -> str:
    """Why there is none that can be used; empty where there is one, after reading it.

    Raises:
        BundleError: If it is damaged.
    """
    from diffusion.discriminator import MissingDiscriminatorError, load_discriminator

    try:
        load_discriminator(bundle)
    except MissingDiscriminatorError as error:
        return str(error)
    except ValueError as error:
        hint = "`qhw remeasure --only discriminator` fits another."
        raise BundleError(str(error), hint) from error
    return ""


def _path(name: str) -> Path:
    """The card of a bundle, by its name, folder, or own path.

    Raises:
        UnknownNameError: If there is none.
    """
    path = EMBEDDED.get(name, Path(name))
    card = path if path.suffix == ".json" else path / MAIN_CARD
    if not card.is_file():
        raise UnknownNameError.nearest("bundle", name, EMBEDDED, LISTING)
    return card


def _read(card: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = read_json(card)
    except ValueError as error:
        raise DamagedFileError.of(card, str(error)) from error
    return facts


def _facts(name: str) -> dict[str, Any]:
    card = _path(name)
    facts = _read(card)
    weights = [card.parent / file for file in facts["checksums"]]
    return {
        "name": name,
        "side": facts["denoiser"]["image_size"],
        "channels": facts["denoiser"]["image_channels"],
        "classes": facts["class_names"],
        "accuracies": facts["accuracies"],
        "cfg_base": facts["cfg_base"],
        "bytes": sum(path.stat().st_size for path in weights),
    }


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    colour = "grey" if model["channels"] == 1 else "colour"
    accuracies = model["accuracies"]
    return (
        model["name"],
        f"{model['side']} x {model['side']} {colour}",
        str(len(model["classes"])),
        f"{accuracies['proxy']:.3f}",
        f"{accuracies['judge_0']:.3f}, {accuracies['judge_1']:.3f}",
        f"{model['cfg_base']:g}",
        f"{model['bytes'] / MEGABYTE:.1f}",
    )
