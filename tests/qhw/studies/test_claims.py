"""Sentences that one training seed does not allow."""

from __future__ import annotations

from qhw.studies.claims import claim
from qhw.studies.finding import Finding

SENTENCE = "Noise halves the return."


def test_one_training_seed_refuses_the_claim_and_tells_of_the_one_controller() -> None:
    refused = claim(SENTENCE, 1, "such controllers")
    assert refused.answer is None and refused.refusal is not None
    assert "one training seed" in refused.refusal and "claim about such" in refused.refusal
    assert SENTENCE not in refused.refusal
    assert refused.notes == (f"This one controller: {SENTENCE}",)


def test_several_seeds_allow_it() -> None:
    said = claim(SENTENCE, 2, "such controllers")
    assert said == (SENTENCE, None, ())
    Finding(study="some", question="?", answer=said.answer, refusal=said.refusal)
