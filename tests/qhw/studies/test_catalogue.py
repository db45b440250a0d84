"""Every study can be found by its name."""

from __future__ import annotations

import pytest

from qhw.errors import UnknownNameError
from qhw.studies.catalogue import STUDIES, find_study


def test_every_entry_loads_the_study_of_its_name() -> None:
    names = [entry.name for entry in STUDIES]
    assert len(set(names)) == len(names)
    assert [find_study(name).name for name in names] == names


def test_an_unknown_study_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="features"):
        find_study("feature")
