"""Noise by kind, in both engines."""

from __future__ import annotations

import numpy as np
import pytest

from calibration import KINDS, PUBLISHED, Assumptions, DeviceSnapshot, Severity
from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import AerBackend, NoisyAerBackend
from qhw.backends.compiled import CompiledNoisyBackend
from qhw.backends.facts import BackendFacts
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.known import open_snapshot

CIRCUIT = RingCircuit(3, 1)
NOTHING = Severity(*[0.0] * len(KINDS))
Laid = tuple[RingCircuit, DeviceSnapshot, TranspiledCircuit]


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    snapshot = open_snapshot("fake_brisbane")
    options = TranspileOptions(seeds=2)
    return (
        CIRCUIT,
        snapshot,
        transpile_for(CIRCUIT, snapshot, options, tmp_path_factory.mktemp("cache")),
    )


@pytest.fixture
def rows() -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(3)
    return rng.uniform(-3, 3, (3, 6)), rng.uniform(-3, 3, (2, CIRCUIT.num_weights))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("times", [1.0, 4.0])
def test_both_engines_agree_on_every_kind_alone(
    laid: Laid, rows: tuple[FloatArray, FloatArray], kind: str, times: float
) -> None:
    assumed = Assumptions(severity=Severity.alone(kind, times))
    compiled = CompiledNoisyBackend(*laid, assumptions=assumed).evaluate(*rows).values
    aer = NoisyAerBackend(*laid, assumptions=assumed).evaluate(*rows).values
    assert np.abs(compiled - aer).max() < 1e-9
    ideal = AerBackend(CIRCUIT).evaluate(*rows).values
    assert np.abs(compiled - ideal).max() > 1e-4


def test_without_any_kind_it_is_the_noiseless_circuit(
    laid: Laid, rows: tuple[FloatArray, FloatArray]
) -> None:
    ideal = AerBackend(CIRCUIT).evaluate(*rows).values
    for engine in (CompiledNoisyBackend, NoisyAerBackend):
        found = engine(*laid, assumptions=Assumptions(severity=NOTHING)).evaluate(*rows).values
        assert np.abs(found - ideal).max() < 1e-12


def test_with_every_kind_it_is_the_device_as_it_was(
    laid: Laid, rows: tuple[FloatArray, FloatArray]
) -> None:
    for engine in (CompiledNoisyBackend, NoisyAerBackend):
        whole = engine(*laid, assumptions=Assumptions(severity=PUBLISHED))
        assert np.array_equal(whole.evaluate(*rows).values, engine(*laid).evaluate(*rows).values)


def test_it_is_told_where_numbers_come_from(laid: Laid) -> None:
    assumed = Assumptions(severity=Severity.without("waiting"))
    facts = CompiledNoisyBackend(*laid, assumptions=assumed).facts()
    assert facts.words()["noise by kind"] == "waiting x 0"
    assert BackendFacts.read(facts.words()) == facts
    assert "noise by kind" not in CompiledNoisyBackend(*laid).facts().words()
