from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from diffusion.embedded import DEFAULT, EMBEDDED
from qhw.commands import doctor_packages
from qhw.commands.cache import print_cache
from qhw.commands.doctor import PACKAGES, Check, all_checks, print_checks
from qhw.commands.runs import print_runs
from qhw.errors import InstallationError
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
    assert all("proxy accuracy" in checks[f"weights {name}"].seen for name in EMBEDDED)
    assert "torch 2." in checks["dependencies"].seen


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


def test_loading_imports_torch_and_the_weights(capsys: pytest.CaptureFixture[str]) -> None:
    print_checks(load=True)
    assert f"{DEFAULT} is loaded" in " ".join(capsys.readouterr().out.split())


def test_what_is_wrong_is_told_by_name_and_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    occupied = tmp_path / "a file"
    occupied.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(occupied))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(InstallationError, match=r"1 of \d+ checks .*: cache folder\.") as caught:
        print_checks()
    assert caught.value.exit_code == 2
    told = " ".join(capsys.readouterr().out.split())
    assert "Not a directory" in told
    assert "set XDG_CACHE_HOME" in told
    assert list(tmp_path.iterdir()) == [occupied], "looking leaves nothing"


def test_a_damaged_page_of_the_ledger_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    Ledger.of_user().close()
    path = UserData.of_user().ledger
    content = bytearray(path.read_bytes())
    page = 4096
    content[page : 2 * page] = b"\xff" * page  # the first page holds the schema and stays
    path.write_bytes(content)
    check = ledger_check()
    assert not check.fine
    assert "damaged" in check.seen
    assert "To start a new one" in check.seen


def test_weights_that_are_not_the_cards_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = shutil.copytree(EMBEDDED[DEFAULT], tmp_path / "bundle")
    monkeypatch.setitem(EMBEDDED, DEFAULT, folder)
    for damage, words in ((b"cut", "its card says"), (None, "No such file")):
        path = folder / "proxy.safetensors"
        path.unlink() if damage is None else path.write_bytes(damage)
        (check,) = [check for check in all_checks() if check.name == f"weights {DEFAULT}"]
        assert not check.fine
        assert words in check.seen
        assert "pip install" in check.seen


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["nothing-of-this-name>=1"], "nothing-of-this-name is missing"),
        (["torch>=99,<100"], "torch 2."),
        (["torch>=1,<2.1"], "<2.1,>=1 is needed"),
    ],
)
def test_a_package_that_is_missing_or_of_another_version_is_told(
    lines: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: lines)
    fine, seen = doctor_packages.packages()
    assert not fine
    assert words in seen
    assert "pip install --upgrade" in seen


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("2.14.1+cu130", ">=2.9,<2.15", True),
        ("2.9.1", ">=2.13,<2.15", False),
        ("3.0", "<3,>=2.6", False),
    ],
)
def test_versions_compare_as_numbers(
    version: str, wanted: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: [f"torch{wanted}"])
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    fine, seen = doctor_packages.packages()
    assert fine == fits
    assert fits or f"torch {version} is there" in seen


def test_a_gpu_is_what_the_driver_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor_packages.gpu() == "none: pictures on the CPU"
    driver = tmp_path / doctor_packages.DRIVER
    driver.write_text("#!/bin/sh\necho 'NVIDIA H200'\necho 'NVIDIA T4'\n")
    driver.chmod(0o755)
    assert doctor_packages.gpu() == "NVIDIA H200, NVIDIA T4"
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert doctor_packages.gpu() == "none: pictures on the CPU"
