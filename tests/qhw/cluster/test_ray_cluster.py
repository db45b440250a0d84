"""Two nodes of Ray on this machine: workers, a node and the driver are lost, tasks are poisoned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qhw.cluster.giving_out import _Giving, do_all
from qhw.cluster.ray_cluster import OF_OURS, able, ray_cluster
from qhw.cluster.results import Results
from qhw.cluster.tasks import Ended, Needs, Progress, Work
from qhw.errors import BackendUnavailableError, ConfigError

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,  # starts two nodes of a cluster
    # Ray leaves sockets and log files to be closed by the end of its processes.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SMALL = Needs(cores=1, memory=1 << 20)


@dataclass(frozen=True)
class Task:
    """What happens to one of the tasks below."""

    folder: str
    name: str
    kind: str = "good"


def work_on(task: Task) -> None:
    """Fail as its kind says, or keep a result; every beginning is noted."""
    folder = Path(task.folder)
    first = not (folder / f"{task.name}.begun").exists()
    here = ray.get_runtime_context().get_node_id()
    with (folder / f"{task.name}.begun").open("a") as file:
        file.write(here + "\n")
    if task.kind == "broken":
        raise ValueError("broken\nin two lines")
    if task.kind == "poisoned":
        raise ConfigError(f"{task.name} cannot be done.", "Leave it out.")
    if task.kind == "crashing" or (task.kind == "killed" and first):
        time.sleep(1)  # what it said of itself is on its way
        os.kill(os.getpid(), signal.SIGKILL)
    if task.kind == "patient":
        # What the leaving node began does not end there, however long its processes live.
        doomed = here == (folder / "leaving").read_text()
        while doomed or not (folder / "go").exists():
            time.sleep(0.05)
    if task.kind == "slow":
        time.sleep(0.4)
    if task.kind == "together":
        while len(list(folder.glob("*.begun"))) < 2:
            time.sleep(0.05)
    Results(task.folder).keep(task.name, task.name.encode())


def rest(seconds: float) -> None:
    """Keep a core from others."""
    time.sleep(seconds)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    os.environ.update(OF_OURS)  # at a high load, nice workers stand still
    # Its workers do not find this file by name.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def connected(nodes: Any) -> Iterator[Any]:
    with ray_cluster(nodes.address):
        yield nodes


def work(folder: Path, kinds: dict[str, str]) -> Work:
    return Work(work_on, {k: Task(str(folder), k, v) for k, v in kinds.items()}, SMALL)


def begun(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}.begun").read_text().split()


def test_all_machines_do_tasks_and_progress_is_told(connected: Any, tmp_path: Path) -> None:
    told: list[Progress] = []
    kinds = {f"t{i}": "together" if i < 2 else "good" for i in range(8)}
    assert {
        ended.name: ended.error for ended in do_all(work(tmp_path, kinds), told.append)
    } == dict.fromkeys(kinds)
    assert len({node for name in kinds for node in begun(tmp_path, name)}) == 2
    assert [Results(str(tmp_path)).read(name) for name in kinds] == [k.encode() for k in kinds]
    assert told[-1] == Progress(running=0, waiting=0, done=8, failed=0)
    assert all(0 <= p.running <= 2 for p in told)


def test_a_killed_worker_and_poisoned_tasks_stop_nothing(connected: Any, tmp_path: Path) -> None:
    kinds = {"a": "good", "b": "killed", "c": "poisoned", "d": "crashing", "e": "good"}
    kinds["f"] = "broken"
    told: list[Progress] = []
    ended = {each.name: each for each in do_all(work(tmp_path, kinds), told.append)}
    assert told[-1] == Progress(running=0, waiting=0, done=3, failed=3)
    assert [ended[name].error for name in "abe"] == [None] * 3
    assert ended["c"] == Ended("c", "c cannot be done. Leave it out.")
    assert "WorkerCrashedError" in (ended["d"].error or "")
    assert ended["f"].error == "ValueError: broken"
    assert "work_on" in ended["f"].trace and "\x1b" not in ended["f"].trace
    tries = {name: len(begun(tmp_path, name)) for name in kinds}
    assert tries == {"a": 1, "b": 2, "c": 3, "d": 3, "e": 1, "f": 3}
    for name in "cdf":
        assert len(set(begun(tmp_path, name))) == 2, "never elsewhere"


def test_a_failed_task_waits_for_another_machine(connected: Any, tmp_path: Path) -> None:
    (tmp_path / "leaving").touch()
    kinds = {"busy": "patient", "bad": "poisoned"}
    wanted = work(tmp_path, kinds)

    def free() -> None:
        until(lambda: all((tmp_path / f"{name}.begun").exists() for name in kinds))
        time.sleep(2)  # long enough to fail twice more on the machine that is free
        (tmp_path / "tries").write_text(str(len(begun(tmp_path, "bad"))))
        (tmp_path / "go").touch()

    freeing = threading.Thread(target=free)
    freeing.start()
    ended = {each.name: each.error for each in do_all(wanted)}
    freeing.join()
    assert ended["busy"] is None and ended["bad"] is not None
    assert (tmp_path / "tries").read_text() == "1"
    assert len(begun(tmp_path, "bad")) == 3


def test_a_task_that_is_kept_for_a_machine_that_leaves_goes_to_another(
    connected: Any, tmp_path: Path
) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    staying, leaving = able(SMALL), connected.add_node(num_cpus=1)
    there = NodeAffinitySchedulingStrategy(leaving.node_id, soft=False)
    busy = ray.remote(rest).options(num_cpus=1, scheduling_strategy=there, max_retries=0)
    kept = busy.remote(600)
    until(lambda: ray.available_resources().get("CPU") == 2)
    giving = _Giving(work(tmp_path, {"a": "good"}), lambda _: None)
    assert [each.error for each in giving.until_all_ended()] == [None]
    giving._failed_on["a"] = staying
    giving._left = {giving._give("a"): "a"}
    connected.remove_node(leaving, allow_graceful=False)
    assert [each.error for each in giving.until_all_ended()] == [None]
    first, second = begun(tmp_path, "a")
    assert {first, second} <= staying
    assert giving._tries["a"] == 2
    with pytest.raises(ray.exceptions.RayError):
        ray.get(kept)


def test_a_node_that_leaves_takes_no_task_with_it(connected: Any, tmp_path: Path) -> None:
    leaving = connected.add_node(num_cpus=2)
    (tmp_path / "leaving").write_text(leaving.node_id)
    kinds = {f"t{i}": "patient" for i in range(4)}

    def leave() -> None:
        while not all((tmp_path / f"{name}.begun").exists() for name in kinds):
            time.sleep(0.05)
        connected.remove_node(leaving, allow_graceful=False)
        (tmp_path / "go").touch()

    leaver = threading.Thread(target=leave)
    leaver.start()
    ended = list(do_all(work(tmp_path, kinds)))
    leaver.join()
    assert sorted((each.name, each.error) for each in ended) == [(name, None) for name in kinds]
    nodes = {name: begun(tmp_path, name) for name in kinds}
    again = [where for where in nodes.values() if len(where) > 1]
    assert len(again) == 2
    assert all(where[0] == leaving.node_id != where[-1] for where in again)


DRIVER = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from tests.qhw.cluster.test_ray_cluster import Results, do_all, ray, ray_cluster, work
ray.cloudpickle.register_pickle_by_value(sys.modules["tests.qhw.cluster.test_ray_cluster"])
folder = Path({folder!r})
left = {{f"t{{i}}": "slow" for i in range(24) if not Results(str(folder)).holds(f"t{{i}}")}}
with ray_cluster({address!r}):
    ended = list(do_all(work(folder, left)))
print(len(left), sum(each.error is None for each in ended))
"""


def test_a_driver_that_was_killed_goes_on(nodes: Any, tmp_path: Path) -> None:
    script = DRIVER.format(
        paths=[str(Path.cwd())], folder=str(tmp_path), address=str(nodes.address)
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command) as driver:
        until(lambda: len(list(tmp_path.glob("*.tar.gz"))) >= 3)
        driver.kill()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    left, well = map(int, done.stdout.split())
    assert left == well <= 24 - 3
    assert len(list(tmp_path.glob("*.tar.gz"))) == 24


def until(holds: Callable[[], bool]) -> None:
    ending = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < ending
        time.sleep(0.05)


def test_what_no_machine_can_do_is_refused_before_it_waits(connected: Any, tmp_path: Path) -> None:
    wanted = Work(work_on, {"a": Task(str(tmp_path), "a")}, Needs(cores=1, gpus=1))
    with pytest.raises(ConfigError, match=r"1 core, 1\.0 GiB, 1 GPU"):
        list(do_all(wanted))
    assert not list(tmp_path.iterdir())


def test_no_cluster_at_an_address_is_told() -> None:
    told = r"--address 127\.0\.0\.1:1: .*\n.*ray start --head"
    with pytest.raises(BackendUnavailableError, match=told), ray_cluster("127.0.0.1:1"):
        pass
    with pytest.raises(ConfigError, match="--address nowhere: that is no HOST:PORT"):
        ray_cluster("nowhere").__enter__()
    assert not ray.is_initialized()
