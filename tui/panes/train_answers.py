"""Answers to held-out rows in lines: a stage's, and those that change while it trains. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.text import Text

from tunewright.engine.run.changes import Changes
from tunewright.engine.run.events import Sample
from tunewright.engine.text import plain, shorten
from tunewright.tui.widgets.lines import wrapped

# Of a longer text this much is looked at for where two answers part.
_COMPARED = 2000
# Cells of what was wanted that are worth more than where it stands among the rows.
_LEAST_WANTED = 20
# Cells of the names, so that the next row's answers stand where this one's do.
_NAMES = len("row 12 wanted")


class Looked(msgspec.Struct, frozen=True):
    """Which answer is looked at: the row by its place among those that are asked again and again,
    and how many answers before the newest one."""

    row: int = 0
    back: int = 0

    def next_row(self, changes: Changes) -> Looked:
        """The next row, as far back where it has as many answers."""
        row = (self.row + 1) % max(1, len(changes.rows))
        return Looked(row, self.back).within(changes)

    def step(self, by: int, changes: Changes) -> Looked:
        """`by` answers further back; not past the first one or the newest."""
        return Looked(self.row, self.back + by).within(changes)

    def within(self, changes: Changes) -> Looked:
        """The nearest that there is."""
        if not changes.rows:
            return Looked()
        row = min(self.row, len(changes.rows) - 1)
        # The base model's answer has none before it to be held against.
        most = max(0, len(changes.of(changes.rows[row])) - 2)
        return Looked(row, max(0, min(self.back, most)))


def changes_lines(
    changes: Changes, looked: Looked, width: int, most: int, *, asks: bool
) -> list[Text]:
    """What was wanted of a row and, below it, what the model said and says: the answer looked at
    last, with up to `most` - 1 before it; where it parts from the one before is marked. What the
    row `asks` stands above it."""
    if not changes.rows:
        return []
    at = looked.within(changes)
    row = changes.rows[at.row]
    said = changes.of(row)
    upto = said[: len(said) - at.back]
    shown = upto[-most:]
    now, before = upto[-1], upto[-2] if len(upto) > 1 else None
    asked = now.asked if asks else ""
    head = f"row {row + 1} asked" if asked else f"row {row + 1} wanted"
    name_width = max(_NAMES, len(head), *(len(when(sample)) for sample in shown))
    room = max(8, width - name_width - 3)
    parted = _parted(before.got, now.got) if before is not None else None
    # What is new, or still not as wanted, may stand further on than the line is: it begins later.
    ends = [part[0] for part in (parted, _parted(now.want, now.got)) if part is not None]
    furthest = max(ends, default=0)
    start = furthest - room // 2 if furthest > room - 8 else 0
    place = _place_said(changes, at, len(said))
    told = f"  {place}" if place and room - len(place) >= _LEAST_WANTED else ""
    first = Text(no_wrap=True).append(f"{head:<{name_width}}   ", "dim")
    if asked:
        first.append(shorten(asked, room - len(told)))
    else:
        first.append(_from(now.want, start, room - len(told)))
    lines = [first.append(told.rjust(width - first.cell_len), "dim")]
    if asked:
        wanted = Text(no_wrap=True).append(f"{'wanted':>{len(head)}}", "dim")
        wanted.append(" " * (name_width + 3 - wanted.cell_len))
        lines.append(wanted.append(_from(now.want, start, room)))
    for sample in shown:
        same = sample.got == sample.want
        style = "bold" if sample is now else ""
        line = Text(no_wrap=True).append(f"{when(sample):<{name_width}} ", style or "dim")
        line.append("= " if same else "≠ ", "bold green" if same else "bold")
        got = Text(_from(sample.got, start, room), "")
        if sample is now and parted is not None:
            got.stylize("bold", max(0, parted[0] - start), max(0, parted[1] - start))
        lines.append(line.append_text(got))
    return lines


def when(sample: Sample) -> str:
    """What gave an answer: a stage, or the model as it was after a step."""
    if sample.step is None:
        return _STAGES.get(sample.stage, plain(sample.stage))
    return f"step {sample.step:,}" if sample.step else _STAGES["baseline"]


_STAGES = {"baseline": "base", "evaluate": "tuned"}


def _place_said(changes: Changes, at: Looked, answers: int) -> str:
    """Which of the rows and answers this is, and whether there are more."""
    rows = len(changes.rows)
    said = [f"row {at.row + 1}/{rows}"] if rows > 1 else []
    if answers > 2:
        said.append(f"← → answer {answers - at.back}/{answers}")
    return "  ".join(said)


def _from(text: str, start: int, room: int) -> str:
    return shorten(text, room) if not start else "…" + shorten(text[start + 1 :], room - 1)


def _parted(before: str, now: str) -> tuple[int, int] | None:
    """Where `now` differs from `before`: the first and past the last character of it that is new;
    None when they are equal. In the characters that are shown, where both are plain."""
    if before == now:
        return None
    a, b = before[:_COMPARED], now[:_COMPARED]
    shortest = min(len(a), len(b))
    first = next((i for i in range(shortest) if a[i] != b[i]), shortest)
    last = 0
    while last < shortest - first and a[len(a) - 1 - last] == b[len(b) - 1 - last]:
        last += 1
    return first, len(b) - last


def answer_lines(answer: Sample | None, width: int) -> list[Text]:
    """One held-out row: what was wanted, what came."""
    if answer is None:
        return []
    same = answer.want == answer.got
    head = f"{when(answer)}, row {answer.row + 1} "
    return [
        Text(no_wrap=True)
        .append(f"{head}wanted ", "dim")
        .append(shorten(answer.want, max(8, width - len(head) - 7))),
        Text(" " * (len(head) - 2), no_wrap=True)
        .append("= " if same else "≠ ", "bold green" if same else "bold")
        .append("got    ", "dim")
        .append(shorten(answer.got, max(8, width - len(head) - 7))),
    ]


def all_answer_lines(answers: Sequence[Sample], changes: Changes, width: int) -> list[Text]:
    """Every answer so far: how those to a few rows changed, then those of the stages, newest
    first."""
    lines: list[Text] = []
    for row in changes.rows:
        said = changes.of(row)
        lines += wrapped(Text(f"row {row + 1}, while it trains", "bold"), width)
        if said[0].asked:
            lines += _named("asked", said[0].asked, width)
        lines += _named("wanted", said[0].want, width)
        for sample in said:
            mark = "=" if sample.got == sample.want else "≠"
            cost = f", {sample.seconds:.1f} s" if sample.seconds else ""
            cut = ", cut" if sample.cut else ""
            lines += wrapped(Text(f"  {when(sample)} {mark}{cut}{cost}", "dim"), width, 4)
            lines += _named("", sample.got, width)
    for answer in reversed(answers):
        same = answer.want == answer.got
        mark = "= as wanted" if same else "≠ other than wanted"
        lines += wrapped(
            Text(f"{plain(answer.stage)}, row {answer.row + 1}: {mark}", "bold"), width
        )
        lines += [*_named("wanted", answer.want, width), *_named("got", answer.got, width)]
    return lines


def _named(name: str, text: str, width: int) -> list[Text]:
    said = Text().append(f"  {name:<7}", "dim").append(plain(text[:2000]))
    return wrapped(said, width, 9)
