"""Outcomes that are known, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffusion.comparison import ScoredArm
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Outcome, Score
from qhw.studies.trained.catalogue import TrainedStudy
from qhw.studies.trained.circuit_facts import CircuitFacts
from qhw.studies.trained.comparing import (
    MARGIN,
    Difference,
    TrainedArm,
    differences,
    record,
    rows_of,
)
from qhw.studies.trained.page import page_of

STUDY = TrainedStudy("made_up", "Is more better?", {"a": {}, "b": {}, "c": {}}, "a")
LATENTS = 400


def outcome(mean: float, seed: int) -> Outcome:
    """Returns about a mean, the same latents for all arms."""
    latent = np.random.default_rng(0).normal(0, 0.2, LATENTS)
    own = np.random.default_rng(seed).normal(0, 0.01, LATENTS)
    arm = ScoredArm(np.ones(LATENTS), -0.1 * np.ones(LATENTS), 2.0 + mean, np.zeros(LATENTS))
    scores = {eye: Score(arm, 1.0, 0.1) for eye in ALL_EYES}
    return Outcome(mean + latent + own - own.mean() - latent.mean(), np.ones(LATENTS), scores)


def arm(*means: float, first: int = 1) -> TrainedArm:
    return TrainedArm({k: outcome(m, first + k) for k, m in enumerate(means)}, 2498, 26)


def p_value(found: Difference) -> float:
    assert found.p_value is not None
    return found.p_value


ARMS = {
    "a": arm(-0.20, -0.21, -0.19, -0.20, -0.205),
    "b": arm(-0.17, -0.18, -0.16, -0.17, -0.175, first=11),
    "c": arm(-0.201, -0.209, -0.190, -0.201, -0.204, first=21),
}


def test_rows_are_means_over_seeds() -> None:
    first = rows_of(ARMS)[0]
    assert (first.arm, first.seeds, first.parameters, first.two_qubit_gates) == ("a", 5, 2498, 26)
    assert first.mean_return == pytest.approx(-0.201)
    assert first.interquartile_mean == pytest.approx((-0.20 - 0.20 - 0.205) / 3)
    assert first.accuracy == {"judge_0": 1.0, "judge_1": 1.0}
    assert first.distance["judge_0"] == pytest.approx(1.799)


def test_a_difference_is_seen_and_equality_is_said() -> None:
    better, same = differences(STUDY, ARMS)
    assert better.value == pytest.approx(0.03)
    assert better.low < 0.03 < better.high
    assert p_value(better) < 0.01
    assert (better.verdict, better.improvement) == ("returns more", 1.0)
    assert same.value == pytest.approx(0.0, abs=1e-3)
    assert p_value(same) > 0.05
    assert same.verdict == f"as good, within {MARGIN:g}"


def test_too_little_is_said_to_be_too_little() -> None:
    few = {"a": arm(-0.2), "b": arm(-0.1, first=9)}
    (one,) = differences(STUDY, few)
    assert (one.seeds, one.needed, one.verdict) == (1, None, "one seed says nothing of the kind")
    assert one.p_value is None and not one.equal
    page = page_of(STUDY, rows_of(few), [one], latents=400, command="", missing=["x-seed1"])
    assert "| - | 1.00 | one seed says nothing" in page
    assert "**Missing**: 1 trainings are not done: x-seed1." in page
    scattered = {"a": arm(-0.25, -0.15, -0.2), "b": arm(-0.15, -0.25, -0.21, first=9)}
    (unseen,) = differences(STUDY, scattered)
    assert unseen.needed is not None and unseen.needed > 100
    assert unseen.verdict == f"not told apart; 0.01 takes {unseen.needed} seeds"


def test_seeds_are_paired_by_their_number_where_one_is_missing() -> None:
    """Seed effects of .2 and an arm that is .02 better in each: only right pairs show it."""
    seeds = dict(enumerate((-0.30, -0.10, -0.25, -0.15, -0.20)))
    reference = TrainedArm({k: outcome(m, 1 + k) for k, m in seeds.items()}, 2498, 26)
    better = {k: outcome(m + 0.02, 11 + k) for k, m in seeds.items() if k != 1}
    (found,) = differences(STUDY, {"a": reference, "b": TrainedArm(better, 2498, 26)})
    assert found.seeds == 4
    assert found.value == pytest.approx(0.02)
    assert p_value(found) < 0.01
    others = TrainedArm({7: outcome(-0.1, 3)}, 2498, 26)
    assert differences(STUDY, {"a": reference, "b": others}) == []


def test_latents_that_hide_a_difference_are_said_to() -> None:
    """Seeds that agree to 1e-4, and latents that differ by .3: more seeds would tell nothing."""
    drawn = 0.3 * np.random.default_rng(4).normal(size=LATENTS)
    alike = {k: outcome(-0.2, 1) for k in range(3)}
    moved = {
        k: replace(one, returns=one.returns + drawn - drawn.mean() + shift)
        for (k, one), shift in zip(alike.items(), (0.0, 1e-4, -1e-4), strict=True)
    }
    (found,) = differences(
        STUDY, {"a": TrainedArm(alike, 1, None), "b": TrainedArm(moved, 1, None)}
    )
    assert found.latents_limit and not found.equal
    assert found.needed is not None and found.needed <= 3
    assert found.verdict == "not told apart; 0.01 takes more latents"


def test_without_the_reference_nothing_is_compared() -> None:
    assert differences(STUDY, {"b": ARMS["b"]}) == []


def test_p_values_are_of_the_family() -> None:
    alone = differences(STUDY, {"a": ARMS["a"], "b": ARMS["b"]})[0]
    among = differences(STUDY, ARMS)[0]
    assert p_value(among) == pytest.approx(2 * p_value(alone))


def test_the_page_says_it_first() -> None:
    rows, found = rows_of(ARMS), differences(STUDY, ARMS)
    page = page_of(STUDY, rows, found, latents=400, command="qhw study made-up")
    head, _, rest = page.partition("Every arm")
    assert head.startswith("# Is more better?\n\n- **b** returns more: +0.03")
    assert "**c** as good, within 0.01" in head
    assert "| a | 5 | 2,498 | 26 | -0.2010 |" in rest
    assert rest.rstrip().endswith("Made by `qhw study made-up`.")
    assert "gradient of a weight" not in page
    known = [replace(row, circuit=CircuitFacts(125.2, 0.0123, None, 0.04)) for row in rows]
    page = page_of(STUDY, known, found, latents=400, command="")
    assert f"| {rows[0].arm} | 125 | 0.04 | 0.0123 | - |" in page
    assert "Nothing to compare a with yet." in page_of(STUDY, rows, [], latents=400, command="")


def test_a_record_is_plain() -> None:
    found = record(rows_of(ARMS), differences(STUDY, ARMS))
    assert found["margin"] == MARGIN
    assert [each["arm"] for each in found["differences"]] == ["b", "c"]
    assert found["differences"][0]["verdict"] == "returns more"
    assert isinstance(Difference(**{k: v for k, v in found["differences"][0].items()
                                    if k != "verdict"}), Difference)  # fmt: skip
