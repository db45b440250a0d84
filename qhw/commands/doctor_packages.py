"""Which packages and which GPU there are, without importing a package to find out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from operator import ge, lt

SHOWN = ("torch", "diffusers", "qiskit", "qiskit-aer", "qiskit-ibm-runtime")
"""Whose versions are told where all is fine."""
COMPARED = {">=": ge, "<": lt}
DRIVER = "nvidia-smi"
DRIVER_SECONDS = 20.0


def packages() -> tuple[bool, str]:
    """Whether every package that qhw needs is there in a version that it is made for.

    Returns:
        Whether all are, and what was seen; otherwise what to type.
    """
    wrong = [fault for name, wanted in _required() if (fault := _fault(name, wanted))]
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


def _required() -> Iterator[tuple[str, str]]:
    """Packages that qhw needs without its extras, and their versions, such as `>=2.6,<3`."""
    for line in metadata.requires("qhw") or ():
        if "extra ==" not in line:
            name, wanted = re.match(r"([\w.-]+)\s*(.*)", line).groups()  # type: ignore[union-attr]
            yield name, wanted


def _fault(name: str, wanted: str) -> str:
    """What is wrong with an installed package; empty if nothing is."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    return "" if _fits(version, wanted) else f"{name} {version} is there, {wanted} is needed"


def _fits(version: str, wanted: str) -> bool:
    """Whether a version lies in a range such as `>=2.6,<3`."""
    bounds = re.findall(r"(>=|<)\s*([\d.]+)", wanted)
    return all(COMPARED[sign](_numbers(version), _numbers(bound)) for sign, bound in bounds)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: `2.14.1+cu130` is (2, 14, 1)."""
    leading = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, leading[0].split("."))) if leading else ()
