"""What 0.1.0 wrote is still read, and the same seed still gives the same numbers.

`tests/fixtures/written_by_0_1_0` says how its files were made.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from policy import RingCircuit
from qhw.backends.opening import open_backend
from qhw.cli.app import app
from qhw.evaluation.arms import Arms
from qhw.jobs.ledger import Ledger
from qhw.runs.directory import RunDirectory

WRITTEN = Path(__file__).resolve().parents[1] / "fixtures" / "written_by_0_1_0"
RECORDED = json.loads((WRITTEN / "recorded.json").read_text(encoding="utf-8"))
SAME_PROCESSOR = torch.backends.cpu.get_cpu_capability() == RECORDED["processor"]

Qhw = Callable[..., str]


@pytest.fixture
def qhw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Qhw:
    """A command line in a folder with the older files; it returns what is printed."""
    with tarfile.open(WRITTEN / "files.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    for name in ("data", "cache"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words: str) -> str:
        app(list(words), standalone_mode=False)
        return capsys.readouterr().out

    return call


def run_named(name: str) -> RunDirectory:
    return RunDirectory(Path("runs") / name)


def job_ids() -> list[str]:
    with Ledger.of_user() as ledger:
        return [entry.job_id for entry in ledger.entries()]


def kept(folder: str, pattern: str) -> dict[str, bytes]:
    paths = (path for path in Path("cache", "qhw", folder).rglob(pattern) if path.is_file())
    return {path.name: path.read_bytes() for path in paths}


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if k != "seconds"}
    return [without_seconds(inner) for inner in value] if isinstance(value, list) else value


NOT_OF_0_1_0 = {"advice", "guidance_by_step"}
"""0.1.0 said more than the numbers told, and did not record guidance by step."""


def measured(record: dict[str, Any]) -> dict[str, Any]:
    """What both versions measured."""
    return {k: v for k, v in record.items() if k not in NOT_OF_0_1_0}


def assert_recorded(value: Any, recorded: Any, place: str = "", rounding: float = 1e-4) -> None:
    """Equal bit for bit where the processor is the recorded one, else to float32's rounding."""
    if isinstance(recorded, dict):
        assert value.keys() == recorded.keys(), place
        for key, inner in recorded.items():
            assert_recorded(value[key], inner, f"{place}.{key}", rounding)
    elif isinstance(recorded, list):
        assert len(value) == len(recorded), place
        for index, inner in enumerate(recorded):
            assert_recorded(value[index], inner, f"{place}[{index}]", rounding)
    elif isinstance(recorded, float) and not SAME_PROCESSOR:
        assert value == pytest.approx(recorded, rel=rounding, abs=rounding / 100), place
    else:
        assert value == recorded, place


def assert_same_arms(record: Any, recorded: Any, rounding: float = 1e-4) -> None:
    """The arms that nothing is chosen for came to the same.

    0.1.0 took the best constant in hindsight and another setting's rule; both are chosen now, for
    the setting and on latents of their own, and gains are over that constant.
    """
    for arm in ("policy", "base", "open_loop", "shuffled"):
        tables = record, {"rows": recorded["rows"]}
        row, other = (getattr(Arms.read(table), arm) for table in tables)
        for number in ("mean_return", "mean_guidance", "diversity"):
            assert_recorded(row[number], other[number], f"{arm}.{number}", rounding)
        for eye, view in other["views"].items():
            for number in ("accuracy", "log_probability", "frechet"):
                place = f"{arm}.{eye}.{number}"
                assert_recorded(row["views"][eye][number], view[number], place, rounding)


def checkpoint_digest(run: RunDirectory) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(run.latest_checkpoint().tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def assert_ends_as_recorded(run: RunDirectory, name: str, rounding: float = 1e-4) -> None:
    recorded = RECORDED[name]
    told, metrics = without_seconds(run.metrics()), recorded["metrics"]
    assert_recorded([measured(one) for one in told], [measured(one) for one in metrics])
    assert_same_arms(run.read_json("evaluation.json"), recorded, rounding)
    if SAME_PROCESSOR:
        assert checkpoint_digest(run) == recorded["checkpoint"]


def test_the_lists_show_older_runs_jobs_and_caches(qhw: Qhw) -> None:
    runs = " ".join(qhw("runs").split())
    assert "device finished 1/1 -0.475 [-0.838, -0.169]" in runs
    assert "stopped (latest) stopped 0/1 not evaluated" in runs
    jobs = " ".join(qhw("jobs", "list").split())
    assert jobs.count("done") == len(job_ids()) == 10
    assert "calibration/0/0/0 done 47.9 local-" in jobs
    caches = qhw("cache", "ls")
    assert "fake_nairobi: 3 qubits, depth 1, dense, ring" in caches
    assert "circuits: 1, folded: 1, verdicts: 0, baselines: 11" in caches


def test_an_older_run_keeps_its_settings_and_its_checkpoint(qhw: Qhw) -> None:
    config = run_named("device").config
    assert (config.seed, config.actor.circuit.qubits, config.environment.steps) == (5, 3, 2)
    assert (config.backend.name, config.backend.shots) == ("fake_nairobi", 64)
    assert run_named("stopped").config.hardware.max_jobs == 2
    assert run_named("device").latest_checkpoint().update == 1


@pytest.mark.slow  # an evaluation on a device
def test_resuming_an_older_finished_training_pays_nothing_and_says_the_same(qhw: Qhw) -> None:
    run, before, baselines = run_named("device"), job_ids(), kept("baselines", "*")
    metrics, digest = run.metrics(), checkpoint_digest(run)
    evaluated = run.read_json("evaluation.json")
    (run.path / "evaluation.json").unlink()
    qhw("train", "--resume", "runs/device")
    assert job_ids() == before
    assert kept("baselines", "*").items() >= baselines.items()
    assert (run.metrics(), checkpoint_digest(run)) == (metrics, digest)
    assert_same_arms(run.read_json("evaluation.json"), evaluated)


def test_an_older_deployment_is_played_again_from_the_ledger(qhw: Qhw) -> None:
    pytest.importorskip(
        "mitiq", reason="Mitiq folded it: the same gates in another order are refused"
    )
    before, folded = job_ids(), kept("folded", "*")
    path = "samples/fake_nairobi/metrics.json"
    arms = run_named("device").read_json(path)["arms"]
    words = "--backend fake_nairobi --images 2 --shots 64 --mitigation zne --resume"
    qhw("run", "runs/device", *words.split())
    assert job_ids() == before
    assert kept("folded", "*") == folded
    assert_recorded(run_named("device").read_json(path)["arms"], arms)


@pytest.mark.slow  # a training on a device
def test_an_older_training_goes_on_in_the_middle_of_its_update(qhw: Qhw) -> None:
    before = job_ids()
    qhw("train", "--resume", "runs/stopped", "--max-jobs", "100")
    bought = job_ids()[len(before) :]
    assert job_ids()[: len(before)] == before
    assert len(bought) == 3  # a gradient, and an evaluation of two steps
    (record,), (recorded,) = run_named("stopped").metrics(), RECORDED["stopped"]["metrics"]
    assert record.keys() - {"seconds"} == recorded.keys() | {"guidance_by_step"}
    # What came out of the ledger. The gradient is measured now, where waiting qubits decay.
    for name in ("mean_return", "mean_abs_action", "action_variance", "entropy"):
        assert_recorded(record[name], recorded[name], name)
    assert record["circuit_gradient_norm"] > 0
    assert record["cost"]["weights"]["circuits"] == recorded["cost"]["weights"]["circuits"]


@pytest.mark.slow  # a command on a device
def test_an_older_affine_map_is_of_qubits_that_do_not_decay_and_is_fitted_anew(qhw: Qhw) -> None:
    (affine,) = Path("data/qhw/affine").iterdir()
    content = affine.read_bytes()
    config = str(WRITTEN / "device.toml")
    qhw("train", "--config", config, "--name", "new", "--max-jobs", "100")
    phases = [phase["phase"] for phase in run_named("new").read_json("cost.json")["phases"]]
    assert "calibration" in phases
    assert run_named("new").read_json("provenance.json")["backend"]["mitigation"] == "affine"
    assert len([*affine.parent.iterdir()]) == 2
    assert affine.read_bytes() == content


def test_an_older_transpiled_circuit_is_found_under_its_key(qhw: Qhw) -> None:
    circuits = kept("transpiled", "*.qpy")
    backend = open_backend("aer_noisy", RingCircuit(3, 1), device="fake_nairobi")
    assert backend.circuit == RingCircuit(3, 1)
    assert kept("transpiled", "*.qpy") == circuits
    (facts,) = kept("transpiled", "*.json").values()
    assert json.loads(facts)["hits"] == 3


@pytest.mark.slow  # a training and its evaluation
def test_the_same_seed_gives_the_numbers_of_0_1_0(qhw: Qhw) -> None:
    qhw("train", "--config", str(WRITTEN / "noisy.toml"), "--name", "noisy")
    assert_ends_as_recorded(run_named("noisy"), "noisy")
    qhw("run", "runs/noisy", "--images", "2")
    samples = "samples/aer_noisy-fake_nairobi/seed0-images2"
    arms = run_named("noisy").read_json(f"{samples}/metrics.json")["arms"]
    assert_recorded(arms, RECORDED["noisy"]["arms"])
