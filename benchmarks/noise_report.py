"""How long a noise report takes, study by study, with empty caches.

    python -m benchmarks.noise_report [--full]

One run of the default controller, trained for six updates: what is measured does not depend on how
well it is trained. The quick report is to take 8 minutes at most on two cores.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import write_result

TRAINING = ["train", "--backend", "aer_noisy", "--updates", "6", "--latents", "40", "--name", "run"]
STUDY = re.compile(r"^\[ *[\d.]+ s\] (\w+): done in ([\d.]+) s$", re.MULTILINE)


def qhw(arguments: list[str], folder: Path) -> str:
    environment = {
        **os.environ,
        "COLUMNS": "200",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "data"),
    }
    command = [sys.executable, "-m", "qhw", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def main(full: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        qhw(TRAINING, folder)
        started = time.perf_counter()
        told = qhw(["report", "noise", "runs/run", *(["--full"] if full else [])], folder)
        seconds = time.perf_counter() - started
    studies = {study: float(taken) for study, taken in STUDY.findall(told)}
    assert studies, told
    stem = "noise_report_full" if full else "noise_report"
    write_result(
        str(Path(__file__).with_name(stem)),
        {
            "cores": os.cpu_count(),
            "whole command, s": round(seconds, 1),
            "acquired, s": studies,
            "analysed and rendered, s": round(seconds - sum(studies.values()), 1),
        },
    )


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
