from __future__ import annotations

import json

import numpy as np
import pytest

from qhw.backends.mitigation.method import Mitigation, Unmitigated
from qhw.backends.mitigation.readout import ReadoutInversion
from qhw.backends.mitigation.zne import ZeroNoise
from qhw.devices.mitigation import correction_from_json, correction_to_json

READOUT = ReadoutInversion(np.array([0.01, 1 / 3]), np.array([0.02, 0.1]), "measured now", 4096)


@pytest.mark.parametrize("correction", [READOUT, ZeroNoise((1, 3), READOUT)])
def test_a_kept_correction_corrects_bit_for_bit(correction: Mitigation) -> None:
    kept = correction_from_json(json.loads(json.dumps(correction_to_json(correction))))
    assert kept is not None
    rng = np.random.default_rng(1)
    measured = [(rng.uniform(-1, 1, (4, 2)), rng.uniform(0, 0.1, (4, 2)))] * len(correction.scales)
    for mine, theirs in zip(kept.combine(measured), correction.combine(measured), strict=True):
        assert np.array_equal(mine, theirs)
    assert kept.facts() == correction.facts()


@pytest.mark.parametrize("correction", [None, Unmitigated()])
def test_what_measures_nothing_keeps_nothing(correction: Mitigation | None) -> None:
    assert correction_from_json(correction_to_json(correction)) is None
