"""How good and how varied pictures are.

Features are rows of numbers that a classifier gives its pictures; distances are between clouds of
features. Sources: Frechet distance, Heusel et al., arXiv 1706.08500; kernel distance, Binkowski et
al., arXiv 1801.01401; SSIM, Wang et al., IEEE Trans. Image Process. 13 (2004) 600.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d

FloatArray = NDArray[np.float64]
Features = Tensor | NDArray[np.floating]

_SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
_SSIM_C1 = 0.01**2
_SSIM_C2 = 0.03**2


def psnr(images: Tensor, references: Tensor) -> Tensor:
    """Peak signal-to-noise ratio; higher is closer.

    Args:
        images: (N, C, H, W) in [0, 1].
        references: The same shape.

    Returns:
        (N,) in dB; infinite for equal pictures.
    """
    _require_pairs(images, references)
    return -10 * (images - references).square().mean(dim=(1, 2, 3)).log10()


def ssim(images: Tensor, references: Tensor) -> Tensor:
    """Structural similarity with Wang's 11 x 11 Gaussian window (sigma 1.5), without padding.

    Args:
        images: (N, C, H, W) in [0, 1], H and W at least 11.
        references: The same shape.

    Returns:
        (N,) in [-1, 1], the mean over channels and window positions; 1 for equal pictures.

    Raises:
        ValueError: If the shapes differ or the pictures are smaller than the window.
    """
    _require_pairs(images, references)
    if min(images.shape[-2:]) < _SSIM_WINDOW:
        raise ValueError(f"pictures are {tuple(images.shape[-2:])}: SSIM needs at least 11 x 11")
    a, b = images.flatten(0, 1)[:, None], references.flatten(0, 1)[:, None]
    blurred = _blur(torch.cat([a, b, a * a, b * b, a * b]))
    mean_a, mean_b, square_a, square_b, product = blurred.chunk(5)
    covariance = product - mean_a * mean_b
    variances = square_a - mean_a**2 + square_b - mean_b**2
    likeness = (2 * mean_a * mean_b + _SSIM_C1) * (2 * covariance + _SSIM_C2)
    scale = (mean_a**2 + mean_b**2 + _SSIM_C1) * (variances + _SSIM_C2)
    return (likeness / scale).reshape(images.shape[0], -1).mean(dim=1)


@dataclass(frozen=True)
class GaussianReference:
    """Mean and covariance of the real pictures' features, with what distances to them need.

    Attributes:
        mean: (F,).
        covariance: (F, F), unbiased.
        root: (F, F) symmetric square root of the covariance.
    """

    mean: FloatArray
    covariance: FloatArray
    root: FloatArray

    @classmethod
    def of(cls, features: Features) -> GaussianReference:
        """Summarise features (N, F), N at least 2."""
        rows = feature_rows(features)
        covariance = _covariance(rows)
        return cls(rows.mean(axis=0), covariance, _symmetric_power(covariance, 0.5))

    def distance(self, features: Features) -> float:
        """Squared Frechet distance of the Gaussian fitted to features (N, F); >= 0.

        It is biased upwards, by about 1/N: compare sets of one size only.
        """
        rows = self._checked(features)
        covariance = _covariance(rows)
        inner = self.root @ covariance @ self.root
        roots = np.sqrt(np.linalg.eigvalsh(inner).clip(min=0)).sum()
        traces = np.trace(covariance) + np.trace(self.covariance)
        square = ((rows.mean(axis=0) - self.mean) ** 2).sum()
        return max(float(square + traces - 2 * roots), 0.0)

    def influence(self, features: Features) -> FloatArray:
        """First-order effect (N,) of each row on the distance, times N; its mean is 0.

        The derivative of the distance to the covariance S is 1 - R (R S R)^(-1/2) R, R being the
        root of the reference's covariance.
        """
        rows = self._checked(features)
        centred = rows - rows.mean(axis=0)
        inner = self.root @ _covariance(rows) @ self.root
        slope = np.eye(len(self.mean)) - self.root @ _symmetric_power(inner, -0.5) @ self.root
        bend = np.einsum("nf,fg,ng->n", centred, slope, centred)
        effect: FloatArray = 2 * centred @ (rows.mean(axis=0) - self.mean) + bend
        effect -= effect.mean()
        return effect

    def _checked(self, features: Features) -> FloatArray:
        rows = feature_rows(features)
        if rows.shape[1] != len(self.mean):
            raise ValueError(
                f"features have {rows.shape[1]} columns, the reference {len(self.mean)}: "
                "use one classifier for both"
            )
        return rows


@dataclass(frozen=True)
class KernelReference:
    """The real pictures' features, and how alike they are among themselves.

    Attributes:
        features: (M, F), M at least 2.
        likeness: Mean of the kernel over pairs of different pictures.
    """

    features: FloatArray
    likeness: float

    @classmethod
    def of(cls, features: Features) -> KernelReference:
        """Take features (M, F), M at least 2."""
        rows = feature_rows(features)
        return cls(rows, _mean_off_diagonal(rows))

    def distance(self, features: Features) -> float:
        """Unbiased kernel distance of features (N, F), N at least 2; see `kernel_distance`."""
        rows = feature_rows(features)
        across = float(_kernel(rows, self.features).mean())
        return _mean_off_diagonal(rows) + self.likeness - 2 * across


def frechet_distance(features: Features, references: Features) -> float:
    """Squared Frechet distance of the Gaussians fitted to two clouds (N, F) and (M, F); >= 0.

    0 for equal clouds; biased upwards by about 1/N + 1/M. Lower is closer. In units of squared
    features, so distances in different feature spaces do not compare.
    """
    return GaussianReference.of(references).distance(features)


def kernel_distance(features: Features, references: Features) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / F + 1)^3.

    Args:
        features: (N, F), N at least 2.
        references: (M, F), M at least 2.

    Returns:
        0 on average for clouds of one distribution, so it can be negative. Lower is closer.
    """
    return KernelReference.of(references).distance(features)


def diversity(features: Features, labels: Tensor | NDArray[np.int64]) -> float:
    """Mean distance between the features of two pictures of one class.

    Args:
        features: (N, F).
        labels: (N,) classes; a class with a single picture is left out.

    Returns:
        The mean over classes of the mean pairwise Euclidean distance; 0 if all are alike.

    Raises:
        ValueError: If no class has two pictures.
    """
    rows = torch.from_numpy(feature_rows(features))
    classes = torch.as_tensor(labels)
    groups = [rows[classes == int(k)] for k in np.unique(classes.cpu().numpy())]
    spreads = [float(torch.pdist(group).mean()) for group in groups if group.shape[0] > 1]
    if not spreads:
        raise ValueError(f"no class has two pictures among {len(classes)}: sample more")
    return float(np.mean(spreads))


def feature_rows(features: Features) -> FloatArray:
    """Turn features (N, F), N at least 2, of any number type into float64."""
    array = np.asarray(torch.as_tensor(features).detach().cpu().numpy(), dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2:
        raise ValueError(f"features have shape {array.shape}: need (N, F) with N at least 2")
    return array


def _covariance(rows: FloatArray) -> FloatArray:
    centred = rows - rows.mean(axis=0)
    covariance: FloatArray = centred.T @ centred / (rows.shape[0] - 1)
    return covariance


def _symmetric_power(matrix: FloatArray, exponent: float) -> FloatArray:
    """Power of a symmetric matrix >= 0 on its range; directions it does not reach stay 0."""
    values, vectors = np.linalg.eigh(matrix)
    reached = values > 1e-10 * values[-1]
    powers = np.where(reached, np.where(reached, values, 1.0) ** exponent, 0.0)
    power: FloatArray = (vectors * powers) @ vectors.T
    return power


def _kernel(a: FloatArray, b: FloatArray) -> FloatArray:
    likeness: FloatArray = a @ b.T / a.shape[1] + 1
    # A power of 3 is taken by a logarithm, ten times as slowly.
    return likeness * likeness * likeness


def _mean_off_diagonal(rows: FloatArray) -> float:
    kernel = _kernel(rows, rows)
    return float((kernel.sum() - np.trace(kernel)) / (len(rows) * (len(rows) - 1)))


def _blur(images: Tensor) -> Tensor:
    offsets = torch.arange(_SSIM_WINDOW).to(images) - _SSIM_WINDOW // 2
    line = torch.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    line = line / line.sum()
    return conv2d(conv2d(images, line.reshape(1, 1, -1, 1)), line.reshape(1, 1, 1, -1))


def _require_pairs(images: Tensor, references: Tensor) -> None:
    if images.shape != references.shape or images.ndim != 4:
        raise ValueError(
            f"pictures have shapes {tuple(images.shape)} and {tuple(references.shape)}: "
            "need (N, C, H, W) twice"
        )
