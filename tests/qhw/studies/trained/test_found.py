"""What a page shows of outcomes that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qhw.studies.finding import Finding
from qhw.studies.trained.catalogue import Along, TrainedStudy
from qhw.studies.trained.comparing import TrainedArms, differences, rows_of
from qhw.studies.trained.found import answers_of, found_by, over_seeds
from qhw.studies.trained.page import page_of
from qhw.studies.trained.study_size import is_first_look
from tests.qhw.studies.trained.test_comparing import ARMS, STUDY, arm

ABOUT = {"latents": 400, "settings": {}, "command": "qhw study made_up", "missing": ["gone-seed3"]}


def found(study: TrainedStudy = STUDY, arms: TrainedArms = ARMS) -> Finding:
    return found_by(study, rows_of(arms), differences(study, arms), ABOUT)


def test_the_answer_says_what_is_seen_then_what_is_as_good() -> None:
    answer = found().answer
    assert answer is not None
    assert answer.startswith("Against `a`: `b` returns more, by 0.0300 [0.02")
    assert "; as good, within 0.01: `c`." in answer
    assert answer.endswith("1 trainings are not done: gone-seed3.")


def test_a_loss_is_told_as_one() -> None:
    arms = {"a": ARMS["b"], "b": ARMS["a"], "c": arm(-0.17, -0.35, -0.05, -0.2, -0.1, first=40)}
    answer = found(arms=arms).answer
    assert answer is not None
    assert "`b` returns less, by 0.0300 [0.02" in answer
    assert "; not told apart: `c`." in answer


def test_an_interval_that_reaches_beyond_0_is_told_as_it_is() -> None:
    (better, _) = differences(STUDY, ARMS)
    seen = replace(better, value=-0.0435, low=-0.0686, high=0.0025, p_value=0.039)
    (said,) = answers_of([seen])
    assert said == "Against `a`: `b` returns less, by 0.043 [-0.003, 0.069]."


def test_other_measures_are_answered_by_their_names() -> None:
    study = replace(STUDY, measures=("return", "gap"))
    result = found(study)
    assert result.answer is not None
    assert (
        "Against `a` (proxy's accuracy beyond the judges'): as good, within 0.01" in result.answer
    )
    assert [figure.id for figure in result.figures] == ["differences_return", "differences_gap"]
    assert len(result.tables[1].rows) == 4


def test_without_its_reference_nothing_is_compared() -> None:
    lacking = found(arms={name: ARMS[name] for name in ("b", "c")})
    assert lacking.refusal is not None
    assert lacking.refusal.startswith("There is nothing to compare `a` with yet. 1 trainings")


def test_one_seed_answers_nothing() -> None:
    one = found(arms={"a": arm(-0.2), "b": arm(-0.1, first=9)})
    assert one.answer is None
    assert one.refusal is not None
    assert one.refusal.startswith("One training seed says nothing of a kind of controller.")
    assert one.tables[1].rows[0][5] is None, "no p-value"


def test_tables_and_figures_hold_the_numbers() -> None:
    result = found()
    (forest,) = result.figures
    assert (forest.kind, forest.series[0].x) == ("forest", ("b minus a", "c minus a"))
    assert forest.series[0].y[0] == pytest.approx(0.03)
    arms, compared = result.tables
    assert arms.rows[0][:4] == ("a", 5.0, 2498.0, 26.0)
    assert arms.rows[0][4] == pytest.approx(-0.201)
    assert compared.rows[1][-1] == "as good, within 0.01"
    assert result.provenance["training seeds"] == 5


def test_arms_along_a_quantity_are_lines() -> None:
    along = Along("layers", {"a": ("ring", 2), "b": ("ring", 1), "c": ("network", 3)}, log=True)
    lines, _ = found(replace(STUDY, along=along)).figures
    assert [series.name for series in lines.series] == ["ring", "network"]
    assert lines.series[0].x == (1.0, 2.0)
    assert lines.series[0].y[1] == pytest.approx(-0.201)
    assert lines.x.log
    nowhere = replace(STUDY, along=Along("layers", {"c": ("ring", 2)}))
    assert len(found(nowhere, {name: ARMS[name] for name in ("a", "b")}).figures) == 1


def test_an_interval_over_seeds_is_students() -> None:
    found = over_seeds([1.0, 2.0, 3.0])
    assert found.value == 2
    assert found.high == pytest.approx(2 + 4.3027 / 3**0.5, rel=1e-4)
    alone = over_seeds([1.5])
    assert (alone.low, alone.value, alone.high) == (1.5, 1.5, 1.5)


def test_a_first_look_says_so_before_anything_else() -> None:
    about = {**ABOUT, "settings": {"ppo.environments": 20}}
    found = found_by(STUDY, rows_of(ARMS), differences(STUDY, ARMS), about)
    assert (found.answer or "").startswith("A first look: trainings are of less than half")
    page = page_of(STUDY, rows_of(ARMS), [], latents=400, command="", first_look=True)
    assert page.startswith(f"# {STUDY.question}\n\n**A first look: ")
    assert not is_first_look({"ppo.updates": 60})
