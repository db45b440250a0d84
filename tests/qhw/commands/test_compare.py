"""`qhw compare`: what differs, what came out, what is refused."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from diffusion.comparison import Interval, ScoredArm, resample_counts
from qhw.cli.app import app
from qhw.commands.compare import (
    Comparison,
    ComparisonRequest,
    compare_runs,
    print_runs,
)
from qhw.commands.train import describe
from qhw.config import parse_config
from qhw.errors import ConfigError, QhwError, UnknownNameError
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Outcome, Score
from qhw.evaluation.pairs import AtEqualLogP, Metric, alikeness, metrics
from qhw.runs.differences import Difference
from qhw.runs.directory import RunDirectory, create_run
from qhw.training.parts import open_bundle
from qhw.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "aer"},
    "environment": {"steps": 3},
    "ppo": {"updates": 1, "environments": 4, "epochs": 1, "minibatches": 2},
    "evaluation": {"latents": 20, "bootstrap": 100},
}
WIDE = Interval(-10.123, -11.123, -12.123)
LATENTS = 40


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("XDG_DATA_HOME", str(root / "data"))
        yield


def begun(root: Path, name: str, **changes: Any) -> RunDirectory:
    """A run with a checkpoint, whose policy is far from its beginning."""
    config = parse_config({**SMALL, **changes})
    run = create_run(root, config, name)
    trainer = Trainer(config)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(config.seed)
        for parameter in trainer.actor.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    run.begin(trainer.checkpoint(), describe(trainer))
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    begun(root, "first")
    begun(root, "second", seed=7, actor={"circuit": {"qubits": 3, "depth": 2}})
    return root


def told(root: Path, first: str, second: str, tmp_path: Path, **request: Any) -> dict[str, Any]:
    compared = compare_runs(
        root / first,
        root / second,
        ComparisonRequest(latents=20, folder=tmp_path / "out", **request),
    )
    record: dict[str, Any] = json.loads((compared.folder / "compare.json").read_text())
    return record


@pytest.mark.slow  # two runs are played against all baselines
def test_two_runs_are_played_on_the_same_latents(runs: Path, tmp_path: Path) -> None:
    record = told(runs, "first", "second", tmp_path)
    assert record["settings"] == [
        {"setting": "seed", "first": "0", "second": "7"},
        {"setting": "actor.circuit.depth", "first": "1", "second": "2"},
    ]
    names = [metric["name"] for metric in record["metrics"]]
    assert names[:2] == ["return", "mean guidance"]
    assert {"judge 1 accuracy", "judge 2 log p", "proxy Frechet"} <= set(names)
    for metric in record["metrics"]:
        interval = metric["difference"]
        assert interval["estimate"] == pytest.approx(metric["second"] - metric["first"])
        assert interval["low"] <= interval["high"]
    assert record["metrics"][1]["first"] != record["metrics"][1]["second"]
    for row in record["at_equal_log_p"]:
        gain = row["second"]["estimate"] - row["first"]["estimate"]
        assert row["difference"]["estimate"] == pytest.approx(gain)
    assert (record["A"]["run"], record["B"]["run"]) == ("first", "second")
    assert set(record["alike"]) >= {"SSIM", "LPIPS"}
    with Image.open(tmp_path / "out" / "pictures.png") as picture:
        assert min(picture.size) > 400


def test_the_other_way_round_every_sign_is_turned(runs: Path, tmp_path: Path) -> None:
    forth = told(runs, "first", "second", tmp_path / "f")
    back = told(runs, "second", "first", tmp_path / "b")
    pairs = [(forth[part], back[part]) for part in ("metrics", "at_equal_log_p")]
    for one, other in (pair for both in pairs for pair in zip(*both, strict=True)):
        assert one["difference"]["estimate"] == pytest.approx(-other["difference"]["estimate"])
        assert one["difference"]["low"] == pytest.approx(-other["difference"]["high"], abs=1e-9)


def test_a_copy_of_a_run_differs_in_nothing(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "first", tmp_path / "copy")
    record = told(Path("/"), str(runs / "first"), str(tmp_path / "copy"), tmp_path)
    assert record["settings"] == []
    for metric in record["metrics"]:
        assert set(metric["difference"].values()) == {0.0}
    assert "PSNR (dB)" not in record["alike"], "it is infinite for equal pictures"


def test_a_backend_is_laid_over_both(runs: Path, tmp_path: Path) -> None:
    backend = {"name": "aer_noisy", "device": "fake_nairobi", "noise_scale": 4.0}
    record = told(runs, "first", "second", tmp_path, backend=backend)
    for letter in "AB":
        assert record[letter]["backend"]["backend"] == "aer_noisy"
        assert record[letter]["backend"]["noise scale"] == 4.0
    assert all(not each["setting"].startswith("backend") for each in record["settings"])


def test_the_default_folder_lies_in_the_first_run(runs: Path) -> None:
    compared = compare_runs(runs / "first", runs / "second", ComparisonRequest(latents=20))
    assert compared.folder == (runs / "first" / "compare-second").resolve()
    record = json.loads((compared.folder / "compare.json").read_text())
    shown = compared._repr_html_()
    assert "<p>A: first, seed 0, 0 updates, played on aer" in shown
    assert ">actor.circuit.depth</td>" in shown
    for metric in record["metrics"]:
        assert f">{metric['name']}</td>" in shown and f">{metric['second']:.3f}</td>" in shown
    assert shown.count("<table>") == 3 and "<summary>How to read it</summary>" in shown


def test_another_reward_leaves_returns_out(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"steps": 3, "reward": {"lambda_guidance": 0.5}}
    begun(tmp_path, "priced", environment=environment)
    shutil.copytree(runs / "first", tmp_path / "first")
    record = told(tmp_path, "first", "priced", tmp_path)
    assert not record["returns_compared"]
    assert "return" not in [metric["name"] for metric in record["metrics"]]
    assert "rewarded differently" in capsys.readouterr().out


def test_a_classical_actor_has_no_backend(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "first", tmp_path / "first")
    classical = {k: v for k, v in SMALL.items() if k not in ("actor", "backend")}
    run = create_run(tmp_path, parse_config({**classical, "actor": {"kind": "mlp"}}), "mlp")
    trainer = Trainer(run.config)
    run.begin(trainer.checkpoint(), describe(trainer))
    record = told(tmp_path, "first", "mlp", tmp_path, backend={"name": "aer"})
    assert record["B"]["backend"] == "none (classical actor)"
    assert {"setting": "actor.kind", "first": "ring", "second": "mlp"} in record["settings"]


def test_other_steps_are_refused(runs: Path, tmp_path: Path) -> None:
    begun(tmp_path, "longer", environment={"steps": 4})
    with pytest.raises(ConfigError, match=r"first takes 3 denoising steps, longer 4"):
        compare_runs(runs / "first", tmp_path / "longer", ComparisonRequest())


def test_another_model_is_refused(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = open_bundle("fashion-mnist")
    other = replace(bundle, card=replace(bundle.card, name="another"))
    bundles = {"fashion-mnist": bundle, "another": other}
    monkeypatch.setattr("qhw.training.parts.open_bundle", bundles.__getitem__)
    begun(tmp_path, "other", environment={"steps": 3, "bundle": "another"})
    with pytest.raises(ConfigError, match=r"different models: fashion-mnist .* and another"):
        compare_runs(runs / "first", tmp_path / "other", ComparisonRequest())


def test_a_device_is_not_asked(runs: Path, tmp_path: Path) -> None:
    device = parse_config({**SMALL, "backend": {"name": "fake_nairobi", "shots": 64}})
    run = create_run(tmp_path, device, "device")
    with pytest.raises(ConfigError, match="every step is a job"):
        compare_runs(runs / "first", run.path, ComparisonRequest())


def test_a_run_beside_itself_and_unknown_names_are_refused(runs: Path) -> None:
    with pytest.raises(ConfigError, match="Both runs are first"):
        compare_runs(runs / "first", runs / "first", ComparisonRequest())
    with pytest.raises(UnknownNameError, match="second"):
        compare_runs(runs / "first", runs / "secnd", ComparisonRequest())
    with pytest.raises(QhwError, match="aer_nosy"):
        request = ComparisonRequest(backend={"name": "aer_nosy"})
        compare_runs(runs / "first", runs / "second", request)


def test_a_known_effect_is_found_and_none_is_not_invented() -> None:
    rng = np.random.default_rng(5)
    first = outcome(rng, 0.0)
    shifted = replace(first, returns=first.returns + 0.5 + 0.1 * rng.normal(size=LATENTS))
    counts = resample_counts(LATENTS, 500, seed=0)
    found = {m.name: m.difference for m in metrics(first, shifted, counts, returns=True)}
    assert 0.4 < found["return"].low < found["return"].high < 0.6
    assert found["mean guidance"] == Interval(0.0, 0.0, 0.0)


def test_equal_pictures_have_no_psnr() -> None:
    pictures = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    alike = alikeness(pictures, pictures, 100)
    assert set(alike) == {"SSIM", "LPIPS"}
    assert alike["SSIM"].low == pytest.approx(1)


def test_nothing_is_cut_at_80_columns() -> None:
    facts = {
        "run": "20261124-230118-ring-seed0", "seed": 0, "updates": 60,
        "backend": {"backend": "aer_noisy", "device": "fake_brisbane", "noise scale": 1.0},
    }  # fmt: skip
    long = "a-word-that-goes-on-" * 4
    comparison = Comparison(
        latents=2000,
        settings=[Difference("environment.reward.lambda_guidance", long, "default")],
        metrics=[Metric("judge 1 accuracy", -10.123, -10.123, WIDE)],
        at_equal_log_p=[AtEqualLogP("AlexNet", WIDE, WIDE, WIDE, 1.0, 99.0)],
        alike={"PSNR (dB)": {"estimate": 12.3456, "low": 11.3, "high": 13.3}},
        returns_compared=False,
    )
    file = io.StringIO()
    print_runs(Console(file=file, width=80), (facts, facts), comparison)
    text = file.getvalue()
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
    for part in (
        "two policies, not the two methods",
        "rewarded differently",
        "AlexNet* -10.1 [-11.1, -12.1]~ -10.1 [-11.1, -12.1]~ -10.1 [-11.1, -12.1]~",
        "AlexNet: 99.00",
    ):
        assert part in " ".join(text.split())


def test_the_command_takes_two_runs() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["compare", "only-one"]).exit_code == 2
    assert "RUN_A" in runner.invoke(app, ["compare", "--help"]).output


def outcome(rng: np.random.Generator, shift: float) -> Outcome:
    """Results on latents of which nothing is known."""

    def score() -> Score:
        correct = (rng.random(LATENTS) < 0.9).astype(float)
        log_probability, effect = rng.normal(size=(2, LATENTS))
        arm = ScoredArm(correct, log_probability, float(rng.random()), effect)
        return Score(arm, 1.0, 0.1)

    returns, guidance = rng.normal(size=(2, LATENTS))
    return Outcome(returns + shift, guidance, {eye: score() for eye in ALL_EYES})
