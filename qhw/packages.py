"""Which packages are installed, and what to type where one is not."""

from __future__ import annotations

from importlib import metadata

from qhw.errors import InstallationError


def installed_version(package: str) -> str | None:
    """The version of an installed package; None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def refuse_missing(package: str, extra: str, wanted: str) -> None:
    """Refuse what needs an extra that is not installed.

    Args:
        package: The package that it needs.
        extra: The extra of qhw that brings it.
        wanted: What was asked for, as the message's first words.

    Raises:
        InstallationError: If the package is not there.
    """
    if installed_version(package) is None:
        raise InstallationError(
            f"{wanted}: the package {package} is not installed.",
            f"Type `pip install 'qhw[{extra}]'`.",
        )
