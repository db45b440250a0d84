from __future__ import annotations

from pathlib import Path

import pytest

from qhw.doctor import PACKAGES, all_checks
from qhw.listings import print_cache, print_devices, print_runs


def test_every_check_is_fine_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("QISKIT_IBM_TOKEN", "QISKIT_IBM_INSTANCE"):
        monkeypatch.delenv(name, raising=False)
    checks = {check.name: check for check in all_checks()}
    assert all(check.fine for check in checks.values()), checks
    assert {f"package {name}" for name in PACKAGES} < set(checks)
    assert checks["IBM credentials"].seen == "none: simulators only"
    assert "proxy accuracy" in checks["weights"].seen


def test_a_token_is_noticed_but_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "s3cret")
    (check,) = [check for check in all_checks() if check.name == "IBM credentials"]
    assert "QISKIT_IBM_TOKEN" in check.seen
    assert "s3cret" not in check.seen


def test_listings_say_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    print_runs(tmp_path)
    print_devices()
    print_cache()
    told = capsys.readouterr().out
    assert "`qhw train` makes one" in " ".join(told.split())
    assert "fake_brisbane" in told
    assert "QISKIT_IBM_TOKEN" in told
    assert str(tmp_path) in told.replace("\n", "")
