"""Frozen classifiers: the proxy that gives reward, and the judges that only report."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

PIXELS_AT_ONCE, MOST_AT_ONCE = 1 << 21, 500
"""Of all pictures that a classifier is shown in one forward, and how many these are at most."""


def batches(images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Pictures (N, c, h, w) in [0, 1], or uint8, as floats on a device, in parts.

    Only a part is turned into floats and moved: large pictures need not fit in memory twice.
    """
    size = max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // (images.shape[-1] * images.shape[-2])))
    for part in images.split(size):
        moved = part.to(device)
        yield moved if moved.is_floating_point() else moved.float() / 255


class Classifier(nn.Module):
    """What gives features, and a head that gives logits; those fitted here have a trunk, too.

    Attributes:
        trunk: Pictures (N, c, h, w), scaled to [-1, 1], to features (N, F).
        head: Features to logits (N, classes).
    """

    trunk: nn.Module
    head: nn.Module

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.head.parameters()).device

    def features(self, images: Tensor) -> Tensor:
        """Features (N, F) of pictures (N, c, h, w) in [0, 1]."""
        features: Tensor = self.trunk(2 * images - 1)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of pictures (N, c, h, w) in [0, 1]."""
        logits: Tensor = self.head(self.features(images))
        return logits

    def forward_with_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, classes) and features (N, F) in one pass."""
        features = self.features(images)
        return self.head(features), features


class ResNetClassifier(Classifier):
    """The ResNet-18 layout (He et al., arXiv 1512.03385), slim and for small pictures.

    Its stem is a 3 x 3 convolution; nothing is pooled before the first stage.

    Args:
        num_classes: Classes.
        channels: Colour channels of the pictures.
        width: Channels of the first stage; 64 in the original.
        stride: Stride of the stem.
    """

    def __init__(
        self, num_classes: int = 10, channels: int = 1, width: int = 16, stride: int = 1
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        wide_before = width
        for stage in range(4):
            wide = width * 2**stage
            blocks += [_Residual(wide_before, wide, 2 if stage else 1), _Residual(wide, wide, 1)]
            wide_before = wide
        self.trunk = nn.Sequential(
            *_stage(channels, width, stride),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(wide_before, num_classes)


class StridedResNetClassifier(ResNetClassifier):
    """A `ResNetClassifier` that halves pictures in its stem, for those of more than 16 x 16."""

    def __init__(self, num_classes: int = 10, channels: int = 1, width: int = 16) -> None:
        super().__init__(num_classes, channels, width, stride=2)


class ResNet9Classifier(Classifier):
    """Wide and shallow, for pictures in colour: two residuals, pooled four times.

    After the network of the DAWNBench entries (Page, "How to train your ResNet", 2018), at half its
    width.

    Args:
        num_classes: Classes.
        channels: Colour channels of the pictures.
        width: Channels of the first convolution; 64 in the original.
    """

    def __init__(self, num_classes: int = 10, channels: int = 3, width: int = 32) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *_stage(channels, width),
            *_stage(width, 2 * width),
            nn.MaxPool2d(2),
            _Residual(2 * width, 2 * width, 1),
            *_stage(2 * width, 4 * width),
            nn.MaxPool2d(2),
            *_stage(4 * width, 8 * width),
            nn.MaxPool2d(2),
            _Residual(8 * width, 8 * width, 1),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(8 * width, num_classes)


class _LooksTwice(Classifier):
    """Looks at a picture and at its mirror image; while it is trained, at the picture alone."""

    def features(self, images: Tensor) -> Tensor:
        """Mean features (N, F) of both looks; the head is linear, so logits are the mean, too."""
        features = super().features(images)
        if self.training:
            return features
        return (features + super().features(images.flip(-1))) / 2


class MirroredResNetClassifier(_LooksTwice, ResNetClassifier):
    """A `ResNetClassifier` that looks twice."""


class MirroredResNet9Classifier(_LooksTwice, ResNet9Classifier):
    """A `ResNet9Classifier` that looks twice."""


class CnnClassifier(Classifier):
    """A plain convolutional network with 64 features.

    Args:
        num_classes: Classes.
        channels: Colour channels of the pictures.
        width: Channels of the first convolution.
    """

    def __init__(self, num_classes: int = 10, channels: int = 1, width: int = 32) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *_stage(channels, width),
            nn.MaxPool2d(2),
            *_stage(width, 2 * width),
            nn.MaxPool2d(2),
            *_stage(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * width, 64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, num_classes)


class _Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.a = nn.Sequential(
            *_stage(before, after, stride), _convolution(after, after), nn.BatchNorm2d(after)
        )
        self.s: nn.Module = nn.Identity()
        if before != after or stride != 1:
            narrow = nn.Conv2d(before, after, 1, stride, bias=False)
            self.s = nn.Sequential(narrow, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.a(x) + self.s(x))


def _convolution(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride, padding=1, bias=False)


def _stage(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    """From `before` channels to `after`."""
    return [_convolution(before, after, stride), nn.BatchNorm2d(after), nn.ReLU()]


CLASSIFIERS: dict[str, type[Classifier]] = {
    "resnet": ResNetClassifier,
    "strided_resnet": StridedResNetClassifier,
    "resnet9": ResNet9Classifier,
    "mirrored_resnet": MirroredResNetClassifier,
    "mirrored_resnet9": MirroredResNet9Classifier,
    "cnn": CnnClassifier,
}
"""The kinds a bundle's card may name."""
