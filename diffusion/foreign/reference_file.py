"""The small file that names a classifier of others: tensors of ours, and where its weights are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffusion.embedded import sha256_once
from diffusion.latent.checkpoint import ModelError

FIELD = "classifier"
"""Of the file's metadata: everything below as JSON."""


@dataclass(frozen=True)
class Named:
    """A classifier of others, named.

    Attributes:
        model: Its folder or file, or `OWNER/NAME` on the hub.
        revision: Commit on the hub; None for what lies on this machine alone.
        checksums: SHA-256 by path in its folder; of a file by its own name.
        architecture: Of torchvision; None where a configuration lies beside the weights.
    """

    model: str
    revision: str | None
    checksums: dict[str, str]
    architecture: str | None = None

    def require_same(self, folder: Path) -> None:
        """Refuse weights that are not those that were measured.

        Raises:
            ModelError: If a file is missing or another.
        """
        for name, expected in self.checksums.items():
            if not (folder / name).is_file():
                raise ModelError(f"{folder / name} is not there any more")
            actual = sha256_once(folder / name)
            if actual != expected:
                raise ModelError(
                    f"{folder / name} has SHA-256 {actual[:12]}..., the card says "
                    f"{expected[:12]}...: the classifier was replaced, `qhw models eyes` "
                    "measures it again"
                )


def write_named(path: Path, named: Named, tensors: dict[str, Tensor]) -> None:
    """Write the file."""
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(whole, path, metadata={FIELD: json.dumps(asdict(named))})


def read_named(path: Path, needed: tuple[str, ...] = ()) -> tuple[Named, dict[str, Tensor]]:
    """Read the file.

    Args:
        path: The file.
        needed: Names of tensors that it must hold.

    Raises:
        ModelError: If it is damaged, or says nothing of the weights that it names.
    """
    try:
        with safe_open(path, framework="pt") as file:
            named = Named(**json.loads(file.metadata()[FIELD]))
        tensors = load_file(path)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} names no classifier: {error!r}") from error
    sums = named.checksums
    whole = isinstance(sums, dict) and any(str(name).endswith(".safetensors") for name in sums)
    lacking = [name for name in needed if name not in tensors]
    if not whole or lacking:
        said = f"it lacks {', '.join(lacking)}" if lacking else "no checksum of weights is in it"
        raise ModelError(f"{path} names no classifier: {said}")
    return named, tensors
