"""What is said of people whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion.comparison import ScoredArm
from qhw.errors import DataError
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Outcome, Score
from qhw.studies.human import Answers, Key, Pairs, preference_of, questions_of

COUNT = 80


def outcome(log_probability: NDArray[np.float64]) -> Outcome:
    arm = ScoredArm(np.ones(COUNT), log_probability, 1.0, np.zeros(COUNT))
    scores = {eye: Score(arm, 1.0, 0.1) for eye in ALL_EYES}
    return Outcome(np.zeros(COUNT), np.ones(COUNT), scores)


def key(count: int = 60, repeated: int = 10, seed: int = 0) -> Key:
    """The eyes prefer the first arm's picture of every even latent."""
    sides = np.where(np.arange(COUNT) % 2 == 0, 1.0, -1.0)
    different = np.arange(COUNT) >= 10
    pairs = Pairs(
        ("mine", "rule"), ["coat"] * COUNT, (outcome(sides), outcome(np.zeros(COUNT))), different
    )
    questions = questions_of(pairs, count, repeated, seed)
    return Key(page="p1", arms=pairs.arms, questions=questions, alike=10, run="mine")


def answers(asked: Key, takes_first: list[bool | None], person: str = "Ada") -> Answers:
    """Of a person who takes the first arm's picture, the other's, or neither."""
    said = [
        "neither" if first is None else ("left" if first == question.first_is_left else "right")
        for question, first in zip(asked.questions, takes_first, strict=False)
    ]
    return Answers(page=asked.page, person=person, answers=tuple(said))


def test_pairs_that_differ_are_asked_once_and_some_again_with_the_sides_changed() -> None:
    asked = key()
    first = [q for q in asked.questions if not q.repeats]
    again = [q for q in asked.questions if q.repeats]
    assert (len(first), len(again)) == (60, 10)
    assert len({q.latent for q in first}) == 60
    assert min(q.latent for q in first) >= 10
    sides = {q.latent: q.first_is_left for q in first}
    assert all(q.first_is_left != sides[q.latent] for q in again)
    assert 15 <= sum(sides.values()) <= 45, "sides are drawn"
    assert [q.latent for q in first] != sorted(q.latent for q in first), "so is the order"
    assert key().questions == asked.questions
    assert key(seed=1).questions != asked.questions


def test_one_who_always_takes_the_first_arm_prefers_it() -> None:
    asked = key()
    found = preference_of(asked, [answers(asked, [True] * 70)])
    assert (found.people, found.pairs, found.share.value) == (1, 60, 1.0)
    assert found.consistency == 1.0
    assert found.undecided == 0.0
    assert found.p_value < 1e-6


def test_one_who_takes_what_the_eyes_take_agrees_with_them_and_prefers_nobody() -> None:
    asked = key()
    taken: list[bool | None] = [question.latent % 2 == 0 for question in asked.questions]
    found = preference_of(asked, [answers(asked, taken)])
    assert found.share.low < 0.5 < found.share.high
    assert found.p_value > 0.05
    assert set(found.agreement) == {"proxy", "judge_0", "judge_1"}
    assert all(share.value == 1.0 for share in found.agreement.values())


def test_who_cannot_tell_prefers_neither_and_who_contradicts_themselves_is_told() -> None:
    asked = key()
    found = preference_of(asked, [answers(asked, [None] * 60 + [True] * 10)])
    assert (found.share.value, found.undecided, found.consistency) == (0.5, 1.0, 0.0)


def test_intervals_of_several_are_over_people_too() -> None:
    asked = key()
    draw = np.random.default_rng(1)
    people = [
        answers(asked, [bool(x) for x in draw.random(70) < share], str(k))
        for k, share in enumerate((0.5, 0.7, 0.9, 0.6, 0.8))
    ]
    alone, together = preference_of(asked, people[:1]), preference_of(asked, people)
    assert together.people == 5
    assert together.share.value == pytest.approx(0.7, abs=0.06)
    assert together.share.low < 0.7 < together.share.high
    assert 0 <= together.share.low < together.share.high <= 1
    assert alone.share.high - alone.share.low > 0.2


def test_who_stopped_counts_with_what_they_answered() -> None:
    asked = key()
    found = preference_of(asked, [answers(asked, [True] * 20), answers(asked, [True] * 70, "Bo")])
    assert found.pairs == 20
    assert found.consistency == 1.0


def test_answers_that_do_not_belong_are_refused() -> None:
    asked = key()
    stranger = Answers(page="p2", person="Ada", answers=("left",))
    with pytest.raises(DataError, match="answers are of the page p2, the key is of p1"):
        preference_of(asked, [stranger])
    for given, said in (("up",), "answered 'up'"), (("left",) * 71, "answered 71 answers"):
        with pytest.raises(DataError, match=said):
            preference_of(asked, [Answers(page="p1", person="Ada", answers=given)])
    nothing = Answers(page="p1", person="Ada", answers=())
    with pytest.raises(DataError, match="No pair was answered by everybody"):
        preference_of(asked, [nothing])


def test_arms_that_make_the_same_pictures_are_refused() -> None:
    same = outcome(np.zeros(COUNT))
    pairs = Pairs(("a", "b"), ["coat"] * COUNT, (same, same), np.zeros(COUNT, dtype=bool))
    with pytest.raises(DataError, match="a and b make the same pictures"):
        questions_of(pairs, 5, 0, 0)
