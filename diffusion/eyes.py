"""Who looks at the pictures of a text-prompted model: a proxy, two judges, and real pictures.

They are those of a fitted bundle, or a folder of their own that names classifiers of others:

    eyes.json                who they are, how often they are right; SHA-256 of every file
    proxy.safetensors        names a classifier (`diffusion.foreign`); judge_0, judge_1 likewise
    seen.safetensors         what all of them see in real test pictures
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from diffusion.bundle import CLASSIFIER_FILES, Bundle
from diffusion.classifiers import Classifier
from diffusion.embedded import require_whole
from diffusion.foreign.kinds import FOREIGN_KINDS
from diffusion.latent.frame import Frame
from diffusion.references import FILES, References

CARD = "eyes.json"


@dataclass(frozen=True)
class EyesCard:
    """What eyes of others are.

    Attributes:
        class_names: Classes that they tell apart.
        classifiers: Kind of the proxy and of the judges, by file name.
        accuracies: Test accuracy in [0, 1], by file name.
        required_accuracy: Of each.
        image_channels: Of the pictures that they look at.
        image_size: Their side.
        made: Command, what they are, which pictures they were measured on.
        checksums: SHA-256 by file name.
    """

    class_names: tuple[str, ...]
    classifiers: dict[str, str]
    accuracies: dict[str, float]
    required_accuracy: float
    image_channels: int
    image_size: int
    made: dict[str, Any]
    checksums: dict[str, str]

    def __post_init__(self) -> None:
        named = {f"{name}.safetensors" for name in self.classifiers}
        unknown = sorted(set(self.classifiers.values()) - set(FOREIGN_KINDS))
        if unknown or named != set(CLASSIFIER_FILES):
            raise ValueError(
                f"a card of eyes names {self.classifiers}: a proxy and two judges are needed, of "
                f"kinds {', '.join(FOREIGN_KINDS)}"
            )

    @property
    def text(self) -> str:
        """The card as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is no card of eyes.
        """
        values = json.loads((folder / CARD).read_text(encoding="utf-8"))
        try:
            return cls(**{**values, "class_names": tuple(values["class_names"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"{folder / CARD} is not a card of eyes: {error}") from error


@dataclass(frozen=True)
class Eyes:
    """Classifiers and real pictures, opened.

    Attributes:
        name: As people call them.
        digest: Of everything about them.
        class_names: Classes that they tell apart.
        classifiers: Kind of the proxy and of the judges, by file name.
        accuracies: Test accuracy in [0, 1], by file name.
        required_accuracy: Of each.
        frame: How they look.
        files: What of their folder a bundle that they look for takes along.
        proxy: The classifier that rewards.
        made: What is told of how they came about.
        references: Real pictures, or what is seen in them.
        folder: Where they lie.
    """

    name: str
    digest: str
    class_names: tuple[str, ...]
    classifiers: Mapping[str, str]
    accuracies: Mapping[str, float]
    required_accuracy: float
    frame: Frame
    files: tuple[str, ...]
    proxy: Classifier
    made: Mapping[str, Any]
    references: References
    folder: Path

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> Self:
        """Those of a bundle."""
        card = bundle.card
        return cls(
            name=card.name,
            digest=card.digest,
            class_names=card.class_names,
            classifiers=card.classifiers,
            accuracies=card.accuracies,
            required_accuracy=card.required_accuracy,
            frame=Frame(card.denoiser["image_channels"], card.denoiser["image_size"]),
            files=card.eyes_files,
            proxy=bundle.proxy,
            made={},
            references=bundle.references,
            folder=bundle.folder,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Those of a folder of their own.

        Raises:
            FileNotFoundError: If there are none.
            ValueError: If a file is damaged or replaced.
        """
        card = EyesCard.read(folder)
        require_whole(folder, card.checksums)
        # The judges too, so that what is gone is noticed before anything is played for them.
        opened = {
            name: FOREIGN_KINDS[kind](folder / f"{name}.safetensors")
            for name, kind in card.classifiers.items()
        }
        return cls(
            name=folder.absolute().name,
            digest=hashlib.sha256(card.text.encode()).hexdigest()[:16],
            class_names=card.class_names,
            classifiers=card.classifiers,
            accuracies=card.accuracies,
            required_accuracy=card.required_accuracy,
            frame=Frame(card.image_channels, card.image_size),
            files=(*CLASSIFIER_FILES, FILES["features"]),
            proxy=opened["proxy"],
            made=card.made,
            references=References.load(folder, FILES["features"]),
            folder=folder,
        )
