from __future__ import annotations

import pytest

from qhw.errors import ConfigError
from qhw.runs.sweep import axes_of, points, seeds_of


def test_every_combination_is_a_run_and_seeds_change_fastest() -> None:
    axes = axes_of(["ppo.actor_rate=1e-3,2e-3", "gradient.rule=shift"], "0:2")
    labels = [point.label for point in points(axes)]
    assert labels == [
        "actor_rate0.001-gradientshift-seed0",
        "actor_rate0.001-gradientshift-seed1",
        "actor_rate0.002-gradientshift-seed0",
        "actor_rate0.002-gradientshift-seed1",
    ]
    assert points(axes)[3].settings == {
        "ppo": {"actor_rate": 2e-3},
        "gradient": {"rule": "shift"},
        "seed": 1,
    }


def test_together_takes_first_values_with_first_values() -> None:
    axes = axes_of(["ppo.epochs=3,6", "ppo.clip=0.1,0.2"], None)
    settings = [point.settings["ppo"] for point in points(axes, together=True)]
    assert settings == [{"epochs": 3, "clip": 0.1}, {"epochs": 6, "clip": 0.2}]


def test_a_setting_that_is_a_list_takes_one_value_at_a_time() -> None:
    axes = axes_of(["state.features=time,confidence", "state.features=time"], None)
    assert axes == {"state.features": [["time", "confidence"], ["time"]]}
    assert [point.label for point in points(axes)] == ["featurestime+confidence", "featurestime"]


def test_a_label_is_a_part_of_a_folder_s_name() -> None:
    (point,) = points({"environment.bundle": ["models/my bundle"]})
    assert point.label == "modelmodels_my_bundle"


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0:5", [0, 1, 2, 3, 4]), ("3:4", [3]), ("0,3,7", [0, 3, 7]), ("4:6", [4, 5])],
)
def test_seeds_are_a_range_or_a_list(text: str, seeds: list[int]) -> None:
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "5:2", "1:2:3", "0,", "-1", "-1:2", "1.5"])
def test_what_names_no_seeds_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="names no seeds"):
        seeds_of(text)


@pytest.mark.parametrize(
    ("assignments", "seeds", "together", "said"),
    [
        ([], None, False, "nothing to vary"),
        (["ppo.epochs=3,6", "ppo.clip=0.1"], None, True, "ppo.epochs has 2, ppo.clip has 1"),
        (["ppo.epochs=3,3"], None, False, "ppo.epochs=3,3 has a value twice"),
        (["ppo.epochs"], None, False, "gives no value"),
        (["ppo.epochs=3,"], None, False, "a value is missing"),
        (["ppo.epochz=3"], None, False, "did you mean ppo.epochs"),
        (["seed=0,1"], "1:3", False, "has a value twice"),
        (["seed=1"], "10:20000", False, "runs; a sweep has at most 10,000"),
        ([], "0:1000000000000", False, "That is 1,000,000,000,000 runs"),
        (
            [f"ppo.{name}={','.join(map(str, range(1, 99)))}" for name in ("epochs", "minibatches")]
            + [f"environment.steps={','.join(map(str, range(2, 99)))}"],
            None,
            False,
            "That is 931,588 runs",
        ),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_refused(
    assignments: list[str], seeds: str | None, together: bool, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        points(axes_of(assignments, seeds), together=together)
