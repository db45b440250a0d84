"""Affine maps kept on disk: they were paid for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qhw.backends.mitigation.affine import AffineMap
from qhw.backends.transpilation import TranspiledCircuit
from qhw.errors import MitigationError
from qhw.files import replace_file
from qhw.jobs.request import circuit_digest

_ARRAYS = ("slope", "intercept", "residual", "covariance")
_FACTS = ("circuits", "shots", "date", "calibration_digest", "device", "key")


def affine_key(transpiled: TranspiledCircuit) -> str:
    """Identity of what a map was fitted for: the circuit's gates, and the qubits read out."""
    parts = [circuit_digest(transpiled.circuit), list(transpiled.output_qubits)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class AffineStore:
    """One JSON file per device and key.

    Attributes:
        folder: Is made, for its owner alone, when the first map is kept.
    """

    folder: Path

    def load(self, device: str, key: str) -> AffineMap | None:
        """The map last kept; None where there is none.

        Raises:
            MitigationError: If the file is damaged, or its slope is too small to be used.
        """
        path = self.path(device, key)
        try:
            return affine_from_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise MitigationError(
                f"The affine calibration {path} is damaged: {error}",
                f"Delete it, and the next run measures it anew: rm {path}",
            ) from error

    def save(self, affine: AffineMap) -> None:
        """Keep a map, in place of an earlier one of its device and key, in one step."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self.path(affine.device, affine.key), affine_to_json(affine).encode())

    def path(self, device: str, key: str) -> Path:
        """Where a map is kept."""
        return self.folder / f"{device}-{key}.json"


def affine_to_json(affine: AffineMap) -> str:
    """Render as JSON; `affine_from_json` reads it back to an equal map."""
    arrays = {name: getattr(affine, name).tolist() for name in _ARRAYS}
    return json.dumps({**{name: getattr(affine, name) for name in _FACTS}, **arrays}, indent=2)


def affine_from_json(text: str) -> AffineMap:
    """Read what `affine_to_json` wrote.

    Raises:
        ValueError: If it is not JSON, or a shape is wrong.
        KeyError: If a field is missing.
        TypeError: If it is not a table.
    """
    values: dict[str, Any] = json.loads(text)
    facts = {name: values[name] for name in _FACTS}
    for name in _ARRAYS:
        facts[name] = np.array(values[name], dtype=np.float64)
    return AffineMap(**facts)
