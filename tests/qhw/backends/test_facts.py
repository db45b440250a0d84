from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policy import RingCircuit
from qhw.backends.backend import Adopted
from qhw.backends.facts import BackendFacts, DriftFacts, MitigationFacts
from qhw.backends.opening import open_backend
from qhw.files import Cache

NOISELESS: dict[str, Any] = {
    "backend": "aer",
    "device": "none (noiseless)",
    "engine": "compiled (checked against Aer: max difference 3e-15 on 66 rows, gradient 6e-15)",
    "shots": "exact",
}
NOISY: dict[str, Any] = {
    "backend": "aer_noisy",
    "device": "fake_brisbane",
    "calibration": "2025-02-26T14:33:06-05:00 (922f16a9270b2787)",
    "structure": "1137b0228edc8882",
    "layout": "[81, 63, 62, 72]",
    "two-qubit gates": 26,
    "transpiled": "now",
    "noise scale": 1.0,
    "noise caps": "none",
    "engine": "aer density_matrix",
    "shots": 200,
    "mitigation": "readout",
    "read-out errors": "published 2025-02-26T14:33:06-05:00 (0.9 to 4.4 % of 0, 0.8 to 3.4 % of 1)",
    "mitigation overhead": "1 x circuits, 1 x shots",
}
DEVICE: dict[str, Any] = {
    "backend": "fake_nairobi",
    "mode": "job",
    "calibration": "2024-05-27T15:45:40-03:00 (14b1ed2f5d16cf75)",
    "structure": "aa51249b075debb9",
    "layout": "[0, 3, 2, 1]",
    "two-qubit gates": 17,
    "transpiled": "from cache",
    "shots": 128,
    "mitigation": "affine",
    "affine calibration": "32 circuits x 4096 shots, 2026-11-27T16:15:09+00:00",
    "affine slope": "0.726 to 0.820",
    "affine residual": "0.0108 rms at the worst output",
    "affine error beside shots": "0.0139 near <Z> = 0",
    "mitigation overhead": "1 x circuits, 1 x shots",
    "mitigation chosen": "by default; its calibration takes at most 48 QPU s",
    "affine probe": "still fits: reduced chi-square 1.02 (limit 2.03)",
    "on drift": "warn",
    "recalibrations": "2, the last: fake_nairobi was recalibrated, verdict none: nothing.",
}
EXTRAPOLATED: dict[str, Any] = {
    **{title: value for title, value in NOISY.items() if "mitigation" not in title},
    "noise caps": "3 gate errors capped; 1 read-out errors capped at 0.5",
    "mitigation": "zne",
    "read-out errors": NOISY["read-out errors"],
    "mitigation overhead": "2 x circuits, 2 x shots",
    "extrapolation": "linear, scales 1, 3, weights +1.5, -0.5",
}
OWN = {"backend": "own: Mine"}


@pytest.mark.parametrize("kept", [NOISELESS, NOISY, DEVICE, EXTRAPOLATED, OWN])
def test_what_is_kept_is_read_and_told_again_word_for_word(kept: dict[str, Any]) -> None:
    told = BackendFacts.read(kept).words()
    assert told == kept
    assert BackendFacts.read(told) == BackendFacts.read(kept)
    if "extrapolation" not in kept:
        assert list(told) == list(kept), "and in the same order, in which it is printed"


def test_what_is_kept_of_a_device_has_types() -> None:
    assert BackendFacts.read(DEVICE) == BackendFacts(
        name="fake_nairobi",
        mode="job",
        calibrated="2024-05-27T15:45:40-03:00",
        calibration="14b1ed2f5d16cf75",
        structure="aa51249b075debb9",
        layout=(0, 3, 2, 1),
        two_qubit_gates=17,
        from_cache=True,
        shots=128,
        mitigation=MitigationFacts(
            "affine",
            {title: DEVICE[title] for title in list(DEVICE)[9:13]},
            overhead=1,
            reason=DEVICE["mitigation chosen"],
            probe=DEVICE["affine probe"],
        ),
        drift=DriftFacts("warn", 2, DEVICE["recalibrations"][len("2, the last: ") :]),
    )


def test_what_is_kept_of_a_simulator_has_types() -> None:
    facts = BackendFacts.read(EXTRAPOLATED)
    assert (facts.device, facts.noise_scale, facts.shots) == ("fake_brisbane", 1.0, 200)
    assert facts.noise_caps == ("3 gate errors capped", "1 read-out errors capped at 0.5")
    assert facts.mitigation is not None and facts.mitigation.overhead == 2
    assert facts.drift is None and not facts.own and not facts.from_cache
    assert BackendFacts.read(NOISY).noise_caps == ()
    assert BackendFacts.read(NOISELESS).device is None
    assert BackendFacts.read(NOISELESS).shots == "exact"


def test_a_backend_of_ones_own_tells_its_class() -> None:
    class Mine:
        circuit = RingCircuit(3, 1)

        def evaluate(self, angles: Any, weights: Any) -> Any:
            raise AssertionError("not asked here")

    facts = Adopted(Mine()).facts()
    assert facts.own and facts.name.endswith("Mine") and facts.mitigation is None
    assert BackendFacts.read(facts.words()) == facts


def test_what_little_is_told_is_taken() -> None:
    facts = BackendFacts.read({"device": "d", "calibration": "2025-01-01 (abc)"})
    assert (facts.device, facts.calibrated, facts.calibration) == ("d", "2025-01-01", "abc")
    assert facts.two_qubit_gates is None and facts.shots is None
    assert BackendFacts.read({}) == BackendFacts("")


@pytest.mark.parametrize("mitigation", ["none", "readout", "zne", "affine"])
def test_what_an_open_backend_tells_is_read_back_equal(mitigation: Any, tmp_path: Path) -> None:
    backend = open_backend(
        "aer_noisy",
        RingCircuit(3, 1),
        device="fake_nairobi",
        noise_scale=2.5,
        mitigation=mitigation,
        cache=Cache(tmp_path),
    )
    facts = backend.facts()
    assert facts.device == "fake_nairobi" and facts.noise_scale == 2.5 and len(facts.layout) == 3
    assert BackendFacts.read(facts.words()) == facts
    assert facts.phrase == "aer_noisy, device fake_nairobi, noise scale 2.5, shots exact"
