"""What studies have in common: the verdict, the files, the sizes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from qhw.errors import DataError
from qhw.studies.finding import Column, Estimate, Finding, Series, Table
from qhw.studies.sizes import Sizes
from qhw.studies.store import Store
from qhw.studies.study import Scope, Study

SENTENCE = "Noise halves the return."


class Some(Study):
    name = "some"
    question = "?"
    about = "such controllers"

    def acquire(self, scope: Scope) -> None:
        raise NotImplementedError

    def analyse(self, scope: Scope) -> Finding:
        raise NotImplementedError


def test_one_training_seed_refuses_the_claim_and_tells_of_the_one_controller() -> None:
    refused = Some().finding(SENTENCE, 1)
    assert refused.answer is None
    assert refused.refusal == "One training seed allows no claim about such controllers."
    assert refused.observed == SENTENCE


@pytest.mark.parametrize("seeds", [2, 5, None])
def test_several_seeds_or_none_at_all_allow_it(seeds: int | None) -> None:
    said = Some().finding(SENTENCE, seeds)
    assert (said.answer, said.refusal, said.observed) == (SENTENCE, None, None)


def test_data_that_allow_nothing_leave_a_reason_alone() -> None:
    refused = Some().refused("too large")
    assert (refused.answer, refused.refusal, refused.observed) == (None, "too large", None)


def test_an_answer_leaves_nothing_to_add() -> None:
    with pytest.raises(ValidationError, match="nothing is left to add"):
        Finding(study="some", question="?", answer=SENTENCE, observed=SENTENCE)


def test_a_table_in_short_has_the_columns_it_names() -> None:
    table = Table.of("t", "T", ["a", ("b", 2), ("c", None, "s")], [["x", 1.0, None]], "Read it.")
    assert table.columns == (
        Column(name="a"),
        Column(name="b", digits=2),
        Column(name="c", unit="s"),
    )
    assert table.rows == (("x", 1.0, None),)
    with pytest.raises(ValidationError, match="a row of 1 cells, not 2"):
        Table.of("t", "T", ["a", "b"], [["x"]], "Read it.")


def test_a_series_keeps_a_gap_where_nothing_was_measured() -> None:
    series = Series.of("s", ["a", "b"], [Estimate(value=1, low=0, high=3), None])
    assert (series.y, series.low, series.high) == ((1, None), (0, None), (3, None))


class TestStore:
    def test_arrays_are_measured_once_and_come_back_bit_for_bit(self, tmp_path: Path) -> None:
        told: list[str] = []
        store, values = Store(tmp_path / "data" / "some", told.append), np.array([0.1, np.pi])
        for number in (1.0, 2.0):
            store.acquire("a.npz", "measuring", lambda n=number: {"x": n * values})  # type: ignore[misc]
        assert np.array_equal(store.arrays("a.npz")["x"], values)
        assert told == ["measuring"]

    def test_what_was_not_acquired_is_refused_with_the_step_that_does_it(
        self, tmp_path: Path
    ) -> None:
        store = Store(tmp_path)
        with pytest.raises(DataError, match=r"a\.npz is not there yet") as raised:
            store.arrays("a.npz")
        assert "--step acquire" in raised.value.hint
        with pytest.raises(DataError, match="Nobody looked yet"):
            store.json("index.json", "Nobody looked")

    def test_facts_come_back(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "data")
        store.keep_json("places.json", ["home", ["away"]])
        assert store.json("places.json") == ["home", ["away"]]

    def test_a_measurement_that_fails_leaves_no_file(self, tmp_path: Path) -> None:
        def fail() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
            raise KeyboardInterrupt

        store = Store(tmp_path / "data")
        with pytest.raises(KeyboardInterrupt):
            store.acquire("a.npz", "measuring", fail)
        assert not store.holds("a.npz")


def test_the_full_sizes_are_nowhere_smaller_and_a_scope_knows_them(tmp_path: Path) -> None:
    quick, full = Sizes(), Sizes.full()
    for field in fields(Sizes):
        less, more = getattr(quick, field.name), getattr(full, field.name)
        if isinstance(less, tuple):
            assert set(less) <= set(more), field.name
        else:
            assert more is None or more >= less, field.name
    assert not Scope((), tmp_path, "fake_fez").full
    assert Scope((), tmp_path, "fake_fez", full).full
