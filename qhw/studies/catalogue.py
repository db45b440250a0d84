"""All studies, in the order of the page; the code of one is imported when it is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qhw.errors import UnknownNameError
from qhw.studies.finding import Finding
from qhw.studies.study import Study


@dataclass(frozen=True)
class Entry:
    """Where a study is.

    Attributes:
        name: Name of the study, and of its module in `questions`.
        kind: Its class.
    """

    name: str
    kind: str

    def load(self) -> Study:
        """Import its module and make it."""
        module = importlib.import_module(f"qhw.studies.questions.{self.name}")
        study: Study = getattr(module, self.kind)()
        return study


STUDIES = (
    Entry("features", "Features"),
    Entry("control", "Control"),
    Entry("task", "Task"),
    Entry("noise_scale", "NoiseScale"),
    Entry("shots", "Shots"),
    Entry("gradients", "Gradients"),
    Entry("plateaus", "Plateaus"),
    Entry("transfer", "Transfer"),
    Entry("model_vs_device", "ModelVsDevice"),
    Entry("cost", "Cost"),
)


def find_study(name: str) -> Study:
    """Load one study.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    for entry in STUDIES:
        if entry.name == name:
            return entry.load()
    names = [entry.name for entry in STUDIES]
    raise UnknownNameError.nearest("study", name, names, "qhw report --help")


@dataclass(frozen=True)
class Section:
    """A section that a report should have.

    Attributes:
        study: Name of the study that fills it.
        title: In one or two words.
        question: Named when nothing was acquired.
    """

    study: str
    title: str
    question: str


SECTIONS = (
    Section("features", "Features", "How far do the circuit's outputs move under noise?"),
    Section("control", "Control", "How far do the controller's decisions move?"),
    Section("task", "Task", "What does noise cost in return and in pictures?"),
    Section("noise_scale", "Noise scale", "How much noise can the controller bear?"),
    Section("shots", "Shots", "How many shots are enough?"),
    Section("gradients", "Gradients", "Can the circuit's gradients still be measured?"),
    Section("plateaus", "Barren plateaus", "Do gradients vanish with depth and qubits?"),
    Section("transfer", "Transfer", "Does a policy carry over to other devices and dates?"),
    Section("model_vs_device", "Model against device", "Is the noise model true to the device?"),
    Section("cost", "Cost", "What did this cost, and what was it made with?"),
)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order of their sections; unknown studies come last, by name."""
    known = {section.study: place for place, section in enumerate(SECTIONS)}
    return sorted(findings, key=lambda each: (known.get(each.study, len(known)), each.study))


def title_of(study: str) -> str:
    """Title of a study's section; an unknown study goes by its own name."""
    titles = {section.study: section.title for section in SECTIONS}
    return titles.get(study, study.replace("_", " ").capitalize())


def not_acquired(findings: Sequence[Finding]) -> list[Section]:
    """Sections that nothing fills."""
    there = {finding.study for finding in findings}
    return [section for section in SECTIONS if section.study not in there]
