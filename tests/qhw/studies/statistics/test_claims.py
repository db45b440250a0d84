"""Sentences that one training seed does not allow."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from qhw.studies.finding import Finding
from qhw.studies.statistics.claims import Said, claim

SENTENCE = "Noise halves the return."


def test_one_training_seed_refuses_the_claim_and_tells_of_the_one_controller() -> None:
    refused = claim(SENTENCE, 1, "such controllers")
    assert refused.answer is None and refused.refusal is not None
    assert refused.refusal == "One training seed allows no claim about such controllers."
    assert refused.observed == SENTENCE


def test_several_seeds_allow_it() -> None:
    said = claim(SENTENCE, 2, "such controllers")
    assert said == Said(SENTENCE, None, None)
    Finding(study="some", question="?", answer=said.answer, refusal=said.refusal)


def test_an_answer_leaves_nothing_to_add() -> None:
    with pytest.raises(ValidationError, match="nothing is left to add"):
        Finding(study="some", question="?", answer=SENTENCE, observed=SENTENCE)
