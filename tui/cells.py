"""What the terminal shows and what it should show, cell by cell; only the difference is sent.

    cells = Cells(80, 24)
    cells.take(update, color_system)      # a frame, or a part of one, as Textual composed it
    line.write(cells.difference())        # what makes the terminal show it; "" when it does already

Textual sends all of what it painted, changed or not: a switch of panes is 4 KB of which most stood
there before. Between two calls of `difference` any number of frames may come: those that were not
sent are never sent. No I/O, and of Textual its strips and updates alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from rich.cells import get_character_cell_size, split_graphemes
from rich.color import ColorSystem
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

# A cell: its character, and the SGR parameters ("1;31") of its style, whole and as far as they are
# seen on a space. The second half of a wide character has no character.
Cell = tuple[str, str, str]
Line = list[Cell | None]

_BLANK: Cell = (" ", "", "")
# So many cells that did not change are sent again rather than jumped over: a jump takes four bytes.
_JUMP = 4


class Cells:
    """The wanted cells of a terminal of `width` x `height`, and those that it shows."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self._wanted: list[Line] = [[None] * width for _ in range(height)]
        self._shown: list[Line] = [[None] * width for _ in range(height)]
        self._touched: set[int] = set()

    def forget(self) -> None:
        """Nothing is known any more of what the terminal shows: all of it is sent again."""
        width, height = self.size
        self._shown = [[None] * width for _ in range(height)]
        self._touched = set(range(height))

    def take(self, update: CompositorUpdate, colors: ColorSystem) -> bool:
        """Have a frame or a part of one; False when it is of a kind that is not known here."""
        if isinstance(update, LayoutUpdate):
            for y, strips in enumerate(update.strips, update.region.y):
                x = update.region.x
                for strip in strips:
                    x = self._put(x, y, strip, colors)
        elif isinstance(update, ChopsUpdate):
            for x, y, strip in _chopped(update):
                self._put(x, y, strip, colors)
        else:
            return False
        return True

    def _put(self, x: int, y: int, strip: Strip, colors: ColorSystem) -> int:
        width, height = self.size
        if not 0 <= y < height:
            return x
        line = self._wanted[y]
        for text, style, control in strip:
            if control:
                continue
            for cell in _cells(text, style, colors):
                if x < width:
                    line[x] = cell
                x += 1
        self._touched.add(y)
        return x

    def difference(self) -> str:
        """The bytes that make the terminal show what is wanted; it counts as sent."""
        written = [self._line(y) for y in sorted(self._touched) if y < self.size[1]]
        self._touched.clear()
        return "".join(written)

    def _line(self, y: int) -> str:
        wanted, shown = self._wanted[y], self._shown[y]
        if wanted == shown:
            return ""
        self._shown[y] = wanted.copy()
        if not (_alike_everywhere(wanted) and _alike_everywhere(shown)):
            # Terminals differ in how wide they take such characters: the whole line, cleared first.
            return f"\x1b[{y + 1};1H\x1b[K{_written(wanted[: _inked(wanted)])}"
        parts: list[str] = []
        for x, end, blank_from in _changed(wanted, shown):
            # Within a line a column is named by itself.
            parts.append(f"\x1b[{x + 1}G" if parts else f"\x1b[{y + 1};{x + 1}H")
            parts.append(_written(wanted[x:blank_from]))
            if blank_from < end:
                parts.append("\x1b[K")
        return "".join(parts)


def _written(cells: Line) -> str:
    """A stretch of cells as bytes; it begins and ends without any style."""
    parts, now, now_blank = [], "", ""
    for cell in cells:
        text, style, blank = cell or _BLANK
        if style != now and not (text == " " and blank == now_blank):
            parts.append(f"\x1b[0;{style}m" if now and style else f"\x1b[{style}m")
            now, now_blank = style, blank
        parts.append(text)
    return "".join(parts) + ("\x1b[m" if now else "")


def _changed(wanted: Line, shown: Line) -> Iterator[tuple[int, int, int]]:
    """(start, end, start of what is blank up to the end of the line) of what is to be sent."""
    width, end = len(wanted), _inked(wanted)
    differing = [x for x in range(width) if wanted[x] is not None and wanted[x] != shown[x]]
    if not differing:
        return
    start = last = differing[0]
    for x in differing:
        if x - last > _JUMP:
            yield start, last + 1, last + 1
            start = x
        if x >= end and width - x > _JUMP:
            # Blank from here on: three bytes for all of it.
            yield start, width, max(start, end)
            return
        last = x
    yield start, last + 1, last + 1


def _inked(line: Line) -> int:
    """How many cells there are before nothing but blank ones."""
    end = len(line)
    while end and line[end - 1] in (_BLANK, None):
        end -= 1
    return end


def _alike_everywhere(line: Line) -> bool:
    """Whether every terminal takes each of these characters for one cell."""
    return all(cell is None or len(cell[0]) == 1 for cell in line)


def _cells(text: str, style: Style | None, colors: ColorSystem) -> Iterable[Cell]:
    ink, blank = _sgr(style, colors) if style is not None else ("", "")
    if text.isascii() or all(get_character_cell_size(char) == 1 for char in text):
        empty = (" ", blank, blank)
        return [empty if char == " " else (char, ink, blank) for char in text]
    found: list[Cell] = []
    for start, end, width in split_graphemes(text)[0]:
        if width:
            found.append((text[start:end], ink, blank))
            found += [("", ink, blank)] * (width - 1)
    return found


@lru_cache(maxsize=1024)
def _sgr(style: Style, colors: ColorSystem) -> tuple[str, str]:
    """SGR parameters of a style for a character, and for a space, which has no ink."""
    codes = [Strip.render_ansi(style.without_color, colors)]
    ground: list[str] = []
    if style.color is not None and not style.color.is_default:
        codes += style.color.downgrade(colors).get_ansi_codes()
    if style.bgcolor is not None and not style.bgcolor.is_default:
        ground += style.bgcolor.downgrade(colors).get_ansi_codes(False)
    ink = ";".join(code for code in [*codes, *ground] if code)
    seen = style.reverse or style.underline or style.underline2 or style.strike or style.overline
    return ink, ink if seen else ";".join(ground)


def _chopped(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """(x, y, strip) of what a partial update paints."""
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= x2 and end > x1:
                yield x, y, strip if end <= x2 else strip.crop(0, x2 - x)
