"""A bundle's real pictures in one eye: their features, and what distances are measured from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from diffusion.bundle import Bundle
from diffusion.metrics import GaussianReference, KernelReference
from qhw.errors import DamagedFileError
from qhw.files import Cache, make_folder, replace_file

FloatArray = NDArray[np.float64]
Features = dict[str, Tensor]


@dataclass(frozen=True)
class RealPictures:
    """Real pictures in one eye.

    Attributes:
        features: (M, F).
    """

    features: FloatArray

    @cached_property
    def gaussian(self) -> GaussianReference:
        """The Gaussian fitted to them, from which Frechet distances are taken."""
        return GaussianReference.of(self.features)

    @cached_property
    def kernel(self) -> KernelReference:
        """The cloud itself, from which kernel distances are taken."""
        return KernelReference.of(self.features)


def real_pictures(bundle: Bundle, look: Callable[[], Features]) -> dict[str, RealPictures]:
    """Those of a bundle by the eye's name, recalled from the user's cache.

    Args:
        bundle: The model.
        look: Shows them to every eye, (M, F) each; called where they are not in the cache.

    Raises:
        DamagedFileError: If the cached file is damaged.
        OutputError: If it cannot be written.
    """
    path = Cache.of_user().real_pictures / f"{bundle.card.digest}.safetensors"
    if not path.exists():
        _write(path, look())
    return {name: RealPictures(_array(features)) for name, features in _read(path).items()}


def _write(path: Path, features: Features) -> None:
    make_folder(path.parent)
    replace_file(path, save({name: rows.contiguous() for name, rows in features.items()}))


def _read(path: Path) -> Features:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DamagedFileError.of(path, error) from error


def _array(features: Tensor) -> FloatArray:
    array: FloatArray = features.double().numpy()
    return array
