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
from diffusion.bundle import CLASSIFIER_FILES
from diffusion.classifiers import Classifier
from diffusion.datasets import Dataset
from diffusion.embedded import sha256
from diffusion.eyes import CARD, EyesCard
from diffusion.optimisation import Report
from diffusion.realism import all_eyes, see
from diffusion.references import References

REFERENCES = 1000
"""Real pictures whose features are kept, at most."""


@dataclass(frozen=True)
class Look:
    """Who looks at what.

    Attributes:
        classifiers: Proxy and judges, opened, by their names.
        kinds: Their kinds, by the same names.
        dataset: Labelled pictures; its test split is looked at.
        accuracy: Asked for of each, in (0, 1].
        made: Command and facts, for the card.
        device: Where they look.
    """

    classifiers: Mapping[str, Classifier]
    kinds: Mapping[str, str]
    dataset: Dataset
    accuracy: float
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
    accuracies = measure(look, report)
    test = look.dataset.test
    kept = test.pick(torch.arange(len(test.labels))[-REFERENCES:])
    features = see(all_eyes(look.classifiers, look.device), kept.images.float() / 255)
    seen = References(kept.labels, features=features).save(out)
    card = EyesCard(
        class_names=look.dataset.class_names,
        classifiers=dict(look.kinds),
        accuracies=accuracies,
        accuracy=look.accuracy,
        image_channels=test.images.shape[1],
        image_size=test.images.shape[-1],
        made={**look.made, "data_sha256": look.dataset.checksums, "seen": len(kept.labels)},
        checksums={name: sha256(out / name) for name in (*CLASSIFIER_FILES, seen)},
    )
    (out / CARD).write_text(card.text, encoding="utf-8")
    return card


def measure(look: Look, report: Report) -> dict[str, float]:
    """Test accuracy of every classifier, in [0, 1].

    Raises:
        ValueError: If one is too weak for a reward or a judgement.
    """
    test = look.dataset.test
    images, accuracies = test.images.float() / 255, {}
    for name, classifier in look.classifiers.items():
        accuracies[name] = headroom.accuracy(classifier, images, test.labels)
        report(f"{name} is right on {accuracies[name]:.3f} of {len(test.labels):,} test pictures")
    weak = {name: round(value, 4) for name, value in accuracies.items() if value < look.accuracy}
    if weak:
        raise ValueError(f"below {look.accuracy:g} test accuracy: {weak}")
    return accuracies
