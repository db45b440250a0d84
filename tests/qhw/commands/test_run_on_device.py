"""`qhw run` on a device: quoted, sent, interrupted, resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qhw.budget.planning import plan_run
from qhw.commands.run import DeploymentRequest, deploy
from qhw.commands.train import train_run
from qhw.config import RunConfig, merge, parse_config
from qhw.devices.opening import spending_limits
from qhw.errors import (
    BudgetReachedError,
    BusyError,
    ConfigError,
    HardwareError,
    InterruptedWorkError,
)
from qhw.jobs.ledger import Ledger
from qhw.jobs.work import PaidWork
from qhw.runs.directory import RunDirectory, create_run
from qhw.runs.lock import sole_use
from qhw.runs.settings import deployment_settings, settings_on_backend
from tests.ibm_cloud.cloud import TOKEN, Cloud, Fault
from tests.ibm_cloud.fixtures import paid_cloud, small_cloud

__all__ = ["paid_cloud", "small_cloud"]

SIMULATED: dict[str, Any] = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "aer"},
    "environment": {"steps": 4},
    "ppo": {"updates": 1, "environments": 4, "epochs": 1, "minibatches": 2},
    "evaluation": {"latents": 20},
}
NOTHING = dict.fromkeys(("name", "device", "noise_scale", "shots", "engine", "mitigation"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    torch.set_num_threads(1)
    run = create_run(tmp_path_factory.mktemp("runs"), parse_config(SIMULATED), "trained")
    train_run(run)
    return run


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def order(run: RunDirectory, hardware: dict[str, Any] | None = None, **backend: Any) -> RunConfig:
    chosen = {**NOTHING, "name": "fake_nairobi", "shots": 64, "mitigation": "readout", **backend}
    return deployment_settings(run.path, chosen, hardware or {}, resume=False, fresh=False)


def record(run: RunDirectory, device: str = "fake_nairobi") -> dict[str, Any]:
    path = run.path / "samples" / device / "deployment.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def units(run: RunDirectory, device: str = "fake_nairobi") -> list[str]:
    with Ledger.of_user() as ledger:
        entries = ledger.entries(run=record(run, device)["id"])
    return [f"{e.unit.phase}/{e.unit.step}" for e in entries]


def stop_before(monkeypatch: pytest.MonkeyPatch, number: int, error: type[BaseException]) -> None:
    original, left = Ledger.intend, [number]

    def stopping(self: Ledger, *arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise error
        return original(self, *arguments)

    monkeypatch.setattr(Ledger, "intend", stopping)


def test_one_job_per_step_and_everything_left_behind(trained: RunDirectory) -> None:
    deploy(trained.path, order(trained), DeploymentRequest(images=3, fresh=True))
    assert units(trained) == [f"images/{step}" for step in range(4)]
    folder = trained.path / "samples" / "fake_nairobi"
    for name in ("pictures.png", "guidance.png", "metrics.json"):
        assert (folder / "seed0-images3" / name).stat().st_size > 0
    cost = json.loads((folder / "cost.json").read_text())
    assert cost["total"]["circuits"] == 12
    assert cost["total"]["billed_seconds"] == pytest.approx(cost["total"]["quoted_seconds"])
    assert record(trained)["finished"]


def test_the_device_is_asked_at_every_kth_step(trained: RunDirectory) -> None:
    deploy(trained.path, order(trained), DeploymentRequest(images=3, query_every=3, fresh=True))
    assert units(trained) == ["images/0", "images/3"]
    folder = trained.path / "samples/fake_nairobi/seed0-images3-every3"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["query every"] == 3
    assert metrics["cost"]["forward"]["jobs"] == 2


@settings(
    max_examples=5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    images=st.integers(1, 7),
    every=st.integers(1, 5),
    shots=st.integers(1, 200),
    mitigation=st.sampled_from(["none", "readout", "zne"]),
)
@pytest.mark.slow  # runs with every mitigation
def test_what_is_quoted_is_what_the_platform_counts(
    images: int, every: int, shots: int, mitigation: str, trained: RunDirectory, small_cloud: Cloud
) -> None:
    before, posts = small_cloud.executed, small_cloud.requests("POST", "/jobs")
    billed = small_cloud.billed_seconds
    small_cloud.plan = "pay-as-you-go"  # no rate limit, which would only make this slow
    config = order(
        trained, {"max_jobs": 99}, name="ibm_nairobi", shots=shots, mitigation=mitigation
    )
    quote = plan_run(config, images=images, query_every=every)
    deploy(trained.path, config, DeploymentRequest(images=images, query_every=every, fresh=True))
    circuits, total = small_cloud.executed
    assert (circuits - before[0], total - before[1]) == (quote.circuits, quote.total_shots)
    assert small_cloud.requests("POST", "/jobs") - posts == quote.jobs
    assert small_cloud.billed_seconds - billed == pytest.approx(quote.seconds)


def test_an_interrupt_is_resumed_without_paying_again(
    trained: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = order(trained)
    with monkeypatch.context() as patch:
        stop_before(patch, 3, KeyboardInterrupt)
        with pytest.raises(InterruptedWorkError) as raised:
            deploy(trained.path, config, DeploymentRequest(images=3, fresh=True))
    assert raised.value.exit_code == 130
    assert "--images 3" in raised.value.hint and "--resume" in raised.value.hint
    assert units(trained) == ["images/0", "images/1"]
    with pytest.raises(ConfigError, match="is not finished"):
        deploy(trained.path, config, DeploymentRequest(images=3))
    with pytest.raises(ConfigError, match="images = 4 instead of 3"):
        deploy(trained.path, config, DeploymentRequest(images=4, resume=True))
    deploy(trained.path, config, DeploymentRequest(images=3, resume=True))
    assert units(trained) == [f"images/{step}" for step in range(4)]
    metrics = trained.path / "samples/fake_nairobi/seed0-images3/metrics.json"
    pictures = metrics.read_bytes()
    deploy(trained.path, config, DeploymentRequest(images=3, resume=True))
    assert units(trained) == [f"images/{step}" for step in range(4)]
    again = json.loads(
        (trained.path / "samples/fake_nairobi/seed0-images3/metrics.json").read_bytes()
    )
    assert again["arms"] == json.loads(pictures)["arms"]


def test_a_budget_stops_cleanly_and_names_the_command(trained: RunDirectory) -> None:
    config = order(trained, {"max_jobs": 2})
    with pytest.raises(BudgetReachedError, match="--max-jobs 2") as raised:
        deploy(trained.path, config, DeploymentRequest(images=2, fresh=True))
    assert raised.value.exit_code == 3
    assert "--resume --max-jobs 3" in raised.value.hint
    assert (trained.path / "samples/fake_nairobi/cost.json").exists()
    deploy(trained.path, order(trained, {"max_jobs": 9}), DeploymentRequest(images=2, resume=True))
    assert len(units(trained)) == 4
    assert "--max-jobs 9 --resume" in record(trained)["command"]


def test_the_default_mitigation_follows_the_budget_and_stays(trained: RunDirectory) -> None:
    small = order(trained, {"max_qpu_seconds": 30.0, "max_jobs": 1}, mitigation=None)
    with pytest.raises(BudgetReachedError):
        deploy(trained.path, small, DeploymentRequest(images=2, fresh=True))
    assert record(trained)["mitigation"] == "readout"
    large = order(trained, {"max_qpu_seconds": 3000.0}, mitigation=None)
    deploy(trained.path, large, DeploymentRequest(images=2, resume=True))
    assert units(trained) == [f"images/{step}" for step in range(4)]
    deploy(trained.path, large, DeploymentRequest(images=2))
    assert units(trained)[0] == "calibration/0"


def test_a_single_job_is_not_spent_on_a_calibration(trained: RunDirectory) -> None:
    config = order(trained, {"max_jobs": 3}, mitigation=None)
    with pytest.raises(BudgetReachedError):
        deploy(trained.path, config, DeploymentRequest(images=2, fresh=True))
    assert units(trained) == ["images/0", "images/1", "images/2"]


def test_a_failed_opening_leaves_no_deployment_behind(
    trained: RunDirectory, small_cloud: Cloud
) -> None:
    config = order(trained, {"max_jobs": 5, "mode": "session"}, name="ibm_nairobi")
    with pytest.raises(Exception, match="sessions"):
        deploy(trained.path, config, DeploymentRequest(images=2))
    fine = order(trained, {"max_jobs": 5}, name="ibm_nairobi")
    deploy(trained.path, fine, DeploymentRequest(images=2))
    assert record(trained, "ibm_nairobi")["finished"]


def test_no_token_is_ever_written(
    trained: RunDirectory,
    small_cloud: Cloud,
    own_data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = order(trained, {"max_jobs": 9}, name="ibm_nairobi")
    deploy(trained.path, config, DeploymentRequest(images=2, fresh=True))
    told = capsys.readouterr()
    assert TOKEN not in told.out + told.err
    files = [p for folder in (trained.path, own_data) for p in folder.rglob("*") if p.is_file()]
    assert any(path.name == "ledger.sqlite" for path in files)
    for path in files:
        assert TOKEN.encode() not in path.read_bytes(), path


def test_resume_belongs_to_devices(trained: RunDirectory) -> None:
    simulated = {**NOTHING, "name": "aer"}
    with pytest.raises(ConfigError, match="apply to devices"):
        deployment_settings(trained.path, simulated, {}, resume=True, fresh=False)
    merged = merge(NOTHING, {"name": "fake_nairobi"})
    with pytest.raises(ConfigError, match="one of them"):
        deployment_settings(trained.path, {**NOTHING, **merged}, {}, resume=True, fresh=True)


def test_a_simulated_run_holds_actions_too(trained: RunDirectory) -> None:
    config = deployment_settings(
        trained.path, {**NOTHING, "name": "aer"}, {}, resume=False, fresh=False
    )
    deploy(trained.path, config, DeploymentRequest(images=2, query_every=2))
    metrics = json.loads(
        (trained.path / "samples/aer/seed0-images2-every2/metrics.json").read_text()
    )
    assert metrics["cost"]["forward"]["circuits"] == 2 * 2


def test_a_second_process_is_kept_out_even_with_fresh(trained: RunDirectory) -> None:
    with (
        sole_use(trained.path / "samples" / "fake_nairobi"),
        pytest.raises(BusyError, match="fake_nairobi"),
    ):
        deploy(trained.path, order(trained), DeploymentRequest(images=2, fresh=True))


def test_a_device_recalibrated_in_the_middle_is_resumed(
    trained: RunDirectory, small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_cloud.plan = "pay-as-you-go"
    config = order(trained, {"max_jobs": 20}, name="ibm_nairobi", mitigation="affine")
    with monkeypatch.context() as patch:
        stop_before(patch, 4, KeyboardInterrupt)
        with pytest.raises(InterruptedWorkError):
            deploy(trained.path, config, DeploymentRequest(images=2, fresh=True))
    small_cloud.recalibrate("ibm_nairobi", 1.01, "2026-11-20T08:00:00+00:00")
    deploy(trained.path, config, DeploymentRequest(images=2, resume=True))
    sent = units(trained, "ibm_nairobi")
    assert sent[:3] == ["calibration/0", "images/0", "images/1"]
    assert [unit for unit in sent if unit.startswith("images")] == [f"images/{k}" for k in range(4)]
    # The fit of before, and one probe after the first job under the new calibration.
    assert sent.count("calibration/0") == 1
    assert sum(unit.startswith("calibration") for unit in sent) == 2


def test_the_command_that_goes_on_holds_every_setting(
    trained: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware = {"max_jobs": 9, "price": 2.5, "readout_errors": "measured"}
    with monkeypatch.context() as patch:
        stop_before(patch, 2, KeyboardInterrupt)
        with pytest.raises(InterruptedWorkError) as raised:
            deploy(trained.path, order(trained, hardware), DeploymentRequest(images=2, fresh=True))
    for option in ("--max-jobs 9", "--price 2.5", "--readout-errors measured", "--shots 64"):
        assert option in raised.value.hint
    with pytest.raises(ConfigError, match="readout_errors = published instead of measured"):
        deploy(
            trained.path, order(trained, {"max_jobs": 9}), DeploymentRequest(images=2, resume=True)
        )
    with pytest.raises(BudgetReachedError) as stopped:
        deploy(
            trained.path,
            order(trained, {**hardware, "max_jobs": 2}),
            DeploymentRequest(images=2, resume=True),
        )
    assert stopped.value.hint.count("--max-jobs") == 1


def test_limits_are_not_handed_on_from_a_run_to_its_deployment() -> None:
    values = merge(SIMULATED, {"backend": {"name": "fake_nairobi"}, "hardware": {"max_jobs": 5}})
    config = parse_config({**values, "hardware": {"max_jobs": 5, "price": 2.0}})
    deployed = settings_on_backend(config, {**NOTHING, "name": "ibm_fez"}, {})
    assert deployed.hardware.max_jobs is None
    assert deployed.hardware.price == 2.0
    with pytest.raises(ConfigError, match="no limit was given"):
        spending_limits(deployed.backend, deployed.hardware)


def test_a_session_is_closed_even_if_the_bill_cannot_be_written(
    trained: RunDirectory, paid_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("qhw.devices.session.report_spending", full)
    config = order(trained, {"max_jobs": 9, "mode": "session"}, name="ibm_nairobi")
    with pytest.raises(OSError, match="no space"):
        deploy(trained.path, config, DeploymentRequest(images=2, fresh=True))
    assert paid_cloud.sessions
    assert not paid_cloud.open_sessions


def test_a_session_that_cannot_be_closed_is_no_success(
    trained: RunDirectory,
    paid_cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = order(trained, {"max_jobs": 9, "mode": "session"}, name="ibm_nairobi")
    fault = paid_cloud.inject(Fault("PATCH", "/sessions/[^/]+", times=-1, status=400))
    with pytest.raises(HardwareError, match="could not be closed") as raised:
        deploy(trained.path, config, DeploymentRequest(images=2, fresh=True))
    assert raised.value.exit_code == 2
    run = record(trained, "ibm_nairobi")["id"]
    assert f"`qhw jobs cancel --run {run}`" in raised.value.hint
    assert "QPU time" in capsys.readouterr().out, "the bill is told all the same"
    assert paid_cloud.open_sessions
    fault.times = 0
    jobs = len(paid_cloud.jobs)
    deploy(trained.path, config, DeploymentRequest(images=2, resume=True))
    assert len(paid_cloud.jobs) == jobs


def test_a_session_that_cannot_be_closed_hides_no_other_error(
    trained: RunDirectory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    close = PaidWork.close

    def refuse(work: PaidWork) -> None:
        close(work)
        raise HardwareError("closing failed", "Later.")

    monkeypatch.setattr(PaidWork, "close", refuse)
    with pytest.raises(BudgetReachedError):
        deploy(
            trained.path, order(trained, {"max_jobs": 1}), DeploymentRequest(images=2, fresh=True)
        )
    assert "closing failed" in capsys.readouterr().out
