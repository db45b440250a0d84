"""What people prefer: pairs of pictures from the same latents, blinded, and what is said of them.

A question shows two pictures side by side and names the class; the person takes the better one, or
says that they cannot tell. Which side is whose is drawn, and stands in a key that the page does not
have. Some questions come twice with the sides changed: whether a person agrees with themselves is
the most that an eye could agree with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from qhw.errors import DataError
from qhw.evaluation.eyes import EYES
from qhw.evaluation.judges import Outcome
from qhw.studies.finding import Estimate
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap

FloatArray = NDArray[np.float64]
TIE = 0.5
"""Where a person cannot tell, each picture has half of the preference."""


class Fact(BaseModel):
    """A frozen piece of a file that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(Fact):
    """One pair, as it is shown.

    Attributes:
        latent: Its place among the evaluation's.
        label: Name of the wanted class.
        first_is_left: Whether the first arm's picture is on the left.
        repeats: Whether the pair was asked before.
        prefers: Eye to the log p of the wanted class that it gives the first arm's picture, minus
            the other's, in nats.
    """

    latent: int
    label: str
    first_is_left: bool
    repeats: bool
    prefers: dict[str, float]


class Key(Fact):
    """What the page does not say.

    Attributes:
        page: Its name, which answers repeat.
        arms: The first, and the one that it is held against.
        questions: In their order.
        alike: Latents whose two pictures nobody could tell apart, which were not asked.
        run: What was asked about.
    """

    page: str
    arms: tuple[str, str]
    questions: tuple[Question, ...]
    alike: int
    run: str


class Answers(Fact):
    """What a person answered.

    Attributes:
        page: Whose questions.
        person: As they call themselves.
        answers: `left`, `right` or `neither`, in the order of the questions.
        milliseconds: That each took.
    """

    page: str
    person: str
    answers: tuple[str, ...]
    milliseconds: tuple[float, ...] = ()


class Preference(Fact):
    """What people prefer.

    Attributes:
        people: How many answered.
        pairs: Different pairs that all of them answered.
        share: Of the preference that the first arm has; half of it is no preference.
        p_value: That there is none, two-sided.
        undecided: Share of answers that say neither.
        consistency: Share of repeated questions that were answered alike; None without any.
        agreement: Eye to how often it prefers what the person does; half where they cannot tell.
    """

    people: int
    pairs: int
    share: Estimate
    p_value: float
    undecided: float
    consistency: float | None
    agreement: dict[str, Estimate] = Field(default_factory=dict)


@dataclass(frozen=True)
class Pairs:
    """Two arms' pictures of the same latents.

    Attributes:
        arms: Names, the first one's first.
        labels: (N,) names of the wanted classes.
        outcomes: Of both arms on all latents.
        different: (N,) whether a person could tell the two pictures apart.
    """

    arms: tuple[str, str]
    labels: Sequence[str]
    outcomes: tuple[Outcome, Outcome]
    different: NDArray[np.bool_]


def questions_of(pairs: Pairs, count: int, repeated: int, seed: int) -> tuple[Question, ...]:
    """Draw which pairs are asked, in which order, on which sides.

    Args:
        pairs: The pictures.
        count: Pairs that are asked, of those that differ; all of them if there are fewer.
        repeated: How many of these come twice, with the sides changed.
        seed: Of everything that is drawn.

    Raises:
        DataError: If no pair differs.
    """
    able = np.flatnonzero(pairs.different)
    if len(able) == 0:
        raise DataError(
            f"{pairs.arms[0]} and {pairs.arms[1]} make the same pictures.",
            "Take another --against.",
        )
    draw = np.random.default_rng(seed)
    chosen = draw.permutation(able)[:count]
    sides = dict(zip(chosen.tolist(), draw.integers(0, 2, len(chosen)).astype(bool), strict=True))
    again = draw.permutation(chosen)[:repeated]
    first = [_question(pairs, int(k), bool(sides[int(k)]), repeats=False) for k in chosen]
    second = [_question(pairs, int(k), not sides[int(k)], repeats=True) for k in again]
    return (*first, *second)


def _question(pairs: Pairs, latent: int, left: bool, *, repeats: bool) -> Question:
    one, other = (outcome.scores for outcome in pairs.outcomes)
    prefers = {
        eye: float(one[eye].arm.log_probability[latent] - other[eye].arm.log_probability[latent])
        for eye in EYES
    }
    return Question(
        latent=latent,
        label=pairs.labels[latent],
        first_is_left=left,
        repeats=repeats,
        prefers=prefers,
    )


def preference_of(key: Key, people: Sequence[Answers]) -> Preference:
    """What people prefer, with intervals over people and pairs; over pairs where one answered.

    Raises:
        DataError: If answers are of another page, or there are none.
    """
    for person in people:
        _require_answers(key, person)
    values = np.stack([_preferred(key, person) for person in people])
    fresh = np.array([not question.repeats for question in key.questions])
    answered = ~np.isnan(values).any(axis=0)
    if not (fresh & answered).any():
        raise DataError("No pair was answered by everybody.", "Let people answer from the start.")
    first = values[:, fresh & answered]
    result = hierarchical_bootstrap(first - TIE)
    return Preference(
        people=len(people),
        pairs=first.shape[1],
        share=_share(result),
        p_value=float(result.p_value),
        undecided=float((first == TIE).mean()),
        consistency=_consistency(key, values),
        agreement=_agreement(key, first, fresh & answered),
    )


def _require_answers(key: Key, person: Answers) -> None:
    if person.page != key.page:
        raise DataError(
            f"{person.person}'s answers are of the page {person.page}, the key is of {key.page}.",
            "Give the answers to this page.",
        )
    unknown = sorted(set(person.answers) - {"left", "right", "neither"})
    if unknown or len(person.answers) > len(key.questions):
        said = f"{unknown[0]!r}" if unknown else f"{len(person.answers)} answers"
        raise DataError(f"{person.person} answered {said}.", "Give a file that the page wrote.")


def _preferred(key: Key, person: Answers) -> FloatArray:
    """(Q,) 1 where the first arm's picture was taken, 0 the other's; NaN where nothing was said."""
    values = np.full(len(key.questions), np.nan)
    for place, (question, answer) in enumerate(zip(key.questions, person.answers, strict=False)):
        took_first = (answer == "left") == question.first_is_left
        values[place] = TIE if answer == "neither" else float(took_first)
    return values


def _consistency(key: Key, values: FloatArray) -> float | None:
    """Share of repeated questions that a person answered as before."""
    place = {q.latent: k for k, q in enumerate(key.questions) if not q.repeats}
    again = [(k, place[q.latent]) for k, q in enumerate(key.questions) if q.repeats]
    alike = [
        row[later] == row[earlier]
        for row in values
        for later, earlier in again
        if not np.isnan(row[[later, earlier]]).any()
    ]
    return float(np.mean(alike)) if alike else None


def _agreement(key: Key, first: FloatArray, chosen: NDArray[np.bool_]) -> dict[str, Estimate]:
    """How often every eye prefers what a person does; half where the person cannot tell."""
    questions = [question for question, kept in zip(key.questions, chosen, strict=True) if kept]
    found = {}
    for eye in questions[0].prefers:
        sides = np.sign([question.prefers[eye] for question in questions])
        found[eye] = _share(hierarchical_bootstrap((first - TIE) * sides))
    return found


def _share(about_a_half: Bootstrap) -> Estimate:
    """A share, of what was averaged about a half; its interval stays within 0 and 1."""
    found = about_a_half.estimate()
    value, low, high = found.value, found.low, found.high
    return Estimate(value=value + TIE, low=max(0.0, low + TIE), high=min(1.0, high + TIE))
