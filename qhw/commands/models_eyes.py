"""`qhw models eyes`: classifiers of others, measured on labelled pictures, as proxy and judges."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from diffusion.classifiers import Classifier
from diffusion.datasets import Dataset, shrink
from diffusion.eyes import CARD
from diffusion.foreign.clip import name_clip
from diffusion.foreign.imagenet import LabelMap, name_imagenet
from diffusion.latent.checkpoint import ModelError
from diffusion.latent.prompts import Prompts
from diffusion.making_eyes import Look, make_eyes
from qhw.commands.fit import load_pictures, weights_written
from qhw.controllers.hub import download_clip
from qhw.errors import BundleError, ConfigError, DataError, UnknownNameError
from qhw.files import make_folder, writing
from qhw.packages import refuse_missing
from qhw.threads import for_pictures
from qhw.training.parts import choose_torch_device

JUDGES = 2
SIDE = 224
"""What most classifiers of ImageNet, and CLIP, were trained on."""
FORMS = "clip:FOLDER, clip:OWNER/NAME or torchvision:ARCHITECTURE:FILE.safetensors"


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
    def command(self) -> str:
        """What makes them again, sizes left out."""
        judges = [word for judge in self.judges for word in ("--judge", judge)]
        mapped = ["--label-map", str(self.label_map)] if self.label_map else []
        typed = ["--proxy", self.proxy, *judges, "--prompts", self.prompts, *mapped]
        return shlex.join(["qhw", "models", "eyes", "--data", "DIR", *typed])


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
    _refuse_another(out)
    console, device = Console(), choose_torch_device(torch_device)
    loaded = _pictures(dataset, data, resolution, seed)
    coming = out.with_name(f".{out.name}.partial")
    shutil.rmtree(coming, ignore_errors=True)
    make_folder(coming)
    made = {"command": asked.command, "seed": seed, "classifiers": asked.named}
    try:
        with writing(out), weights_written(out), for_pictures():
            classifiers = _opened(asked, loaded.class_names, coming)
            look = Look(classifiers, asked.kinds, loaded, accuracy, made, device)
            _made(look, coming, console)
            shutil.rmtree(out, ignore_errors=True)
            coming.rename(out)
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    console.print(f"eyes: {out}; `qhw models calibrate MODEL --eyes {out}` takes them")


def _made(look: Look, folder: Path, console: Console) -> None:
    try:
        make_eyes(look, folder, console.print)
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
    """Refuse a folder that holds something else than eyes.

    Raises:
        ConfigError: If it does.
    """
    if out.exists() and not (out / CARD).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there, and holds no eyes.", "Name another --out.")


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
    """
    try:
        return {
            name: _open(asked, typed, class_names, folder / f"{name}.safetensors")
            for name, typed in asked.named.items()
        }
    except ModelError as error:
        raise BundleError(f"{error}.", f"Type {FORMS}.") from error


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
    found, revision = download_clip(model)
    return name_clip(found, model, revision, prompts, path)


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
