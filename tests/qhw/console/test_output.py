from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from rich.console import Console

from qhw.console.output import Output, show, speak, terminal


@pytest.fixture(autouse=True)
def to_people_afterwards() -> Iterator[None]:
    yield
    speak(Output())


def give_result() -> None:
    terminal().print("while it runs")
    show({"value": 3}, lambda console: console.print("the table"))


@pytest.mark.parametrize(
    ("output", "out", "err"),
    [
        (Output(), "while it runs\nthe table\n", ""),
        (Output(quiet=True), "the table\n", ""),
        (Output(as_json=True), {"value": 3}, "while it runs\n"),
        (Output(quiet=True, as_json=True), {"value": 3}, ""),
    ],
)
def test_results_and_what_goes_on_are_told_apart(
    output: Output, out: object, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(output)
    give_result()
    printed = capsys.readouterr()
    assert (json.loads(printed.out) if output.as_json else printed.out) == out
    assert printed.err == err


def test_a_result_is_printed_for_people_though_the_rest_is_quiet() -> None:
    speak(Output(quiet=True))
    seen: list[Console] = []
    show({}, seen.append)
    assert not seen[0].quiet
