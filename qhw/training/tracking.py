"""Where the numbers of every update go besides the run's own file; nowhere by default.

A tracker is anything with `log` and `close`; those named here need an extra of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from qhw import packages
from qhw.errors import UnknownNameError


class Tracker(Protocol):
    """Takes the numbers of every update."""

    def log(self, update: int, numbers: Mapping[str, float]) -> None:
        """Take one update's numbers."""

    def close(self) -> None:
        """The training has ended, however it did."""


class _TensorBoard:
    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "events"))

    def log(self, update: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, update)

    def close(self) -> None:
        self._writer.close()


class _Service:
    """trackio and W&B, which offer the same functions."""

    package: str

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        from importlib import import_module

        self._service: Any = import_module(self.package)
        self._service.init(project="qhw", name=folder.name, config=dict(settings))

    def log(self, update: int, numbers: Mapping[str, float]) -> None:
        self._service.log(dict(numbers), step=update)

    def close(self) -> None:
        self._service.finish()


class _Trackio(_Service):
    package = "trackio"


class _WeightsAndBiases(_Service):
    package = "wandb"


_TRACKERS: dict[str, Callable[[Path, Mapping[str, Any]], Tracker]] = {
    "tensorboard": _TensorBoard,
    "trackio": _Trackio,
    "wandb": _WeightsAndBiases,
}
TRACKERS = tuple(_TRACKERS)
"""Names that `open_tracker` knows; each is an extra of the package too."""


def refuse_missing(name: str) -> None:
    """Refuse a tracker that cannot be opened, before anything is trained.

    Raises:
        UnknownNameError: If there is none of this name.
        InstallationError: If its package is not installed.
    """
    if name not in _TRACKERS:
        raise UnknownNameError.nearest("tracker", name, TRACKERS, "qhw train --help")
    packages.refuse_missing(name, extra=name, wanted=f"--track {name}")


def open_tracker(name: str, folder: Path, settings: Mapping[str, Any]) -> Tracker:
    """Open a tracker for a run.

    Args:
        name: One of `TRACKERS`.
        folder: The run's.
        settings: What the run is made with, by its dotted names.

    Raises:
        QhwError: As `refuse_missing`.
    """
    refuse_missing(name)
    return _TRACKERS[name](folder, settings)
