"""Rows that are there twice, nearly twice, on both sides, or with two answers to one question."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from tunewright.engine.data.alike import said
from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options
from tunewright.engine.data.checks.total import Total
from tunewright.engine.data.keys import Groups, Sketches, equal_pairs, join_near, key_of, shingles

KINDS = (
    Kind(
        "duplicate.exact",
        "warn",
        "{count} rows ({share}) say the same as an earlier row",
        "keep the first of each: --fix dedupe",
        ("dedupe",),
        error_from=0.5,
    ),
    Kind(
        "duplicate.near",
        "info",
        "{count} rows ({share}) say nearly the same as an earlier row",
        "keep the first of each, unless the small differences are the task: --fix dedupe=near",
        ("dedupe=near",),
        warn_from=0.05,
    ),
    Kind(
        "duplicate.leak",
        "warn",
        "{count} held-out rows stand in the training rows too, exactly or nearly: what is measured "
        "on them is remembered, not learned",
        "remove them from the training rows, or split anew: tunewright data split",
        error_from=0.01,
    ),
    Kind(
        "prompt.conflict",
        "warn",
        "{count} rows ({share}) ask what another row asks, answered otherwise",
        "decide which answer is right; for free text several may be: --fix dedupe=prompt keeps "
        "the first",
        ("dedupe=prompt",),
    ),
    Kind(
        "answer.constant",
        "error",
        "every row has the same answer: whatever is asked, the model will say it",
        "check which field is the answer: --format SHAPE:completion=NAME",
    ),
)


class _Part(NamedTuple):
    rows: array[int]
    asked: array[int]
    answers: array[int]
    sketches: Sketches
    # What a row says but for case and marks, where there is a side to leak to.
    said: array[int]


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> _Part:
    whole, asked, answers, bare = array("Q"), array("Q"), array("Q"), array("Q")
    sets = []
    for row in rows:
        normal = row.normal
        if normal is None:
            # Rows that are wrong are equal to none: each its own key.
            odd = key_of(f"{row.number} {row.value!r:.200}")
            whole.append(odd)
            asked.append(odd)
            answers.append(odd)
            if options.two_sides:
                bare.append(odd)
            sets.append([str(odd)])
            continue
        question = "\x1f".join(
            [f"{m.role}\x1e{m.content}{m.tool_calls or ''}" for m in normal.asked]
        )
        answer = normal.answer or ""
        if normal.messages and normal.messages[-1].tool_calls:
            answer += repr(normal.messages[-1].tool_calls)
        exact = f"{question}\x1d{answer}" if normal.text is None else normal.text
        if normal.rejected:
            exact += f"\x1d{normal.rejected[-1].content}"
        whole.append(key_of(exact))
        asked.append(key_of(question if normal.text is None else normal.text))
        answers.append(key_of(answer if normal.text is None else normal.text))
        if options.two_sides:
            last = "\n".join(m.content for m in normal.asked if m.role != "system")
            bare.append(key_of("\x1d".join(said(last, answer or row.text))))
        sets.append(shingles(row.words, row.text))
    sketches = Sketches()
    sketches.add(sets)
    return _Part(whole, asked, answers, sketches, bare)


class _Duplicates:
    def __init__(self, options: Options) -> None:
        self.rows, self.asked, self.answers = array("Q"), array("Q"), array("Q")
        self.sketches = Sketches()
        self.said = array("Q")

    def add(self, part: Any, side: str) -> None:
        self.rows.extend(part.rows)
        self.asked.extend(part.asked)
        self.answers.extend(part.answers)
        self.sketches.extend(part.sketches)
        self.said.extend(part.said)

    def finish(self, total: Total) -> None:
        count = len(self.rows)
        groups = Groups(count)
        exact: set[int] = set()
        for first, row in equal_pairs(self.rows):
            groups.join(first, row)
            exact.add(row)
        join_near(self.sketches, groups)
        total.extra["groups"] = groups
        total.extra["asked"] = self.asked
        train = [row for row in range(count) if total.side(row) == "train"] if _two(total) else None
        heads_train: set[int] | None = None if train is None else {groups.head(r) for r in train}
        known = set() if train is None else {self.said[row] for row in train if self.said}
        wrong = total.extra.get("wrong_rows", frozenset())
        repeated: list[int] = []
        near: list[int] = []
        leaked: list[int] = []
        for row in range(count):
            head = groups.head(row)
            if (
                heads_train is not None
                and total.side(row) == "eval"
                and (head in heads_train or (self.said and self.said[row] in known))
            ):
                leaked.append(row)
            elif head != row:
                (repeated if row in exact else near).append(row)
        self._tell(total, "duplicate.exact", sorted(repeated), groups)
        self._tell(total, "duplicate.near", near, groups)
        self._tell(total, "duplicate.leak", leaked, groups)
        facts = total.facts
        facts.duplicate_rows, facts.near_duplicate_rows = len(repeated), len(near)
        facts.leaked_rows = len(leaked)
        facts.distinct_rows = facts.usable_rows - len(repeated) - len(near)
        if train is not None:
            facts.distinct_rows -= sum(
                total.side(r) == "eval" and r not in wrong for r in range(count)
            )
            facts.distinct_rows += sum(total.side(r) == "eval" for r in repeated + near)
        self._conflicts(total, exact)

    def _tell(self, total: Total, id: str, rows: list[int], groups: Groups) -> None:
        shown = {row: f"like {total.place(groups.head(row))}" for row in rows[:40]}
        total.add_rows(id, rows, "row", shown)

    def _conflicts(self, total: Total, exact: set[int]) -> None:
        first_answer: dict[int, int] = {}
        partners: Counter[int] = Counter()
        for first, row in equal_pairs(self.asked):
            if self.answers[first] != self.answers[row]:
                partners[first] += 1
                partners[row] += 1
                first_answer[row] = first
                first_answer.setdefault(first, row)
        facts = total.facts
        facts.distinct_answers = len(set(self.answers))
        facts.distinct_prompts = len(set(self.asked))
        facts.copied_answers = total.count.get("answer.copied", 0)
        kind = total.extra.get("kind")
        if kind in ("labelled", "scored", "text", "preference"):
            # Several answers to one prompt are what such sets are made of.
            return
        rows = sorted(partners)
        facts.conflicting_rows = len(rows)
        shown = {r: f"like {total.place(f)}" for r, f in first_answer.items()} if rows else {}
        total.add_rows("prompt.conflict", rows, "row", shown)
        if facts.distinct_answers == 1 and facts.usable_rows > 1:
            total.add_set("answer.constant", KINDS[-1].message, facts.usable_rows)


def _two(total: Total) -> bool:
    return len({side for _, side in total.sides}) == 2


FAMILY = Family("duplicates", "duplicates, leaks, conflicts", KINDS, look, _Duplicates)
