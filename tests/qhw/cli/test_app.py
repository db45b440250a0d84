from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

QHW = [sys.executable, "-m", "qhw"]


def qhw(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(
        [*QHW, *arguments], capture_output=True, text=True, check=False, env=environment
    )


HEAVY = {"torch", "qiskit", "diffusers", "mitiq", "scipy", "numpy", "matplotlib"}
HEAVY |= {"torchvision", "qiskit_aer", "qiskit_ibm_runtime", "pandas", "PIL", "requests"}
COMMANDS = (
    "train",
    "run",
    "evaluate",
    "compare",
    "runs",
    "report compare",
    "report noise",
    "devices",
    "calibrate",
    "drift",
    "plan train",
    "plan run",
    "jobs list",
    "jobs show",
    "jobs collect",
    "jobs cancel",
    "doctor",
    "fit",
    "remeasure",
    "cache ls",
    "cache clear",
)


def imported_by(*lines: str) -> set[str]:
    """Packages that are there after these lines were typed, one after the other, in one process."""
    code = (
        "import sys\n"
        "from qhw.cli.app import app\n"
        "for line in sys.argv[1:]:\n"
        "    try: app(line.split())\n"
        "    except SystemExit as end: assert not end.code, end.code\n"
        "print('imported:', *sys.modules)\n"
    )
    command = [sys.executable, "-c", code, *lines]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("imported:")[2].split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_start_imports_nothing_heavy(option: str) -> None:
    assert not (HEAVY | {"pydantic"}) & imported_by(option)


def test_the_help_of_a_command_imports_nothing_heavy() -> None:
    assert not HEAVY & imported_by(*(f"{command} --help" for command in COMMANDS))


@pytest.mark.parametrize(
    "command", ["devices", "doctor", "cache ls", "jobs list", "runs", "plan train"]
)
def test_a_command_that_looks_at_files_imports_nothing_heavy(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    assert not HEAVY & imported_by(command)


@pytest.mark.parametrize("group", ["", "report", "plan", "jobs", "cache"])
def test_a_group_lists_its_commands(group: str) -> None:
    listing = qhw(*group.split(), "--help").stdout
    names = [command.split()[-1] for command in COMMANDS if command.split()[:-1] == group.split()]
    assert names
    assert all(f"│ {name} " in listing for name in names)


def test_a_retired_device_is_explained() -> None:
    done = qhw("run", "--backend", "ibm_brisbane")
    assert done.returncode == 2
    assert "retired" in done.stderr
    assert "--backend fake_brisbane" in done.stderr
    assert "QISKIT_IBM_TOKEN" in done.stderr


def test_a_wrong_backend_names_the_nearest() -> None:
    done = qhw("run", "--backend", "aer_nosy")
    assert done.returncode == 2
    assert "aer_noisy" in done.stderr
    assert "qhw devices" in done.stderr


def test_zero_shots_are_refused_with_field_and_range() -> None:
    done = qhw("train", "--shots", "0")
    assert done.returncode == 2
    assert "backend.shots = 0" in done.stderr
    assert "must be 1 to" in done.stderr


def test_long_errors_fit_the_terminal() -> None:
    done = qhw("run", "--backend", "ibm_fez")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) > 2
    assert max(len(line) for line in done.stderr.splitlines()) <= 80


def test_resume_takes_no_other_settings(tmp_path: object) -> None:
    done = qhw("train", "--resume", str(tmp_path), "--seed", "3")
    assert done.returncode == 2
    assert "--resume" in done.stderr
