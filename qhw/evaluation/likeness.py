"""The paper's metrics on the paper's number of pictures: PSNR, SSIM and LPIPS, 16 of each class.

arXiv 2509.14163 reports them against pictures that it does not name. Here there are two sets of
references: the picture of the same latent under the base guidance, which an action of 0 gives, and
real pictures of the same class, which have no pose or cut in common with what is sampled. Neither
says which guidance is better: the first how far a controller moves pictures, the second little.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from diffusion.bundle import Bundle
from diffusion.environment import GuidanceEnvironment
from diffusion.headroom import Candidate, play_candidate
from diffusion.lpips_distance import LpipsDistance
from diffusion.metrics import FloatArray, psnr, ssim
from qhw.evaluation.judges import PairedLatents

PER_CLASS = 16
"""Pictures of each class in the paper's tables."""
SAME_LATENT, REAL = "same latent", "real"
"""What pictures are compared with."""
MEASURES = ("PSNR (dB)", "SSIM", "LPIPS")


class PaperMetrics:
    """The paper's metrics of the first pictures of a comparison.

    Args:
        bundle: The model, with its real pictures.
        environment: The run's; its base guidance makes the references.
        paired: The latents of the comparison, classes in turn.
    """

    def __init__(
        self, bundle: Bundle, environment: GuidanceEnvironment, paired: PairedLatents
    ) -> None:
        self._bundle, self._environment = bundle, environment.widened()
        count = min(PER_CLASS * bundle.denoiser.num_classes, len(paired.labels))
        self._paired = PairedLatents(paired.latents[:count], paired.labels[:count])

    def measure(self, images: Tensor) -> dict[str, FloatArray]:
        """Every metric (M,) of the first M of pictures (N, c, h, w), named `REFERENCE/METRIC`.

        PSNR is infinite where a picture is its own reference. Of a bundle without real
        pictures only what is measured against the same latent's.
        """
        own = images[: len(self._paired.labels)]
        return {
            f"{reference}/{name}": values.double().numpy()
            for reference, others in self._references.items()
            for name, values in likeness(own, others, self._lpips).items()
        }

    @cached_property
    def _references(self) -> dict[str, Tensor]:
        base = Candidate(self._environment.cfg_base)
        latents, labels = self._paired.latents, self._paired.labels
        same = play_candidate(self._environment, base, latents, labels).images
        if self._bundle.references.pictures is None:
            return {SAME_LATENT: same}
        return {SAME_LATENT: same, REAL: self._real_pictures()}

    def _real_pictures(self) -> Tensor:
        """For the k-th picture of a class the k-th real one, from the start again if need be."""
        references = self._bundle.references
        picks = torch.empty_like(self._paired.labels)
        for label in self._paired.labels.unique():
            there = (references.labels == label).nonzero()[:, 0]
            wanted = (self._paired.labels == label).nonzero()[:, 0]
            picks[wanted] = there[torch.arange(len(wanted)) % len(there)]
        return references.images[picks]

    @cached_property
    def _lpips(self) -> LpipsDistance:
        return LpipsDistance()


def likeness(
    images: Tensor, others: Tensor, lpips: LpipsDistance | None = None
) -> dict[str, Tensor]:
    """How alike two sets of pictures (N, c, h, w) in [0, 1] are: (N,) of each measure."""
    perceptual = (lpips or LpipsDistance())(images, others)
    values = psnr(images, others), ssim(images, others), perceptual
    return dict(zip(MEASURES, values, strict=True))
