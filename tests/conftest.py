"""What holds for every test: one thread for each process, the same draws in every run, and folders
of its own in place of the user's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from qhw.jobs.local.runner import LocalRunner
    from qhw.jobs.local.store import StoredJob

# Two test processes share two cores. numpy reads it when it is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# An example that is slow because the machine is busy has not failed.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="session")
def user_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Cache and data of the tests' own: nothing is written to the user's, nothing is read there.

    Test processes share the cache, as commands do that run at once. Yields what all lie in.
    """
    folder = tmp_path_factory.mktemp("user")
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("DATA", "CONFIG"):
            patch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
        patch.setenv("XDG_CACHE_HOME", str(common / "cache"))
        yield common


@pytest.fixture(autouse=True)
def spoken_to_people() -> Iterator[None]:
    """A command that is called with `--json` in this process leaves the next test alone."""
    from qhw.console.output import Output, speak

    yield
    speak(Output())


@pytest.fixture(autouse=True, scope="session")
def own_seed() -> Iterator[Callable[[LocalRunner, StoredJob], int]]:
    """A fake device draws by the request, and anew if it is made again: no test passes by luck.

    Yields what it draws by outside of tests.
    """
    from qhw.jobs.local.runner import LocalRunner

    with pytest.MonkeyPatch.context() as patch:
        own = LocalRunner._seed
        patch.setattr(LocalRunner, "_seed", _seed_by_request)
        yield own


def _seed_by_request(runner: LocalRunner, job: StoredJob) -> int:
    earlier = [other for other in runner._store.jobs() if other.job_id < job.job_id]
    return int(job.digest, 16) + [other.digest for other in earlier].count(job.digest)
