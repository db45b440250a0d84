"""Tasks given out to a cluster's machines, begun again elsewhere where one is lost, and told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qhw.cluster.ray_cluster import first_line, lacking
from qhw.cluster.tasks import Ended, Progress, Work
from qhw.errors import ConfigError, QhwError

LOOK_SECONDS = 2.0
"""Between two looks at what the machines are doing."""
PATIENCE_SECONDS = 120.0
"""Until tasks are given up that no machine can do any more."""
NODE_ID = "ray.io/node-id"
"""Label that Ray gives each machine."""


def do_all(work: Work, tell: Callable[[Progress], None] = lambda _: None) -> Iterator[Ended]:
    """Do all tasks on the cluster that one is connected to; each comes out as it ends.

    Tries are counted here: Ray's own are without end for tasks that run out of memory.

    Args:
        work: The tasks.
        tell: Is told how far they are, every few seconds.

    Raises:
        ConfigError: If no machine of the cluster can ever do one of them.
    """
    if work.tasks and (why := lacking(work.needs)) is not None:
        raise ConfigError(why, "Add a machine that has it, or take settings that need less.")
    return _Giving(work, tell).until_all_ended()


class _Giving:
    """Tasks on their way."""

    def __init__(self, work: Work, tell: Callable[[Progress], None]) -> None:
        import ray

        self._work, self._tell = work, tell
        self._board = _board()
        self._begin = ray.remote(_begin)
        self._tries = dict.fromkeys(work.tasks, 0)
        self._left = {self._give(name): name for name in work.tasks}
        self._done = self._failed = 0
        self._stuck_since: float | None = None

    def until_all_ended(self) -> Iterator[Ended]:
        """Every task as it ends."""
        import ray

        looked = 0.0
        while self._left:
            ready, _ = ray.wait([*self._left], num_returns=1, timeout=LOOK_SECONDS)
            for reference in ready:
                yield from self._ended(self._left.pop(reference), reference)
            if not self._left or time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                yield from self._look()

    def _give(self, name: str, beside: str | None = None) -> Any:
        """Give a task out, to another machine than one that it failed on, if there is another."""
        from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

        self._tries[name] += 1
        needs = self._work.needs
        elsewhere = beside and NodeLabelSchedulingStrategy(hard={}, soft={NODE_ID: NotIn(beside)})
        return self._begin.options(
            num_cpus=needs.cores,
            memory=needs.memory,
            num_gpus=needs.gpus,
            max_retries=0,
            scheduling_strategy=elsewhere or "SPREAD",
        ).remote(self._work.do, name, self._work.tasks[name], self._board)

    def _ended(self, name: str, reference: Any) -> Iterator[Ended]:
        """What became of a task: given out again, or ended."""
        ended = _outcome(name, reference)
        if ended.error is not None and self._tries[name] < self._work.tries:
            self._board.end.remote(name)  # where its process was killed, nothing said so
            self._left[self._give(name, self._asked("where").get(name))] = name
            return
        self._done += ended.error is None
        self._failed += ended.error is not None
        yield ended

    def _look(self) -> Iterator[Ended]:
        """Tell how far all are, and give up what no machine can do any more."""
        under_way = self._asked("under_way")
        running = sum(name in under_way for name in self._left.values())
        self._tell(Progress(running, len(self._left) - running, self._done, self._failed))
        why = lacking(self._work.needs) if self._left else None
        if why is None:
            self._stuck_since = None
            return
        self._stuck_since = self._stuck_since or time.monotonic()
        if time.monotonic() - self._stuck_since > PATIENCE_SECONDS:
            self._failed += len(self._left)
            lost, self._left = [*self._left.values()], {}
            yield from (Ended(name, why) for name in lost)

    def _asked(self, question: str) -> Mapping[str, str]:
        """What the board answers; nothing while it is begun again."""
        import ray
        from ray.exceptions import RayActorError

        try:
            answer: Mapping[str, str] = ray.get(getattr(self._board, question).remote())
        except RayActorError:
            return {}
        return answer


def _outcome(name: str, reference: Any) -> Ended:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        ray.get(reference)
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, QhwError):
            return Ended(name, f"{cause.message} {cause.hint}")
        return Ended(name, f"{type(cause).__name__}: {first_line(cause)}", error.traceback_str)
    except RayError as error:
        return Ended(name, f"{type(error).__name__}: {first_line(error)}", str(error))
    return Ended(name)


def _board() -> Any:
    """Which tasks are under way; on this machine, since others may leave."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    made = ray.remote(num_cpus=0)(_Board)
    return made.options(scheduling_strategy=here, max_restarts=-1).remote()


def _begin(do: Callable[[Any], None], name: str, task: Any, board: Any) -> None:
    """On the other machine: do one task, and tell the board."""
    import ray

    board.begin.remote(name, ray.get_runtime_context().get_node_id())
    try:
        do(task)
    finally:
        board.end.remote(name)


class _Board:
    """Which tasks are under way, and where each was begun last."""

    def __init__(self) -> None:
        self._where: dict[str, str] = {}
        self._under_way: set[str] = set()

    def begin(self, name: str, node: str) -> None:
        self._where[name] = node
        self._under_way.add(name)

    def end(self, name: str) -> None:
        self._under_way.discard(name)

    def where(self) -> dict[str, str]:
        return self._where

    def under_way(self) -> dict[str, str]:
        return {name: self._where[name] for name in self._under_way}
