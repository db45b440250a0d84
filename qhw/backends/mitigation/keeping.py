"""A correction as plain JSON and back, so that a resumed run corrects as it did before."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhw.backends.mitigation.affine import AffineMap, affine_from_json, affine_to_json
from qhw.backends.mitigation.method import Mitigation
from qhw.backends.mitigation.readout import ReadoutInversion
from qhw.backends.mitigation.zne import ZeroNoise


def correction_to_json(ready: Mitigation | None) -> dict[str, Any] | None:
    """What `correction_from_json` takes; None where nothing was measured or read for it."""
    if isinstance(ready, AffineMap):
        return {"affine": affine_to_json(ready)}
    if isinstance(ready, ReadoutInversion):
        return {"readout": _readout_to_json(ready)}
    if isinstance(ready, ZeroNoise) and ready.readout is not None:
        return {"scales": list(ready.scales), "readout": _readout_to_json(ready.readout)}
    return None


def correction_from_json(kept: dict[str, Any] | None) -> Mitigation | None:
    """The same correction, bit for bit."""
    if kept is None:
        return None
    if "affine" in kept:
        return affine_from_json(kept["affine"])
    readout = _readout_from_json(kept["readout"])
    return ZeroNoise(tuple(kept["scales"]), readout) if "scales" in kept else readout


def _readout_to_json(readout: ReadoutInversion) -> dict[str, Any]:
    return {
        "p01": readout.p01.tolist(),
        "p10": readout.p10.tolist(),
        "source": readout.source,
        "shots": readout.shots,
    }


def _readout_from_json(kept: dict[str, Any]) -> ReadoutInversion:
    return ReadoutInversion(
        np.array(kept["p01"], dtype=np.float64),
        np.array(kept["p10"], dtype=np.float64),
        kept["source"],
        kept["shots"],
    )
