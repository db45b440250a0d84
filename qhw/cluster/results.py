"""Where the results of tasks are kept: one object each, whole or not there, under its task's name.

A folder that all machines see, or any place that fsspec reaches, such as `s3://bucket/study`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.utils import get_protocol

from qhw.errors import ConfigError, InstallationError, OutputError
from qhw.files import make_folder, replace_file

DONE, FAILED = ".tar.gz", ".failed.json"
FOLDERS = ("file", "local")
STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory")
"""Kinds of URL under which an object appears once all of it was written."""


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

    @classmethod
    def seen_by_all(cls, url: str) -> Results:
        """Results whose URL means the same on other machines: a folder's whole path.

        Raises:
            ConfigError: If no other process can see it.
        """
        results = cls(url)
        if get_protocol(url) == "memory":
            raise ConfigError(
                f"--results {url}: no other process sees this one's memory.",
                "Name a folder that all machines see, or a URL such as s3://bucket/study.",
            )
        if get_protocol(url) not in FOLDERS:
            return results
        return cls(results._place[1])

    def where(self, name: str) -> str:
        """The address of a task's result."""
        return f"{self.url.rstrip('/')}/{name}{DONE}"

    def where_failed(self, name: str) -> str:
        """The address of why a task failed."""
        return f"{self.url.rstrip('/')}/{name}{FAILED}"

    def holds(self, name: str) -> bool:
        """Whether a task has its result.

        Raises:
            OutputError: If that cannot be found out.
        """
        return self._is_there(name + DONE)

    def keep(self, name: str, content: bytes) -> None:
        """Keep a task's result, in one step; that it failed before is forgotten.

        Raises:
            OutputError: If it cannot be written.
        """
        self._write(name + DONE, content)
        if self._is_there(name + FAILED):
            system, root = self._place
            with _reaching(self.url):
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

    def fail(self, name: str, error: str, trace: str = "") -> None:
        """Record why a task has none, after the last try.

        Raises:
            OutputError: If it cannot be written.
        """
        record = {"error": error, "trace": trace.splitlines()}
        self._write(name + FAILED, json.dumps(record, indent=2).encode())

    def _is_there(self, name: str) -> bool:
        """Asked by `info`: fsspec's `exists` and `isfile` take every trouble for a no."""
        system, root = self._place
        with _reaching(self.url):
            try:
                return bool(system.info(f"{root}/{name}")["type"] == "file")
            except (FileNotFoundError, NotADirectoryError):
                return False

    def _write(self, name: str, content: bytes) -> None:
        system, root = self._place
        kind = get_protocol(self.url)
        if kind in FOLDERS:
            make_folder(Path(root))
            replace_file(Path(root) / name, content)
            return
        with _reaching(self.url):
            if kind in STORES:
                system.pipe_file(f"{root}/{name}", content)
                return
            # Written in place: nobody may see half of it.
            partial = f"{root}/.{name}.{uuid.uuid4().hex}.partial"
            system.makedirs(root, exist_ok=True)
            system.pipe_file(partial, content)
            system.mv(partial, f"{root}/{name}")

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


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Say which place it was that could not be reached."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{url} cannot be reached: {error}.", "Is it there, and may this account use it?"
        ) from error
