"""A cluster of Ray's: the one at an address, or one that is started on this machine."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from qhw.cluster.tasks import Needs
from qhw.errors import BackendUnavailableError, ConfigError
from qhw.packages import refuse_missing

KNOCK_SECONDS = 10.0
"""Until the head of a cluster has answered."""
OF_OURS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""For a cluster that is started here: Ray would report its use to its makers, and let every other
process go first."""
START = (
    "Start one by `ray start --head` and, on the other machines, `ray start --address HEAD:6379`; "
    "or leave out --address to use this machine alone."
)


@contextmanager
def ray_cluster(address: str | None, cores: int | None = None) -> Iterator[None]:
    """Be connected to a cluster.

    Args:
        address: Of its head, such as `10.0.0.1:6379`; `auto` is the one that runs on this machine.
            None starts one on this machine alone, which ends with this context.
        cores: Of a cluster that is started here, each with a task at a time; all by default.

    Raises:
        InstallationError: If Ray is not installed.
        ConfigError: If that is no address.
        BackendUnavailableError: If there is no cluster at the address, or none can be started.
    """
    refuse_missing("ray", "ray", "--executor ray")
    import ray

    for name, value in OF_OURS.items():
        os.environ.setdefault(name, value)
    # Standard output is the result's; Ray prints there what becomes of machines.
    with redirect_stdout(sys.stderr):
        _connect(address, cores)
        try:
            yield
        finally:
            ray.shutdown()


def _connect(address: str | None, cores: int | None) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        with _told("A cluster cannot be started here", "Is there enough memory and disk?"):
            # An address in the environment would be taken for one that was typed.
            ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
        return
    with _told(f"--address {address}", START):
        _require_answer(address)
        ray.init(address, **quiet)


@contextmanager
def _told(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        # In one line: Ray tells versions that differ below one another.
        raise BackendUnavailableError(f"{what}: {' '.join(str(error).split())}", hint) from error


def _require_answer(address: str) -> None:
    """Knock at a typed address: Ray itself waits for minutes where nobody is.

    Raises:
        ConfigError: If it is no address.
        OSError: If nobody answers.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(
            f"--address {address}: that is no HOST:PORT.", "Such as 10.0.0.1:6379, or auto."
        )
    with socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS):
        pass


def able(needs: Needs) -> set[str]:
    """Ids of the machines that have what a task needs, busy or not."""
    import ray

    def has(there: Mapping[str, float]) -> bool:
        enough = there.get("CPU", 0) >= needs.cores and there.get("memory", 0) >= needs.memory
        return enough and there.get("GPU", 0) >= needs.gpus

    return {node["NodeID"] for node in ray.nodes() if node["Alive"] and has(node["Resources"])}
