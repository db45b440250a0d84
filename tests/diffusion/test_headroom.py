from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusion.comparison import Interval
from diffusion.headroom import (
    CONSTANT_GRID,
    Candidate,
    FormResult,
    Trial,
    choose,
    compare_forms,
    grid,
    table_rows,
)
from diffusion.rewards import PRICE_FORMS


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


def trials(best: float) -> list[Trial]:
    """Returns peak at the constant `best`; rules gain .1 more, most of all 2 + 3 (1 - p)."""
    rng = np.random.default_rng(0)
    features, luck = rng.standard_normal((80, 4)), rng.standard_normal(80) * 0.01
    made = []
    for candidate in grid():
        level = candidate.low + candidate.slope / 3
        rule = 0.1 if candidate == Candidate(2.0, 3.0) else 0.0
        correct = (np.arange(80) % 10 < 4 + level / 2).astype(float)
        made.append(
            Trial(
                candidate,
                luck - 0.05 * (level - best) ** 2 + rule,
                {form: np.zeros(80) for form in PRICE_FORMS},
                np.full(80, -0.3),
                correct,
                features * (1 + 0.1 * level),
            )
        )
    return made


def test_the_best_are_found_and_compared() -> None:
    references = np.random.default_rng(1).standard_normal((200, 4))
    for found in compare_forms(trials(best=3.0), references):
        assert found.constant == Candidate(3.0)
        assert found.rule == Candidate(2.0, 3.0)
        assert found.inside
        assert found.gain.estimate == pytest.approx(0.1, abs=0.02)


def test_the_edge_is_noticed() -> None:
    references = np.random.default_rng(1).standard_normal((200, 4))
    assert not any(r.inside for r in compare_forms(trials(best=CONSTANT_GRID[-1]), references))


def test_the_table_has_a_row_per_candidate() -> None:
    rows = table_rows(
        trials(3.0), np.random.default_rng(1).standard_normal((200, 4)), torch.arange(80) % 4
    )
    assert len(rows) == 1 + len(grid())
    assert rows[0][:2] == ["lo", "k"]
    assert len(rows[0]) == len(rows[1]) == 6 + len(PRICE_FORMS)


def test_a_candidate_follows_the_proxy() -> None:
    state = torch.zeros(2, 6)
    state[:, 5] = torch.tensor([1.0, 0.0])
    assert Candidate(2.0, 3.0).guidance(state).tolist() == [2.0, 5.0]
    assert Candidate(4.0).guidance(state).tolist() == [4.0, 4.0]
