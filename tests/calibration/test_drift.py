from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from calibration import (
    DeviceSnapshot,
    Drift,
    GateFacts,
    QubitFacts,
    Thresholds,
    compare,
    scale_noise,
)
from calibration.snapshot import UNUSABLE

QUBIT = QubitFacts(t1=100e-6, t2=80e-6, frequency=None, p01=0.01, p10=0.02, readout_seconds=1e-6)


def device(**changes: Any) -> DeviceSnapshot:
    """Three qubits in a row; cz in both directions, sx and x with one number each qubit."""
    gates = []
    for qubit in range(3):
        gates += [GateFacts(name, (qubit,), 0.0003, 1e-8) for name in ("sx", "x")]
    for one, other in ((0, 1), (1, 2)):
        gates += [GateFacts("cz", pair, 0.004, 1e-7) for pair in ((one, other), (other, one))]
    facts = {
        "name": "three",
        "taken_at": "2026-11-20T08:00:00+00:00",
        "dt": None,
        "qubits": (QUBIT,) * 3,
        "gates": tuple(gates),
    }
    return DeviceSnapshot(**{**facts, **changes})


def with_qubit(number: int, **changes: Any) -> DeviceSnapshot:
    qubits = list(device().qubits)
    qubits[number] = dataclasses.replace(qubits[number], **changes)
    return device(qubits=tuple(qubits), taken_at="2026-11-21T20:00:00+00:00")


def with_gate(
    place: tuple[int, ...], error: float | None, names: tuple[str, ...] = ("cz", "sx", "x")
) -> DeviceSnapshot:
    gates = [
        dataclasses.replace(gate, error=error)
        if set(gate.qubits) == set(place) and gate.name in names
        else gate
        for gate in device().gates
    ]
    return device(gates=tuple(gates))


def told(drift: Drift) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(change.kind, change.gates, change.qubits) for change in drift.moved]


def test_a_snapshot_has_not_moved_from_itself(fez: DeviceSnapshot) -> None:
    drift = compare(fez, fez)
    assert drift.verdict == "none"
    assert not drift.moved and not drift.lost and not drift.gained and not drift.unknown
    assert drift.days == 0
    assert len(drift.of_kind("T1")) == 156
    assert len(drift.of_kind("two-qubit gate")) == 176  # one for both directions


def test_gates_that_share_a_number_are_one_fact() -> None:
    drift = compare(device(), with_gate((1,), 0.0009))
    assert told(drift) == [("one-qubit gate", "sx, x", (1,))]
    drift = compare(device(), with_gate((0, 1), 0.008))
    assert told(drift) == [("two-qubit gate", "cz", (0, 1))]


@pytest.mark.parametrize(
    ("after", "moved"),
    [
        (with_qubit(1, p01=0.0121), True),  # 21 % and 0.0021
        (with_qubit(1, p01=0.0119), False),  # 19 %
        (with_qubit(1, p10=0.0161), False),  # 19.5 %
        (with_gate((0, 1), 0.0051), True),
        (with_gate((0, 1), 0.0049), False),  # 22 %, but 0.0009
        (with_gate((0,), 0.00055), True),
        (with_gate((0,), 0.00045), False),  # 50 %, but 0.00015
        (with_qubit(2, t1=89e-6), True),
        (with_qubit(2, t1=91e-6), False),
        (with_qubit(2, t2=89e-6), True),  # better is a change, too
    ],
)
def test_share_and_floor_decide(after: DeviceSnapshot, moved: bool) -> None:
    assert bool(compare(device(), after).moved) is moved


def test_a_tiny_error_that_doubles_raises_no_alarm() -> None:
    before = with_qubit(0, p01=0.0005)
    assert not compare(before, with_qubit(0, p01=0.0015)).moved


def test_an_error_from_nothing_counts_by_its_floor() -> None:
    (change, *_) = compare(with_qubit(0, p01=0.0), with_qubit(0, p01=0.01)).moved
    assert change.relative == math.inf
    assert change.strength == pytest.approx(5)
    assert not compare(with_qubit(0, p01=0.0), with_qubit(0, p01=0.001)).moved


def test_the_worst_comes_first() -> None:
    after = with_qubit(2, p01=0.03, p10=0.025, t1=80e-6)
    drift = compare(device(), after)
    assert [change.kind for change in drift.moved] == ["p01", "T1", "p10"]
    strengths = [change.strength for change in drift.changes]
    assert strengths == sorted(strengths, reverse=True)
    assert drift.days == 1.5


def test_moved_errors_ask_for_a_new_fit() -> None:
    drift = compare(device(), with_gate((1, 2), 0.009))
    assert drift.verdict == "refit"
    assert drift.reasons == ("cz on 1-2 moved by +125%",)


def with_times(**factors: list[float]) -> DeviceSnapshot:
    """T1 and T2 of qubits 0, 1, 2 times these factors."""
    facts = [
        dataclasses.replace(
            QUBIT, **{name: getattr(QUBIT, name) * each[number] for name, each in factors.items()}
        )
        for number in range(3)
    ]
    return device(qubits=tuple(facts))


def test_one_qubits_relaxation_is_told_and_asks_for_nothing() -> None:
    drift = compare(device(), with_qubit(0, t2=65e-6))
    assert drift.verdict == "none"
    assert told(drift) == [("T2", "", (0,))]
    # 80/65 on one of three: the sum of the rates has grown by (80/65 - 1) / 3.
    assert drift.reasons == (
        "T2 moved by 10% or more on 1 of 3 qubits, together they decay 8% faster: a fit is due "
        "from 20%",
    )
    assert not compare(device(), with_qubit(0, t2=75e-6)).reasons


def test_relaxation_that_falls_to_half_asks_for_a_new_fit() -> None:
    """Beside two qubits of short times, whose sum of rates it hardly moves."""
    short = {number: dataclasses.replace(QUBIT, t2=8e-6) for number in (1, 2)}

    def at(t2: float) -> DeviceSnapshot:
        qubits = (dataclasses.replace(QUBIT, t2=t2), short[1], short[2])
        return device(qubits=qubits)

    assert compare(at(80e-6), at(41e-6)).verdict == "none"
    drift = compare(at(80e-6), at(39e-6))
    assert (drift.verdict, drift.reasons) == ("refit", ("T2 on 0 moved by -51%",))
    assert compare(at(80e-6), at(0.0)).verdict == "refit"


@pytest.mark.parametrize(
    ("factors", "reasons"),
    [
        ([0.85, 0.85, 0.85], ()),  # 18 % faster
        ([0.8, 0.8, 0.8], ("T1 of 3 qubits together: decay 25% faster",)),
        ([0.7, 1.5, 0.9], ()),  # they wander: 6 % faster together
        ([1.4, 1.4, 1.4], ("T1 of 3 qubits together: decay 29% slower",)),
    ],
)
def test_relaxation_of_all_qubits_together_counts_as_an_error_does(
    factors: list[float], reasons: tuple[str, ...]
) -> None:
    drift = compare(device(), with_times(t1=factors))
    assert drift.verdict == ("refit" if reasons else "none")
    assert not reasons or drift.reasons == reasons


def test_only_what_the_circuit_uses_counts() -> None:
    moved = with_gate((1, 2), 0.05)
    assert compare(device(), moved, qubits=[0, 1]).verdict == "none"
    assert compare(device(), moved, qubits=[0, 1, 2], pairs=[(1, 0)]).verdict == "none"
    assert compare(device(), moved, qubits=[0, 1, 2], pairs=[(2, 1)]).verdict == "refit"
    read = with_qubit(2, p10=0.2)
    assert compare(device(), read, qubits=[0, 1, 2], measured=[0, 1]).verdict == "none"
    assert compare(device(), read, qubits=[0, 1], measured=[2]).verdict == "refit"


def test_what_is_lost_asks_for_another_layout() -> None:
    gates = tuple(gate for gate in device().gates if gate.qubits != (1, 2))
    drift = compare(device(), device(gates=gates))
    assert drift.verdict == "relayout"
    assert drift.lost == drift.reasons == ("cz on 1-2 is gone",)
    assert compare(device(), device(gates=gates), qubits=[0, 1]).verdict == "none"
    off = compare(device(), with_gate((0, 1), UNUSABLE))
    assert off.verdict == "relayout"
    assert "cz on 0-1 is not calibrated any more" in off.lost
    broken = compare(device(), device(faulty_qubits=(1,)))
    assert broken.lost == ("qubit 1 is reported as faulty",)


def test_what_is_gained_asks_for_nothing() -> None:
    gates = tuple(gate for gate in device().gates if gate.qubits != (1, 2))
    drift = compare(device(gates=gates, faulty_qubits=(0,)), device())
    assert drift.verdict == "none"
    assert drift.gained == ("cz on 1-2 is new", "qubit 0 works again")
    assert compare(with_gate((0, 1), UNUSABLE), device()).gained == (
        "cz on 0-1 is calibrated again",
        "cz on 1-0 is calibrated again",
    )


def test_values_that_one_snapshot_lacks_are_told() -> None:
    drift = compare(with_qubit(0, t1=None), with_qubit(1, t2=None))
    assert drift.unknown == ("T1 on 0 is known after only", "T2 on 1 is known before only")
    assert drift.verdict == "none"
    assert not compare(with_qubit(0, t1=None), with_qubit(0, t1=None)).unknown
    gone = compare(device(), with_gate((0, 1), None))
    assert gone.unknown == ("cz on 0-1 is known before only",)


def test_a_score_can_ask_for_another_layout() -> None:
    refit = compare(device(), with_gate((1, 2), 0.009))
    relaid = refit.relaid("others are better")
    assert relaid.verdict == "relayout"
    assert relaid.reasons == ("others are better", "cz on 1-2 moved by +125%")


def test_unknown_dates_have_no_distance(fez: DeviceSnapshot) -> None:
    unknown = dataclasses.replace(fez, taken_at="unknown")
    assert compare(unknown, fez).days is None
    assert compare(dataclasses.replace(fez, taken_at="2025-02-26T10:00:00"), fez).days is None


def test_more_noise_everywhere_moves_every_error(fez: DeviceSnapshot) -> None:
    drift = compare(fez, scale_noise(fez, 3.0).snapshot)
    for kind in ("T1", "T2", "p01", "p10", "two-qubit gate"):
        moved = [change for change in drift.of_kind(kind) if change.moved]
        assert len(moved) > 0.7 * len(drift.of_kind(kind)), kind


def test_foreign_questions_are_refused(fez: DeviceSnapshot, brisbane: DeviceSnapshot) -> None:
    with pytest.raises(ValueError, match="156 qubits and fake_brisbane 127"):
        compare(fez, brisbane)
    with pytest.raises(ValueError, match="no qubit 3: it has 0 to 2"):
        compare(device(), device(), qubits=[0, 3])
    with pytest.raises(ValueError, match="error is 0"):
        Thresholds(error=0)
