"""What a network that never saw this toolkit's pictures makes of them: AlexNet's last features.

AlexNet (Krizhevsky et al., NeurIPS 2012) was trained on ImageNet's photographs, so it cannot have
learned to like what a bundle's classifiers like. It is the network of `LpipsDistance`, from the
same file, and its pictures are prepared alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion.lpips_distance import lpips_network, prepare_pictures

_BATCH = 250


class ImageNetFeatures:
    """Features of pictures in the last convolution of AlexNet.

    Args:
        device: Where the network runs.

    Raises:
        FileNotFoundError: If the weights are missing.
        ValueError: If the weights are not the ones this package was made with.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        network = lpips_network(str(device))
        self._scale, self._layers = (
            network.get_submodule("scaling_layer"),
            network.get_submodule("net"),
        )

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features (N, 256), the means over positions of the last rectified layer, at least 0.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1], on any device. Smaller than 64 x 64 is enlarged,
                bilinear.
        """
        parts = images.to(self._device).split(_BATCH)
        return torch.cat([self._features(part) for part in parts])

    def _features(self, images: Tensor) -> Tensor:
        layers = self._layers(self._scale(prepare_pictures(images)))
        means: Tensor = layers.relu5.mean(dim=(2, 3))
        return means
