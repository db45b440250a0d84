"""`qhw models eyes`: classifiers of others, measured on labelled pictures, as proxy and judges."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from diffusion.bundle import CLASSIFIER_FILES
from diffusion.classifiers import Classifier
from diffusion.datasets import Dataset, shrink
from diffusion.eyes import CARD, EyesCard
from diffusion.foreign.clip import name_clip
from diffusion.foreign.imagenet import LabelMap, name_imagenet
from diffusion.foreign.reference_file import read_named
from diffusion.latent.checkpoint import ModelError
from diffusion.latent.prompts import Prompts
from diffusion.making_eyes import Look, make_eyes
from diffusion.references import FILES
from qhw.commands.fit import load_pictures, weights_written
from qhw.console.output import show, terminal
from qhw.console.tables import from_here
from qhw.controllers.hub import download_clip
from qhw.errors import BundleError, ConfigError, DataError, UnknownNameError
from qhw.files import make_folder, whole_folder
from qhw.packages import installed_version, refuse_missing
from qhw.threads import for_pictures
from qhw.training.parts import choose_torch_device

JUDGES = 2
SIDE = 224
"""What most classifiers of ImageNet, and CLIP, were trained on."""
FORMS = "clip:FOLDER, clip:OWNER/NAME (@COMMIT) or torchvision:ARCHITECTURE:FILE.safetensors"
SAFE = ".safetensors"


@dataclass(frozen=True)
class AskedEyes:
    """What was typed about the classifiers.

    Attributes:
        proxy: The one that rewards, in one of `FORMS`.
        judges: Two that only report.
        prompts: A template with `{label}`, for CLIP.
        label_map: JSON file from class to members, for torchvision's.
    """

    proxy: str
    judges: tuple[str, ...]
    prompts: str
    label_map: Path | None

    @property
    def named(self) -> dict[str, str]:
        """What was typed, by the name of the classifier's file."""
        return {"proxy": self.proxy, **{f"judge_{k}": each for k, each in enumerate(self.judges)}}

    @property
    def kinds(self) -> dict[str, str]:
        """What each is, by the same names."""
        return {name: typed.partition(":")[0] for name, typed in self.named.items()}

    @property
    def words(self) -> list[str]:
        """The same as options."""
        judges = [word for judge in self.judges for word in ("--judge", judge)]
        mapped = ["--label-map", str(self.label_map)] if self.label_map else []
        return ["--proxy", self.proxy, *judges, "--prompts", self.prompts, *mapped]


def make_and_report_eyes(
    asked: AskedEyes,
    dataset: str,
    data: Path,
    out: Path,
    *,
    resolution: int | None,
    accuracy: float,
    torch_device: str,
    seed: int,
) -> None:
    """Name the classifiers, measure them, and print how often they are right.

    Args:
        asked: Who looks.
        dataset: Name of the data set.
        data: Its folder.
        out: Where the eyes go.
        resolution: Side of the pictures that they look at, real and generated; None for `SIDE`,
            or that of a data set whose pictures are alike.
        accuracy: Test accuracy that every classifier must reach.
        torch_device: Where they look: `auto`, `cpu` or `cuda`.
        seed: Of the choice of test pictures, where the folder makes none.

    Raises:
        ConfigError: If what was typed does not fit.
        DataError: If pictures are missing or damaged.
        BundleError: If a classifier cannot be used, or is right too seldom.
        HubError: If one is on the hub, and that refuses.
        InstallationError: If transformers is missing.
        OutputError: If the folder cannot be written.
    """
    _refuse_alike(asked)
    out = out.absolute()
    _refuse_another(out)
    console, device = terminal(), choose_torch_device(torch_device)
    loaded = _pictures(dataset, data, resolution, seed)
    command = shlex.join(
        [
            *("qhw", "models", "eyes", "--dataset", dataset, "--data", "DIR", *asked.words),
            *("--resolution", str(loaded.test.images.shape[-1]), "--accuracy", f"{accuracy:g}"),
            *("--seed", str(seed)),
        ]
    )
    made = {"command": command, "classifiers": asked.named, "versions": _versions()}
    make_folder(out.parent)
    with whole_folder(out) as coming, weights_written(out), for_pictures():
        classifiers = _opened(asked, loaded.class_names, coming)
        look = Look(classifiers, asked.kinds, loaded, accuracy, made, device)
        card = _made(look, coming, console)
    _tell(card, out)


def _versions() -> dict[str, str]:
    names = ("torch", "torchvision", "transformers")
    return {name: version for name in names if (version := installed_version(name))}


def _tell(card: EyesCard, out: Path) -> None:
    place = from_here(out)

    def print_it(console: Console) -> None:
        console.print(f"eyes: {place}; `qhw models calibrate MODEL --eyes {place}` takes them")

    facts = {"eyes": str(place), "accuracies": card.accuracies, "classes": card.class_names}
    show({**facts, "seen": card.made["seen"]}, print_it)


def _made(look: Look, folder: Path, console: Console) -> EyesCard:
    try:
        return make_eyes(look, folder, console.print)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"The classifiers do not fit on {look.device}: {error}", "--torch-device cpu has more."
        ) from error
    except ValueError as error:
        raise BundleError(
            f"{error}.", "Take another classifier or other --prompts, or ask for less --accuracy."
        ) from error


def _pictures(dataset: str, data: Path, resolution: int | None, seed: int) -> Dataset:
    """Labelled pictures in the side that is wanted.

    Raises:
        DataError: If they are missing, damaged or too small.
    """
    wanted = resolution or (SIDE if dataset == "images" else None)
    loaded = load_pictures(dataset, data, wanted, seed)
    if resolution is None or loaded.test.images.shape[-1] == resolution:
        return loaded
    try:
        return shrink(loaded, resolution)
    except ValueError as error:
        raise DataError(f"--resolution {resolution}: {error}.", "Leave it out.") from error


def _refuse_another(out: Path) -> None:
    """Refuse a folder that holds something else than eyes: it is replaced as a whole.

    Raises:
        ConfigError: If it does.
    """
    ours = {CARD, *CLASSIFIER_FILES, FILES["features"]}
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - ours):
        raise ConfigError(f"{from_here(out)} is there, and not eyes alone.", "Name another --out.")


def _refuse_alike(asked: AskedEyes) -> None:
    """Refuse judges that gave the reward, or are one judge twice.

    Raises:
        ConfigError: If so.
    """
    typed = [asked.proxy, *asked.judges]
    if len(asked.judges) != JUDGES:
        raise ConfigError(
            f"{len(asked.judges)} judges were named: two report, and neither gives reward.",
            "Type --judge twice.",
        )
    if len(set(typed)) < len(typed):
        raise ConfigError(
            f"{', '.join(typed)}: the proxy, or a judge, is named twice, which tells nothing new.",
            "Name three different classifiers.",
        )


def _opened(asked: AskedEyes, class_names: Sequence[str], folder: Path) -> dict[str, Classifier]:
    """Name all classifiers in files of a folder, and open them.

    Raises:
        BundleError: If one cannot be used.
        ConfigError: If two have the same weights.
    """
    opened: dict[str, Classifier] = {}
    weights: dict[str, str] = {}
    for name, typed in asked.named.items():
        path = folder / f"{name}.safetensors"
        try:
            opened[name] = _open(asked, typed, class_names, path)
        except ModelError as error:
            raise BundleError(
                f"{typed}: {error}.", "Mend it, or take another classifier."
            ) from error
        named, _ = read_named(path)
        digest = next(sums for file, sums in named.checksums.items() if file.endswith(SAFE))
        if digest in weights:
            raise ConfigError(
                f"{weights[digest]} and {typed} are the same weights: a judge that gave the reward "
                "tells nothing new.",
                "Name three different classifiers.",
            )
        weights[digest] = typed
    return opened


def _open(asked: AskedEyes, typed: str, class_names: Sequence[str], path: Path) -> Classifier:
    """Name a classifier in a file, and open it."""
    kind, _, rest = typed.partition(":")
    if kind == "clip" and rest:
        return _open_clip(asked, rest, class_names, path)
    architecture, _, weights = rest.partition(":")
    if kind == "torchvision" and architecture and weights:
        mapped = _label_map(asked.label_map, typed)
        return name_imagenet(architecture, Path(weights), mapped, class_names, path)
    raise ConfigError(f"{typed!r} names no classifier.", f"Type {FORMS}.")


def _open_clip(asked: AskedEyes, model: str, class_names: Sequence[str], path: Path) -> Classifier:
    refuse_missing("transformers", "sd", "CLIP")
    try:
        prompts = Prompts.of_labels(asked.prompts, class_names).texts
    except ValueError as error:
        raise ConfigError(str(error), "--prompts 'a photo of a {label}'.") from error
    folder = Path(model)
    if folder.exists():
        return name_clip(folder, str(folder.absolute()), None, prompts, path)
    if model.count("/") != 1:
        raise UnknownNameError(
            f"There is no CLIP {model!r} on this machine, and no hub has names like it.",
            "Name a folder in transformers' layout, or OWNER/NAME.",
        )
    repository, _, wanted = model.partition("@")
    found, revision = download_clip(repository, wanted or None)
    return name_clip(found, repository, revision, prompts, path)


def _label_map(path: Path | None, typed: str) -> LabelMap:
    """Class to members, out of a file.

    Raises:
        ConfigError: If there is none, or it is no such map.
    """
    example = '{"cat": ["tabby", "tiger cat"], "dog": [151, 152]}'
    if path is None:
        raise ConfigError(
            f"{typed} knows the classes of ImageNet, and nothing says which are yours.",
            f"--label-map FILE names a JSON file such as {example}.",
        )
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--label-map {path} cannot be read: {error}.", f"It is JSON such as {example}."
        ) from error
    if not isinstance(values, dict) or not all(isinstance(each, list) for each in values.values()):
        raise ConfigError(
            f"--label-map {path} is no map from classes to lists.", f"It is JSON such as {example}."
        )
    return values
