"""Two snapshots side by side: what moved, how far, and what a circuit should do about it.

What the thresholds mean. A fact counts as moved when it changed by more than its share: 10 % for T1
and T2, 20 % for errors. An error must also change by more than an absolute floor, so that a tiny
error that doubles raises no alarm; the floors lie about where published numbers scatter on their
own, since a read-out error of 0.01 that was found with 4,096 shots is uncertain by 0.0016.

T1 and T2 of one qubit wander by 10 % and more from hour to hour with nothing broken: they follow
whatever two-level defect is near the qubit's frequency (Burnett et al. 2019, arXiv 1901.04417), and
independently of the other qubits'. They are listed from 10 % on, but ask for a new fit only when
one falls to half, or when the decay rates 1/T of all qubits together change by the share that
errors may: a rate is an error per time, and in a sum what wanders averages out.
`benchmarks/drift_thresholds.py` measures what each of these does to a circuit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Literal

from calibration.snapshot import DeviceSnapshot, GateFacts

Kind = Literal["T1", "T2", "p01", "p10", "one-qubit gate", "two-qubit gate"]
Verdict = Literal["none", "refit", "relayout"]
TITLES: dict[Kind, str] = {
    "T1": "T1",
    "T2": "T2",
    "p01": "read 1 for 0",
    "p10": "read 0 for 1",
    "one-qubit gate": "one-qubit gates",
    "two-qubit gate": "two-qubit gates",
}
"""Kinds as people read them."""
KINDS: tuple[Kind, ...] = tuple(TITLES)
RELAXATION: tuple[Kind, ...] = ("T1", "T2")
Place = tuple[int, ...]
LOSSES = ("is gone", "is not calibrated any more", "is reported as faulty")
GAINS = ("is new", "is calibrated again", "works again")
_Facts = tuple[Kind, str, Place, float | None, float | None]
"""A kind, names of gates, their qubits, and the number before and after."""
_Gates = dict[tuple[str, Place], GateFacts]


@dataclass(frozen=True)
class Thresholds:
    """From where on a change counts; see the module's text.

    Attributes:
        relaxation: Share by which T1 or T2 changes.
        collapse: Share of T1 or T2 that is lost when a circuit should be fitted again.
        error: Share by which an error changes, or the decay rate of all qubits together.
        readout_floor: Least absolute change of p01 or p10.
        one_qubit_floor: Least absolute change of a one-qubit gate's error.
        two_qubit_floor: Least absolute change of a two-qubit gate's error.
    """

    relaxation: float = 0.10
    collapse: float = 0.50
    error: float = 0.20
    readout_floor: float = 0.002
    one_qubit_floor: float = 0.0002
    two_qubit_floor: float = 0.001

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} is {value}: choose a number above 0")

    def strength(self, kind: Kind, before: float, after: float) -> float:
        """How many times its threshold a fact has moved; 1 and more counts."""
        absolute = abs(after - before)
        if absolute == 0:
            return 0.0
        relative = absolute / before if before else math.inf
        if kind in RELAXATION:
            return relative / self.relaxation
        gate_floors = {
            "one-qubit gate": self.one_qubit_floor,
            "two-qubit gate": self.two_qubit_floor,
        }
        floor = gate_floors.get(kind, self.readout_floor)
        return min(relative / self.error, absolute / floor)


@dataclass(frozen=True)
class Change:
    """One fact in both snapshots.

    Attributes:
        kind: Which fact.
        qubits: Physical qubits, in order.
        gates: Names of the gates that share it, such as `sx, x`; empty for a qubit's own facts.
        before: Seconds for T1 and T2, else a probability.
        after: The same, later.
        strength: How many times its threshold it has moved.
    """

    kind: Kind
    qubits: Place
    gates: str
    before: float
    after: float
    strength: float

    @property
    def moved(self) -> bool:
        """Whether it lies beyond its threshold."""
        return self.strength >= 1

    @property
    def relative(self) -> float:
        """Change as a share of the value before; infinite from 0."""
        if self.before == 0:
            return 0.0 if self.after == 0 else math.inf
        return self.after / self.before - 1


@dataclass(frozen=True)
class Drift:
    """What changed from one snapshot to another, and what follows for a circuit.

    Attributes:
        before: Name of the earlier snapshot's device.
        after: Name of the later one's.
        days: Between both calibrations; None where a date is unknown.
        changes: Every fact known in both, the one that moved furthest first.
        lost: Gates and qubits that are there no more, or not usable, one line each.
        gained: Gates and qubits that are new, or usable again, one line each.
        unknown: Facts that only one of them gives, one line each.
        verdict: `none`; `refit`: error mitigation of the circuit should be fitted again;
            `relayout`: the circuit should be laid out on other qubits.
        reasons: For the verdict, one line each; for `none`, why what moved asks for nothing.
    """

    before: str
    after: str
    days: float | None
    changes: tuple[Change, ...]
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    unknown: tuple[str, ...]
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def moved(self) -> tuple[Change, ...]:
        """The changes beyond their thresholds, worst first."""
        return tuple(change for change in self.changes if change.moved)

    def of_kind(self, kind: Kind) -> tuple[Change, ...]:
        """The changes of one kind, worst first."""
        return tuple(change for change in self.changes if change.kind == kind)

    def relaid(self, reason: str) -> Drift:
        """The same with the verdict `relayout`, for a reason found elsewhere, such as a score."""
        others = self.reasons if self.verdict != "none" else ()
        return replace(self, verdict="relayout", reasons=(reason, *others))


@dataclass(frozen=True)
class _Part:
    """What is compared: qubits, measured qubits, and gates on more than one."""

    qubits: frozenset[int]
    measured: frozenset[int]
    pairs: frozenset[frozenset[int]] | None

    def has(self, place: Collection[int]) -> bool:
        """Whether a gate lies in it; the direction of a two-qubit gate does not matter."""
        if len(place) == 1 or self.pairs is None:
            return self.qubits.issuperset(place)
        return frozenset(place) in self.pairs


def compare(
    before: DeviceSnapshot,
    after: DeviceSnapshot,
    thresholds: Thresholds | None = None,
    *,
    qubits: Collection[int] | None = None,
    pairs: Iterable[Sequence[int]] | None = None,
    measured: Collection[int] | None = None,
) -> Drift:
    """Compare two snapshots of a device, or their part that a circuit uses.

    Args:
        before: The earlier one.
        after: The later one.
        thresholds: From where on a change counts.
        qubits: Physical qubits to look at; all by default.
        pairs: Qubits of two-qubit gates to look at, in any order; by default those inside `qubits`.
        measured: Qubits whose read-out is looked at; `qubits` by default.

    Raises:
        ValueError: If the devices have different numbers of qubits, or have not got a given qubit.
    """
    if before.num_qubits != after.num_qubits:
        raise ValueError(
            f"{before.name} has {before.num_qubits} qubits and {after.name} {after.num_qubits}: "
            "compare snapshots of one device"
        )
    part = _part(before, qubits, pairs, measured)
    limits = thresholds or Thresholds()
    changes, unknown = _changes(before, after, part, limits)
    lost = tuple(_only_in(before, after, part, LOSSES))
    verdict, reasons = _judge(changes, lost, limits)
    return Drift(
        before=before.name,
        after=after.name,
        days=_days(before.taken_at, after.taken_at),
        changes=changes,
        lost=lost,
        gained=tuple(_only_in(after, before, part, GAINS)),
        unknown=unknown,
        verdict=verdict,
        reasons=reasons,
    )


def _part(
    snapshot: DeviceSnapshot,
    qubits: Collection[int] | None,
    pairs: Iterable[Sequence[int]] | None,
    measured: Collection[int] | None,
) -> _Part:
    chosen = frozenset(range(snapshot.num_qubits) if qubits is None else qubits)
    read = chosen if measured is None else frozenset(measured)
    foreign = (chosen | read) - set(range(snapshot.num_qubits))
    if foreign:
        last = snapshot.num_qubits - 1
        raise ValueError(f"{snapshot.name} has no qubit {min(foreign)}: it has 0 to {last}")
    joined = None if pairs is None else frozenset(frozenset(pair) for pair in pairs)
    return _Part(chosen, read, joined)


def _changes(
    before: DeviceSnapshot, after: DeviceSnapshot, part: _Part, limits: Thresholds
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Facts of both, worst first, and lines about those that one of them lacks."""
    changes: list[Change] = []
    unknown: list[str] = []
    gates = _gate_facts(_gates(before, part), _gates(after, part))
    for kind, names, place, old, new in chain(_qubit_facts(before, after, part), gates):
        if old is not None and new is not None:
            strength = limits.strength(kind, old, new)
            changes.append(Change(kind, place, names, old, new, strength))
        elif old is not new:
            which = "after" if old is None else "before"
            unknown.append(f"{_named(kind, names, place)} is known {which} only")
    changes.sort(key=lambda change: (-change.strength, KINDS.index(change.kind), change.qubits))
    return tuple(changes), tuple(unknown)


def _qubit_facts(before: DeviceSnapshot, after: DeviceSnapshot, part: _Part) -> Iterator[_Facts]:
    for qubit in sorted(part.qubits | part.measured):
        old, new = before.qubits[qubit], after.qubits[qubit]
        if qubit in part.qubits:
            yield "T1", "", (qubit,), old.t1, new.t1
            yield "T2", "", (qubit,), old.t2, new.t2
        if qubit in part.measured:
            yield "p01", "", (qubit,), old.p01, new.p01
            yield "p10", "", (qubit,), old.p10, new.p10


def _gates(snapshot: DeviceSnapshot, part: _Part) -> _Gates:
    return {(gate.name, gate.qubits): gate for gate in snapshot.gates if part.has(gate.qubits)}


def _gate_facts(before: _Gates, after: _Gates) -> Iterator[_Facts]:
    """Errors of gates that both have.

    Platforms publish one number for several gates of a qubit (sx, x) and for both directions of a
    pair: what stands on the same qubits with the same numbers is one fact.
    """
    shared: dict[tuple[Place, float | None, float | None], list[tuple[str, Place]]] = {}
    for key in sorted(before.keys() & after.keys()):
        numbers = (tuple(sorted(key[1])), before[key].error, after[key].error)
        shared.setdefault(numbers, []).append(key)
    for (_, old, new), gates in shared.items():
        kind: Kind = "one-qubit gate" if len(gates[0][1]) == 1 else "two-qubit gate"
        names = ", ".join(dict.fromkeys(name for name, _ in gates))
        yield kind, names, gates[0][1], old, new


def _only_in(
    one: DeviceSnapshot, other: DeviceSnapshot, part: _Part, words: tuple[str, str, str]
) -> Iterator[str]:
    """What works in one snapshot and not in the other.

    The words end a line about a gate that is not there, a gate that is not usable, and a qubit.
    """
    absent, unusable, faulty = words
    ours, theirs = _gates(one, part), _gates(other, part)
    for name, place in sorted(ours.keys() - theirs.keys()):
        yield f"{name} on {place_name(place)} {absent}"
    for name, place in sorted(ours.keys() & theirs.keys()):
        if ours[name, place].usable and not theirs[name, place].usable:
            yield f"{name} on {place_name(place)} {unusable}"
    for qubit in sorted(part.qubits & (set(other.faulty_qubits) - set(one.faulty_qubits))):
        yield f"qubit {qubit} {faulty}"


def _judge(
    changes: Sequence[Change], lost: tuple[str, ...], limits: Thresholds
) -> tuple[Verdict, tuple[str, ...]]:
    if lost:
        return "relayout", lost
    moved: dict[Kind, list[Change]] = {}
    for change in changes:
        if change.kind not in RELAXATION and change.moved:
            moved.setdefault(change.kind, []).append(change)
    reasons = (*map(_worst, moved.values()), *_decay(changes, limits))
    return ("refit", reasons) if reasons else ("none", tuple(_spared(changes, limits)))


def _decay(changes: Sequence[Change], limits: Thresholds) -> Iterator[str]:
    """One line for T1, one for T2: of a qubit that lost half, or of all that changed together."""
    for kind in RELAXATION:
        times = [change for change in changes if change.kind == kind]
        collapsed = [change for change in times if change.relative <= -limits.collapse]
        together = _faster(times)
        if collapsed:
            yield _worst(collapsed)
        elif abs(together) >= limits.error:
            yield f"{kind} of {len(times)} qubits together: decay {_speed(together)}"


def _spared(changes: Sequence[Change], limits: Thresholds) -> Iterator[str]:
    """Why T1 and T2 beyond their thresholds ask for nothing."""
    for kind in RELAXATION:
        times = [change for change in changes if change.kind == kind]
        moved = sum(change.moved for change in times)
        if moved:
            yield (
                f"{kind} moved by {limits.relaxation:.0%} or more on {moved} of {len(times)} "
                f"qubits, together they decay {_speed(_faster(times))}: a fit is due from "
                f"{limits.error:.0%}"
            )


def _faster(times: Sequence[Change]) -> float:
    """Share by which the sum of all decay rates 1/T has grown; times of 0 are left out."""
    known = [change for change in times if change.before > 0 and change.after > 0]
    before = sum(1 / change.before for change in known)
    return sum(1 / change.after for change in known) / before - 1 if known else 0.0


def _speed(share: float) -> str:
    return f"{abs(share):.0%} {'faster' if share >= 0 else 'slower'}"


def _worst(changes: Sequence[Change]) -> str:
    """The first, and how many more."""
    worst = changes[0]
    others = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    share = f"{worst.relative:+.0%}" if math.isfinite(worst.relative) else "from 0"
    return f"{_named(worst.kind, worst.gates, worst.qubits)} moved by {share}{others}"


def _named(kind: Kind, gates: str, place: Place) -> str:
    return f"{gates or TITLES[kind]} on {place_name(place)}"


def place_name(place: Place) -> str:
    """Physical qubits as people read them, such as `12` or `12-13`."""
    return "-".join(str(qubit) for qubit in place)


def _days(before: str, after: str) -> float | None:
    """None where a date is no date, or one of them has no time zone."""
    try:
        apart = datetime.fromisoformat(after) - datetime.fromisoformat(before)
    except (ValueError, TypeError):
        return None
    return apart.total_seconds() / 86400
