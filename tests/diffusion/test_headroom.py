from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion.comparison import Interval
from diffusion.headroom import (
    CONSTANT_GRID,
    LOW_GRID,
    Candidate,
    FormResult,
    Play,
    Trial,
    best_constant,
    best_rule,
    choose,
    compare_forms,
    grid,
    table_rows,
)
from diffusion.metrics import FloatArray
from diffusion.rewards import PRICE_FORMS

BEST_RULE = (0.8, 4.4)
"""Of the made-up returns below; it lies between the points of the grid, and lo below 1."""


def result(form: str, gain: float, frechet: float, inside: bool = True) -> FormResult:
    return FormResult(
        form,
        Candidate(3.0),
        Candidate(2.0, 3.0),
        Interval(gain, gain - 0.01, gain + 0.01),
        Interval(frechet, frechet - 1, frechet + 1),
        inside,
    )


def test_the_rule_of_the_model_card() -> None:
    forms = list(PRICE_FORMS)
    results = [result(forms[0], 0.1, 0.5), result(forms[1], 0.05, -1.0), result(forms[2], -0.1, -9)]
    reward, base, chosen = choose(results)
    assert reward is PRICE_FORMS[forms[1]]  # the smallest distance among those that gain
    assert base == 2.5  # half-way between lo = 2 and the constant 3
    assert (chosen.constant, chosen.rule_low, chosen.rule_slope) == (3.0, 2.0, 3.0)


def test_a_constant_at_the_edge_is_refused() -> None:
    results = [result(form, 0.1, -1.0, inside=False) for form in PRICE_FORMS]
    with pytest.raises(ValueError, match="inside the grid"):
        choose(results)


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(ValueError, match="no price form has a rule that beats"):
        choose([result(form, -0.01, -1.0) for form in PRICE_FORMS])


REFERENCES = np.random.default_rng(1).standard_normal((200, 4))


def made_up(best: float, rule: tuple[float, float] = BEST_RULE) -> Play:
    """Returns that peak at the constant `best`, and .1 higher at the rule.

    The second half of the latents, which must choose nothing, would rather have no guidance.
    """
    rng = np.random.default_rng(0)
    features, luck = rng.standard_normal((80, 4)), rng.standard_normal(80) * 0.01

    def play(candidate: Candidate, first: int) -> Trial:
        off = (candidate.low - best) ** 2
        if candidate.slope:
            off = (candidate.low - rule[0]) ** 2 + 0.1 * (candidate.slope - rule[1]) ** 2 - 2
        level = candidate.low + candidate.slope / 3
        correct = (np.arange(80) % 10 < 4 + level / 2).astype(float)
        returns = luck - 0.05 * off - np.where(np.arange(80) < 40, 0, 0.2) * level
        prices: dict[str, FloatArray] = {form: np.zeros(first) for form in PRICE_FORMS}
        seen = correct[:first], (features * (1 + 0.1 * level))[:first]
        return Trial(candidate, returns[:first], prices, np.full(first, -0.3), *seen)

    return play


def trials(play: Play) -> list[Trial]:
    return [play(candidate, 80) for candidate in grid()]


def test_the_best_are_refined_on_the_first_half_and_compared_on_the_second() -> None:
    play = made_up(best=2.2)
    for found in compare_forms(trials(play), REFERENCES, play):
        assert found.constant.low == pytest.approx(2.2, abs=0.01)
        assert found.rule.low == pytest.approx(BEST_RULE[0], abs=0.1)
        assert found.rule.slope == pytest.approx(BEST_RULE[1], abs=0.3)
        assert found.inside, "a lo below 1 is a rule like any other"
        rule, constant = play(found.rule, 80), play(found.constant, 80)
        form = found.form
        gain = (rule.returns(form) - constant.returns(form))[40:].mean()
        assert found.gain.estimate == pytest.approx(gain)


def test_the_refined_are_at_least_the_grid_s_best_on_the_half_that_chooses() -> None:
    play = made_up(best=2.2)

    def score(candidate: Candidate) -> float:
        return float(play(candidate, 40).unpriced.mean())

    constants = [candidate for candidate in grid() if not candidate.slope]
    rules = [candidate for candidate in grid() if candidate.slope]
    for found, tried in (
        (best_constant(score, constants), constants),
        (best_rule(score, rules), rules),
    ):
        assert score(found) > max(map(score, tried)), "the optimum lies between the grid's points"


def test_every_candidate_is_played_once_for_all_forms() -> None:
    asked: list[tuple[Candidate, int]] = []
    play = made_up(best=2.2)

    def counted(candidate: Candidate, first: int) -> Trial:
        asked.append((candidate, first))
        return play(candidate, first)

    compare_forms(trials(play), REFERENCES, counted)
    assert len(asked) == len(set(asked)) < 40
    assert not {candidate for candidate, _ in asked} & set(grid())


@pytest.mark.parametrize(
    ("best", "rule"), [(CONSTANT_GRID[-1], BEST_RULE), (2.2, (LOW_GRID[0] - 1, 4.0))]
)
def test_the_edge_is_noticed(best: float, rule: tuple[float, float]) -> None:
    play = made_up(best, rule)
    assert not any(found.inside for found in compare_forms(trials(play), REFERENCES, play))


def test_a_lo_below_one_does_not_pull_the_base_guidance_below_one() -> None:
    form = next(iter(PRICE_FORMS))
    low = replace(result(form, 0.1, -1.0), rule=Candidate(-0.5, 6.0), constant=Candidate(2.0))
    assert choose([low])[1] == 1.5


def test_the_table_has_a_row_per_candidate() -> None:
    rows = table_rows(trials(made_up(3.0)), REFERENCES, torch.arange(80) % 4)
    assert len(rows) == 1 + len(grid())
    assert rows[0][:2] == ["lo", "k"]
    assert len(rows[0]) == len(rows[1]) == 6 + len(PRICE_FORMS)


def test_a_candidate_follows_the_proxy() -> None:
    p = torch.tensor([1.0, 0.0])
    assert Candidate(2.0, 3.0).guidance(p).tolist() == [2.0, 5.0]
    assert Candidate(4.0).guidance(p).tolist() == [4.0, 4.0]
