from __future__ import annotations

import pytest
import torch

from diffusion.classifiers import CLASSIFIERS, Classifier


def drawn(kind: str) -> Classifier:
    torch.manual_seed(0)
    return CLASSIFIERS[kind](4, 3)


@pytest.mark.parametrize("kind", ["mirrored_resnet", "mirrored_resnet9"])
def test_a_second_look_makes_a_picture_and_its_mirror_image_one(kind: str) -> None:
    pictures = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    classifier = drawn(kind).eval()
    with torch.no_grad():
        logits, features = classifier.forward_with_features(pictures)
        torch.testing.assert_close(logits, classifier(pictures.flip(-1)))
        once = classifier.head(classifier.trunk(2 * pictures - 1))
        again = classifier.head(classifier.trunk(2 * pictures.flip(-1) - 1))
    torch.testing.assert_close(logits, (once + again) / 2)
    assert not torch.allclose(once, again)
    assert features.shape == (6, classifier.head.in_features)


@pytest.mark.parametrize("kind", ["resnet", "resnet9"])
def test_it_has_the_weights_of_one_that_looks_once_and_trains_like_it(kind: str) -> None:
    pictures = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    once, twice = drawn(kind).train(), drawn(f"mirrored_{kind}").train()
    torch.testing.assert_close(once(pictures), twice(pictures))
    twice.load_state_dict(once.state_dict())
