"""`qhw export`, `qhw push`, `qhw pull`: controllers and bundles outside their runs."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from qhw.console.output import show
from qhw.console.tables import from_here
from qhw.controllers.exporting import export_controller
from qhw.controllers.hub import pull_folder, push_folder
from qhw.runs.directory import RunDirectory


def export_run(run: RunDirectory, folder: Path) -> None:
    """Write a run's controller and say how to open it.

    Args:
        run: A trained run.
        folder: A new folder.

    Raises:
        QhwError: As `export_controller`.
    """
    record = export_controller(run, folder)
    shown = str(from_here(folder))

    def print_it(console: Console) -> None:
        console.print(
            f"{shown}: {record.updates} updates, {record.trained_on}", soft_wrap=True, markup=False
        )
        console.print(f'open it: qhw.load_controller("{shown}")', soft_wrap=True, markup=False)

    show({"run": run.name, "folder": shown, "updates": record.updates}, print_it)


def push(folder: Path, repo: str, *, private: bool) -> None:
    """Upload a folder and say where it is; raises as `push_folder`."""
    address = push_folder(folder, repo, private=private)
    show({"repo": repo, "commit": address}, lambda console: console.print(address, soft_wrap=True))


def pull(repo: str, folder: Path | None, revision: str | None) -> None:
    """Download a folder and say what it is; raises as `pull_folder`."""
    path = folder or Path(repo.rsplit("/", 1)[-1])
    kind = pull_folder(repo, path, revision=revision)
    use = f'qhw.load_controller("{path}")' if kind == "controller" else f"--bundle {path}"

    def print_it(console: Console) -> None:
        console.print(f"{path}: a {kind}, whole; use it by {use}", soft_wrap=True, markup=False)

    show({"repo": repo, "folder": str(path), "kind": kind}, print_it)
