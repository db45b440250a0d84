from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policy import (
    Cost,
    Critic,
    Estimate,
    GradientRule,
    ParameterShift,
    PpoConfig,
    PrunedShift,
    RingActor,
    RingCircuit,
    Rollout,
    Spsa,
    StateScaler,
    update,
)
from policy.backend import FloatArray, Question
from qhw.budget.limits import Budget, Limits, qpu_seconds
from qhw.budget.planned_jobs import (
    MitigationPlan,
    PlannedJob,
    RunShape,
    TrainingShape,
    canary_updates,
    minibatch_sizes,
)
from qhw.budget.quote import Quote, quote_run, quote_training
from qhw.errors import ConfigError, MitigationError

NONE = MitigationPlan("none")


def shape(**changes: object) -> TrainingShape:
    values: dict[str, object] = {
        "updates": 3,
        "steps": 5,
        "environments": 7,
        "epochs": 2,
        "minibatches": 4,
        "rule": "shift",
        "weights": 32,
        "angles": 8,
        "shots": 1024,
        "latents": 20,
    }
    return TrainingShape(**{**values, **changes})  # type: ignore[arg-type]


shapes = st.builds(
    shape,
    updates=st.integers(1, 4),
    steps=st.integers(2, 6),
    environments=st.integers(1, 9),
    epochs=st.integers(1, 4),
    minibatches=st.integers(1, 2),
    rule=st.sampled_from(["shift", "pruned", "spsa", "model", "frozen"]),
    weights=st.integers(1, 40),
    angles=st.integers(1, 16),
    shots=st.integers(1, 5000),
    latents=st.integers(20, 100),
    pruned_fraction=st.floats(0.01, 1),
    canary_every=st.integers(0, 3),
    canary_transitions=st.integers(1, 9),
    trained_encoding=st.booleans(),
    fresh=st.booleans(),
)
plans = st.builds(
    MitigationPlan,
    st.sampled_from(["none", "readout", "affine"]),
    st.sampled_from(["none", "unknown", "earlier", "present"]),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("jobs", "circuits", "shots", "seconds", "dollars"),
    [
        # A gradient of 8 transitions: 8 forward values and 2 x 32 shifts of each.
        (1, 8 + 2 * 32 * 8, 1024, 188, 301),
        (1, 8 + 2 * 32 * 8, 256, 49, 78),
        (1, 8 + 2 * 8, 1024, 11, 17),
        (520, 520, 1024, 1226, 1962),
        (512, 512 * 8, 1024, 2492, 3987),
    ],
)
def test_what_typical_actions_take(
    jobs: int, circuits: int, shots: int, seconds: int, dollars: int
) -> None:
    exact = qpu_seconds(jobs, circuits, shots)
    assert round(exact) == seconds
    assert round(1.6 * exact) == dollars


@pytest.mark.parametrize(("images", "seconds", "dollars"), [(1, 118, 189), (16, 387, 619)])
def test_what_pictures_take(images: int, seconds: int, dollars: int) -> None:
    quote = quote_run(RunShape(50, images, 1024), NONE)
    assert (quote.jobs, round(quote.seconds), round(quote.dollars)) == (50, seconds, dollars)


def test_a_gradient_takes_what_it_did_by_hand() -> None:
    one = shape(updates=1, steps=2, environments=4, minibatches=1, epochs=2, fresh=False)
    phases = {phase.phase: phase for phase in quote_training(one, NONE).phases}
    assert phases["forward"].circuits + phases["gradient"].circuits // 2 == 520


@given(st.integers(1, 500), st.integers(1, 60))
def test_minibatches_are_those_of_torch(transitions: int, parts: int) -> None:
    parts = min(parts, transitions)
    expected = [len(part) for part in torch.arange(transitions).tensor_split(parts)]
    assert minibatch_sizes(transitions, parts) == expected


def test_every_phase_by_hand() -> None:
    quote = quote_training(shape(), MitigationPlan("affine"))
    counted = {p.phase: (p.jobs, p.circuits, p.jobs_low, p.circuits_low) for p in quote.phases}
    # 35 transitions in 4 minibatches: 9, 9, 9, 8. The very first has no gradient at all.
    assert counted == {
        "calibration": (1, 32, 1, 32),
        "rollout": (15, 105, 15, 105),
        "gradient": (3 * 8 - 1, 64 * (3 * 2 * 35 - 9), 2, 64 * 2 * 9),
        "forward": (3 * 4, 3 * 35, 3 * 4, 3 * 35),
        "evaluation": (5, 100, 5, 100),
    }
    assert {phase.phase: phase.shots for phase in quote.phases}["calibration"] == 4096
    assert quote.jobs == 56
    assert quote.total_shots == 32 * 4096 + 1024 * (quote.circuits - 32)


def test_a_run_that_goes_on_has_its_first_gradient_too() -> None:
    fresh, trained = (quote_training(shape(fresh=value), NONE) for value in (True, False))
    assert trained.circuits - fresh.circuits == 64 * 9
    assert (trained.jobs - fresh.jobs, trained.jobs_low - fresh.jobs_low) == (1, 1)


@pytest.mark.parametrize(
    ("rule", "changes", "per_row"),
    [
        ("shift", {}, 64),
        ("pruned", {"pruned_fraction": 0.125}, 8),
        ("pruned", {"pruned_fraction": 0.001}, 2),
        ("spsa", {}, 2),
        ("shift", {"trained_encoding": True}, 64 + 16),
        ("spsa", {"trained_encoding": True}, 2 + 16),
    ],
)
def test_circuits_of_a_gradient(rule: str, changes: dict[str, object], per_row: int) -> None:
    assert shape(rule=rule, **changes).circuits_per_row == per_row


def test_a_frozen_circuit_is_measured_in_rollouts_alone() -> None:
    quote = quote_training(shape(rule="frozen"), MitigationPlan("zne"))
    counted = {phase.phase: (phase.jobs, phase.circuits) for phase in quote.phases}
    assert counted == {"rollout": (15, 2 * 105), "evaluation": (5, 2 * 100)}
    assert quote.seconds == quote.seconds_low


@pytest.mark.parametrize(
    ("plan", "most", "least"),
    [
        (MitigationPlan("none"), (0, 0), (0, 0)),
        (MitigationPlan("native"), (0, 0), (0, 0)),
        (MitigationPlan("readout"), (0, 0), (0, 0)),
        (MitigationPlan("readout", readout_measured=True), (1, 2), (1, 2)),
        (MitigationPlan("zne", readout_measured=True), (1, 2), (1, 2)),
        (MitigationPlan("affine"), (1, 32), (1, 32)),
        (MitigationPlan("affine", "unknown"), (2, 40), (0, 0)),
        (MitigationPlan("affine", "earlier"), (2, 40), (1, 8)),
        (MitigationPlan("affine", "present"), (0, 0), (0, 0)),
    ],
)
def test_what_a_calibration_takes(
    plan: MitigationPlan, most: tuple[int, int], least: tuple[int, int]
) -> None:
    found = [p for p in quote_run(RunShape(3, 2, 10), plan).phases if p.phase == "calibration"]
    counted = [(p.jobs, p.circuits, p.jobs_low, p.circuits_low) for p in found]
    assert counted == ([(*most, *least)] if most[0] else [])


@given(st.integers(1, 60), st.integers(1, 50), st.integers(1, 4000), st.integers(1, 70), plans)
def test_a_run_queries_every_kth_step(
    steps: int, images: int, shots: int, every: int, plan: MitigationPlan
) -> None:
    quote = quote_run(RunShape(steps, images, shots, every), plan)
    (pictures,) = (phase for phase in quote.phases if phase.phase == "images")
    assert pictures.jobs == len(range(0, steps, every))
    assert pictures.circuits == pictures.jobs * images
    assert quote.seconds_low <= quote.seconds


@given(shapes, plans)
def test_totals_are_the_sums_of_all_jobs(asked: TrainingShape, plan: MitigationPlan) -> None:
    quote = quote_training(asked, plan)
    jobs = all_jobs(quote)
    assert quote.jobs == len(jobs)
    assert quote.circuits == sum(job.circuits for job in jobs)
    assert quote.total_shots == sum(job.circuits * job.shots for job in jobs)
    seconds = sum(qpu_seconds(1, job.circuits, job.shots) for job in jobs)
    assert quote.seconds == pytest.approx(seconds)
    sent = [job for job in jobs if job.least]
    least = sum(qpu_seconds(1, job.least, job.shots) for job in sent)
    assert quote.jobs_low == len(sent)
    assert quote.seconds_low == pytest.approx(least)
    assert quote.dollars == pytest.approx(1.6 * quote.seconds)
    assert quote.seconds_low <= quote.seconds * (1 + 1e-12)


@given(shapes, st.sampled_from(["updates", "environments", "epochs", "shots", "latents"]))
def test_more_of_anything_never_takes_less(asked: TrainingShape, option: str) -> None:
    values = {name: getattr(asked, name) for name in TrainingShape.__dataclass_fields__}
    more = TrainingShape(**{**values, option: values[option] + 1})
    assert quote_training(more, NONE).seconds >= quote_training(asked, NONE).seconds
    assert quote_training(more, NONE).jobs >= quote_training(asked, NONE).jobs


@settings(max_examples=200)
@given(shapes, st.floats(0.01, 1.5), st.sampled_from(["seconds", "jobs", "cost"]), st.booleans())
def test_it_stops_where_a_budget_would(
    asked: TrainingShape, share: float, kind: str, low: bool
) -> None:
    quote = quote_training(asked, MitigationPlan("affine", "earlier"))
    limits = {
        "seconds": Limits(max_qpu_seconds=share * quote.seconds),
        "jobs": Limits(max_jobs=max(1, round(share * quote.jobs))),
        "cost": Limits(max_cost=share * quote.dollars),
    }[kind]
    stop = quote.stop(limits, low=low)
    budget, number = Budget(limits), 0
    for job in all_jobs(quote):
        circuits = job.least if low else job.circuits
        if not circuits:
            continue
        number += 1
        seconds = qpu_seconds(1, circuits, job.shots)
        if limits.passed(budget.spent, budget._priced(seconds, 1)) is not None:
            assert stop is not None
            assert (stop.job, stop.phase) == (number, job.phase)
            return
        budget.recount(budget.spent.qpu_seconds + seconds, budget.spent.jobs + 1)
    assert stop is None


def test_the_update_it_stops_in_is_told() -> None:
    quote = quote_training(shape(), NONE)
    first = 5 + 7 + 4
    stop = quote.stop(Limits(max_jobs=first + 2))
    assert stop is not None
    assert (stop.update, stop.phase, stop.job) == (2, "rollout", first - 1 + 4)


def test_share_of_the_open_plan_and_waiting() -> None:
    quote = quote_run(RunShape(50, 16, 1024), NONE, queue=3)
    assert quote.open_plan_share == pytest.approx(quote.seconds / 600)
    assert quote.waiting_seconds == 50 * 3 * 30
    assert quote_run(RunShape(50, 16, 1024), NONE).waiting_seconds is None


def test_a_job_that_no_platform_runs_is_warned_of() -> None:
    assert not quote_training(shape(), NONE).warnings
    (line,) = quote_training(shape(environments=100, shots=8192), NONE).warnings
    assert "gradient job has 8,000 circuits" in line
    assert "10,800 s" in line


def test_what_is_refused() -> None:
    with pytest.raises(MitigationError, match="--mitigation zne is not used for gradients"):
        quote_training(shape(), MitigationPlan("zne"))
    with pytest.raises(ConfigError, match="36 minibatches of 7 x 5"):
        shape(minibatches=36)
    with pytest.raises(ConfigError, match="adjoint"):
        shape(rule="adjoint")
    with pytest.raises(ConfigError, match="query_every = 0"):
        RunShape(5, 1, 1, 0)


def test_nothing_heavy_is_imported() -> None:
    script = "import sys, qhw.budget.planning; print({'torch', 'qiskit', 'numpy'} & {*sys.modules})"
    told = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert told.stdout.strip() == "set()"


class Counting:
    """Answers with smooth numbers and counts jobs and circuits."""

    def __init__(self, circuit: RingCircuit) -> None:
        self.circuit = circuit
        self.sent: list[int] = []

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        return self.evaluate_jointly([(angles, weights)])[0]

    def evaluate_jointly(self, questions: Sequence[Question]) -> list[Estimate]:
        self.sent.append(sum(len(weights) * len(angles) for angles, weights in questions))
        return [self._answer(*question) for question in questions]

    def _answer(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        phase = weights.sum(axis=1)[:, None] + angles.sum(axis=1)
        values = np.cos(phase[..., None] + np.arange(self.circuit.num_qubits))
        return Estimate(values, np.zeros_like(values), Cost(circuits=values[..., 0].size))


@settings(max_examples=25)
@given(
    steps=st.integers(2, 4),
    environments=st.integers(1, 5),
    epochs=st.integers(1, 3),
    minibatches=st.integers(1, 2),
    rule=st.sampled_from(["shift", "pruned", "spsa"]),
    encoding=st.sampled_from(["dense", "linear", "reupload"]),
    fresh=st.booleans(),
    rate=st.sampled_from([1e-9, 0.3]),
)
def test_an_update_sends_what_was_quoted(
    steps: int,
    environments: int,
    epochs: int,
    minibatches: int,
    rule: str,
    encoding: Any,
    fresh: bool,
    rate: float,
) -> None:
    """The real update on a backend that counts; at a tiny rate nothing is clipped."""
    circuit = RingCircuit(3, 2, encoding)
    asked = shape(
        updates=1,
        steps=steps,
        environments=environments,
        epochs=epochs,
        minibatches=minibatches,
        rule=rule,
        weights=circuit.num_weights,
        angles=circuit.num_angles,
        trained_encoding=encoding == "linear",
        fresh=fresh,
    )
    sent = sent_by_update(circuit, asked, rate)
    (_, first, _, _) = asked.stretches(NONE)
    update = [job for job in first.jobs if job.phase != "rollout"]
    if rate < 1e-6:
        assert sent == [job.circuits for job in update]
    certain = [job.least for job in update if job.least]
    assert sum(certain) <= sum(sent) <= sum(job.circuits for job in update)
    assert len(certain) <= len(sent) <= len(update)


def sent_by_update(circuit: RingCircuit, asked: TrainingShape, rate: float) -> list[int]:
    """Circuits of each job of one PPO update on random transitions."""
    backend = Counting(circuit)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    scaler = StateScaler([0.0] * 6, [1.0] * 6)
    rules: dict[str, GradientRule] = {
        "shift": ParameterShift(),
        "pruned": PrunedShift(asked.pruned_fraction, np.random.default_rng(0)),
        "spsa": Spsa(np.random.default_rng(0)),
    }
    actor = RingActor(circuit, backend, rules[asked.rule], scaler, generator)
    if not asked.fresh:
        torch.nn.init.normal_(actor.head[-1].weight)  # type: ignore[arg-type]
    critic = Critic(scaler, generator)
    grid = (asked.steps, asked.environments)
    states = torch.randn(*grid, 6)
    features, errors = actor.measure(states.flatten(0, 1))
    distribution = actor.distribution_of(features)
    with torch.no_grad():
        actions = distribution.sample()
        log_probs = distribution.log_prob(actions)
    dones = torch.zeros(grid)
    dones[-1] = 1
    rollout = Rollout(
        states,
        actions.view(grid),
        log_probs.view(grid),
        torch.zeros(grid),
        torch.randn(grid),
        dones,
        features.view(*grid, -1),
        errors.view(*grid, -1),
    )
    backend.sent.clear()
    update(
        actor,
        critic,
        torch.optim.Adam(actor.parameters(), lr=rate),
        torch.optim.Adam(critic.parameters(), lr=rate),
        rollout,
        PpoConfig(
            epochs=asked.epochs,
            minibatches=asked.minibatches,
            entropy_into_circuit=False,
            reuse_features="first pass",
        ),
        generator,
    )
    return backend.sent


def all_jobs(quote: Quote) -> list[PlannedJob]:
    return [
        job for stretch in quote.stretches for _ in range(stretch.repeats) for job in stretch.jobs
    ]


@pytest.mark.parametrize(
    ("every", "fresh", "updates"),
    [(0, True, []), (1, True, [2, 3, 4, 5, 6, 7]), (3, True, [2, 5]), (3, False, [1, 4, 7])],
)
def test_the_first_canary_is_at_the_first_gradient(
    every: int, fresh: bool, updates: list[int]
) -> None:
    assert list(canary_updates(every, 7, fresh)) == updates
