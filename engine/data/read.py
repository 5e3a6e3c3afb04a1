"""Reading data to train on: every row is looked at and checked before any model is loaded."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tunewright.engine.data.example import Example, Format, Place
from tunewright.engine.data.readers.block import RawRow, Side, Wrong
from tunewright.engine.data.shapes.find import Bound, Finder, Found, parse_row, settle
from tunewright.engine.data.shapes.shape import Shape
from tunewright.engine.data.shapes.suggest import suggested
from tunewright.engine.data.sources import Source, find_sources
from tunewright.engine.data.stored import Shelf, Stored
from tunewright.hardware.errors import Problem

# So many places are shown; all are counted.
SHOWN = 10
# Names of fields that nothing reads; rows of a sane set have a handful.
_MOST_UNUSED = 10_000
# What `unify` writes can be read as questions and answers.
_UNIFIED = (
    "; or train on {which}: tunewright data fix FILE --fix unify --out answers.jsonl, and that "
    "with --format prompt_completion:prompt=prompt,completion={column}"
)
_ANSWERS_ALONE = {
    "preference": _UNIFIED.format(which="the better answers alone", column="chosen"),
    "labelled": _UNIFIED.format(which="all answers, good and bad", column="completion"),
    "scored": _UNIFIED.format(which="all answers, whatever their score", column="completion"),
    "text": "; to learn to answer, a model needs questions and answers",
}
_NO_TRAINER = {
    "preference": "DPO, ORPO or a reward model",
    "labelled": "KTO",
    "scored": "a reward model",
    "text": "continued pretraining",
}


class Reading(NamedTuple):
    """All rows of the files on one side, on disk. `because` says by what the format was known,
    `confidence` how sure that is; `unused_fields` are those that the format does not read, with the
    number of rows that have them."""

    examples: Stored
    format: Format
    because: str
    unused_fields: dict[str, int]
    confidence: float = 1.0


def read_examples(
    path: Path, format: str = "auto", side: Side | None = None, fixes: Sequence[str] = ()
) -> Reading:
    """Read a file, a folder or a glob, only the files of `side` if one is given, with `fixes` made
    on the way; a `Problem` that names file:line:field for all that is wrong, or the trainer that
    rows of another kind need."""
    sources = [s for s in find_sources(path) if side is None or s.side == side or _split(s)]

    def rows() -> Iterator[tuple[Place, RawRow]]:
        return _fixed(path, sources, fixes, format, side) if fixes else _raw(sources, side)

    finder = Finder(format)
    first = _Taken(path, rows(), finder, None)
    found = first.settled(finder.asked)
    shape = found.bound.shape
    if shape.kind != "conversation":
        raise _no_trainer(path, shape.kind, shape.title)
    # Rows were taken under the shape of the first one: the rare set whose most rows have another
    # is read again.
    taken = first if first.shape is shape else _Taken(path, rows(), finder, shape)
    if taken.wrong.count:
        raise taken.wrong.refusal(path)
    return Reading(
        taken.shelf.stored(),
        shape.name,
        found.because,
        dict(taken.unused.most_common(20)),
        found.confidence,
    )


def _raw(sources: Sequence[Source], side: Side | None) -> Iterator[tuple[Place, RawRow]]:
    for source in sources:
        file = str(source.path)
        for block in source.blocks():
            if side is not None and (block.side or source.side) != side:
                continue
            for row in block.rows():
                yield row.place(file), row


def _split(source: Source) -> bool:
    """Whether the file is one document that holds several splits."""
    if source.container != "json":
        return False
    first = next(iter(source.blocks()), None)
    return first is not None and first.side is not None


def _fixed(
    path: Path, sources: Sequence[Source], fixes: Sequence[str], format: str, side: Side | None
) -> Iterator[tuple[Place, RawRow]]:
    from tunewright.engine.data.fixed import fixed_rows

    wanted = {str(source.path) for source in sources}
    for done in fixed_rows(path, fixes, format):
        here = side is None or done.side == side
        if done.value is not None and done.place.file in wanted and here:
            yield done.place, RawRow(done.place.line, done.value, row=done.place.row)


class _Wrongs:
    """What is wrong, all of it counted; the first places, and the first row without a shape."""

    def __init__(self) -> None:
        self.count = self._rows = 0
        self._shown: list[tuple[Place, Wrong]] = []
        self.shapeless: tuple[Place, Wrong] | None = None

    def add(self, place: Place, wrong: Sequence[Wrong]) -> None:
        """Take all that is wrong with one row."""
        self.count += len(wrong)
        self._rows += 1
        self._shown += [(place, one) for one in wrong[: SHOWN - len(self._shown)]]
        if self.shapeless is None:
            found = (one for one in wrong if one.id.startswith("shape."))
            self.shapeless = next(((place, one) for one in found), None)

    def refusal(self, path: Path) -> Problem:
        shown = [
            f"{place}:{w.field}: found {w.found}; expected {w.expected}" for place, w in self._shown
        ]
        if self.count > SHOWN:
            shown.append(f"and {self.count - SHOWN} more")
        return Problem(
            f"{self._rows} row{'s' if self._rows > 1 else ''} of {path.name} cannot be trained on",
            why="\n".join(shown),
            cure="repair these rows or remove them; nothing was started. What can be done by "
            f"itself: tunewright data {shlex.quote(str(path))}",
        )


class _Taken:
    """All rows of some files, read once under one shape (None: that of the first row)."""

    def __init__(
        self,
        path: Path,
        rows: Iterable[tuple[Place, RawRow]],
        finder: Finder,
        shape: Shape | None,
    ) -> None:
        self.path = path
        self.shape = shape
        self.shelf = Shelf()
        self.wrong = _Wrongs()
        self.unused: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._bounds: dict[str, Bound] = {}
        self._rows = 0
        self._any = False
        self._first: Any = None
        for place, row in rows:
            self._take(place, row, finder)

    def _take(self, place: Place, row: RawRow, finder: Finder) -> None:
        self._any = True
        if row.wrong is not None:
            self.wrong.add(place, [row.wrong])
            return
        self._rows += 1
        if self._rows == 1:
            self._first = row.value
        bound = finder.find(row.value)
        if bound is not None:
            self._counts[bound.shape.name] += 1
            self._bounds.setdefault(bound.shape.name, bound)
            self.shape = self.shape or bound.shape
        parsed = parse_row(row.value, bound, self.shape)
        if isinstance(parsed, list):
            self.wrong.add(place, parsed)
            return
        assert bound is not None
        for key in bound.unread(row.value):
            if len(self.unused) < _MOST_UNUSED or key[:60] in self.unused:
                self.unused[key[:60]] += 1
        # Once a row is wrong nothing is trained: the others are only looked at.
        if not self.wrong.count:
            self.shelf.add(Example(parsed.messages, place, parsed.tools))

    def settled(self, asked: str) -> Found:
        """The shape of most rows; a `Problem` when there are no rows, or none has a shape."""
        if not self._any:
            raise Problem(
                f"{self.path} has no rows",
                why="it is empty",
                cure="one JSON object a line, e.g. "
                '{"messages": [{"role": "user", …}, {"role": "assistant", …}]}',
            )
        found = settle(self._counts, self._bounds, self._rows, asked)
        if found is not None:
            return found
        if not self._rows:
            raise self.wrong.refusal(self.path)
        assert self.wrong.shapeless is not None
        place, wrong = self.wrong.shapeless
        raise Problem(
            f"{place}: the rows have no format that is known"
            if asked == "auto"
            else f"{self.path}: no row is of the format {asked}",
            why=f"the first row has {wrong.found}; expected {wrong.expected}",
            cure=f"say which fields are which: {suggested(self._first)}",
        )


def has_sides(path: Path) -> bool:
    """Whether the files name a training and a held-out split."""
    sources = find_sources(path)
    return len({source.side for source in sources}) == 2 or any(map(_split, sources))


def _no_trainer(path: Path, kind: str, title: str) -> Problem:
    return Problem(
        f"{path} is for another kind of training: its rows are {title}",
        why=f"they are for {_NO_TRAINER[kind]}, and Tunewright has no such trainer yet; supervised "
        "fine-tuning learns from conversations that end with an answer",
        cure=f"check, repair and split it with tunewright data{_ANSWERS_ALONE[kind]}",
    )
