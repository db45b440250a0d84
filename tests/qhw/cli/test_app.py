from __future__ import annotations

import os
import subprocess
import sys

import pytest

QHW = [sys.executable, "-m", "qhw"]


def qhw(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(
        [*QHW, *arguments], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_start_imports_nothing_heavy(option: str) -> None:
    code = (
        "import sys\n"
        "from qhw.cli.app import app\n"
        f"try: app([{option!r}])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'qiskit', 'diffusers', 'mitiq', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
    assert "greater than or equal to 1" in done.stderr


def test_long_errors_fit_the_terminal() -> None:
    done = qhw("run", "--backend", "ibm_fez")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) > 2
    assert max(len(line) for line in done.stderr.splitlines()) <= 80


def test_resume_takes_no_other_settings(tmp_path: object) -> None:
    done = qhw("train", "--resume", str(tmp_path), "--seed", "3")
    assert done.returncode == 2
    assert "--resume" in done.stderr
