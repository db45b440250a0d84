"""How the code is laid out, in figures that can be watched.

    python -m benchmarks.house           print them
    python -m benchmarks.house --write   keep them in house.json as well

Lines are those of the four packages' Python files. A function's length counts from its `def` to
its last line, docstring included; nested ones count by themselves too. A private helper is a
module's own function or a class's own method that begins with one underscore; its callers are the
places in its module that name it.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import write_result

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("calibration", "diffusion", "policy", "qhw")
LOOSE_EXCEPT = ("__init__.py", "__main__.py")
WATCHED_ROOMS = ("studies", "backends")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def product_files() -> list[Path]:
    """Every module of the four packages."""
    modules = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(path for path in modules if "pretrained" not in path.parts)


def line_count(folder: Path) -> int:
    """Lines of a folder's Python files, those below it included."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def length(function: Function) -> int:
    """Lines from `def` to the end."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def private_helpers(tree: ast.AST) -> list[tuple[int, int]]:
    """How many places name each private helper of one module, and how long it is."""
    named = Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    )
    helpers = [f for f in functions(tree) if f.name[0] == "_" and f.name[1] != "_"]
    return [(named[helper.name], length(helper)) for helper in helpers]


def imported(tree: ast.AST) -> set[str]:
    """Modules of the four packages that one module imports."""
    return {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.split(".")[0] in PACKAGES
    }


def measure() -> dict[str, float]:
    """All figures by their names."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in product_files()]
    lengths = sorted(length(function) for tree in trees for function in functions(tree))
    helpers = [helper for tree in trees for helper in private_helpers(tree)]
    single = [lines for callers, lines in helpers if callers == 1]
    loose = [path for path in (ROOT / "qhw").glob("*.py") if path.name not in LOOSE_EXCEPT]
    sizes = [len(path.read_text(encoding="utf-8").splitlines()) for path in product_files()]
    figures = {
        "loose modules in qhw": len(loose),
        "product lines": sum(sizes),
        "modules": len(trees),
        "longest module": max(sizes),
        "imports per module": round(sum(len(imported(tree)) for tree in trees) / len(trees), 2),
        "functions": len(lengths),
        "function length, median": statistics.median(lengths),
        "function length, p90": lengths[int(0.9 * len(lengths))],
        "functions over 50 lines, %": round(100 * sum(n > 50 for n in lengths) / len(lengths), 1),
        "private helpers": len(helpers),
        "of them with one caller, %": round(100 * len(single) / len(helpers)),
        "of these under five lines": sum(lines < 5 for lines in single),
        "test lines : product lines": round(line_count(ROOT / "tests") / sum(sizes), 2),
    }
    for room in WATCHED_ROOMS:
        ratio = line_count(ROOT / "tests" / "qhw" / room) / line_count(ROOT / "qhw" / room)
        figures[f"test lines : source lines, {room}"] = round(ratio, 2)
    return figures


def main() -> None:
    """Print the figures; keep them with --write."""
    figures = measure()
    for name, value in figures.items():
        print(f"{name:40} {value:g}")
    if "--write" in sys.argv[1:]:
        write_result(__file__, figures)


if __name__ == "__main__":
    main()
