from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from qhw.commands.runs import ListedRun
from qhw.commands.sweep import _told, sweep
from qhw.commands.sweep_summary import summary
from qhw.config import RunConfig, merge, parse_config
from qhw.console.output import Output, speak
from qhw.errors import ConfigError, SweepError
from qhw.runs.directory import create_run, open_run
from qhw.runs.status import Status, status_of

TINY: dict[str, Any] = {
    "actor": {"kind": "mlp_matched"},
    "ppo": {"updates": 1, "environments": 4},
    "evaluation": {"latents": 20},
    "environment": {"steps": 2},
}


def tiny(**more: Any) -> RunConfig:
    return parse_config(merge(TINY, more))


@pytest.mark.slow  # three trainings, each in a process of its own
def test_runs_are_trained_beside_each_other_and_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configs = {f"s-seed{seed}": tiny(seed=seed) for seed in (0, 1)}
    speak(Output(as_json=True, quiet=True))
    sweep(configs, tmp_path, workers=2)
    first = json.loads(capsys.readouterr().out)
    assert [run["status"] for run in first["runs"]] == ["finished", "finished"]
    assert [row["seeds"] for row in first["settings"]] == [2]
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("s-*/metrics.jsonl")}
    assert len(written) == 2

    configs["s-seed2"] = tiny(seed=2)
    sweep(configs, tmp_path, workers=1)
    second = json.loads(capsys.readouterr().out)
    speak(Output())
    assert second["runs"][:2] == first["runs"], "what is finished is left alone"
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert second["settings"][0]["seeds"] == 3


@pytest.mark.slow  # a training in a process of its own
def test_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    configs = {"bad": tiny(seed=1), "good": tiny(seed=0)}
    bad = create_run(tmp_path, configs["bad"], "bad")
    (bad.path / "metrics.jsonl").mkdir()
    with pytest.raises(SweepError, match="1 of 2 runs failed: bad") as caught:
        sweep(configs, tmp_path, workers=1)
    assert "bad/log.txt" in caught.value.hint
    assert (bad.path / "log.txt").stat().st_size > 0
    assert status_of(open_run(tmp_path / "good")) is Status.FINISHED


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("../out", tiny(), "cannot be the name of a run"),
        ("x" * 300, tiny(), "too long"),
        ("device", parse_config({"backend": {"name": "fake_fez"}}), "several runs at once"),
        ("there", tiny(seed=4), "already a run 'there' with other settings"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_a_folder_is_made(
    tmp_path: Path, name: str, config: RunConfig, said: str
) -> None:
    create_run(tmp_path, tiny(seed=3), "there")
    with pytest.raises(ConfigError, match=said):
        sweep({"fine": tiny(), name: config}, tmp_path, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_the_bar_names_few_of_many_runs() -> None:
    assert _told(3, 3, 1, {}) == "sweep: 3 of 3 runs, 1 failed"
    parts = {f"s{seed}": seed / 10 for seed in range(5)}
    assert _told(1, 6, 0, parts) == "sweep: 1 of 6 runs, 0 failed, s0 0 %, s1 10 %, 3 more"


def listed(seed: int, gain: float | None, rate: float) -> ListedRun:
    config = parse_config({"seed": seed, "ppo": {"actor_rate": rate}})
    interval = None if gain is None else {"estimate": gain, "low": gain, "high": gain}
    return ListedRun(f"r{seed}", Status.FINISHED, 60, config, interval, 500)


def test_gains_are_summed_up_over_seeds_the_best_settings_first() -> None:
    gains = [0.01, 0.03, 0.02]
    runs = [listed(seed, gain, 1e-3) for seed, gain in enumerate(gains)]
    runs += [listed(0, 0.05, 2e-3), listed(1, None, 2e-3)]
    best, other = summary(runs)
    assert (best["settings"], best["seeds"]) == ({"ppo.actor_rate": "0.002"}, 1)
    assert (best["gain"], best["low"]) == (0.05, None)
    half = stats.t.ppf(0.975, 2) * np.std(gains, ddof=1) / np.sqrt(3)
    assert (other["gain"], other["seeds"]) == (pytest.approx(0.02), 3)
    assert (other["low"], other["high"]) == (pytest.approx(0.02 - half), pytest.approx(0.02 + half))
