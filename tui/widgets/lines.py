"""Lines of text that repaint only where they changed.

Textual compares nothing: updating a widget with the text it already shows sends all of it again.
Over a slow line that is most of the traffic, so here a line is sent when its text or style differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tunewright.engine.text import plain

_CONSOLE = Console(width=10_000, color_system="truecolor", legacy_windows=False)


def strip_of(text: Text, width: int) -> Strip:
    """One line of rich text as a strip of exactly `width` cells.

    Rich leaves a text without spans without style; with NO_COLOR Textual ends on such segments.
    """
    line = text.copy()
    if not line.plain.isprintable():
        # Whoever made it should have: what a terminal obeys must not depend on that.
        line = Text(plain(line.plain), line.style)
    line.no_wrap = True
    line.end = ""
    base = _CONSOLE.get_style(line.style)
    segments = [Segment(part.text, part.style or base) for part in line.render(_CONSOLE)]
    return Strip(segments).simplify().adjust_cell_length(width, base)


def wrapped(text: str | Text, width: int, indent: int = 0) -> list[Text]:
    """`text` in lines of at most `width` cells; all but the first start with `indent` spaces."""
    whole = text if isinstance(text, Text) else Text(text)
    if whole.cell_len <= width:
        return [whole]
    # The first line has no indent, so it has more room.
    first = whole.wrap(_CONSOLE, max(8, width))[0]
    left = whole[len(first.plain) :]
    left = left[len(left.plain) - len(left.plain.lstrip()) :]
    rest = list(left.wrap(_CONSOLE, max(8, width - indent))) if left.plain else []
    lines = [first, *(Text(" " * indent).append_text(line) for line in rest)]
    for line in lines:
        line.rstrip()
    return lines


class Lines(Widget):
    """A block of lines, as high as their number. `show` takes the lines that should stand there."""

    DEFAULT_CSS = "Lines { height: auto; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Text] = []

    def show(self, lines: Sequence[Text | str]) -> None:
        """Show `lines`; what is equal to what stands there is not sent again."""
        new = [line if isinstance(line, Text) else Text(line) for line in lines]
        old, self._lines = self._lines, new
        if len(old) != len(new):
            self.refresh(layout=True)
            return
        for y, (before, now) in enumerate(zip(old, new, strict=True)):
            if before.plain != now.plain or before.spans != now.spans or before.style != now.style:
                self.refresh(Region(0, y, self.size.width or 1, 1))

    @property
    def shown(self) -> str:
        """The text that stands here, for tests and for copying."""
        return "\n".join(line.plain for line in self._lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        if y >= len(self._lines):
            return Strip.blank(self.size.width, Style.null())
        return strip_of(self._lines[y], self.size.width)
