"""Training on a device: what is sent, what a resumed run repeats, and what it never repeats."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from policy import RingActor
from qhw.budget.planned_jobs import MitigationPlan, TrainingShape
from qhw.budget.planning import training_shape
from qhw.budget.quote import quote_training
from qhw.commands.evaluate import evaluate_run
from qhw.commands.train import train_run
from qhw.config import merge, parse_config
from qhw.devices.backend import DeviceBackend
from qhw.devices.configured import close_backend
from qhw.devices.opening import spending_limits
from qhw.errors import (
    BudgetReachedError,
    BusyError,
    ConfigError,
    LedgerError,
    MitigationError,
)
from qhw.jobs.ledger import Ledger
from qhw.runs.directory import RunDirectory, create_run
from qhw.runs.lock import sole_use
from qhw.runs.settings import run_to_evaluate, run_to_resume, training_settings
from qhw.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "fake_nairobi", "shots": 64, "mitigation": "readout"},
    "environment": {"steps": 3},
    "ppo": {"updates": 2, "environments": 4, "epochs": 2, "minibatches": 2},
    "evaluation": {"latents": 20},
}


class KilledError(BaseException):
    """Stands for a process that ends here and now; nothing in the toolkit catches it."""


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    torch.set_num_threads(1)


@pytest.fixture
def ledger() -> Any:
    with Ledger.of_user() as opened:
        yield opened


OpenTrainer = Callable[[RunDirectory], Trainer]


@pytest.fixture
def open_trainer() -> Iterator[OpenTrainer]:
    """Opens trainers on a device, and closes the device after the test."""
    opened: list[Trainer] = []

    def open_one(run: RunDirectory) -> Trainer:
        opened.append(Trainer.of(run))
        return opened[-1]

    yield open_one
    for trainer in opened:
        close_backend(trainer.player.backend)


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    tensors = run.latest_checkpoint().tensors
    return {name: t for name, t in tensors.items() if name.startswith(("actor/", "critic/"))}


def jobs(ledger: Ledger, run: RunDirectory) -> list[str]:
    return [entry.unit.key.split("/", 1)[1] for entry in ledger.entries(run=run.id)]


def kill_before_submission(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """End the process when the given submission is about to be written down."""
    original, left = Ledger.intend, [number]

    def dying(self: Ledger, *arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return original(self, *arguments)

    monkeypatch.setattr(Ledger, "intend", dying)


@pytest.mark.parametrize(("rule", "least"), [("shift", 5), ("spsa", 5), ("model", 3)])
@pytest.mark.slow  # a training begun many times
def test_a_run_killed_before_every_third_job_equals_its_own_replay(
    rule: str,
    least: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ledger: Ledger,
    open_trainer: OpenTrainer,
) -> None:
    config = parse_config(merge(SMALL, {"gradient": {"rule": rule}}))
    run = create_run(tmp_path / "runs", config, "killed")
    kills = 0
    while True:
        with monkeypatch.context() as patch:
            kill_before_submission(patch, 3)
            try:
                train_run(run)
                break
            except KilledError:
                kills += 1
    assert kills >= least
    keys = jobs(ledger, run)
    assert len(keys) == len(set(keys))
    # From the first checkpoint on, everything comes out of the ledger: the same bit for bit.
    replayed = create_run(tmp_path / "runs", config, "replayed")
    (replayed.path / "id").write_text(run.id)
    trainer = open_trainer(replayed)
    assert isinstance(trainer.player.backend, DeviceBackend)
    trainer.player.backend.prepare()
    records = [trainer.advance() for _ in range(2)]
    assert jobs(ledger, run) == keys
    for name, tensor in weights(run).items():
        module, key = name.split("/", 1)
        mine = getattr(trainer, module).state_dict()[key]
        assert torch.equal(mine, tensor), name
    for mine, theirs in zip(records, run.metrics(), strict=True):
        assert without_seconds(mine) == without_seconds(theirs)


def without_seconds(record: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in json.loads(json.dumps(record)).items() if k != "seconds"}
    for cost in kept["cost"].values():
        del cost["seconds"]
    return kept


@pytest.mark.parametrize(
    "rule",
    [
        "shift",
        *(pytest.param(rule, marks=pytest.mark.slow) for rule in ("pruned", "spsa", "model")),
        "frozen",
    ],  # a training on a device each
)
def test_what_is_sent_lies_within_the_quote(rule: str, tmp_path: Path, ledger: Ledger) -> None:
    config = parse_config(merge(SMALL, {"gradient": {"rule": rule}, "ppo": {"epochs": 1}}))
    run = create_run(tmp_path / "runs", config, "r")
    train_run(run)
    spent = ledger.spent(run.id)
    shape = training_shape(config)
    assert isinstance(shape, TrainingShape)
    quote = quote_training(shape, no_calibration(), dollars_per_second=1.6, queue=0)
    assert quote.jobs_low <= spent.jobs <= quote.jobs
    slack = 1e-9 * quote.seconds
    assert quote.seconds_low - slack <= spent.qpu_seconds <= quote.seconds + slack
    if rule in ("frozen", "model"):  # nothing depends on what is clipped
        assert (spent.jobs, spent.circuits) == (quote.jobs, quote.circuits)


def no_calibration() -> MitigationPlan:
    return MitigationPlan("readout", "none", False, False)


def test_a_frozen_circuit_trains_its_head_on_measured_features(
    tmp_path: Path, ledger: Ledger, open_trainer: OpenTrainer
) -> None:
    config = parse_config(merge(SMALL, {"gradient": {"rule": "frozen"}}))
    trainer = open_trainer(create_run(tmp_path / "runs", config, "r"))
    assert isinstance(trainer.actor, RingActor)
    circuit = trainer.actor.circuit_weights.detach().clone()
    head = [p.detach().clone() for p in trainer.actor.head.parameters()]
    record = trainer.advance()
    assert torch.equal(trainer.actor.circuit_weights, circuit)
    moved = zip(head, trainer.actor.head.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in moved)
    assert record["features_reused"] == "always"
    assert record["cost"]["forward"]["jobs"] == 3
    assert set(record["cost"]) == {"forward"}


def test_the_rollouts_features_serve_the_first_pass(
    tmp_path: Path, ledger: Ledger, open_trainer: OpenTrainer
) -> None:
    run = create_run(tmp_path / "runs", parse_config(merge(SMALL, {"ppo": {"epochs": 1}})), "r")
    trainer = open_trainer(run)
    record = trainer.advance()
    assert record["cost"]["forward"]["jobs"] == 3  # the rollout's steps, nothing in the update
    assert record["first_ratio_spread"] == 0.0
    assert record["features_reused"] == "first pass"


def test_every_record_says_what_made_it(tmp_path: Path, open_trainer: OpenTrainer) -> None:
    trainer = open_trainer(create_run(tmp_path / "runs", parse_config(SMALL), "r"))
    first, second = trainer.advance(), trainer.advance()
    assert second["backend"] == "fake_nairobi"
    assert second["gradient_rule"] == "shift"
    assert second["shots"] == 64
    assert second["mitigation"] == "readout"
    assert second["cost"]["weights"]["qpu_seconds"] > 0
    assert second["mu_noise"] > 0
    assert first["mu_noise"] == 0.0  # the head starts at zero: no noise reaches mu


def test_few_shots_are_told_with_the_number_that_would_do(
    tmp_path: Path, open_trainer: OpenTrainer
) -> None:
    # So far beyond the guidance range that all actions of a group would come to the same.
    alone = {"backend": {"shots": 4}, "ppo": {"group": 1}}
    trainer = open_trainer(create_run(tmp_path / "runs", parse_config(merge(SMALL, alone)), "r"))
    assert isinstance(trainer.actor, RingActor)
    last = trainer.actor.head[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight[0] += 2.0
    record = trainer.advance()
    (line,) = [line for line in record["advice"] if line.startswith("mu_noise")]
    assert record["mu_noise"] > 0.3
    needed = int(line.split("--shots ")[1].split()[0])
    assert needed == int(np.ceil(4 * (record["mu_noise"] / 0.3) ** 2))


def test_a_budget_ends_a_training_and_a_higher_one_goes_on(tmp_path: Path, ledger: Ledger) -> None:
    config = parse_config(merge(SMALL, {"hardware": {"max_jobs": 4}}))
    run = create_run(tmp_path / "runs", config, "r")
    with pytest.raises(BudgetReachedError, match="max-jobs 4") as raised:
        train_run(run)
    assert "--resume" in raised.value.hint
    assert ledger.spent(run.id).jobs == 4
    assert (run.path / "cost.json").exists()
    run.rewrite_config(parse_config(merge(SMALL, {"hardware": {"max_jobs": 500}})))
    train_run(run)
    assert len(run.metrics()) == 2
    assert (run.path / "evaluation.json").exists()
    cost = json.loads((run.path / "cost.json").read_text())
    assert cost["total"]["jobs"] == ledger.spent(run.id).jobs
    keys = jobs(ledger, run)
    assert len(keys) == len(set(keys))


def test_zero_noise_extrapolation_is_refused_for_gradients(tmp_path: Path) -> None:
    config = parse_config(merge(SMALL, {"backend": {"mitigation": "zne"}}))
    with pytest.raises(MitigationError, match="gradient"):
        train_run(create_run(tmp_path / "runs", config, "r"))
    assert not (tmp_path / "runs" / "r").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gradient": {"rule": "adjoint"}}, "differentiates itself"),
        ({"backend": {"noise_scale": 2.0}}, "a device of its own"),
        ({"hardware": {"readout_errors": "measured"}, "backend": {"mitigation": "affine"}}, "zne"),
        ({"hardware": {"max_cost": 0}}, "must be above 0"),
        ({"hardware": {"max_jobs": -1}}, "must be 1 or more"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(merge(SMALL, changes))


def test_a_linear_encoding_sends_both_gradients_in_one_job(
    tmp_path: Path, ledger: Ledger, open_trainer: OpenTrainer
) -> None:
    linear = {"actor": {"circuit": {"encoding": "linear"}}, "ppo": {"epochs": 1}}
    run = create_run(tmp_path / "runs", parse_config(merge(SMALL, linear)), "r")
    trainer = open_trainer(run)
    trainer.advance()
    trainer.advance()
    gradients = [e for e in ledger.entries(run=run.id) if e.unit.phase == "gradient"]
    rows = gradients[-1].shapes[0][0] // (2 * 12)
    assert [shape[0] for shape in gradients[-1].shapes] == [2 * 12 * rows, 2 * 6 * rows]


def test_fine_tuning_starts_from_another_runs_weights(tmp_path: Path) -> None:
    simulated = {k: v for k, v in SMALL.items() if k != "backend"} | {"backend": {"name": "aer"}}
    source = create_run(tmp_path / "runs", parse_config(simulated), "source")
    train_run(source)
    config = parse_config({**SMALL, "start_from": str(source.path)})
    run = create_run(tmp_path / "runs", config, "tuned")
    with pytest.raises(BudgetReachedError):
        run.rewrite_config(parse_config(merge(config.model_dump(exclude_unset=True), LIMIT)))
        train_run(run)
    started = run.latest_checkpoint()
    assert started.update == 0
    for name, tensor in weights(source).items():
        assert torch.equal(started.tensors[name], tensor), name
    assert run.read_json("provenance.json")["start_from"] == str(source.path)


LIMIT: dict[str, Any] = {"hardware": {"max_jobs": 1}}


def test_a_device_opened_without_a_limit_is_refused() -> None:
    config = parse_config(merge(SMALL, {"backend": {"name": "ibm_fez"}}))
    with pytest.raises(ConfigError, match="no limit was given"):
        spending_limits(config.backend, config.hardware)


def test_the_trainer_of_a_simulator_is_not_paid() -> None:
    trainer = Trainer(parse_config({"backend": {"name": "aer"}, "environment": {"steps": 2}}))
    assert trainer.player.paid_backend is None
    assert not isinstance(trainer.player.backend, DeviceBackend)


def test_two_processes_do_not_train_one_run(tmp_path: Path) -> None:
    config = parse_config(merge(SMALL, {"hardware": {"max_jobs": 3}}))
    run = create_run(tmp_path / "runs", config, "r")
    with sole_use(run.path):
        with pytest.raises(BusyError):
            train_run(run)
        with pytest.raises(BusyError):
            evaluate_run(run, 20)
        with pytest.raises(BusyError):
            run_to_resume(run.path, {"hardware": {"max_jobs": 99}}, {})
    assert run.config.hardware.max_jobs == 3
    with pytest.raises(BudgetReachedError):
        train_run(run)


def test_a_run_without_its_ledger_is_not_paid_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(tmp_path / "runs", parse_config(SMALL), "r")
    with monkeypatch.context() as patch:
        kill_before_submission(patch, 12)
        with pytest.raises(KilledError):
            train_run(run)
    assert run.latest_checkpoint().update == 1
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(LedgerError, match="knows of none") as raised:
        train_run(run)
    with pytest.raises(LedgerError, match="knows of none"):
        evaluate_run(run, 20)
    assert "qhw train --from" in raised.value.hint


def test_a_gradient_that_the_platform_would_end_is_refused_before_the_rollout(
    tmp_path: Path, ledger: Ledger
) -> None:
    config = parse_config(merge(SMALL, {"backend": {"shots": 1_000_000}}))
    run = create_run(tmp_path / "runs", config, "r")
    with pytest.raises(ConfigError, match="gradient job"):
        train_run(run)
    assert not ledger.entries()
    assert not run.path.exists()


def test_limits_are_not_handed_on_to_a_run_that_starts_from_another(tmp_path: Path) -> None:
    config = parse_config(merge(SMALL, {"hardware": {"max_jobs": 3, "job_wait": 60.0}}))
    source = create_run(tmp_path / "runs", config, "source")
    settings = training_settings({}, config=None, preset="default", start_from=source.path)
    assert settings.hardware.max_jobs is None
    assert settings.hardware.job_wait == 60.0


def test_a_full_table_on_a_device_is_small_unless_more_is_asked_for(tmp_path: Path) -> None:
    device = create_run(tmp_path / "runs", parse_config(SMALL), "device").path
    free = create_run(tmp_path / "runs", parse_config({"backend": {"name": "aer"}}), "free").path
    assert run_to_evaluate(device, None, {}).latents == 20
    assert run_to_evaluate(device, 300, {}).latents == 300
    assert run_to_evaluate(free, None, {}).latents == 2000


def test_limits_of_an_evaluation_are_refused_where_it_costs_nothing(tmp_path: Path) -> None:
    run = create_run(tmp_path / "runs", parse_config({"backend": {"name": "aer"}}), "free")
    with pytest.raises(ConfigError, match="max_jobs applies to devices"):
        run_to_evaluate(run.path, None, {"hardware": {"max_jobs": 5, "max_cost": None}})
    free = run_to_evaluate(run.path, None, {"hardware": {"max_jobs": None}})
    assert free.run.config == run.config


@pytest.mark.slow  # a training and three evaluations
def test_an_evaluation_at_its_limit_tells_the_command_that_goes_on(
    tmp_path: Path, ledger: Ledger
) -> None:
    run = create_run(tmp_path / "runs", parse_config(SMALL), "r")
    train_run(run)
    trained, steps = len(jobs(ledger, run)), run.config.environment.steps
    limited = run_to_evaluate(run.path, 40, {"hardware": {"max_jobs": trained + 1}})
    with pytest.raises(BudgetReachedError) as stopped:
        evaluate_run(limited.run, limited.latents)
    assert len(jobs(ledger, run)) == trained + 1
    told = re.search(r"`qhw evaluate --latents 40 (\S+) --max-jobs (\d+)`", stopped.value.hint)
    assert told, stopped.value.hint
    assert Path(told[1]).resolve() == run.path.resolve()
    assert int(told[2]) == trained + 2
    raised = run_to_evaluate(run.path, 40, {"hardware": {"max_jobs": trained + steps}})
    evaluate_run(raised.run, raised.latents)
    assert len(jobs(ledger, run)) == trained + steps, "nothing is paid for twice"
    kept = raised.run.evaluation
    assert kept is not None and kept["latents"] == 40
