"""What stands between fences on the pages, and how it is made quick."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", flags=re.M | re.S)
SMALL = ("--updates", "1", "--environments", "4", "--latents", "20")
"""Options of a training that takes seconds."""


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        page: Its path in the repository.
        line: Where it begins there.
        language: Word behind the fence; empty where there is none.
        text: What it holds.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """All blocks of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(str(page.relative_to(ROOT)), line, found[2], found[3])


BLOCKS = [block for page in PAGES for block in blocks(page)]


def written_in(language: str) -> list[Block]:
    """All blocks of a language."""
    return [block for block in BLOCKS if block.language == language]


def shortened(command: str) -> str:
    """The command as tests run it: few seeds, latents and pictures, trainings of seconds."""
    small = re.sub(r"--seeds 0:\d+", "--seeds 0:1", command.replace("2000", "20"))
    small = re.sub(r"--images (\d+)", lambda n: f"--images {max(2, int(n[1]) // 8)}", small)
    small = re.sub(r"(qhw study .*)--seeds \d+", r"\1--seeds 1", small)
    trains = re.match(r"\s*qhw (train|sweep|study)\b(?!.*--resume)", small)
    typed, arrow, file = small.partition(" > ")
    return " ".join([typed, *SMALL]) + arrow + file if trains else small
