"""Which studies there are, and what each varies; everything else is as the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diffusion.state_features import PAPER_FEATURES
from qhw.config import PRESETS, dotted, merge
from qhw.config.sections import PpoSection
from qhw.errors import UnknownNameError

Settings = dict[str, Any]


@dataclass(frozen=True)
class Along:
    """Where arms lie along a quantity, for a figure.

    Attributes:
        label: Of the quantity.
        places: Arm to the line that it is on, and its place there; others are in no line.
        log: Whether places are spread logarithmically.
    """

    label: str
    places: Mapping[str, tuple[str, float]]
    log: bool = False


@dataclass(frozen=True)
class TrainedStudy:
    """Controllers that differ in one thing.

    Attributes:
        name: As it is typed.
        question: What it answers.
        arms: What each arm changes, by its name.
        reference: The arm that the others are held against.
        held: What must stay at its default, by what its dotted names begin with.
        against: Arms that are held against another one, by its name.
        along: A quantity that arms differ in, if they do.
        played: What an arm changes when it plays, where that is not what it was trained under.
        beside: Whether guidance that learns nothing stands beside the arms, on the same latents.
        measures: What is compared, keys of `qhw.studies.trained.measures.MEASURES`.
        trained: How the arms are, for the page.
    """

    name: str
    question: str
    arms: Mapping[str, Settings]
    reference: str
    held: tuple[str, ...] = ()
    against: Mapping[str, str] = field(default_factory=dict)
    along: Along | None = None
    played: Mapping[str, Settings] = field(default_factory=dict)
    beside: bool = False
    measures: tuple[str, ...] = ("return",)
    trained: str = "Every arm is trained anew with every seed."

    def __post_init__(self) -> None:
        placed = self.along.places if self.along else {}
        named = {self.reference, *self.against, *self.against.values(), *self.played, *placed}
        unknown = sorted(named - set(self.arms))
        if unknown:
            raise ValueError(f"{self.name}: no arm is named {unknown[0]!r}")

    def reference_of(self, arm: str) -> str:
        """The arm that one is held against; the reference itself against none, that is itself."""
        return self.against.get(arm, self.reference)

    @property
    def varied(self) -> set[str]:
        """Settings that its arms change, by their dotted names."""
        all_changed = (*self.arms.values(), *self.played.values())
        return {name for changed in all_changed for name in dotted(changed)}


def circuit(**changed: Any) -> Settings:
    """Settings of a circuit."""
    return {"actor": {"circuit": changed}}


def headed(head: str | None) -> Settings:
    """Settings of a circuit's head; None for the default."""
    return {"actor": {"head": head}} if head else {}


@dataclass(frozen=True)
class Network:
    """A classical network, and how many parameters it has on the six features."""

    count: int
    settings: Settings


def network(count: int, head: str) -> Network:
    """A network of one hidden layer or more."""
    return Network(count, {"actor": {"kind": "mlp", "head": head}})


SMALLEST, LARGEST = network(38, "4"), Network(9282, {"actor": {"kind": "mlp"}})
SIZES = (
    (42, "none", network(47, "5")),
    (90, "8", network(92, "10")),
    (146, "16", network(146, "16")),
    (258, "32", network(254, "28")),
    (2498, None, Network(2501, {"actor": {"kind": "mlp_matched"}})),
)
"""Parameters of the default circuit with a head, that head, and the network beside it."""


def rewarded(**changed: Any) -> Settings:
    """Settings of a reward."""
    return {"environment": {"reward": changed}}


def features(*names: str) -> Settings:
    """Settings of a state."""
    return {"state": {"features": list(names)}}


def parameters_study() -> TrainedStudy:
    """Controllers from 38 to 9,282 parameters: circuits with ever smaller heads, and networks.

    The network of each size has one hidden layer and about as many parameters: 47 beside 42, 92
    beside 90, 254 beside 258. One of 38 stands beside the smallest ring, too, and the paper's of
    9,282 beside the largest.
    """
    arms: dict[str, Settings] = {}
    against: dict[str, str] = {}
    places: dict[str, tuple[str, float]] = {}
    for count, head, hidden in SIZES:
        ring = f"ring, {count:,}"
        one_size = {
            ring: headed(head),
            f"not entangled, {count:,}": merge(headed(head), circuit(entanglement="none")),
            f"frozen, {count:,}": merge(headed(head), {"gradient": {"rule": "frozen"}}),
            f"network, {hidden.count:,}": hidden.settings,
        }
        arms |= one_size
        against |= {name: ring for name in one_size if name != ring}
        places |= {name: (name.partition(",")[0], count) for name in one_size}
        places[f"network, {hidden.count:,}"] = ("network", hidden.count)
    for each in (SMALLEST, LARGEST):
        arms[f"network, {each.count:,}"] = each.settings
        places[f"network, {each.count:,}"] = ("network", each.count)
    against[f"network, {SMALLEST.count:,}"] = f"ring, {SIZES[0][0]:,}"
    arms |= {f"ring, depth {depth}": circuit(depth=depth) for depth in (1, 4, 8)}
    return TrainedStudy(
        "parameters",
        "What is a parameter worth, in a circuit, its head, and a classical network?",
        arms,
        f"ring, {SIZES[-1][0]:,}",
        # The counts in the names are those of the six features.
        held=("actor.circuit", "actor.kind", "actor.head", "state.features"),
        against=against,
        along=Along("parameters", places, log=True),
    )


OF_A_CIRCUIT = ("actor.kind",)
"""Held where the arms are circuits."""
QUBITS = TrainedStudy(
    "qubits",
    "What is a qubit more worth?",
    {f"{n} qubits": circuit(qubits=n, encoding="linear") for n in (2, 3, 4, 6)},
    "4 qubits",
    OF_A_CIRCUIT,
    along=Along("qubits", {f"{n} qubits": ("ring", n) for n in (2, 3, 4, 6)}),
)
LAYERS = {f"{n} layers" if n > 1 else "1 layer": n for n in (1, 2, 3, 4, 6, 8)}
DEPTH = TrainedStudy(
    "depth",
    "What is a layer more worth?",
    {name: circuit(depth=n) for name, n in LAYERS.items()},
    "2 layers",
    OF_A_CIRCUIT,
    along=Along("layers", {name: ("ring", n) for name, n in LAYERS.items()}),
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
    held=("actor.circuit", "actor.kind", "actor.head"),
)
PARAMETERS = parameters_study()


def steps_study() -> TrainedStudy:
    """A controller of ten steps used on longer schedules, and controllers trained there."""
    there = {f"{steps} steps": trained_at(steps) for steps in LONGER}
    used = {f"10 steps, used at {steps}": {"environment": {"steps": steps}} for steps in LONGER}
    return TrainedStudy(
        "steps",
        "Does a controller of few steps hold on long schedules, or must it be trained there?",
        {"10 steps": {}, **{name: {} for name in used}, **there},
        "10 steps",
        held=("environment.steps", "ppo.updates", "ppo.minibatches"),
        against={f"10 steps, used at {steps}": f"{steps} steps" for steps in LONGER},
        along=Along(
            "steps",
            {
                "10 steps": ("trained at 10", 10),
                **{f"10 steps, used at {steps}": ("trained at 10", steps) for steps in LONGER},
                **{f"{steps} steps": ("trained there", steps) for steps in LONGER},
            },
            log=True,
        ),
        played=used,
        trained="The controller of ten steps is trained once a seed and used at more, too; the "
        "others are trained at their own, by as many transitions and gradient steps.",
    )


def trained_at(steps: int) -> Settings:
    """Settings of a training on longer episodes: fewer updates, each of more minibatches."""
    usual = PpoSection()
    ppo = {
        "updates": usual.updates * USUAL_STEPS // steps,
        "minibatches": usual.minibatches * steps // USUAL_STEPS,
    }
    return {"environment": {"steps": steps}, "ppo": ppo}


USUAL_STEPS, LONGER = 10, (20, 50, 100)
"""Steps of the default, and longer schedules."""
STEPS = steps_study()
SCHEDULES = TrainedStudy(
    "schedules",
    "Is a controller that learned better than guidance that did not?",
    {"ring": {}},
    "ring",
    held=("actor.kind",),
    beside=True,
    trained="The ring is trained anew with every seed. Constants, rules, greedy feedback and "
    "schedules are played once, their numbers chosen on latents of their own, and stand beside "
    "every seed; two more replay each ring's own guidance without its sight.",
)
BUNDLES_REWARD = rewarded(preset="bundle")
REWARD = TrainedStudy(
    "reward",
    "What do other rewards buy, by the bundle's and in the judges' eyes, and is the proxy fooled?",
    {
        "the bundle's": {},
        "the paper's": rewarded(preset="paper"),
        "realism, CFG_0 = 2": PRESETS["realism"],
        "with LPIPS gains": rewarded(beta=0.2, step_gain="lpips"),
        "with SSIM gains": rewarded(beta=0.2, step_gain="ssim"),
    },
    "the bundle's",
    held=("environment.reward",),
    played={
        "the paper's": BUNDLES_REWARD,
        "realism, CFG_0 = 2": merge(PRESETS["realism"], BUNDLES_REWARD),
        "with LPIPS gains": BUNDLES_REWARD,
        "with SSIM gains": BUNDLES_REWARD,
    },
    measures=("return", "judged", "gap"),
    trained="Every arm is trained anew with every seed under a reward of its own; all play under "
    "the bundle's, in whose return they stand here. A proxy is fooled where it names more pictures "
    "rightly than the judges do, by more than under the bundle's reward.",
)
STUDIES = {
    study.name: study
    for study in (
        *(QUBITS, DEPTH, ENTANGLEMENT, ENCODING, STATE, ACTORS, PARAMETERS),
        *(STEPS, SCHEDULES, REWARD),
    )
}


def find_study(name: str) -> TrainedStudy:
    """The study of a name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in STUDIES:
        raise UnknownNameError.nearest("study", name, STUDIES, "qhw study --help")
    return STUDIES[name]
