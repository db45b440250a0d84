"""Commands as they are typed, each in a process of its own.

It is forked from one that has imported what they need: most of a small command's time is imports.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

PRELOADED = [
    "diffusers",
    "lpips",
    "matplotlib.pyplot",
    "qhw.commands.evaluate",
    "qhw.commands.run",
    "qhw.commands.train",
    "qhw.jobs.local.runner",
    "qiskit_aer",
    "qiskit_ibm_runtime.fake_provider",
]


def typed(arguments: list[str], folder: Path, variables: dict[str, str]) -> tuple[int, str, str]:
    """What `qhw ARGUMENTS` exits with, prints, and complains of.

    Args:
        arguments: Behind `qhw`.
        folder: To type it in.
        variables: Of the environment, over this process's.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    told, complained = folder / ".stdout", folder / ".stderr"
    child = context.Process(target=_run, args=(arguments, folder, variables, told, complained))
    child.start()
    child.join()
    assert child.exitcode is not None
    outputs = told.read_text("utf-8"), complained.read_text("utf-8")
    told.unlink()
    complained.unlink()
    return child.exitcode, *outputs


def _run(
    arguments: list[str], folder: Path, variables: dict[str, str], told: Path, complained: Path
) -> None:
    for stream, path in ((1, told), (2, complained)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(stream), "w") for stream in (1, 2))
    os.chdir(folder)
    os.environ.update(variables)
    sys.argv = ["qhw", *arguments]
    from qhw.cli.app import main

    main()
