"""The verdict: six lines whatever was found."""

from __future__ import annotations

from qhw.studies.catalogue import STUDIES
from qhw.studies.finding import Estimate, Finding, Verdict
from qhw.studies.verdict import ALL_TRIED, UNKNOWN, verdict_of


def finding(study: str, **parts: object) -> Finding:
    return Finding.model_validate({"study": study, "question": f"{study}?", "answer": "a", **parts})


def test_a_line_is_what_its_study_says_and_links_there() -> None:
    at = Estimate(value=5.1, low=4.3, high=6.0)
    told = Verdict(
        line="bearable_noise", number="5.1 [4.3, 6.0]", unit="times", words="w", estimate=at
    )
    lines = {each.line: each for each in verdict_of([finding("noise_scale", verdict=(told,))])}
    line = lines["bearable_noise"]
    assert (line.number, line.unit, line.words) == ("5.1 [4.3, 6.0]", "times", "w")
    assert (line.section, line.estimate) == ("noise_scale", at)
    assert (lines["noise_cost"].number, lines["noise_cost"].section) == (UNKNOWN, "")


def test_what_was_not_measured_and_what_was_refused_is_not_tried() -> None:
    refused = finding("gradients", answer=None, refusal="too large")
    alone = finding("shots", answer=None, refusal="one seed", observed="o")
    last = verdict_of([refused, alone])[-1]
    assert last.line == "not_tried"
    assert last.number == f"{len(STUDIES) - 1} of {len(STUDIES)}"
    assert "gradients?" in last.words and "shots?" not in last.words
    assert last.section == "not-acquired"


def test_where_everything_was_tried_it_says_so() -> None:
    findings = [finding(entry.name) for entry in STUDIES]
    last = verdict_of(findings)[-1]
    assert (last.number, last.section) == (ALL_TRIED, "model_vs_device")
    refused = [*findings[1:], finding(STUDIES[0].name, answer=None, refusal="r")]
    assert verdict_of(refused)[-1].section == STUDIES[0].name
