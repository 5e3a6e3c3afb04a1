"""What can be retrieved: training rows, or documents of a file or folder cut into passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tunewright.engine.data.alike import asked_of
from tunewright.engine.data.example import Example
from tunewright.hardware.errors import Problem

SUFFIXES = (".txt", ".md", ".rst", ".markdown")
# Long enough to hold an answer with what it is about, short enough that several fit a prompt.
PASSAGE_WORDS = 90
_MOST_WORDS = 135
_MOST_FILES = 20_000
_ENDS = (".", "!", "?", "。", "؟")


class Passage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text that can stand in a prompt, and where it comes from: FILE:LINE."""

    text: str
    place: str


def row_passages(train: Sequence[Example]) -> list[Passage]:
    """Training rows as passages: what was asked, and the answer below."""
    return [
        Passage(f"{asked_of(example)}\n{example.messages[-1].content}", str(example.place))
        for example in train
    ]


def read_passages(where: Path) -> list[Passage]:
    """The passages of a text file, or of all text files below a folder, in order of their names.

    A `Problem` when there is none, or a file is no text.
    """
    if where.is_dir():
        files = sorted(p for p in where.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    else:
        files = [where]
    if not files or len(files) > _MOST_FILES:
        raise Problem(
            f"{where} has {len(files):,} documents",
            why=f"read are {', '.join(SUFFIXES)}, from one to {_MOST_FILES:,} files",
            cure="name another folder, or convert the documents to text first",
        )
    base = where if where.is_dir() else where.parent
    found = [passage for file in files for passage in _passages(file, str(file.relative_to(base)))]
    if not found:
        raise Problem(
            f"the documents in {where} are empty",
            why=f"{len(files):,} files were read, and no line has text",
            cure="name another folder",
        )
    return found


def _passages(file: Path, name: str) -> Iterator[Passage]:
    """Whole lines up to about `PASSAGE_WORDS`; a heading or an empty line may end one early."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            f"{file} cannot be read as text",
            why=str(error),
            cure="convert it to UTF-8 text, or move it out of the folder",
        ) from error
    lines: list[str] = []
    words, start = 0, 1
    for number, line in enumerate(text.splitlines(), 1):
        ends = not line.strip() or line.startswith("#")
        if lines and (words >= PASSAGE_WORDS or (ends and words >= PASSAGE_WORDS // 3)):
            yield Passage("\n".join(lines), f"{name}:{start}")
            lines, words = [], 0
        if not line.strip():
            continue
        for piece in _pieces(line):
            count = len(piece.split())
            if lines and words + count > _MOST_WORDS:
                yield Passage("\n".join(lines), f"{name}:{start}")
                lines, words = [], 0
            if not lines:
                start = number
            lines.append(piece)
            words += count
    if lines:
        yield Passage("\n".join(lines), f"{name}:{start}")


def _pieces(line: str) -> Iterator[str]:
    """A line as it stands; a paragraph in one line is cut behind sentences, or where it must."""
    words = line.split()
    if len(words) <= PASSAGE_WORDS:
        yield line.strip()
        return
    while words:
        ends = [n for n, word in enumerate(words[:PASSAGE_WORDS], 1) if word.endswith(_ENDS)]
        cut = ends[-1] if ends and ends[-1] >= PASSAGE_WORDS // 2 else PASSAGE_WORDS
        yield " ".join(words[:cut])
        words = words[cut:]
