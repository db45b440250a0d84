from __future__ import annotations

from pathlib import Path

import pytest

from qhw.commands.cache import print_cache
from qhw.commands.doctor import PACKAGES, Check, all_checks
from qhw.commands.runs import print_runs
from qhw.files import UserData
from qhw.jobs.ledger import Ledger


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
    print_cache()
    told = capsys.readouterr().out
    assert "`qhw train` makes one" in " ".join(told.split())
    assert str(tmp_path) in told.replace("\n", "")


def ledger_check() -> Check:
    (check,) = [check for check in all_checks() if check.name == "ledger of jobs"]
    return check


def test_the_ledger_is_read_and_its_mode_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = UserData.of_user().ledger
    check = ledger_check()
    assert check.fine
    assert check.seen == f"{path}: none yet"
    assert not path.exists(), "looking makes nothing"
    Ledger.of_user().close()
    check = ledger_check()
    assert check.fine
    assert check.seen == f"{path}: schema 1, 0 entries"
    path.chmod(0o644)
    check = ledger_check()
    assert not check.fine
    assert "chmod 600" in check.seen
    assert path.stat().st_mode & 0o777 == 0o644, "looking mends nothing"


def test_a_damaged_ledger_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = UserData.of_user().ledger
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)
    path.chmod(0o600)
    check = ledger_check()
    assert not check.fine
    assert "damaged" in check.seen


def test_an_account_file_without_a_token_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    (tmp_path / ".qiskit").mkdir()
    (tmp_path / ".qiskit" / "qiskit-ibm.json").write_text('{"default": {"token": ""}}')
    (check,) = [check for check in all_checks() if check.name == "IBM credentials"]
    assert check.seen == "none: simulators only"
