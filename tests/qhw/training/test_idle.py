"""Settings that do nothing are refused before there is a folder; what is left out is said."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from diffusion.embedded import EMBEDDED
from qhw.cli.app import main
from qhw.commands.train import describe
from qhw.config import PRESETS, merge, parse_config
from qhw.errors import ConfigError
from qhw.training.idle import refuse_idle, remarks
from qhw.training.player import Player
from qhw.training.trainer import Trainer

SMALL: dict[str, Any] = {"backend": {"name": "aer"}, "environment": {"steps": 3}}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            '[environment.reward]\nlambda_act_mode = "step"',
            "environment.reward.lambda_act_mode = 'step' does nothing: lambda_act is 0, as the "
            "card of the bundle 'fashion-mnist' says.",
        ),
        (
            '[environment.reward]\nlambda_guidance = 0\nguidance_price = "abs"',
            "guidance_price = 'abs' does nothing: lambda_guidance is 0, as you set it.",
        ),
        (
            '[environment.reward]\npreset = "paper"\nguidance_center = 2.0',
            "guidance_center = 2.0 does nothing: lambda_guidance is 0, as in the preset 'paper'.",
        ),
        (
            '[environment.reward]\nbeta = 0\nstep_gain = "lpips"',
            "step_gain = 'lpips' does nothing: beta is 0, as you set it.",
        ),
        (
            "[environment.reward]\nalpha = 0\nlog_cap = 0.5",
            "log_cap = 0.5 does nothing: alpha is 0, as you set it.",
        ),
        (
            '[environment.reward]\nlambda_tv_mode = "step"',
            "lambda_tv_mode = 'step' does nothing: lambda_tv is 0",
        ),
        ("[environment.reward]\nguidance_center = inf", "guidance_center = inf: must be finite"),
        ("[ppo]\nclip = 1.5", "ppo.clip = 1.5: must be above 0, below 1"),
        (
            "[ppo]\nenvironments = 5\nminibatches = 51",
            "ppo.minibatches = 51: a rollout of 5 episodes x 10 steps has 50 transitions; take at "
            "most as many, or more --environments",
        ),
    ],
)
def test_what_would_do_nothing_is_refused_before_there_is_a_folder(
    settings: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "settings.toml").write_text(settings)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["qhw", "train", "--config", "settings.toml"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 2
    assert said in printed
    assert [path.name for path in tmp_path.iterdir()] == ["settings.toml"]


def test_the_error_says_what_to_type() -> None:
    settings = {"environment": {"reward": {"beta": 0.0, "step_gain": "ssim"}}}
    with pytest.raises(ConfigError) as caught:
        refuse_idle(parse_config(settings))
    assert caught.value.hint == (
        "Remove step_gain from [environment.reward], or set beta above 0 there."
    )


@pytest.mark.parametrize(
    "reward",
    [
        {},
        {"preset": "paper", "lambda_act_mode": "mean"},
        {"lambda_guidance": 0.0},
        {"lambda_act": 0.1, "lambda_act_mode": "step"},
        {"lambda_tv": 0.1, "lambda_tv_mode": "step"},
        {"guidance_price": "abs", "guidance_center": 2.0, "log_cap": 1.0},
        {"beta": 0.2, "step_gain": "ssim"},
    ],
)
def test_what_does_something_is_taken(reward: dict[str, Any]) -> None:
    refuse_idle(parse_config({"environment": {"reward": reward}}))


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_is_refused(name: str) -> None:
    refuse_idle(parse_config(PRESETS[name]))


def test_what_an_earlier_run_was_given_is_taken_over(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.toml").write_text('[environment.reward]\nlambda_act_mode = "mean"')
    reward = {"lambda_act_mode": "mean"}
    values = {"environment": {"reward": reward}, "start_from": str(old)}
    refuse_idle(parse_config(values))
    reward["lambda_act_mode"] = "step"
    with pytest.raises(ConfigError, match="does nothing"):
        refuse_idle(parse_config(values))


def test_the_default_run_has_nothing_to_remark() -> None:
    assert remarks(Player(parse_config(SMALL))) == []


@pytest.mark.parametrize(
    ("qubits", "unseen"),
    [
        (4, "does not see the previous action and p, the proxy's confidence."),
        (5, "does not see p, the proxy's confidence."),
        (6, None),
    ],
)
def test_the_papers_encoding_says_what_it_does_not_see(qubits: int, unseen: str | None) -> None:
    circuit = {"encoding": "paper", "qubits": qubits}
    lines = remarks(Player(parse_config(merge(SMALL, {"actor": {"circuit": circuit}}))))
    if unseen is None:
        assert lines == []
    else:
        (line,) = lines
        assert line.startswith(f"--encoding paper on {qubits} qubits") and unseen in line


def test_the_papers_base_says_what_it_never_reaches() -> None:
    values = merge(PRESETS["paper"], {"backend": {"name": "aer"}})
    (line,) = remarks(Player(parse_config(values)))
    assert "CFG_0 = 5 with actions in [-2, 2] reaches guidance 3 to 7: never 1.74," in line


def test_a_price_on_realism_says_which_eye_is_no_longer_held_out() -> None:
    (line,) = remarks(Player(parse_config(merge(SMALL, PRESETS["realism"]))))
    assert "AlexNet is no held-out eye here" in line


def test_realism_needs_a_discriminator_and_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(EMBEDDED["fashion-mnist"], own, ignore=shutil.ignore_patterns("discriminator*"))
    bundle = {"environment": {"bundle": str(own)}}
    Player(parse_config(merge(SMALL, bundle)))
    with pytest.raises(ConfigError, match=r"realism is 0.2, but .* has no discriminator") as told:
        Player(parse_config(merge(PRESETS["realism"], merge(SMALL, bundle))))
    assert f"qhw remeasure --only discriminator --data DIR --bundle {own}" in told.value.hint


def test_exact_gradients_beside_drawn_actions_are_labelled_and_recorded() -> None:
    values = merge(SMALL, {"gradient": {"rule": "adjoint"}})
    assert remarks(Player(parse_config(values))) == []
    trainer = Trainer(parse_config(merge(values, {"backend": {"shots": 64}})))
    (line,) = remarks(trainer.player)
    assert "--gradient adjoint is exact: of the 64 shots only actions are drawn." in line
    assert describe(trainer)["remarks"] == [line]
