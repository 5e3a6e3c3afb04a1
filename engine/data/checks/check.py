"""What a check is. A family of checks is one file in this folder with a `FAMILY`; nothing else
needs to know of it.

Rows come in blocks. `look` sees the rows of one block, in any process, and tells what is wrong with
single rows; what only the whole set can tell it returns as a small part, which `gather` adds up in
the first process, in the order of the file.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from tunewright.engine.data.checks.beside import texts_beside
from tunewright.engine.data.example import Severity
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.find import Bound
from tunewright.engine.data.shapes.shape import Normal
from tunewright.engine.text import plain

if TYPE_CHECKING:
    import re

    from tunewright.engine.data.checks.total import Total

# Places of a finding in a block that are kept with what stands there.
SHOWN = 10
EXAMPLE = 80
# Of a share of rows that makes a data set empty no cure is that they go.
NEARLY_ALL = 0.9
AT_SOURCE = "repair them at the source: without these hardly a row would be left"
# Characters of a row that text checks look at: a row of megabytes must not stop the rest.
MOST_TEXT = 1 << 20


class Kind(NamedTuple):
    """Something that can be found. `severity` is that of a few rows; from a share of rows on
    (`warn_from`, `error_from`) it is graver. `fix` says what to do, `fixes` which of `data fix` do
    it; where those that remove rows would leave nearly none, `whole` says what to do instead. In
    `message`, {count}, {rows} and {share} are filled in."""

    id: str
    severity: Severity
    message: str
    fix: str
    fixes: tuple[str, ...] = ()
    warn_from: float | None = None
    error_from: float | None = None
    whole: str = ""

    def graded(self, share: float) -> Severity:
        if self.error_from is not None and share >= self.error_from:
            return "error"
        if self.warn_from is not None and share >= self.warn_from and self.severity == "info":
            return "warn"
        return self.severity

    def cured(self, share: float) -> tuple[str, tuple[str, ...]]:
        """(`fix`, `fixes`) where a share of all rows has it."""
        left = tuple(fix for fix in self.fixes if not fix.startswith("drop="))
        if share < NEARLY_ALL or left == self.fixes:
            return self.fix, self.fixes
        return (self.fix if left and not self.whole else self.whole or AT_SOURCE), left


class Options(msgspec.Struct, frozen=True):
    """How to check. `format` as in `Finder`; `shape` is the one that all rows should have;
    `tokenizer` a model folder whose tokens are counted; `max_length` the length at which rows would
    be cut; `skip` names families that are left out; `two_sides`: some rows are held out, and
    may leak; `names` is a spaCy model that tells names of people."""

    format: str = "auto"
    shape: str | None = None
    tokenizer: str | None = None
    max_length: int | None = None
    skip: tuple[str, ...] = ()
    two_sides: bool = False
    names: str | None = None


class Looked:
    """One row as the checks see it: `number`, which no other of its file has, the raw value, the
    normal one (None where it is wrong), and its texts with the field of each. `length` counts the
    characters of all texts, of which those beyond `MOST_TEXT` are cut off. `every_text` and
    `every_field` have also what is learned beside them: reasoning, arguments of calls, tools."""

    __slots__ = (
        "bound",
        "every_field",
        "every_text",
        "length",
        "low",
        "normal",
        "number",
        "text",
        "texts",
        "value",
        "words",
        "wrong",
    )

    def __init__(
        self,
        number: int,
        value: Any,
        bound: Bound | None,
        normal: Normal | None,
        wrong: Sequence[Wrong],
    ) -> None:
        self.number = number
        self.value = value
        self.bound = bound
        self.normal = normal
        self.wrong = wrong
        self.texts: Sequence[tuple[str, str]] = _texts(normal) if normal is not None else ()
        self.text = "\n".join([text for _, text in self.texts])
        self.length = len(self.text)
        if self.length > MOST_TEXT:
            self.texts = _shortened(self.texts)
            self.text = "\n".join([text for _, text in self.texts])
        # In lower case, and its words: several families need them, and looking for a literal in
        # the whole text is far quicker than any pattern.
        self.low = self.text.lower()
        self.words = self.low.split()
        self.every_field, self.every_text = self.texts, self.text
        beside = texts_beside(normal, bound) if normal is not None else []
        if beside:
            self.every_field = _shortened([*self.texts, *beside])
            self.every_text = "\n".join([text for _, text in self.every_field])

    def where(self, pattern: re.Pattern[str]) -> tuple[str, str]:
        """(field, what stands there) of the first match, which the whole text is known to have."""
        for field, text in self.texts:
            found = pattern.search(text)
            if found is not None:
                return self.field_of(field, found[0]), around(text, found.start(), found.end())
        return "row", ""

    def field_of(self, field: str, said: str) -> str:
        """What a question is about is part of the user's turn, but another field."""
        if self.bound is None or not isinstance(self.value, dict):
            return field
        names = self.bound.names
        at = names.get("input") or names.get("given")
        given = self.value.get(at) if at is not None else None
        asked = field in ("instruction", names.get("prompt"))
        return at if at and asked and isinstance(given, str) and said in given else field


def _texts(normal: Normal) -> list[tuple[str, str]]:
    """(field, text) of everything that a row says."""
    if normal.text is not None:
        return [(normal.answer_field if normal.fields else "text", normal.text)]
    texts = [
        (field, message.content)
        for field, message in zip(normal.fields, normal.messages, strict=True)
    ]
    for fields, messages in (
        (normal.chosen_fields, normal.chosen),
        (normal.rejected_fields, normal.rejected),
    ):
        texts += [(f, m.content) for f, m in zip(fields, messages, strict=True)]
    return texts


def _shortened(texts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The beginning of each text: long ones give way to short ones."""
    if sum(len(text) for _, text in texts) <= MOST_TEXT:
        return list(texts)
    share = MOST_TEXT // max(1, len(texts))
    return [(field, text[:share]) for field, text in texts]


def around(text: str, start: int, end: int) -> str:
    """A match with a little of what stands around it, safe to print."""
    return plain(text[max(0, start - 15) : min(len(text), max(end, start + 1) + 25)])[:EXAMPLE]


class Hits:
    """What one block has of each kind: the rows by their `Looked.number`, and the places, the first
    with what stands there."""

    def __init__(self) -> None:
        self.rows: dict[str, array[int]] = {}
        self.places: dict[str, list[tuple[int, str, str]]] = {}

    def add(self, id: str, number: int, field: str, example: str = "", most: int = EXAMPLE) -> None:
        """Row `number` has `id`; a row counts once, however often. `most` letters of the
        example are shown."""
        rows = self.rows.get(id)
        if rows is None:
            rows = self.rows[id] = array("Q")
            self.places[id] = []
        if rows and rows[-1] == number:
            return
        rows.append(number)
        places = self.places[id]
        said = plain(example[: 2 * most + 40])[:most] if len(places) < SHOWN else ""
        places.append((number, field, said))


class Gatherer(Protocol):
    """Adds up the parts of all blocks."""

    def add(self, part: Any, side: str) -> None:
        """Take the part of the next block."""

    def finish(self, total: Total) -> None:
        """Tell `total` what was found in the whole set."""


class Family(NamedTuple):
    """A family of checks. `look(rows, hits, options)` returns its part of a block, or None; `late`
    families judge what the others have counted, and finish after them."""

    name: str
    title: str
    kinds: tuple[Kind, ...]
    look: Callable[[Sequence[Looked], Hits, Options], Any] | None
    gather: Callable[[Options], Gatherer] | None = None
    late: bool = False


def families() -> tuple[Family, ...]:
    """Every family in this folder, by name; a file without one is not a family."""
    import pkgutil
    from importlib import import_module

    import tunewright.engine.data.checks as folder

    found = []
    for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__)):
        family = getattr(import_module(f"{folder.__name__}.{module}"), "FAMILY", None)
        if isinstance(family, Family):
            found.append(family)
    return tuple(found)


def kinds(of: Iterable[Family]) -> dict[str, Kind]:
    return {kind.id: kind for family in of for kind in family.kinds}
