"""Tasks given out to a cluster's machines, begun again elsewhere where one is lost, and told."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from qhw.cluster.ray_cluster import able
from qhw.cluster.tasks import Ended, Progress, Work
from qhw.errors import ConfigError, QhwError

LOOK_SECONDS = 2.0
"""Between two looks at what the machines are doing."""
PATIENCE_SECONDS = 120.0
"""Until tasks are given up that no machine can do any more."""
NODE_ID = "ray.io/node-id"
"""Label that Ray gives each machine."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""In what Ray says of an error."""


def do_all(work: Work, tell: Callable[[Progress], None] = lambda _: None) -> Iterator[Ended]:
    """Do all tasks on the cluster that one is connected to; each comes out as it ends.

    Tries are counted here: Ray's own are without end for tasks that run out of memory.

    Args:
        work: The tasks.
        tell: Is told how far they are, every few seconds.

    Raises:
        ConfigError: If no machine of the cluster can ever do one of them.
    """
    if work.tasks and not able(work.needs):
        raise ConfigError(
            _no_machine_for(work), "Add a machine that has it, or take settings that need less."
        )
    return _Giving(work, tell).until_all_ended()


def _no_machine_for(work: Work) -> str:
    return f"No machine of the cluster has what a task needs: {work.needs}."


class _Giving:
    """Tasks on their way."""

    def __init__(self, work: Work, tell: Callable[[Progress], None]) -> None:
        import ray

        self._work, self._tell = work, tell
        self._board = _board()
        self._begin = ray.remote(_begin)
        self._tries = dict.fromkeys(work.tasks, 0)
        self._failed_on: dict[str, set[str]] = {name: set() for name in work.tasks}
        self._bound: set[str] = set()
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

    def _give(self, name: str) -> Any:
        """Give a task out, to a machine that it did not fail on while there is one, busy or not."""
        from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

        self._tries[name] += 1
        needs, bad = self._work.needs, self._failed_on[name]
        where: Any = "SPREAD"
        self._bound.discard(name)
        if bad and able(needs) - bad:
            where = NodeLabelSchedulingStrategy(hard={NODE_ID: NotIn(*bad)})
            self._bound.add(name)
        return self._begin.options(
            num_cpus=needs.cores,
            memory=needs.memory,
            num_gpus=needs.gpus,
            max_retries=0,
            scheduling_strategy=where,
        ).remote(self._work.do, name, self._work.tasks[name], self._board)

    def _ended(self, name: str, reference: Any) -> Iterator[Ended]:
        """What became of a task: given out again, or ended."""
        import ray

        ended = _outcome(name, reference)
        if ended.error is not None and self._tries[name] < self._work.tries:
            # Where its process was killed, nothing said so.
            where = ray.get(self._board.end.remote(name))
            self._failed_on[name] |= {where} if where else set()
            self._left[self._give(name)] = name
            return
        self._done += ended.error is None
        self._failed += ended.error is not None
        yield ended

    def _look(self) -> Iterator[Ended]:
        """Tell how far all are, and give up what no machine can do any more."""
        import ray

        under_way = ray.get(self._board.under_way.remote())
        running = sum(name in under_way for name in self._left.values())
        self._tell(Progress(running, len(self._left) - running, self._done, self._failed))
        machines = able(self._work.needs)
        if machines:
            self._stuck_since = None
            self._let_stranded_go(machines)
            return
        self._stuck_since = self._stuck_since or time.monotonic()
        if time.monotonic() - self._stuck_since > PATIENCE_SECONDS:
            self._failed += len(self._left)
            lost, self._left = [*self._left.values()], {}
            yield from (Ended(name, _no_machine_for(self._work)) for name in lost)

    def _let_stranded_go(self, machines: set[str]) -> None:
        """Tasks that are kept for machines that have left are given to any of those that stayed.

        One that was under way there is lost; it may not have said so yet, then this try is free.
        """
        import ray

        for reference, name in [*self._left.items()]:
            if name in self._bound and not machines - self._failed_on[name]:
                ray.cancel(reference)
                del self._left[reference]
                self._tries[name] -= 1
                self._left[self._give(name)] = name


def _outcome(name: str, reference: Any) -> Ended:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        ray.get(reference)
    except RayTaskError as error:
        # What is raised is of the cause's class, too, and hands on to it all but its text.
        cause = error.cause
        if isinstance(cause, QhwError):
            return Ended(name, f"{cause.message} {cause.hint}")
        return Ended(name, _in_a_line(cause), COLOURS.sub("", str(error)))
    except RayError as error:
        return Ended(name, _in_a_line(error), str(error))
    return Ended(name)


def _in_a_line(error: BaseException) -> str:
    """An error's kind, and the first line of what it says, where it says anything."""
    lines = str(error).split("\n")
    said = next((line.strip() for line in lines if line.strip()), "")
    return ": ".join(filter(None, [type(error).__name__, said]))


def _board() -> Any:
    """Which tasks are under way; on this machine, since others may leave."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    made = ray.remote(num_cpus=0)(_Board)
    return made.options(scheduling_strategy=here, max_restarts=-1, max_task_retries=-1).remote()


def _begin(do: Callable[[Any], None], name: str, task: Any, board: Any) -> None:
    """On the other machine: do one task, and tell the board where.

    The board is waited for where the task failed, so that it knows before the driver asks. At the
    beginning it is not: a task that waits gives its core to the next one meanwhile.
    """
    import ray

    node = ray.get_runtime_context().get_node_id()
    board.begin.remote(name, node)
    try:
        do(task)
    except BaseException:
        ray.get(board.begin.remote(name, node))
        raise


class _Board:
    """Where tasks were begun that have not ended badly; the driver knows which have ended well."""

    def __init__(self) -> None:
        self._where: dict[str, str] = {}

    def begin(self, name: str, node: str) -> None:
        self._where[name] = node

    def end(self, name: str) -> str | None:
        """Forget a task that failed; where it was."""
        return self._where.pop(name, None)

    def under_way(self) -> set[str]:
        return {*self._where}
