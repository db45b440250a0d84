"""The arms of a comparison are found by name, in the order that files always had."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from qhw.evaluation.arms import Arms

WRITTEN = Path(__file__).parents[2] / "fixtures" / "written_by_0_1_0" / "files.tar.xz"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """The rows of an `evaluation.json` that 0.1.0 wrote."""
    with tarfile.open(WRITTEN) as archive:
        file = archive.extractfile("runs/device/evaluation.json")
        assert file is not None
        written: list[dict[str, Any]] = json.load(file)["rows"]
    return written


def test_a_table_written_before_has_every_arm_in_its_place(rows: list[dict[str, Any]]) -> None:
    arms = Arms.read({"rows": rows})
    names = arms.map(lambda row: row["name"])
    assert names.policy == "policy"
    assert names.rule.startswith("rule ")
    assert names.constant.startswith("constant ")
    assert names.base.startswith("a = 0: g = ")
    assert (names.open_loop, names.shuffled) == ("policy, open loop", "policy, shuffled")
    assert names.greedy is None, "0.1.0 had none"
    assert set(arms.constant["gain"].values()) == {0.0}, "it is what others are compared to"


def test_arms_go_back_to_a_file_in_the_order_they_came(rows: list[dict[str, Any]]) -> None:
    more = [*rows, {"name": "random, same variance"}, {"name": "linear up"}]
    arms = Arms.read({"rows": more})
    assert list(arms) == more
    assert [row["name"] for row in arms.others[-2:]] == ["random, same variance", "linear up"]


def test_greedy_feedback_stands_after_the_rule_and_comes_back_from_a_file(
    rows: list[dict[str, Any]],
) -> None:
    more = [*rows[:2], {"name": "greedy feedback"}, *rows[2:], {"name": "linear up"}]
    arms = Arms.of(more)
    assert arms.greedy == {"name": "greedy feedback"}
    assert arms.constant == rows[2]
    read = Arms.read(json.loads(json.dumps({"arms": arms.names, "rows": list(arms)})))
    assert read == arms
    assert read.map(lambda row: row["name"]).others == ("linear up",)


def test_a_table_that_lacks_an_arm_is_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="at least 7"):
        Arms.of(rows[:5])
    with pytest.raises(ValueError, match="at least 6"):
        Arms.read({"rows": rows[:5]})
