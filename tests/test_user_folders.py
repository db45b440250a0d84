from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from qhw.files import Cache, UserData


def test_tests_have_folders_of_their_own(user_folders: Path) -> None:
    roots = (Cache.of_user().root, UserData.of_user().root)
    assert all(root.is_relative_to(user_folders) for root in roots)
    assert not user_folders.is_relative_to(Path.home() / ".cache")


def test_so_have_the_processes_that_they_start(user_folders: Path) -> None:
    code = "from qhw.files import Cache; print(Cache.of_user().root)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()).is_relative_to(user_folders)
