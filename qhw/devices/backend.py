"""A device as a backend: one evaluation is one job, with all its circuits in it.

Rows of a job are set-major, as in the Aer backends: row w B + b is weight set w under input b.
Under zero-noise extrapolation every fold factor is a PUB of the same job.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from policy import Ansatz, Cost, Estimate
from policy.backend import FloatArray, Question, checked_shapes
from qhw.backends.facts import BackendFacts
from qhw.backends.transpilation import TranspiledCircuit
from qhw.budget.limits import LONGEST_EXECUTION, qpu_seconds
from qhw.devices.drift import DriftWatch
from qhw.devices.mitigation import DeviceMitigation
from qhw.errors import ConfigError
from qhw.jobs.request import JobRequest, Pub, Unit
from qhw.jobs.runner import PubValues
from qhw.jobs.work import Answer, PaidWork


@dataclass(frozen=True)
class Position:
    """Where in a run an evaluation stands; see `qhw.jobs.request.Unit`."""

    phase: str
    update: int
    step: int


@dataclass
class Standing:
    """Where a backend stands: in its run, and under which calibration.

    Attributes:
        position: Position of the next evaluation.
        part: Evaluations at that position so far.
        journal: What resumes there; None where nobody said where the run stands: then every
            evaluation is a step of its own.
        calibration: Digest of the one that the last job ran under; before the first, of the one
            under which the device was opened.
        suspect: Whether an evaluation came back under another calibration than the job before, so
            that what the mitigation rests on is in doubt.
    """

    position: Position = Position("evaluation", 0, 0)
    part: int = 0
    journal: bytes | None = None
    calibration: str = ""
    suspect: bool = False

    def take_unit(self, run_id: str) -> Unit:
        """The next evaluation's identity, which is taken by it: no two have the same."""
        at = self.position
        unit = Unit(run_id, at.phase, at.update, at.step, self.part)
        if self.journal is None:
            self.position = replace(at, step=at.step + 1)
        else:
            self.part += 1
        return unit

    def ran_under(self, calibration: str) -> None:
        """A job ran under this calibration; empty where the platform does not tell."""
        self.calibration = calibration or self.calibration


class DeviceBackend:
    """Expectation values from a device, mitigated.

    Args:
        circuit: The ansatz.
        transpiled: The circuit in the device's gates.
        work: Performs jobs at most once.
        run_id: Identity of the run that asks.
        shots: Per circuit.
        mitigation: How measured values are corrected, and what that must measure first.
        drift: What to do when the device is recalibrated under way.
    """

    warning: str = ""

    def __init__(
        self,
        circuit: Ansatz,
        transpiled: TranspiledCircuit,
        work: PaidWork,
        run_id: str,
        shots: int,
        mitigation: DeviceMitigation,
        drift: DriftWatch | None = None,
    ) -> None:
        self.circuit, self.transpiled, self.work = circuit, transpiled, work
        self.run_id, self.shots, self.mitigation = run_id, shots, mitigation
        self.drift = drift or DriftWatch(mitigation.snapshot, transpiled, work.ledger.calibration)
        self._at = Standing()

    def stand_at(self, position: Position, journal: bytes) -> None:
        """Say where in the run the following evaluations stand, and what resumes there.

        Args:
            position: Its parts are counted from 0 anew.
            journal: The whole state now. It is taken before the step, not when something is sent:
                a gradient rule may have drawn random numbers by then.
        """
        self._at.position, self._at.part, self._at.journal = position, 0, journal

    def latest_journal(self) -> bytes | None:
        """The state before this run's last submission; None if nothing was sent from a state."""
        newest = self.work.ledger.latest_journal(self.run_id)
        return None if newest is None else newest[1]

    def prepare(self) -> None:
        """Measure what the mitigation needs, unless it is known already."""
        if self.mitigation.correction is None:
            self.mitigation.prepare(self._calibrate)
            # What rests on no job of this run rests on what was published when it was opened.
            self._at.ran_under(self._at.calibration or self.drift.opened)

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        """See `policy.ExpectationBackend`."""
        return self.evaluate_jointly([(angles, weights)])[0]

    def evaluate_jointly(self, questions: Sequence[Question]) -> list[Estimate]:
        """See `policy.JointBackend`: one job for all, whose price the first estimate bears."""
        started = time.perf_counter()
        self.prepare()
        if self._at.suspect:
            self._meet_drift()
        checked = [checked_shapes(self.circuit, *question) for question in questions]
        scales = len(self.mitigation.scales)
        pubs = [pub for question in checked for pub in self._pubs(question)]
        unit = self._at.take_unit(self.run_id)
        answer = self.work.perform(unit, self._request(pubs, self.shots), self._at.journal)
        self._watch(answer)
        seconds = time.perf_counter() - started
        costs = _shared(answer.cost, seconds, pubs, scales, self.shots)
        parts = [answer.values[k : k + scales] for k in range(0, len(pubs), scales)]
        return [
            self._estimate(question, measured, cost)
            for question, measured, cost in zip(checked, parts, costs, strict=True)
        ]

    def facts(self) -> BackendFacts:
        """What the numbers come from, for provenance."""
        runner, at = self.work.runner, self.mitigation
        return replace(
            BackendFacts.laid_out(runner.device, at.snapshot, self.transpiled, at.assumptions),
            mode=runner.mode,
            shots=self.shots,
            mitigation=self.mitigation.facts(),
            drift=self.drift.facts(),
        )

    def random_state(self) -> dict[str, Any]:
        """What replay depends on beside the ledger, as plain JSON."""
        return {
            "mitigation": self.mitigation.state(),
            "calibration": self._at.calibration,
            "suspect": self._at.suspect,
            "drift": self.drift.state(),
        }

    def restore_random_state(self, state: dict[str, Any]) -> None:
        """Take up what `random_state` gave."""
        self.mitigation.restore(state["mitigation"])
        self._at.calibration, self._at.suspect = state["calibration"], state["suspect"]
        self.drift.restore(state["drift"])

    def close(self) -> None:
        """Close the session or batch, if one is open, and the ledger."""
        self.work.close()

    def _estimate(self, question: Question, measured: Sequence[PubValues], cost: Cost) -> Estimate:
        angles, weights = question
        shape = (len(weights), len(angles), self.circuit.num_qubits)
        pairs = [
            (pub.values.reshape(shape), pub.standard_errors.reshape(shape)) for pub in measured
        ]
        assert self.mitigation.correction is not None
        values, errors = self.mitigation.correction.combine(pairs)
        return Estimate(values, errors, cost)

    def _pubs(self, question: Question) -> list[Pub]:
        angles, weights = question
        rows = np.hstack(
            [np.tile(angles, (len(weights), 1)), np.repeat(weights, len(angles), axis=0)]
        )
        return [self.mitigation.pub_at(scale, rows) for scale in self.mitigation.scales]

    def _calibrate(self, pubs: list[Pub], shots: int) -> Answer:
        """A job for the mitigation's own sake, at the present position."""
        request = self._request(pubs, shots)
        answer = self.work.perform(self._calibration_unit(request), request, self._at.journal)
        # A recalled one may be of long ago: the next job under another calibration has it probed.
        self._at.ran_under(answer.calibration)
        return answer

    def _calibration_unit(self, request: JobRequest) -> Unit:
        """The next calibration; numbers that were given to another question are passed over.

        Which question comes first depends on the device: a run that died after its fit may find the
        device recalibrated, and probes that fit under the number the fit had.
        """
        position = self._at.position
        phase = "".join(("calibration", *position.phase.partition("-")[1:]))
        while True:
            part = self.mitigation.take_number()
            unit = Unit(self.run_id, phase, position.update, position.step, part)
            if self.work.free_for(unit, request):
                return unit

    def _request(self, pubs: list[Pub], shots: int) -> JobRequest:
        native = self.mitigation.name == "native"
        request = JobRequest(tuple(pubs), shots, native=native)
        seconds = qpu_seconds(1, request.executions, 1)
        if seconds > LONGEST_EXECUTION:
            raise ConfigError(
                f"One job of {request.circuits} circuits x {shots} shots would take {seconds:.0f} "
                f"QPU s; the platform ends jobs after {LONGEST_EXECUTION} s.",
                "Take fewer --shots, fewer environments, or more ppo.minibatches.",
            )
        # Twice the estimate: a guard against a job that runs away, not a limit it should meet.
        return replace(request, max_seconds=min(LONGEST_EXECUTION, 60 + int(2 * seconds)))

    def _meet_drift(self) -> None:
        """Do what the user wants done after a recalibration, before anything more is sent.

        What rests on published numbers is read anew however little has moved: it costs nothing. An
        affine map is measured anew only where something has; else a probe is enough.

        Raises:
            DriftError: If that is to stop.
        """
        calibration, position = self._at.calibration, self._at.position
        judgement = self.drift.judge(calibration)
        place = (position.update, position.step)
        self.drift.note(judgement, calibration, place, self.work.budget.command)
        if self.drift.on_drift == "refit" and (
            judgement.drifted or self.mitigation.rests_on_published
        ):
            self.mitigation.renew(self._calibrate, judgement.present)
            self.drift.baseline = self._at.calibration
        elif self.mitigation.check(self._calibrate, judgement.present):
            self.drift.baseline = self._at.calibration
            self.drift.announce(f"The affine map was probed, and {self.mitigation.probe}.")
        self._at.suspect = False

    def _watch(self, answer: Answer) -> None:
        """A job under another calibration makes what the mitigation rests on suspect."""
        before = self._at.calibration
        self.drift.begin(before or answer.calibration)
        if before and self.drift.moved(before, answer.calibration):
            self._at.suspect = True
        self._at.ran_under(answer.calibration)


def _shared(cost: Cost, seconds: float, pubs: Sequence[Pub], scales: int, shots: int) -> list[Cost]:
    """Split a job's cost over its questions: circuits by PUB; the job and its time to the first."""
    costs = []
    for first in range(0, len(pubs), scales):
        circuits = sum(pub.rows for pub in pubs[first : first + scales])
        whole = (seconds, cost.jobs, cost.qpu_seconds) if first == 0 else (0.0, 0, 0.0)
        costs.append(Cost(circuits, circuits * shots, *whole))
    return costs
