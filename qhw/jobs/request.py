"""One job as plain facts: which circuits, with which numbers, how many shots.

The digest identifies the work by its meaning: the same digest is the same question to the same
circuit, so an answer that is there already need not be paid for again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from qhw.backends.circuit_file import PARAMETER_DECIMALS, circuit_digest

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from policy.backend import FloatArray

NATIVE_TWIRLS = 32
"""Random flips of the read-out that the platform's own mitigation divides the shots over."""
TAG_PREFIX, DIGEST_PREFIX = "qhw-unit-", "qhw-work-"
Shapes = tuple[tuple[int, int], ...]
"""(rows, n) of each PUB's values."""


@dataclass(frozen=True)
class Pub:
    """One circuit with many parameter sets; every <Z_i> is read in one measurement basis.

    Attributes:
        circuit: In the device's own gates and on all its qubits (ISA), parameters unbound, without
            measurements. It is run as it is, never transpiled.
        outputs: Physical qubit that holds each of the n outputs.
        parameters: (rows, P) in rad, columns in the order of ``circuit.parameters``.

    Raises:
        ValueError: If a shape does not fit, or a number is not finite.
    """

    circuit: QuantumCircuit
    outputs: tuple[int, ...]
    parameters: FloatArray

    def __post_init__(self) -> None:
        import numpy as np

        wanted = len(self.circuit.parameters)
        if self.parameters.ndim != 2 or self.parameters.shape[1] != wanted or not self.rows:
            raise ValueError(f"parameters {self.parameters.shape}: need (rows, {wanted})")
        if not np.isfinite(self.parameters).all():
            raise ValueError("a parameter is not finite: the policy has diverged")

    @property
    def rows(self) -> int:
        """Circuits with bound parameters that will be executed."""
        return len(self.parameters)

    @cached_property
    def circuit_digest(self) -> str:
        """The circuit's identity; worked out once, however many requests hold this PUB."""
        return circuit_digest(self.circuit)


@dataclass(frozen=True)
class JobRequest:
    """Everything that one job is to execute.

    Attributes:
        pubs: Circuits with their parameter sets; at least one.
        shots: Per circuit with bound parameters.
        native: Let the platform mitigate (read-out mitigation and twirling) instead of us.
        tags: Identify the job on the platform.
        max_seconds: QPU seconds after which the platform cancels the job.
    """

    pubs: tuple[Pub, ...]
    shots: int
    native: bool = False
    tags: tuple[str, ...] = ()
    max_seconds: int = 300

    def __post_init__(self) -> None:
        if not self.pubs or self.shots < 1:
            raise ValueError(f"{len(self.pubs)} PUBs, {self.shots} shots: at least one of each")

    @property
    def shapes(self) -> Shapes:
        """What an answer must look like."""
        return tuple((pub.rows, len(pub.outputs)) for pub in self.pubs)

    @property
    def circuits(self) -> int:
        """Circuits with bound parameters, over all PUBs."""
        return sum(pub.rows for pub in self.pubs)

    @property
    def executions(self) -> int:
        """What is executed and billed: the platform's own mitigation adds a read-out calibration.

        It is one circuit more, and shots are rounded up to a multiple of the twirls.
        """
        if not self.native:
            return self.circuits * self.shots
        return (self.circuits + 1) * NATIVE_TWIRLS * -(-self.shots // NATIVE_TWIRLS)

    @cached_property
    def digest(self) -> str:
        """What is asked, 32 hexadecimal digits; tags and time limits do not change the question."""
        seen = hashlib.sha256(json.dumps([self.shots, self.native]).encode())
        for pub in self.pubs:
            seen.update(json.dumps([pub.circuit_digest, pub.outputs]).encode())
            seen.update(str(pub.parameters.shape).encode())
            # Adding 0 turns -0 into 0.
            seen.update((pub.parameters.round(PARAMETER_DECIMALS) + 0.0).tobytes())
        return seen.hexdigest()[:32]

    def tagged(self, *tags: str) -> JobRequest:
        """The same request with other tags."""
        return replace(self, tags=tags)


@dataclass(frozen=True, order=True)
class Unit:
    """One evaluation of one run; replaying the run comes by the same units in the same order.

    Attributes:
        run: The run's own id.
        phase: `calibration`, `rollout`, `gradient`, `evaluation` or `images`.
        update: PPO update, from 1; 0 outside training.
        step: Denoising step of a rollout, or minibatch of an update, from 0.
        part: Evaluations within that step, from 0.
    """

    run: str
    phase: str
    update: int
    step: int
    part: int

    @property
    def key(self) -> str:
        """The identity as one line, such as `3f2a.../rollout/1/7/0`."""
        return f"{self.run}/{self.place}"

    @property
    def place(self) -> str:
        """The identity within the run, such as `rollout/1/7/0`."""
        return f"{self.phase}/{self.update}/{self.step}/{self.part}"

    @property
    def tag(self) -> str:
        """The tag by which the platform finds this unit's job, whichever attempt it was."""
        return TAG_PREFIX + hashlib.sha256(self.key.encode()).hexdigest()[:24]


def digest_tag(digest: str) -> str:
    """The tag that says what the job computes."""
    return DIGEST_PREFIX + digest[:24]
