"""A classifier of torchvision's, the thousand classes of ImageNet gathered into ours.

The probability of a class of ours is the sum over its members, divided by the sum over all that are
mapped; so a logit of ours is the log of a sum of exponentials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from diffusion.classifiers import Classifier
from diffusion.embedded import sha256_once
from diffusion.foreign.preparation import prepare
from diffusion.foreign.reference_file import Named, read_named, write_named
from diffusion.latent.checkpoint import SINGLE_FILES, ModelError

PREPARE_THEMSELVES = ("googlenet", "inception_v3")
"""What changes its pictures inside, by a switch that no file of weights holds."""
UNMAPPED = -1
"""The class of ours of what is mapped to none."""
LabelMap = Mapping[str, Sequence[int | str]]
"""A class of ours to its members, by their places in ImageNet or by torchvision's names."""


class GatheredLogits(nn.Module):
    """Logits of ours out of the features that a network's last layer takes.

    Args:
        last: That layer.
        gathered: (C,) class of ours of each of its outputs, `UNMAPPED` for none.
    """

    outside: Tensor

    def __init__(self, last: nn.Linear, gathered: Tensor) -> None:
        super().__init__()
        self.last = last
        ours = torch.arange(int(gathered.max()) + 1)
        members = gathered[None] == ours[:, None]
        self.register_buffer("outside", torch.where(members, 0.0, -torch.inf))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, K) of features (N, F)."""
        logits: Tensor = (self.last(features)[:, None] + self.outside).logsumexp(dim=2)
        return logits


class ImageNetClassifier(Classifier):
    """A frozen network of torchvision's.

    Args:
        network: Whose last operation is a linear layer.
        gathered: (C,) class of ours of each of its outputs.
        transforms: How its pictures were prepared in its training (torchvision's own preset).

    Raises:
        ModelError: If it ends otherwise.
    """

    def __init__(self, network: nn.Module, gathered: Tensor, transforms: Any) -> None:
        super().__init__()
        last = _cut_last_layer(network)
        if last.out_features != len(gathered):
            raise ModelError(f"it ends in {last.out_features} classes, not in {len(gathered)}")
        self.trunk, self.head = network, GatheredLogits(last, gathered)
        self._side = int(transforms.crop_size[0])
        self._mean, self._deviation = transforms.mean, transforms.std
        self._mode = transforms.interpolation.value
        built_for = getattr(network, "image_size", self._side)
        if built_for != self._side:
            raise ModelError(f"it takes {built_for} pixels, its pictures were of {self._side}")
        self.eval().requires_grad_(False)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer takes (N, F), of pictures (N, c, h, w) in [0, 1]."""
        pixels = prepare(images, self._side, self._mean, self._deviation, self._mode)
        features: Tensor = self.trunk(pixels)
        return features


def name_imagenet(
    architecture: str, weights: Path, mapped: LabelMap, class_names: Sequence[str], path: Path
) -> ImageNetClassifier:
    """Write the file that names the classifier.

    Args:
        architecture: Torchvision's name of it.
        weights: Its weights in safetensors.
        mapped: Class of ours to members.
        class_names: Ours, in their order.
        path: The file.

    Raises:
        ModelError: If there is no such architecture, the weights are not its own, or the map does
            not fit.
    """
    preset = _preset(architecture)
    if weights.suffix in set(SINGLE_FILES) - {".safetensors"}:
        raise ModelError(
            f"{weights} is a pickle, which may execute anything: "
            '`python -c "import torch; from safetensors.torch import save_file as s; '
            f"s(torch.load('{weights}'), '{weights.with_suffix('.safetensors')}')\"` converts it, "
            "on a machine where you trust it"
        )
    if not weights.is_file():
        raise ModelError(f"there are no weights {weights}")
    gathered = gather(mapped, class_names, preset.meta["categories"])
    named = Named(str(weights.absolute()), None, {weights.name: sha256_once(weights)}, architecture)
    write_named(path, named, {"gathered": gathered})
    return open_imagenet(path)


def open_imagenet(path: Path) -> ImageNetClassifier:
    """The classifier that a file names.

    Raises:
        ModelError: If its weights are not where they were, are others, or of another architecture.
    """
    from torchvision.models import get_model

    named, tensors = read_named(path, ("gathered",))
    architecture, weights = str(named.architecture), Path(named.model)
    named.require_same(weights.parent)
    transforms = _preset(architecture).transforms()
    network = get_model(architecture, weights=None)
    try:
        network.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        said = str(error).splitlines()
        raise ModelError(
            f"{weights} holds no weights of {architecture}: {' '.join(said[:2])}"
        ) from error
    try:
        return ImageNetClassifier(network.float(), tensors["gathered"], transforms)
    except ModelError as error:
        raise ModelError(f"{architecture} cannot be used: {error}") from error


def gather(mapped: LabelMap, class_names: Sequence[str], categories: Sequence[str]) -> Tensor:
    """Class of ours (C,) of each of C categories.

    Raises:
        ModelError: If a class has no members, a member does not exist or belongs to two, or the map
            has a class that is not ours.
    """
    others = sorted(set(mapped) - set(class_names))
    missing = [name for name in class_names if not mapped.get(name)]
    if others or missing:
        said = f"nothing for {', '.join(missing)}" if missing else f"{', '.join(others)} too"
        raise ModelError(f"the label map holds {said}: the classes are {', '.join(class_names)}")
    gathered = torch.full((len(categories),), UNMAPPED)
    for place, name in enumerate(class_names):
        for member in mapped[name]:
            index = _index(member, categories)
            if int(gathered[index]) != UNMAPPED:
                raise ModelError(
                    f"the label map gives {categories[index]!r} to "
                    f"{class_names[int(gathered[index])]} and to {name}"
                )
            gathered[index] = place
    return gathered


def _index(member: int | str, categories: Sequence[str]) -> int:
    if isinstance(member, str) and member in categories:
        return list(categories).index(member)
    if isinstance(member, int) and 0 <= member < len(categories):
        return member
    raise ModelError(
        f"the label map names {member!r}: give numbers from 0 to {len(categories) - 1}, or names "
        f"as torchvision has them, such as {categories[0]!r}"
    )


def _preset(architecture: str) -> Any:
    """Torchvision's default weights of an architecture: how pictures are prepared, which classes.

    Nothing is downloaded.
    """
    from torchvision import models

    known = sorted(set(models.list_models(module=models)) - set(PREPARE_THEMSELVES))
    if architecture not in known:
        raise ModelError(
            f"torchvision has no classifier {architecture!r} to take: {', '.join(known)}"
        )
    return models.get_model_weights(architecture).DEFAULT


def _cut_last_layer(network: nn.Module) -> nn.Linear:
    """Put the identity in the place of the last layer, which must be linear; that layer."""
    name, last = list(network.named_modules())[-1]
    if not isinstance(last, nn.Linear):
        raise ModelError(f"it ends in {type(last).__name__}, not in a linear layer")
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Identity())
    return last
