"""The verdict that a report begins with: six lines, each one number and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qhw.studies.catalogue import Entry, sections_without_findings
from qhw.studies.finding import Estimate, Finding, Verdict, VerdictLine

UNKNOWN = "not known"
ALL_TRIED = "nothing"
EVERYTHING = (
    "Every question was measured. Whether a device was asked, or noise models alone, its own "
    "section tells."
)
DEVICE_SECTION = "model_vs_device"


class _Asked(NamedTuple):
    """One line.

    Attributes:
        line: Its name.
        title: What it tells.
        study: Whose finding says it.
    """

    line: VerdictLine
    title: str
    study: str


ASKED = (
    _Asked("noise_cost", "What noise costs", "task"),
    _Asked("bearable_noise", "How much noise is bearable", "noise_scale"),
    _Asked("enough_shots", "How few shots are enough", "shots"),
    _Asked("mitigation", "Which mitigation to take", "task"),
    _Asked("training_cost", "What training would cost on a device", "cost"),
)


@dataclass(frozen=True)
class Told:
    """A line of the verdict.

    Attributes:
        line: Its name; `not_tried` for the last one.
        title: What it tells.
        number: The one number, with its interval where it has one, or a word.
        unit: Of the number.
        words: What the number is of.
        section: Where it comes from: a study's name; empty where nothing was measured.
        estimate: The number itself; None where there is none.
    """

    line: str
    title: str
    number: str
    unit: str
    words: str
    section: str
    estimate: Estimate | None = None


def verdict_of(findings: Sequence[Finding]) -> list[Told]:
    """Five lines out of what studies found, and one of what was not tried."""
    known = {each.line: each for finding in findings for each in finding.verdict}
    by_study = {finding.study: finding for finding in findings}
    lines = [_told(asked, known.get(asked.line), by_study) for asked in ASKED]
    return [*lines, _not_tried(findings)]


def not_tried(findings: Sequence[Finding]) -> tuple[list[Entry], list[Finding]]:
    """Sections that nothing was measured for, and findings that the data refused altogether."""
    refused = [each for each in findings if each.answer is None and each.observed is None]
    return sections_without_findings(findings), refused


def _told(asked: _Asked, verdict: Verdict | None, by_study: dict[str, Finding]) -> Told:
    if verdict is not None:
        return Told(
            asked.line,
            asked.title,
            verdict.number,
            verdict.unit,
            verdict.words,
            asked.study,
            verdict.estimate,
        )
    finding = by_study.get(asked.study)
    why = "Nothing was measured for it." if finding is None else "Its section gives no number."
    return Told(asked.line, asked.title, UNKNOWN, "", why, asked.study if finding else "")


def _not_tried(findings: Sequence[Finding]) -> Told:
    missing, refused = not_tried(findings)
    count = len(missing) + len(refused)
    asked = len(missing) + len(findings)
    unanswered = [*(each.question for each in missing), *(each.question for each in refused)]
    words = " ".join(unanswered) or EVERYTHING
    number = f"{count} of {asked}" if count else ALL_TRIED
    section = "not-acquired" if missing else refused[0].study if refused else DEVICE_SECTION
    unit = "questions" if count else ""
    return Told("not_tried", "What was not tried", number, unit, words, section)
