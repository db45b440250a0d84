"""What `--json` prints is one JSON value on standard output, whatever else is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qhw.cli.app import app
from qhw.console.output import Output, speak

COMMANDS = {
    "config ppo": "name",
    "runs --runs {folder}": None,
    "plan train --backend fake_fez --updates 2": "qpu_seconds",
    "drift fake_fez fake_fez": "verdict",
    "doctor": "fine",
    "cache ls": "counts",
    "jobs list": None,
}


@pytest.fixture(autouse=True)
def to_people_afterwards() -> Iterator[None]:
    yield
    speak(Output())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_is_one_json_value(command: str, tmp_path: Path) -> None:
    line = command.format(folder=tmp_path)
    result = CliRunner().invoke(app, [*line.split(), "--json"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    wanted = COMMANDS[command]
    if wanted is None:
        assert record == []
    else:
        assert wanted in (record[0] if isinstance(record, list) else record)


def test_the_next_command_speaks_to_people_again(tmp_path: Path) -> None:
    runner = CliRunner()
    runner.invoke(app, ["runs", "--runs", str(tmp_path), "--json"])
    assert "makes one" in runner.invoke(app, ["runs", "--runs", str(tmp_path)]).stdout
