"""Conditions: one trained policy under one backend on the common latents, and what came of it.

All studies share one folder, so that what one of them measured is not measured again by another:

data/conditions/KEY.npz    returns, guidance and judgements of every latent
data/conditions/KEY.json   what was played and on what; for a condition that cannot be, the reason
data/conditions/KEY.pictures.npz   all pictures of a noiseless policy, which others are compared to

Reading imports neither a model nor a backend.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from calibration import PUBLISHED, Assumptions, Idle, Severity
from qhw.config import MethodName
from qhw.errors import CheckpointError, DataError
from qhw.evaluation.eyes import EYES
from qhw.files import read_json
from qhw.runs.directory import RunDirectory
from qhw.studies.store import FloatArray, not_acquired, read_arrays
from qhw.studies.study import Scope

STUDY = "conditions"
FORMAT = 1
"""Rises when latents, labels or columns change, so that older files are not taken for new ones."""
SHOWN_LATENTS = 8
"""The first latents, whose pictures are kept for the page."""
LIKENESS = ("psnr", "ssim", "lpips")


@dataclass(frozen=True)
class Setting:
    """What a policy is played on.

    Attributes:
        device: Snapshot whose noise is simulated: a device's name, or `DEVICE@DATE` of a kept one;
            empty for the noiseless circuit.
        noise_scale: Multiplies the device's errors.
        shots: Per circuit; None for exact values.
        mitigation: What is done to the values.
        idle: Whether qubits that wait decay.
        severity: How strongly each kind of the device's noise is taken.
        zz_angle: Coherent error assumed after each two-qubit gate, in rad.
        layout: Which of `qhw.backends.transpilation.layouts_apart` carries the circuit; 0 is the
            best, as everywhere else.
        jitter: Standard deviations of Gaussian noise on what the head reads, column by column: a
            ring's <Z_i>, the standardised state of a classical actor. Empty for none.
        held: What the head reads in place of that, whatever the state is. Empty for nothing.
    """

    device: str = ""
    noise_scale: float = 1.0
    shots: int | None = None
    mitigation: MethodName = "none"
    idle: Idle = "alap"
    severity: Severity = PUBLISHED
    zz_angle: float = 0.0
    layout: int = 0
    jitter: tuple[float, ...] = ()
    held: tuple[float, ...] = ()

    @property
    def assumptions(self) -> Assumptions:
        """What the device's snapshot does not tell, and what is made of what it tells."""
        return Assumptions(self.idle, self.zz_angle, severity=self.severity)

    @property
    def name(self) -> str:
        """Such as `fake_brisbane x 2, 1024 shots, affine`."""
        scale = "" if self.noise_scale == 1 else f" x {self.noise_scale:g}"
        shots = "" if self.shots is None else f", {self.shots} shots"
        mitigation = "" if self.mitigation == "none" else f", {self.mitigation}"
        others = {
            self.severity.words: self.severity != PUBLISHED,
            f"ZZ {self.zz_angle:.3g} rad": self.zz_angle != 0,
            f"layout {self.layout + 1}": self.layout != 0,
            "Gaussian noise on what the head reads": bool(self.jitter),
            "what the head reads held still": bool(self.held),
        }
        more = "".join(f", {words}" for words, there in others.items() if there)
        return f"{self.device or 'noiseless'}{scale}{shots}{mitigation}{more}"

    @property
    def backend(self) -> dict[str, Any]:
        """The settings of `qhw.config.BackendConfig`."""
        sampled = {} if self.shots is None else {"shots": self.shots}
        if not self.device:
            return {"name": "aer", **sampled}
        return {
            "name": "aer_noisy",
            "device": self.device,
            "noise_scale": self.noise_scale,
            "mitigation": self.mitigation,
            "idle": self.idle,
            "zz_angle": self.zz_angle,
            **sampled,
        }


NOISELESS = Setting()


@dataclass(frozen=True)
class Condition:
    """One policy under one setting.

    Attributes:
        run: The trained run.
        setting: What it is played on.
        latents: How many of the evaluation's latents, from the first one on.
    """

    run: RunDirectory
    setting: Setting
    latents: int

    @cached_property
    def key(self) -> str:
        """Identity of everything its numbers depend on."""
        parts = [self.run.id, newest_update(self.run), asdict(self.setting), self.latents]
        return _digest(["policy", *parts])

    @property
    def facts(self) -> dict[str, Any]:
        """What is written beside its numbers."""
        return {
            "run": self.run.name,
            "run id": self.run.id,
            "update": newest_update(self.run),
            "seed": self.run.config.seed,
            "setting": self.setting.name,
            "layout": self.setting.layout,
            "latents": self.latents,
        }


@dataclass(frozen=True)
class BaselineCondition:
    """Guidance that needs no training, on the same latents: the constant to beat, or the rule.

    Attributes:
        run: Any run of the report; they all have one bundle, reward and guidance range.
        kind: `constant` or `rule`.
        latents: How many of the evaluation's latents.
    """

    run: RunDirectory
    kind: str
    latents: int

    @cached_property
    def key(self) -> str:
        """Identity of everything its numbers depend on."""
        settings = self.run.config.environment.model_dump(mode="json")
        # A setting that came later is no part of an identity where it is left out.
        if settings["precision"] is None:
            del settings["precision"]
        return _digest([self.kind, bundle_digest(self.run), settings, self.latents])

    @property
    def facts(self) -> dict[str, Any]:
        """What is written beside its numbers."""
        return {"hand-made": self.kind, "latents": self.latents}


@dataclass(frozen=True)
class Played:
    """What a condition came to; every array has one entry per latent, in the same order.

    Attributes:
        returns: (N,) undiscounted.
        guidance: (N,) mean over the steps of the guidance applied.
        log_probability: Eye to (N,), log p of the wanted class in nats.
        correct: Eye to (N,), 1 where it names the wanted class.
        frechet: Eye to the Frechet distance to real pictures in its features.
        effect: Eye to (N,), each latent's first-order part in that distance, times N.
        likeness: `psnr` in dB (100 at most), `ssim` and `lpips`, each (N,), against the noiseless
            policy's picture of the same latent; empty for what is not compared to it.
        pictures: (8, c, h, w) in [0, 1] of the first latents.
        facts: What was played, and on what.
    """

    returns: FloatArray
    guidance: FloatArray
    log_probability: dict[str, FloatArray]
    correct: dict[str, FloatArray]
    frechet: dict[str, float]
    effect: dict[str, FloatArray]
    likeness: dict[str, FloatArray]
    pictures: FloatArray
    facts: dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """A condition that cannot be played, and why."""

    reason: str


def newest_update(run: RunDirectory) -> int:
    """Number of the newest checkpoint, by its folder's name.

    Raises:
        CheckpointError: If there is none.
    """
    folders = (run.path / "checkpoints").glob("[0-9]*")
    numbers = [int(path.name) for path in folders if path.is_dir()]
    if not numbers:
        raise CheckpointError(f"{run.path} has no checkpoint.", "Train it: `qhw train`.")
    return max(numbers)


def bundle_digest(run: RunDirectory) -> str:
    """Digest of the model that a run was trained with."""
    digest: str = run.read_json("provenance.json")["bundle"]["digest"]
    return digest


def path_of(scope: Scope, condition: Condition | BaselineCondition) -> Path:
    """Where a condition's numbers are."""
    return scope.store(STUDY).path(f"{condition.key}.npz")


def pictures_path(scope: Scope, condition: Condition) -> Path:
    """Where all pictures of a noiseless policy are."""
    return path_of(scope, condition).with_suffix(".pictures.npz")


def facts_path(scope: Scope, condition: Condition | BaselineCondition) -> Path:
    """Where the facts of what was played are."""
    return path_of(scope, condition).with_suffix(".json")


def is_settled(scope: Scope, condition: Condition | BaselineCondition) -> bool:
    """Whether a condition was measured, or found to be impossible."""
    if path_of(scope, condition).exists():
        return True
    facts = facts_path(scope, condition)
    return facts.exists() and "refused" in read_json(facts)


def outcome(scope: Scope, condition: Condition | BaselineCondition) -> Played | Refused:
    """What a condition came to.

    Raises:
        DataError: If it was not measured yet.
    """
    path, store = path_of(scope, condition), scope.store(STUDY)
    missing = f"{condition.facts} was not measured"
    facts = store.json(f"{condition.key}.json", missing)
    if "refused" in facts:
        return Refused(facts["refused"])
    if not path.exists():
        raise not_acquired(missing)
    arrays = _arrays(path, path.stat().st_mtime_ns)
    return Played(
        arrays["returns"],
        arrays["guidance"],
        {eye: arrays[f"{eye}/log_probability"] for eye in EYES},
        {eye: arrays[f"{eye}/correct"] for eye in EYES},
        {eye: float(arrays[f"{eye}/frechet"]) for eye in EYES},
        {eye: arrays[f"{eye}/effect"] for eye in EYES},
        {name: arrays[name] for name in LIKENESS if name in arrays},
        arrays["pictures"],
        facts,
    )


@lru_cache(maxsize=256)
def _arrays(path: Path, _written: int) -> dict[str, FloatArray]:
    """A file's arrays as it was written then: an analysis asks for the same ones many times."""
    return read_arrays(path)


def played(scope: Scope, condition: Condition | BaselineCondition) -> Played:
    """What a condition came to that can always be played.

    Raises:
        DataError: If it was not measured yet, or was refused all the same.
    """
    result = outcome(scope, condition)
    if isinstance(result, Refused):
        raise DataError(
            f"{condition.facts} could not be played: {result.reason}",
            f"Mend that, delete {facts_path(scope, condition)}, and acquire again.",
        )
    return result


def all_facts(scope: Scope) -> list[dict[str, Any]]:
    """What was played for the report so far, by key."""
    paths = sorted(scope.store(STUDY).folder.glob("*.json"))
    return [read_json(path) for path in paths]


def _digest(parts: list[Any]) -> str:
    text = json.dumps([FORMAT, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
