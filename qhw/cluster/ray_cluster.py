"""Tasks on Ray: given out to machines, begun again where one is lost, bounded, and told."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qhw.cluster.tasks import Ended, Needs, Progress, Work
from qhw.errors import BackendUnavailableError, ConfigError
from qhw.packages import refuse_missing

LOOK_SECONDS = 2.0
"""Between two looks at what the machines are doing."""
KNOCK_SECONDS = 10.0
"""Until the head of a cluster has answered."""
OF_OURS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""For a cluster that is started here: Ray would report its use to its makers, and let every other
process go first."""


@contextmanager
def ray_cluster(address: str | None, cores: int | None = None) -> Iterator[None]:
    """Be connected to a cluster.

    Args:
        address: Of its head, such as `10.0.0.1:6379`; `auto` is the one that runs on this machine.
            None starts one on this machine alone, which ends with this context.
        cores: Of a cluster that is started here; all by default.

    Raises:
        InstallationError: If Ray is not installed.
        BackendUnavailableError: If there is no cluster at the address.
    """
    refuse_missing("ray", "ray", "--executor ray")
    import ray

    for name, value in OF_OURS.items():
        os.environ.setdefault(name, value)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        _require_answer(address)
        if address is None:
            # An address in the environment would be taken for one that was typed.
            ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
        else:
            ray.init(address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise BackendUnavailableError(
            f"--address {address}: {str(error).splitlines()[0]}",
            "Start one by `ray start --head` and, on the other machines, `ray start --address "
            "HEAD:6379`; or leave out --address to use this machine alone.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str | None) -> None:
    """Knock at a typed address: Ray itself waits for minutes where nobody is.

    Raises:
        OSError: If nobody answers.
        ValueError: If it is no address.
    """
    if address not in (None, "auto"):
        host, _, port = address.rpartition("/")[2].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS):
            pass


def do_all(work: Work, tell: Callable[[Progress], None] = lambda _: None) -> Iterator[Ended]:
    """Do all tasks on the cluster that one is connected to; each comes out as it ends.

    Args:
        work: The tasks.
        tell: Is told how far they are, every few seconds.

    Raises:
        ConfigError: If no machine of the cluster can ever do one of them.
    """
    import ray

    _require_room(work.needs)
    board = _board()
    begin = ray.remote(_begin).options(
        num_cpus=work.needs.cores,
        memory=work.needs.memory,
        num_gpus=work.needs.gpus,
        max_retries=work.tries - 1,
        retry_exceptions=True,
        scheduling_strategy="SPREAD",
    )
    left = {begin.remote(work.do, name, task, board): name for name, task in work.tasks.items()}
    done = failed = 0
    while left:
        ready, _ = ray.wait([*left], timeout=LOOK_SECONDS)
        for reference in ready:
            ended = _ended(left.pop(reference), reference)
            done, failed = done + (ended.error is None), failed + (ended.error is not None)
            yield ended
        running = len(set(ray.get(board.running.remote())) & {*left.values()})
        tell(Progress(running, len(left) - running, done, failed))


def _board() -> Any:
    """Which tasks are under way; on this machine, since others may leave."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0)(_Board).options(scheduling_strategy=here).remote()


def _require_room(needs: Needs) -> None:
    """Refuse what would wait for ever.

    Raises:
        ConfigError: If no machine has what a task needs.
    """
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for there in alive:
        enough = there.get("CPU", 0) >= needs.cores and there.get("memory", 0) >= needs.memory
        if enough and there.get("GPU", 0) >= needs.gpus:
            return
    raise ConfigError(
        f"No machine of the cluster ({len(alive)} of them) has what a task needs: {needs}.",
        "Add one that has; --torch-device cpu needs no GPU.",
    )


def _ended(name: str, reference: Any) -> Ended:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        ray.get(reference)
    except RayTaskError as error:
        cause = error.cause
        return Ended(name, f"{type(cause).__name__}: {cause}")
    except RayError as error:
        return Ended(name, f"{type(error).__name__}: {str(error).splitlines()[0]}")
    return Ended(name)


def _begin(do: Callable[[Any], None], name: str, task: Any, board: Any) -> None:
    """On the other machine: do one task, and tell the board."""
    board.begin.remote(name)
    try:
        do(task)
    finally:
        board.end.remote(name)


class _Board:
    """Which tasks are under way, wherever they are."""

    def __init__(self) -> None:
        self._running: set[str] = set()

    def begin(self, name: str) -> None:
        self._running.add(name)

    def end(self, name: str) -> None:
        self._running.discard(name)

    def running(self) -> list[str]:
        return sorted(self._running)
