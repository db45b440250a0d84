from __future__ import annotations

import io
import time
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from policy import RingCircuit
from policy.circuit import ENCODINGS
from qhw.budget import planning
from qhw.budget.limits import Limits
from qhw.budget.planning import named_device, plan_run, plan_training
from qhw.budget.quote import Quote
from qhw.cli.plan import plan_app
from qhw.commands.plan import print_quote
from qhw.config import CircuitConfig, MethodName, RunConfig, merge, parse_config
from qhw.errors import BackendUnavailableError, ConfigError, QhwError, UnknownNameError
from qhw.files import UserData
from tests.ibm_cloud.cloud import Cloud, Fault


@pytest.fixture(autouse=True)
def _own_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def on_device(values: dict[str, Any] | None = None, **backend: Any) -> RunConfig:
    return parse_config(merge(values or {}, {"backend": {"name": "fake_fez", **backend}}))


def printed(quote: Quote, limits: Limits | None = None) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_quote(console, quote, limits or Limits())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def plan(*arguments: str) -> str:
    result = CliRunner().invoke(plan_app, list(arguments), env={"COLUMNS": "80"})
    if result.exception is not None:
        raise result.exception
    assert max(map(len, result.output.splitlines())) <= 80
    return result.output


def test_a_circuit_wider_than_the_device_is_not_quoted() -> None:
    wide = on_device({"actor": {"circuit": {"qubits": 8}}}, name="fake_lima")
    for quoting in (plan_training, partial(plan_run, images=2)):
        with pytest.raises(ConfigError, match="8 qubits does not fit on fake_lima, which has 5"):
            quoting(wide)
    assert plan_training(on_device(name="fake_lima")).jobs > 0


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(ENCODINGS))
def test_circuits_are_counted_as_they_are(qubits: int, depth: int, encoding: Any) -> None:
    if 2 * qubits < 6 and encoding in ("dense", "reupload"):
        return
    circuit = RingCircuit(qubits, depth, encoding)
    config = CircuitConfig(qubits=qubits, depth=depth, encoding=encoding)
    assert planning.num_weights(config) == circuit.num_weights
    assert planning.num_angles(config) == circuit.num_angles


def test_without_a_name_the_runs_own_device_is_quoted() -> None:
    assert named_device(None, "fake_fez") == "fake_fez"
    assert named_device(None, "aer_noisy") == planning.ASSUMED_DEVICE
    assert named_device("fake_brisbane", "fake_fez") == "fake_brisbane"


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("aer", ConfigError, "spends no QPU time"),
        ("aer_noisy", ConfigError, "spends no QPU time"),
        ("fake_fezz", UnknownNameError, "fake_fez"),
        ("ibm_brisbane", BackendUnavailableError, "retired"),
    ],
)
def test_what_is_no_device(name: str, error: type[QhwError], told: str) -> None:
    with pytest.raises(error, match=told):
        named_device(name, "aer")


def test_a_classical_actor_has_nothing_to_quote() -> None:
    config = parse_config({"actor": {"kind": "mlp"}})
    with pytest.raises(ConfigError, match="runs no circuit"):
        plan_training(config)
    with pytest.raises(ConfigError, match="runs no circuit"):
        plan_run(config, images=1)


def test_the_settings_decide_the_numbers() -> None:
    values = {
        "actor": {"circuit": {"qubits": 3, "depth": 1, "encoding": "linear"}},
        "ppo": {"updates": 2, "environments": 6, "epochs": 3, "minibatches": 2},
        "environment": {"steps": 5},
        "evaluation": {"latents": 25},
        "gradient": {"rule": "spsa"},
        "start_from": "runs/x",
    }
    quote = plan_training(on_device(values, shots=256, mitigation="none"))
    counted = {phase.phase: (phase.jobs, phase.circuits, phase.shots) for phase in quote.phases}
    assert counted == {
        "rollout": (10, 60, 256),
        "gradient": (12, 2 * 3 * 30 * (2 + 2 * 6), 256),
        "forward": (8, 2 * 2 * 30, 256),
        "evaluation": (5, 125, 256),
    }


def test_a_small_budget_takes_readout_mitigation() -> None:
    small = on_device({"hardware": {"max_qpu_seconds": 100}})
    quote = plan_run(small, images=16)
    assert [phase.phase for phase in quote.phases] == ["images"]
    assert any("Mitigation readout by default" in line for line in quote.assumptions)
    assert plan_run(on_device(), images=16).phases[0].phase == "calibration"


def test_a_kept_map_of_the_device_is_seen(tmp_path: Path) -> None:
    affine = on_device(mitigation="affine")
    assert planning.kept_map(affine) == "none"
    folder = UserData.of_user().affine_maps
    assert folder.is_relative_to(tmp_path)
    folder.mkdir(parents=True)
    (folder / "fake_fez-0123.json").write_text("{}")
    assert planning.kept_map(affine) == "unknown"
    assert planning.kept_map(on_device(name="fake_brisbane")) == "none"
    quote = plan_run(affine, images=1)
    assert (quote.jobs_low, quote.jobs) == (10, 12)


def test_a_queue_that_is_known_is_told() -> None:
    assert plan_run(on_device(), images=1).queue is None
    assert plan_run(on_device(), images=1, queue=7).queue == 7


def test_with_an_account_the_present_queue_is_asked(small_cloud: Cloud) -> None:
    small_cloud.devices["ibm_nairobi"].queue = 7
    told = " ".join(plan("train", "--backend", "ibm_nairobi", "--updates", "1").split())
    assert "x 7 jobs ahead x 30 s" in told
    small_cloud.inject(Fault("GET", r"/backends/.+/status", status=503, times=-1))
    told = " ".join(plan("train", "--backend", "ibm_nairobi", "--updates", "1").split())
    assert "could not be asked" in told
    assert small_cloud.requests("POST", "/jobs") == 0


def test_a_quote_as_it_is_printed() -> None:
    config = on_device({"environment": {"steps": 50}}, mitigation="none")
    told = printed(plan_run(config, images=16, queue=4), Limits(max_qpu_seconds=300))
    lines = [line.split() for line in told.splitlines()]
    assert ["images", "50", "800", "1,024", "387", "619"] in lines
    assert ["total", "50", "800", "387", "619"] in lines
    assert "64 % of the Open plan's 600 QPU s" in told
    assert "50 round trips one after the other x 4 jobs ahead x 30 s" in told
    assert "it stops before job 39 (images)" in told
    assert "- A QPU second costs $1.60 (--price)." in told
    assert told.endswith("Nothing was sent.\n")


def test_a_training_is_printed_with_its_bounds_in_80_columns() -> None:
    told = plan("train", "--updates", "60", "--max-qpu-seconds", "1e6", "--queue", "20")
    flat = " ".join(told.split())
    assert "338,448 - 8.25M" in told
    assert "No --backend is given: counted as for ibm_fez." in told
    assert "at the upper bound it stops before job" in flat
    assert "of update 8" in flat
    assert "at the lower one all of it fits" in flat


def test_plan_run_reads_the_runs_own_settings(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    (run / "config.toml").write_text(
        '[environment]\nsteps = 50\n[gradient]\nrule = "adjoint"\n[backend]\nname = "aer_noisy"\n'
    )
    told = plan("run", str(run), "--backend", "fake_fez", "--mitigation", "zne", "--images", "2")
    assert ["images", "50", "200", "1,024", "172", "275"] in [
        line.split() for line in told.splitlines()
    ]
    assert "bills nothing" in told
    fewer = plan("run", str(run), "--mitigation", "none", "--query-every", "7", "--images", "1")
    assert ["images", "8", "8", "1,024", "19", "30"] in [
        line.split() for line in fewer.splitlines()
    ]


def test_plan_train_goes_on_from_a_run(tmp_path: Path) -> None:
    run = tmp_path / "one"
    run.mkdir()
    (run / "config.toml").write_text("[ppo]\nupdates = 2\nenvironments = 3\n")
    told = plan("train", "--from", str(run), "--gradient", "frozen", "--latents", "20")
    assert ["rollout", "20", "60", "1,024", "62", "98"] in [
        line.split() for line in told.splitlines()
    ]
    longer = plan("train", "--from", str(run), "--gradient", "frozen", "--preset", "paper")
    assert "8 trajectories in lockstep x 50 steps" in longer
    with pytest.raises(UnknownNameError, match="preset"):
        plan("train", "--preset", "papr")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--max-qpu-seconds", "0"), ("--max-jobs", "-1"), ("--max-cost", "nan"), ("--price", "0")],
)
def test_limits_and_price_must_be_above_zero(option: str, value: str) -> None:
    field = option.removeprefix("--").replace("-", "_")
    with pytest.raises(ConfigError, match=rf"hardware\.{field} = "):
        plan("train", option, value)


def test_limits_of_the_settings_count(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[backend]\nname = "fake_fez"\n[hardware]\nmax_jobs = 3\nprice = 2.5\n')
    told = plan("train", "--config", str(config))
    assert "--max-jobs 3" in told
    assert "$2.50" in told


def test_every_mitigation_can_be_quoted() -> None:
    names = get_args(MethodName)
    for name in names:
        assert plan("train", "--mitigation", name, "--gradient", "frozen")


def test_a_full_training_is_quoted_at_once() -> None:
    started = time.perf_counter()
    printed(plan_training(on_device()), Limits(max_cost=1e6))
    assert time.perf_counter() - started < 1
