"""What holds for every test: one thread for each process, and the same draws in every run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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
