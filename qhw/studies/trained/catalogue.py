"""Which studies there are, and what each varies; everything else is as the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffusion.state_features import PAPER_FEATURES
from qhw.config import dotted
from qhw.errors import UnknownNameError

Settings = dict[str, Any]


@dataclass(frozen=True)
class TrainedStudy:
    """Controllers that differ in one thing.

    Attributes:
        name: As it is typed.
        question: What it answers.
        arms: What each arm changes, by its name.
        reference: The arm that the others are held against.
        held: What must stay at its default, by what its dotted names begin with.
    """

    name: str
    question: str
    arms: Mapping[str, Settings]
    reference: str
    held: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.reference not in self.arms:
            raise ValueError(f"{self.name}: no arm is named {self.reference!r}")

    @property
    def varied(self) -> set[str]:
        """Settings that its arms change, by their dotted names."""
        return {name for changed in self.arms.values() for name in dotted(changed)}


def circuit(**changed: Any) -> Settings:
    """Settings of a circuit."""
    return {"actor": {"circuit": changed}}


def features(*names: str) -> Settings:
    """Settings of a state."""
    return {"state": {"features": list(names)}}


OF_A_CIRCUIT = ("actor.kind",)
"""Held where the arms are circuits."""
QUBITS = TrainedStudy(
    "qubits",
    "What is a qubit more worth?",
    {f"{n} qubits": circuit(qubits=n, encoding="linear") for n in (2, 3, 4, 6)},
    "4 qubits",
    OF_A_CIRCUIT,
)
DEPTH = TrainedStudy(
    "depth",
    "What is a layer more worth?",
    {f"{n} layers" if n > 1 else "1 layer": circuit(depth=n) for n in (1, 2, 3, 4, 6)},
    "2 layers",
    OF_A_CIRCUIT,
)
ENTANGLEMENT = TrainedStudy(
    "entanglement",
    "Does entanglement do anything, at equal parameters?",
    {name: circuit(entanglement=name) for name in ("ring", "line", "full", "none")},
    "ring",
    OF_A_CIRCUIT,
)
ENCODING = TrainedStudy(
    "encoding",
    "What is it worth how features reach the circuit, and which do?",
    {name: circuit(encoding=name) for name in ("dense", "linear", "reupload", "paper")},
    "dense",
    OF_A_CIRCUIT,
)
STATE = TrainedStudy(
    "state",
    "Which features of the state does a controller need?",
    {
        "all six": features(*PAPER_FEATURES),
        **{
            f"without {left_out}": features(*(f for f in PAPER_FEATURES if f != left_out))
            for left_out in PAPER_FEATURES
        },
    },
    "all six",
)
ACTORS = TrainedStudy(
    "actors",
    "Does the quantum representation do anything that its parameter count does not?",
    {
        "ring": {},
        "ring, not entangled": circuit(entanglement="none"),
        "ring, frozen at random": {"gradient": {"rule": "frozen"}},
        "matched MLP": {"actor": {"kind": "mlp_matched"}},
        "the paper's MLP": {"actor": {"kind": "mlp"}},
    },
    "ring",
    # The matched network has as many parameters as the default circuit with its head.
    held=("actor.circuit", "actor.kind"),
)
STUDIES = {study.name: study for study in (QUBITS, DEPTH, ENTANGLEMENT, ENCODING, STATE, ACTORS)}


def find_study(name: str) -> TrainedStudy:
    """The study of a name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in STUDIES:
        raise UnknownNameError.nearest("study", name, STUDIES, "qhw study --help")
    return STUDIES[name]
