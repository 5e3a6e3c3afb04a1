"""What a curve shows, and what its title says of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from rich.text import Text

from tunewright.engine.text import plain
from tunewright.tui.widgets.axis import number, step_label
from tunewright.tui.widgets.pyramid import Moment, Pyramid, window

# The last share of the steps that is shown, from key press to key press.
ZOOMS = (1.0, 0.5, 0.2, 0.05)

# Names of the 16 colours and attributes only: they follow the terminal's own palette.
RAW, MEAN, EVAL, MARK, AXIS, NAME = (
    "cyan dim", "bold cyan", "bold green", "yellow", "dim", "bold",
)  # fmt: skip


class Mark(msgspec.Struct, frozen=True):
    """A notable step: a one-cell symbol on the axis and, where there is room, a label."""

    step: float
    label: str = ""
    symbol: str = "!"


class View(msgspec.Struct, frozen=True):
    """What is shown: the last `share` of the steps (1.0 is all), values linear or logarithmic."""

    share: float = 1.0
    log: bool = False

    def next_zoom(self) -> View:
        """The next closer view of `ZOOMS`; after the closest, the whole again."""
        closer = [share for share in ZOOMS if share < self.share]
        return msgspec.structs.replace(self, share=closer[0] if closer else ZOOMS[0])

    @property
    def words(self) -> str:
        """Said after the name; "" for the whole, linear."""
        words = [f"last {self.share:.0%}".replace("%", " %")] if self.share < 1 else []
        return ", ".join([*words, "log"] if self.log else words)


class Plot(msgspec.Struct, frozen=True):
    """What is drawn. `best` says which end of the values is good; None when neither is."""

    name: str
    raw: Pyramid
    evals: Pyramid | None = None
    marks: tuple[Mark, ...] = ()
    view: View = View()
    best: Literal["low", "high"] | None = "low"


def marks_of(moments: Iterable[Moment]) -> tuple[Mark, ...]:
    """Marks for what a pyramid found notable: `!` for a spike, `x` for a value not finite."""
    return tuple(
        Mark(m.step, f"step {step_label(m.step)}: not finite", "x")
        if m.value is None
        else Mark(m.step, f"step {step_label(m.step)}: {number(m.value, 3)}")
        for m in moments
    )


def title_line(plot: Plot, notes: list[str], width: int, ascii: bool) -> Text:
    """The name, what each glyph stands for, and its number: as much of it as fits `width`."""
    name = one_cell_each(plot.name, ascii)
    view = plot.view.words
    # Each part from its longest wording to its shortest; `shorten` says which gives way first.
    parts: dict[str, tuple[str, list[str]]] = {"name": (NAME, [name])}
    if view:
        parts["view"] = ("", [view, view.replace("last ", "")])
    raw = plot.raw
    if len(raw):
        now, dot = number(raw.values[-1]), "." if ascii else "⡪"
        parts["raw"] = (RAW, [f"{dot} each step {now}", f"{dot} step {now}", f"{dot} {now}"])
        mean, bar = number(raw.smoothed_at(len(raw) - 1)), "*" if ascii else "⠶"
        of = f"{window(len(raw)):,}"
        wordings = [f"mean of last {of}: {mean}", f"mean of {of} {mean}", f"mean {mean}", mean]
        parts["mean"] = (MEAN, [f"{bar} {wording}" for wording in wordings] + [""])
    evals = plot.evals
    if evals is not None and len(evals):
        now = number(evals.values[-1])
        parts["eval"] = (EVAL, [f"e eval {now}", f"e {now}", ""])
    if (best := best_of(plot)) is not None:
        letter = "E " if "eval" in parts else ""
        at, value = step_label(best[0]), number(best[1])
        wordings = [f"{letter}best {value} at {at}", f"{letter}best {value}"]
        parts["best"] = (EVAL if letter else "", [*wordings, f"{letter or 'best '}{value}", ""])
    for index, note in enumerate(notes):
        parts[f"note{index}"] = (MARK, [note])
    levels = dict.fromkeys(parts, 0)
    shorten = "mean mean raw best raw eval best mean view best eval mean".split()
    while _length(parts, levels) > width and shorten:
        part = shorten.pop(0)
        if part in parts:
            levels[part] = min(levels[part] + 1, len(parts[part][1]) - 1)
    line = Text(no_wrap=True)
    for part, (style, wordings) in parts.items():
        if text := wordings[levels[part]]:
            line.append((", " if part == "view" else "  ") if line else "")
            line.append(text, style)
    return fit(line, width)


def _length(parts: dict[str, tuple[str, list[str]]], levels: dict[str, int]) -> int:
    said = [wordings[levels[part]] for part, (_, wordings) in parts.items()]
    return sum(len(text) + 2 for text in said if text) - 2


def best_of(plot: Plot) -> tuple[float, float] | None:
    """(step, value) of the best evaluation; without any, of the best step."""
    series = plot.evals if plot.evals is not None and len(plot.evals) else plot.raw
    return {"low": series.lowest, "high": series.highest, None: None}[plot.best]


def missing(plot: Plot) -> list[str]:
    """What there is to draw but cannot be, in words; that nothing came yet."""
    gaps = len(plot.raw.gaps)
    notes = [f"{gaps:,} of {gaps + len(plot.raw):,} not finite"] if gaps else []
    if plot.evals is not None and plot.evals.gaps:
        notes.append(f"{len(plot.evals.gaps):,} evals not finite")
    return notes if len(plot.raw) or gaps or plot.evals else ["no step yet"]


def one_cell_each(text: str, ascii: bool) -> str:
    """Text that is not ours, one cell a character: what is wider, or not ASCII there, is `?`."""
    shown = plain(text)
    return "".join(
        c if c.isascii() or (not ascii and Text(c).cell_len == 1) else "?" for c in shown
    )


def fit(line: Text, width: int) -> Text:
    """The line, cut or padded to exactly `width` cells."""
    line.truncate(width, overflow="crop", pad=True)
    return line
