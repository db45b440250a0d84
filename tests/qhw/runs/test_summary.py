from __future__ import annotations

from pathlib import Path
from typing import Any

from qhw.config import parse_config
from qhw.runs.directory import RunDirectory, create_run

GAIN = {"estimate": 0.0605, "low": 0.0494, "high": 0.0721}
RETURN = {"estimate": -0.2087, "low": -0.23, "high": -0.19}


def arm(name: str) -> dict[str, Any]:
    return {"name": name, "mean_return": RETURN, "gain": GAIN, "mean_guidance": 1.3249}


def made(root: Path) -> RunDirectory:
    settings = {"seed": 3, "backend": {"name": "aer"}, "ppo": {"updates": 2}}
    return create_run(root, parse_config(settings), "a<b")


def test_a_run_that_was_not_evaluated_says_how_it_stands(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.append_metrics({"update": 1})
    assert run._repr_html_() == (
        "<p>a&lt;b: ring on aer, seed 3; stopped, 1 of 2 updates</p><p>Not evaluated yet.</p>"
    )


def test_a_backend_of_ones_own_is_named_though_the_settings_do_not_know_it(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.write_provenance({"backend": {"backend": "own: Ours"}})
    assert "ring on own: Ours, seed 3" in run._repr_html_()


def test_an_evaluated_run_shows_every_arm(tmp_path: Path) -> None:
    run = made(tmp_path)
    for update in (1, 2):
        run.append_metrics({"update": update})
    rows = [arm("policy"), arm("rule 1.15 + 3.48(1-p) [<x>]")]
    run.keep_evaluation({"latents": 20, "updates": 2, "rows": rows})
    shown = run._repr_html_()
    assert "finished, 2 of 2 updates" in shown
    assert "Paired over the same 20 latents" in shown
    assert "-0.209 [-0.230, -0.190]" in shown and "+0.060 [+0.049, +0.072]" in shown
    assert ">rule 1.15 + 3.48(1-p) [&lt;x&gt;]</td>" in shown
    assert shown.count("1.32") == 2


def test_a_run_that_cannot_be_read_says_why_instead(tmp_path: Path) -> None:
    run = made(tmp_path)
    (run.path / "config.toml").write_text("seed = 'many'")
    shown = run._repr_html_()
    assert "<p>a&lt;b: " in shown and "seed" in shown and "<table>" not in shown
