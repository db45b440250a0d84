from __future__ import annotations

import pytest

from qhw.cluster.giving_out import _in_a_line


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (AssertionError(), "AssertionError"),
        (RuntimeError("\n  foo\nbar"), "RuntimeError: foo"),
        (ValueError("one line"), "ValueError: one line"),
    ],
    ids=["says nothing", "begins with an empty line", "one line"],
)
def test_an_error_is_told_in_a_line(error: Exception, told: str) -> None:
    assert _in_a_line(error) == told
