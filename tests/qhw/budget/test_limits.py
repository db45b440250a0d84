from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhw.budget.limits import Budget, Expense, Limits, qpu_seconds
from qhw.errors import BudgetReachedError, ConfigError


def test_usage_is_two_seconds_and_a_third_of_a_millisecond_per_shot() -> None:
    assert qpu_seconds(1, 0, 1) == 2.0
    assert qpu_seconds(3, 100, 1000) == pytest.approx(6.0 + 35.0)


@pytest.mark.parametrize("option", ["max_qpu_seconds", "max_jobs", "max_cost"])
@pytest.mark.parametrize("value", [0, -5, math.nan, math.inf])
def test_a_limit_must_be_above_zero(option: str, value: float) -> None:
    limits: dict[str, Any] = {option: value}
    with pytest.raises(ConfigError, match="--" + option.replace("_", "-")) as caught:
        Limits(**limits)
    assert f"{value:g}" in caught.value.message


def test_without_limits_everything_is_allowed() -> None:
    budget = Budget(Limits())
    budget.require(1e9, jobs=10**9)
    assert budget.remaining_seconds is None


def test_the_submission_that_would_pass_a_limit_is_refused_with_the_way_on() -> None:
    budget = Budget(Limits(max_qpu_seconds=300), spent_qpu_seconds=288, command="qhw run --resume")
    budget.require(12.0)
    with pytest.raises(BudgetReachedError) as caught:
        budget.require(12.5)
    assert caught.value.exit_code == 3
    assert caught.value.message == (
        "The next submission would pass --max-qpu-seconds 300: 288 QPU s spent, and it takes about "
        "12.5. It was not sent."
    )
    assert "`qhw run --resume --max-qpu-seconds 301`" in caught.value.hint
    assert budget.spent == Expense(288, 0, 288 * 1.6)


def test_the_way_on_suffices() -> None:
    first = Budget(Limits(max_cost=10), spent_qpu_seconds=5)
    with pytest.raises(BudgetReachedError, match="--resume --max-cost 16"):
        first.require(5.0)
    Budget(Limits(max_cost=16), spent_qpu_seconds=5).require(5.0)


def test_jobs_are_counted() -> None:
    budget = Budget(Limits(max_jobs=2), spent_jobs=1)
    budget.require(1.0)
    budget.recount(1.0, 2)
    with pytest.raises(BudgetReachedError, match="--max-jobs 2: 2 jobs spent"):
        budget.require(1.0)


def test_the_sums_are_the_ledgers() -> None:
    budget = Budget(Limits(max_qpu_seconds=100, max_cost=80), dollars_per_second=1.6)
    budget.recount(17.5, 2)
    assert (budget.spent.qpu_seconds, budget.spent.jobs) == (17.5, 2)
    assert budget.spent.dollars == pytest.approx(28.0)
    assert budget.remaining_seconds == pytest.approx(80 / 1.6 - 17.5)


def test_a_device_that_bills_nothing_never_reaches_a_cost() -> None:
    budget = Budget(Limits(max_cost=1), dollars_per_second=0.0)
    budget.require(1e6)
    assert budget.remaining_seconds is None


@given(st.lists(st.floats(0.01, 50), max_size=40), st.floats(1, 500))
def test_what_is_allowed_never_passes_the_limit(jobs: list[float], limit: float) -> None:
    budget = Budget(Limits(max_qpu_seconds=limit))
    for seconds in jobs:
        left = budget.remaining_seconds
        assert left is not None
        try:
            budget.require(seconds)
        except BudgetReachedError:
            assert seconds > left
            break
        budget.recount(budget.spent.qpu_seconds + seconds, budget.spent.jobs + 1)
        assert budget.spent.qpu_seconds <= limit * (1 + 1e-8)
