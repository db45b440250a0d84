"""Measure classifiers of others on labelled pictures, and write what they see beside their names.

Nothing is trained. The pictures themselves are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from diffusion import headroom
from diffusion.assembling import REFERENCES
from diffusion.bundle import CLASSIFIER_FILES
from diffusion.classifiers import Classifier
from diffusion.datasets import Dataset
from diffusion.embedded import sha256
from diffusion.eyes import CARD, EyesCard
from diffusion.optimisation import Report
from diffusion.realism import all_eyes, see
from diffusion.references import References


@dataclass(frozen=True)
class Look:
    """Who looks at what.

    Attributes:
        classifiers: Proxy and judges, opened, by their names.
        kinds: Their kinds, by the same names.
        dataset: Labelled pictures; its test split is looked at.
        required_accuracy: Of each, in (0, 1].
        made: Command and facts, for the card.
        device: Where they look.
    """

    classifiers: Mapping[str, Classifier]
    kinds: Mapping[str, str]
    dataset: Dataset
    required_accuracy: float
    made: dict[str, Any]
    device: torch.device


def make_eyes(look: Look, out: Path, report: Report) -> EyesCard:
    """Measure accuracies, keep what is seen in real pictures, and write the card last.

    The files that name the classifiers must lie in the folder already.

    Raises:
        ValueError: If a classifier is below the accuracy asked for.
    """
    for classifier in look.classifiers.values():
        classifier.to(look.device)
    test, least = look.dataset.test, look.required_accuracy
    accuracies = headroom.accuracies(look.classifiers, test, least, report)
    kept = test.pick(torch.arange(len(test.labels))[-REFERENCES:])
    features = see(all_eyes(look.classifiers, look.device), kept.images)
    seen = References(kept.labels, features=features).save(out)
    card = EyesCard(
        class_names=look.dataset.class_names,
        classifiers=dict(look.kinds),
        accuracies=accuracies,
        required_accuracy=look.required_accuracy,
        image_channels=test.images.shape[1],
        image_size=test.images.shape[-1],
        made={**look.made, "data_sha256": look.dataset.checksums, "seen": len(kept.labels)},
        checksums={name: sha256(out / name) for name in (*CLASSIFIER_FILES, seen)},
    )
    (out / CARD).write_text(card.text, encoding="utf-8")
    return card
