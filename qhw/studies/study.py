"""What every study has in common: it acquires to files, resumably, and analyses files alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from qhw.runs.directory import RunDirectory
from qhw.studies.finding import Figure, Finding, Gallery, Table, Verdict
from qhw.studies.sizes import Sizes
from qhw.studies.store import Store


@dataclass(frozen=True)
class Scope:
    """What a report is about.

    Attributes:
        runs: Trained runs; the first is the subject, further ones are other seeds or backends.
        folder: The report's; `data/STUDY/` holds what was acquired, `analysis/` what was found.
        device: Snapshot whose noise is studied, such as `fake_brisbane`.
        sizes: How much is measured.
        tell: Shown what is being acquired.
        companions: Runs that the subject is compared with: of classical actors, or of circuits that
            were left as they were drawn.
    """

    runs: tuple[RunDirectory, ...]
    folder: Path
    device: str
    sizes: Sizes = field(default_factory=Sizes)
    tell: Callable[[str], None] = lambda _: None
    companions: tuple[RunDirectory, ...] = ()

    @property
    def full(self) -> bool:
        """Whether it is the long version."""
        return self.sizes == Sizes.full()

    def store(self, study: str) -> Store:
        """Acquired files of a study."""
        return Store(self.folder / "data" / study, self.tell)

    @property
    def analysis(self) -> Path:
        """Folder of all findings."""
        return self.folder / "analysis"


class Study(ABC):
    """One question about what noise does to a trained controller.

    Attributes:
        name: Its identifier, such as `shots`.
        question: Shown as the section's heading.
        about: What its sentence says of all controllers that are trained alike, such as `how many
            shots such controllers need`; empty where no training seed is involved.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    about: ClassVar[str] = ""

    @abstractmethod
    def acquire(self, scope: Scope) -> None:
        """Measure what is not there yet, one file per condition."""

    @abstractmethod
    def analyse(self, scope: Scope) -> Finding:
        """Turn the files into a finding; opens no backend and no model.

        Raises:
            DataError: If a file is missing: acquire first.
        """

    def finding(
        self,
        sentence: str,
        seeds: int | None = None,
        *,
        verdict: Iterable[Verdict] = (),
        figures: Iterable[Figure] = (),
        tables: Iterable[Table] = (),
        galleries: Iterable[Gallery] = (),
        notes: Iterable[str] = (),
        provenance: Mapping[str, str | int | float] | None = None,
    ) -> Finding:
        """Say what was found; with one training seed, of that one controller alone.

        Args:
            sentence: Computed from the numbers.
            seeds: Training seeds that it rests on; None where it rests on none.
            verdict: Lines of the page's verdict.
            figures: In order, the one to look at first.
            tables: In order.
            galleries: In order.
            notes: Caveats, assumptions, sample sizes.
            provenance: Facts of what was run.
        """
        alone = seeds == 1
        return Finding(
            study=self.name,
            question=self.question,
            answer=None if alone else sentence,
            refusal=f"One training seed allows no claim about {self.about}." if alone else None,
            observed=sentence if alone else None,
            verdict=tuple(verdict),
            figures=tuple(figures),
            tables=tuple(tables),
            galleries=tuple(galleries),
            notes=tuple(notes),
            provenance=dict(provenance or {}),
        )

    def refused(self, reason: str) -> Finding:
        """Say that the data allow no answer at all, and why."""
        return Finding(study=self.name, question=self.question, refusal=reason)
