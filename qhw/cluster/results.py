"""Where the results of tasks are kept: one object each, whole or not there, under its task's name.

A folder that all machines see, or any place that fsspec reaches, such as `s3://bucket/study`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.utils import get_protocol

from qhw.errors import ConfigError, DamagedFileError, InstallationError, OutputError
from qhw.files import make_folder, replace_file

DONE, FAILED = ".tar.gz", ".failed.json"


@dataclass(frozen=True)
class Results:
    """Results under one URL, the same from every machine.

    Attributes:
        url: A folder, or a URL of fsspec's.

    Raises:
        ConfigError: If there is no such kind of URL.
        InstallationError: If the package that reaches it is not installed.
    """

    url: str

    def __post_init__(self) -> None:
        _ = self._place

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}

    def holds(self, name: str) -> bool:
        """Whether a task has its result."""
        system, root = self._place
        with _reaching(self.url):
            return bool(system.isfile(f"{root}/{name}{DONE}"))

    def keep(self, name: str, content: bytes) -> None:
        """Keep a task's result, in one step; that it failed before is forgotten.

        Raises:
            OutputError: If it cannot be written.
        """
        self._write(name + DONE, content)
        system, root = self._place
        with _reaching(self.url):
            if system.exists(f"{root}/{name}{FAILED}"):
                system.rm_file(f"{root}/{name}{FAILED}")

    def read(self, name: str) -> bytes:
        """A task's result.

        Raises:
            OutputError: If it cannot be reached.
        """
        system, root = self._place
        with _reaching(self.url):
            content: bytes = system.cat_file(f"{root}/{name}{DONE}")
        return content

    def fail(self, name: str, error: str) -> None:
        """Record why a task has none, after the last try.

        Raises:
            OutputError: If it cannot be written.
        """
        self._write(name + FAILED, json.dumps({"error": error}).encode())

    def failure(self, name: str) -> str | None:
        """Why a task failed, if it did.

        Raises:
            DamagedFileError: If the record cannot be read.
        """
        system, root = self._place
        path = f"{root}/{name}{FAILED}"
        with _reaching(self.url):
            if not system.exists(path):
                return None
            content: bytes = system.cat_file(path)
        try:
            return str(json.loads(content)["error"])
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFileError.of(path, error) from error

    def _write(self, name: str, content: bytes) -> None:
        system, root = self._place
        if _is_folder(self.url):
            # fsspec writes a local file in place: a reader could see half of it.
            make_folder(Path(root))
            replace_file(Path(root) / name, content)
            return
        with _reaching(self.url):
            system.pipe_file(f"{root}/{name}", content)

    @cached_property
    def _place(self) -> tuple[Any, str]:
        try:
            system, root = url_to_fs(self.url)
        except ValueError as error:
            raise ConfigError(
                f"--results {self.url}: {error}.",
                "Name a folder that all machines see, or a URL such as s3://bucket/study.",
            ) from error
        except ImportError as error:
            raise InstallationError(
                f"--results {self.url}: {error}.",
                "Install that package here and on all machines of the cluster.",
            ) from error
        return system, str(root).rstrip("/")


def _is_folder(url: str) -> bool:
    return get_protocol(url) in ("file", "local")


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Say which place it was that could not be reached."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{url} cannot be reached: {error}.", "Is it there, and may this account use it?"
        ) from error
