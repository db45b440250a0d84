from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qhw.cli.app import app


def test_a_fit_is_given_all_that_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    monkeypatch.setattr("qhw.commands.fit.fit_and_report", lambda *a, **k: calls.append((a, k)))
    line = (
        "fit --data d --dataset images --out b --resolution 32 --minutes 2.5 --pictures 640 "
        "--accuracy .7 --latents 30 --precision bf16 --torch-device cpu --references features "
        "--start-from a --mirror --seed 3"
    )
    for typed in (line, "fit --data d"):
        assert CliRunner().invoke(app, typed.split()).exit_code == 0
    assert calls == [
        (
            ("images", Path("d"), Path("b")),
            {
                "resolution": 32,
                "minutes": 2.5,
                "pictures": 640,
                "accuracy": 0.7,
                "latents": 30,
                "precision": "bf16",
                "torch_device": "cpu",
                "references": "features",
                "start_from": "a",
                "mirror": True,
                "seed": 3,
            },
        ),
        (
            ("fashion-mnist", Path("d"), Path("bundle")),
            {
                "resolution": 28,
                "minutes": None,
                "pictures": None,
                "accuracy": 0.88,
                "latents": 1000,
                "precision": "fp32",
                "torch_device": "auto",
                "references": "pictures",
                "start_from": None,
                "mirror": False,
                "seed": 0,
            },
        ),
    ]


@pytest.mark.parametrize(
    "typed", ["fit", "fit --data d --resolution 7", "fit --data d --minutes 0"]
)
def test_a_fit_without_data_or_out_of_range_is_refused(typed: str) -> None:
    assert CliRunner().invoke(app, typed.split()).exit_code == 2


def test_a_bundle_is_measured_again_as_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    monkeypatch.setattr("qhw.commands.fit.measure_again", lambda *a, **k: calls.append((a, k)))
    typed = "remeasure --data d --bundle b --dataset images --latents 200"
    assert CliRunner().invoke(app, typed.split()).exit_code == 0
    assert calls == [(("images", Path("d"), Path("b")), {"latents": 200})]


def test_a_discriminator_is_fitted_alone_as_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr("qhw.commands.fit.fit_discriminator_again", lambda *a: calls.append(a))
    typed = "remeasure --data d --bundle b --only discriminator"
    assert CliRunner().invoke(app, typed.split()).exit_code == 0
    assert calls == [("fashion-mnist", Path("d"), Path("b"))]


def test_the_cache_is_listed_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    listed = CliRunner().invoke(app, ["cache", "ls"])
    assert str(tmp_path) in listed.output
    cleared = CliRunner().invoke(app, ["cache", "clear"])
    assert (cleared.exit_code, "Removed" in cleared.output) == (0, True)
