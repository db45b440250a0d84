"""Which packages and which GPU there are, without importing a package to find out."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from qhw.packages import installed_version

SHOWN = ("torch", "diffusers", "qiskit", "qiskit-aer", "qiskit-ibm-runtime")
"""Whose versions are told where all is fine."""
DRIVER = "nvidia-smi"
DRIVER_SECONDS = 20.0


def packages() -> tuple[bool, str]:
    """Whether every package that qhw needs is there in a version that it is made for.

    Returns:
        Whether all are, and what was seen; otherwise what to type.
    """
    wrong = [fault for needed in _required() if (fault := _fault(needed))]
    if wrong:
        return False, f"{'; '.join(wrong)}: `pip install --upgrade qhw` brings them"
    return True, ", ".join(f"{name} {metadata.version(name)}" for name in SHOWN)


def gpu() -> str:
    """What the driver calls the GPUs, and whether the installed torch was built for them."""
    program = shutil.which(DRIVER)
    names = _asked([program, "--query-gpu=name", "--format=csv,noheader"]) if program else ""
    if not names:
        return "none: pictures on the CPU"
    built = metadata.version("torch").partition("+")[2]
    if built == "cpu":
        return f"{names}, but torch is built for the CPU: pictures on the CPU"
    return names


def _asked(command: list[str]) -> str:
    """The lines that a program prints, joined; empty where it fails or does not answer."""
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own program and fixed words
            command, capture_output=True, text=True, check=True, timeout=DRIVER_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ", ".join(done.stdout.split("\n")).strip(", ")


def _required() -> Iterator[Requirement]:
    """Packages that qhw needs without its extras."""
    for line in metadata.requires("qhw") or ():
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield needed


def _fault(needed: Requirement) -> str:
    """What is wrong with an installed package; empty if nothing is."""
    version = installed_version(needed.name)
    if version is None:
        return f"{needed.name} is missing"
    fits = needed.specifier.contains(version, prereleases=True)
    wanted = f"{needed.specifier} is needed"
    return "" if fits else f"{needed.name} {version} is there, {wanted}"
