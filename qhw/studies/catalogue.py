"""All studies, in the order of the page; the code of one is imported when it is loaded."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from qhw.errors import UnknownNameError
from qhw.studies.study import Study


@dataclass(frozen=True)
class Entry:
    """Where a study is.

    Attributes:
        name: Of the study, and of its module in this package.
        kind: Its class.
    """

    name: str
    kind: str

    def load(self) -> Study:
        """Import its module and make it."""
        module = importlib.import_module(f"qhw.studies.{self.name}")
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
