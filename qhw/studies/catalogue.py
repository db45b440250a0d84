"""All studies, in the order of the page; the code of one is imported when it is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qhw.studies.finding import Finding
from qhw.studies.study import Study


@dataclass(frozen=True)
class Entry:
    """One study, and its section of the page.

    Attributes:
        name: The study's, and that of its file in `questions/`.
        kind: Its class.
        title: The section's, in one or two words.
        question: Named on the page where nothing was acquired; a finding asks its own, of what was
            measured.
    """

    name: str
    kind: str
    title: str
    question: str

    def load(self) -> Study:
        """Import its file and make it."""
        module = importlib.import_module(f"qhw.studies.questions.{self.name}")
        study: Study = getattr(module, self.kind)()
        return study


STUDIES = (
    Entry("features", "Features", "Features", "How far do the circuit's outputs move under noise?"),
    Entry("control", "Control", "Control", "How far do the controller's decisions move?"),
    Entry("task", "Task", "Task", "What does noise cost in return and in pictures?"),
    Entry("noise_scale", "NoiseScale", "Noise scale", "How much noise can the controller bear?"),
    Entry("parts", "Parts", "Parts of the noise", "Which part of the noise matters?"),
    Entry("baselines", "Baselines", "Baselines", "Is the robustness the circuit's or the head's?"),
    Entry("shots", "Shots", "Shots", "How many shots are enough?"),
    Entry("gradients", "Gradients", "Gradients", "Can the circuit's gradients still be measured?"),
    Entry("plateaus", "Plateaus", "Barren plateaus", "Do gradients vanish with depth and qubits?"),
    Entry(
        "transfer", "Transfer", "Transfer", "Does a policy carry over to other devices and dates?"
    ),
    Entry(
        "model_vs_device",
        "ModelVsDevice",
        "Model against device",
        "Is the noise model true to the device?",
    ),
    Entry("cost", "Cost", "Cost", "What did this cost, and what was it made with?"),
)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order of their sections; unknown studies come last, by name."""
    places = {entry.name: place for place, entry in enumerate(STUDIES)}
    return sorted(findings, key=lambda each: (places.get(each.study, len(places)), each.study))


def title_of(study: str) -> str:
    """Title of a study's section; an unknown study goes by its own name."""
    titles = {entry.name: entry.title for entry in STUDIES}
    return titles.get(study, study.replace("_", " ").capitalize())


def sections_without_findings(findings: Sequence[Finding]) -> list[Entry]:
    """Sections of the page that nothing fills."""
    there = {finding.study for finding in findings}
    return [entry for entry in STUDIES if entry.name not in there]
