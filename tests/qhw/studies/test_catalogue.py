"""Every study can be found by its name."""

from __future__ import annotations

from qhw.studies.catalogue import STUDIES


def test_every_entry_loads_the_study_of_its_name() -> None:
    names = [entry.name for entry in STUDIES]
    assert len(set(names)) == len(names)
    assert [entry.load().name for entry in STUDIES] == names
