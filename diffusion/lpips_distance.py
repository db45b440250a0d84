"""LPIPS with the true AlexNet weights, from files of this package and of ``lpips`` alone.

Source: Zhang et al., arXiv 1801.03924, version 0.1. The linear weights come with the ``lpips``
package; AlexNet's five convolutions are stored here in fp16, which leaves four digits of the
distance unchanged. ``pretrained/make_alexnet_features.py`` made the file.
"""

from __future__ import annotations

import functools
import hashlib
import warnings
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import interpolate

WEIGHTS = Path(__file__).parent / "pretrained" / "alexnet_features.safetensors"
WEIGHTS_SHA256 = "461fe9916ea1b250247215f4bd533e926bddf0003b696d04bc279863da7f7da6"
_SMALLEST = 64


class LpipsDistance:
    """Perceptual distance between pictures.

    Args:
        device: Where the network runs.

    Raises:
        FileNotFoundError: If the weights are missing.
        ValueError: If the weights are not the ones this package was made with.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._network = lpips_network(str(device))

    @torch.no_grad()
    def __call__(self, images: Tensor, references: Tensor) -> Tensor:
        """Compare pictures pairwise.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1]. Smaller than 64 x 64 is enlarged, bilinear.
            references: The same shape.

        Returns:
            (N,), 0 for equal pictures; lower is more alike, seldom above 1.
        """
        if images.shape != references.shape:
            raise ValueError(
                f"pictures have shapes {tuple(images.shape)} and {tuple(references.shape)}: "
                "need the same"
            )
        distance: Tensor = self._network(prepare_pictures(images), prepare_pictures(references))
        return distance.flatten()


def prepare_pictures(images: Tensor) -> Tensor:
    """Map pictures (N, 1 or 3, H, W) in [0, 1] to (N, 3, at least 64, at least 64) in [-1, 1]."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"pictures have shape {tuple(images.shape)}: need (N, 1 or 3, H, W)")
    images = images.expand(-1, 3, -1, -1) * 2 - 1
    if min(images.shape[-2:]) >= _SMALLEST:
        return images
    size = [max(side, _SMALLEST) for side in images.shape[-2:]]
    return interpolate(images, size=size, mode="bilinear", align_corners=False)


@functools.cache
def lpips_network(device: str) -> nn.Module:
    """Build LPIPS without a download, then put AlexNet's weights into its slices.

    It is frozen, so that all who ask for a torch device share it. The file names them ``<index of
    the layer>.weight`` and ``.bias``, whichever slice holds it.
    """
    import lpips

    weights = _read_weights()
    # The constructor draws random weights first: keep the caller's random numbers as they were.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The parameter 'pretrained' is deprecated")
        warnings.filterwarnings("ignore", "Arguments other than a weight enum")
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    layers = {name: weights[name.partition(".")[2]].float() for name in network.net.state_dict()}
    if len(layers) != len(weights):
        raise ValueError(f"lpips has {len(layers)} AlexNet tensors, the file {len(weights)}")
    network.net.load_state_dict(layers)
    frozen: nn.Module = network.eval().requires_grad_(False).to(device)
    return frozen


def _read_weights() -> dict[str, Tensor]:
    if not WEIGHTS.is_file():
        raise FileNotFoundError(f"{WEIGHTS} is missing: install the package again")
    content = WEIGHTS.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(f"{WEIGHTS} has sha256 {digest}: install the package again")
    return dict(load(content))
