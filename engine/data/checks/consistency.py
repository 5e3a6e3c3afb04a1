"""Whether the rows are of one kind: fields, system turns, JSON answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options
from tunewright.engine.data.checks.total import PLACES, Total
from tunewright.engine.data.shapes.conversation import system_text
from tunewright.engine.data.shapes.find import Bound
from tunewright.engine.data.shapes.shape import Normal
from tunewright.engine.text import counted

# From this share on a habit is the rule, and the rest are exceptions to it.
_RULE = 0.9
_MOST_FIELDS = 500
# Fields of a block whose rows are told, and rows of each.
_TOLD = 8
_PLACES = 20
# Fields of which nobody doubts what they are.
_ASKED = ("prompt", "question", "instruction")
_ANSWERED = ("response", "completion", "answer")

KINDS = (
    Kind(
        "field.sometimes",
        "info",
        "some rows have fields that others lack",
        "right for optional fields; check that none is misspelt: --fix rename=OLD:NEW",
        ("rename",),
    ),
    Kind(
        "field.unread",
        "info",
        "some fields are not read: nothing is learned from them",
        "rename what should be: --fix rename=OLD:NEW, or leave them",
        ("rename",),
    ),
    Kind(
        "field.pair",
        "error",
        "{count} rows have a question and its answer in fields that are not read, and something "
        "else would be learned",
        "say that they count: --format, as each finding spells it; or leave them out: --fix "
        "drop=field.pair",
        ("drop=field.pair",),
        whole="say that they count: --format, as each finding spells it",
    ),
    Kind(
        "field.many",
        "warn",
        "the rows have hundreds of different fields",
        "rows of text have a few; check how the file was made",
    ),
    Kind(
        "answer.not-json",
        "warn",
        "{count} answers are not JSON, unlike the rest",
        "repair or remove them: --fix drop=answer.not-json",
        ("drop=answer.not-json",),
    ),
    Kind(
        "system.sometimes",
        "info",
        "some conversations have a system turn and some have none",
        "right if it is optional in use too",
    ),
)


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> Any:
    keys: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    system = conversations = objects = answered = 0
    odd = bytearray(len(rows))
    where: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        if isinstance(row.value, dict):
            keys.update(
                row.value.keys() if len(row.value) <= _MOST_FIELDS else list(row.value)[:500]
            )
            if row.bound is not None and row.normal is not None:
                names = row.bound.unread(row.value)
                pair = _pair(row, names) if len(names) > 1 else None
                if pair is not None:
                    fields = f"prompt={pair[0]},completion={pair[1]}"
                    said = f"expected --format prompt_completion:{fields}"
                    hits.add("field.pair", row.number, pair[1], said, 200)
                names = [*names, *_other_system(row, row.bound, row.normal)]
                for name in names[:_MOST_FIELDS]:
                    name = name[:60]
                    unread[name] += 1
                    places = where.setdefault(name, [])
                    if len(places) < _PLACES:
                        places.append(at)
        normal = row.normal
        if normal is None or not normal.messages:
            continue
        conversations += 1
        system += normal.messages[0].role == "system"
        answer = (normal.answer or "").strip()
        answered += 1
        if answer[:1] in ("{", "[") and _is_json(answer):
            objects += 1
        else:
            odd[at] = 1
    return (
        Counter(dict(keys.most_common(_MOST_FIELDS))),
        Counter(dict(unread.most_common(_MOST_FIELDS))),
        {name: places for name, places in where.items() if len(where) <= _MOST_FIELDS},
        _lacking(rows, keys),
        system,
        conversations,
        objects,
        answered,
        bytes(odd),
    )


def _other_system(row: Looked, bound: Bound, normal: Normal) -> list[str]:
    """The row's system text where its turns begin with another one, which is the nearer."""
    at = bound.names.get("system")
    if at is None or not normal.messages or normal.messages[0].role != "system":
        return []
    said, value = normal.messages[0].content, system_text(row.value.get(at))
    return [at] if isinstance(value, str) and value.strip() not in ("", said.strip()) else []


def _pair(row: Looked, unread: list[str]) -> tuple[str, str] | None:
    """The fields of a question and its answer that are not read, where the answer is nothing that
    the row says otherwise: some sets repeat their last turns beside them."""
    asked = next((name for name in _ASKED if name in unread), None)
    answered = next((name for name in _ANSWERED if name in unread), None)
    if asked is None or answered is None or row.normal is None:
        return None
    question, answer = row.value[asked], row.value[answered]
    if not (isinstance(question, str) and question.strip() and isinstance(answer, str)):
        return None
    answer = answer.strip()
    turns = (*row.normal.messages, *row.normal.chosen, *row.normal.rejected)
    said = (row.normal.text or "", *(turn.content for turn in turns))
    return None if not answer or any(answer in text for text in said) else (asked, answered)


def _lacking(rows: Sequence[Looked], keys: Counter[str]) -> dict[str, list[int]]:
    """By field the first rows that differ from most of a block: they lack it, or they alone have
    it."""
    told: dict[str, list[int]] = {}
    for key, count in keys.items():
        if count < len(rows) and len(told) < _TOLD:
            rare = 2 * count < len(rows)
            told[key] = [
                at
                for at, row in enumerate(rows)
                if isinstance(row.value, dict) and (key in row.value) is rare
            ][:_PLACES]
    return told


def _is_json(text: str) -> bool:
    import msgspec

    try:
        return isinstance(msgspec.json.decode(text.encode("utf-8", "surrogatepass")), (dict, list))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


class _Consistency:
    def __init__(self, options: Options) -> None:
        self._keys: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._figures = [0, 0, 0, 0]
        self._odd = bytearray()
        # (row, field) of each.
        self._unread_at: list[tuple[int, str]] = []
        self._lacking_at: list[tuple[int, str]] = []

    def add(self, part: Any, side: str) -> None:
        keys, unread, where, lacking, *figures, odd = part
        start = len(self._odd)
        for told, places in ((self._unread_at, where), (self._lacking_at, lacking)):
            if len(told) < PLACES:
                told += [(start + at, name) for name, found in places.items() for at in found]
        for mine, theirs in ((self._keys, keys), (self._unread, unread)):
            if len(mine) < 20 * _MOST_FIELDS:
                mine.update(theirs)
        for at, figure in enumerate(figures):
            self._figures[at] += figure
        self._odd += odd

    def finish(self, total: Total) -> None:
        rows = len(total.lines)
        system, conversations, objects, answered = self._figures
        if len(self._keys) > _MOST_FIELDS:
            total.add_set(
                "field.many", f"the rows have {len(self._keys):,} or more different fields"
            )
        else:
            some = {k: n for k, n in self._keys.items() if n < rows and str(k) not in self._unread}
            if some:
                said = ", ".join(f"{str(k)[:40]} in {n:,}" for k, n in list(some.items())[:8])
                total.add_set("field.sometimes", f"of {rows:,} rows some lack fields: {said}")
                told = sorted(at for at in self._lacking_at if at[1] in some)
                total.add_places("field.sometimes", told)
        if self._unread:
            said = ", ".join(f"{k} ({counted(n, 'row')})" for k, n in self._unread.most_common(12))
            total.add_set("field.unread", f"not read: {said}", max(self._unread.values()))
            total.add_places("field.unread", sorted(self._unread_at))
            total.extra["unread"] = dict(self._unread.most_common(20))
        if answered and objects < answered and objects >= _RULE * answered:
            odd = (row for row, flag in enumerate(self._odd) if flag)
            total.add_rows("answer.not-json", odd, "answer")
        if 0 < system < conversations:
            said = f"{system:,} of {conversations:,} conversations have a system turn"
            total.add_set("system.sometimes", said, min(system, conversations - system))


FAMILY = Family("consistency", "one format across rows", KINDS, look, _Consistency)
