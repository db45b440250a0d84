"""What commands take that only look at files, and the Tab key: a whole process' CPU and memory.

    python -m benchmarks.small_commands

Processes take turns, beside a Python that does nothing. User and system time, and the largest
resident memory, as the kernel counts them for each: a launcher starts them, since a child's memory
counts from that of its parent. There is something to list:
300 jobs, 30 circuits and 20 runs, in folders of their own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timing import significant, write_result
from qhw.config import parse_config
from qhw.files import Cache, UserData, write_json
from qhw.jobs.clock import SystemClock
from qhw.jobs.ledger import Intent, Ledger
from qhw.jobs.request import Unit
from qhw.runs.directory import create_run

ROUNDS = 11
JOBS, CIRCUITS, RUNS = 300, 30, 20
NOTHING = "python -c pass"
COMMANDS = ("--help", "devices", "doctor", "cache ls", "jobs list", "jobs list --all", "runs")
COMPLETED = ("devices fake_", "evaluate ", "train --set ppo.")
"""Typed so far when the Tab key is pressed: a device, a run, a setting."""
INTENT = Intent("d" * 32, "fake_fez", "", ((64, 4),), 1024, 25.0)
QHW = [
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'qhw'; import qhw.cli.app as app; app.main()",
]
"""As the installed script; completion goes by its name."""
LAUNCHER = """
import os, sys
nowhere = os.open(os.devnull, os.O_WRONLY)
actions = [(os.POSIX_SPAWN_DUP2, nowhere, 1), (os.POSIX_SPAWN_DUP2, nowhere, 2)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


@dataclass(frozen=True)
class Taken:
    """What one process took.

    Attributes:
        seconds: CPU time, user and system.
        megabytes: Largest resident memory.
    """

    seconds: float
    megabytes: float


def taken(command: Sequence[str], folder: Path) -> Taken:
    """Run a process to its end in a folder.

    Raises:
        RuntimeError: If it fails.
    """
    launched = [sys.executable, "-c", LAUNCHER, *command]
    told = subprocess.run(launched, cwd=folder, capture_output=True, text=True, check=True).stdout
    code, seconds, kilobytes = told.split()
    if code != "0":
        raise RuntimeError(f"{command} ended with {code}")
    return Taken(float(seconds), float(kilobytes) / 1024)


def fill(folder: Path) -> None:
    """Something for every command to list."""
    UserData.of_user().root.mkdir(mode=0o700, parents=True)
    with Ledger(UserData.of_user().ledger, SystemClock()) as ledger:
        for number in range(JOBS):
            entry = ledger.intend(Unit("a", "rollout", number + 1, 0, 0), INTENT, None)
            ledger.submitted(entry.id, f"job-{number}")
            ledger.failed(entry.id, None, "made up")
    device = Cache.of_user().transpiled / "fake_fez"
    device.mkdir(parents=True)
    for number in range(CIRCUITS):
        write_json(device / f"{number:024}.json", entry_facts())
    for number in range(RUNS):
        create_run(folder / "runs", parse_config({"seed": number}))


def entry_facts() -> dict[str, object]:
    return {
        "device": "fake_fez",
        "circuit": "4 qubits, depth 2, dense, ring",
        "two_qubit_gates": 8,
        "depth": 40,
        "score": 0.2,
        "hits": 3,
        "miss_reason": "not in the cache yet",
        "date": 1.7e9,
    }


def tab(typed: str) -> list[str]:
    """What bash calls when the Tab key is pressed."""
    words = {"_QHW_COMPLETE": "complete_bash", "COMP_WORDS": typed}
    words["COMP_CWORD"] = str(typed.count(" "))
    return ["/usr/bin/env", *(f"{name}={value}" for name, value in words.items()), *QHW]


def measure(folder: Path) -> dict[str, list[Taken]]:
    peers = {NOTHING: [sys.executable, "-c", "pass"]}
    peers |= {f"qhw {words}": [*QHW, *words.split()] for words in COMMANDS}
    peers |= {f"qhw {words}[Tab]": tab(f"qhw {words}") for words in COMPLETED}
    found: dict[str, list[Taken]] = {name: [] for name in peers}
    for number in range(ROUNDS + 1):
        for name, command in peers.items():
            each = taken(command, folder)
            if number:
                found[name].append(each)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "HOME"):
            os.environ[variable] = name
        os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
        fill(folder)
        found = measure(folder)
    seconds = {name: statistics.median(one.seconds for one in each) for name, each in found.items()}
    write_result(
        __file__,
        {
            "rounds": ROUNDS,
            "jobs, circuits, runs": [JOBS, CIRCUITS, RUNS],
            "commands": {
                name: {
                    "CPU s": significant(seconds[name], 2),
                    "largest memory, MB": round(max(one.megabytes for one in each)),
                    "times a Python that does nothing": significant(
                        seconds[name] / seconds[NOTHING], 2
                    ),
                }
                for name, each in found.items()
            },
        },
    )


if __name__ == "__main__":
    main()
