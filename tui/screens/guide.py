"""The expert's tables that belong to a step, as lines below its keys."""

from __future__ import annotations

from rich.text import Text

from tunewright.engine.guide.read import Topic, topics_of
from tunewright.tui.widgets.lines import wrapped


def guide_lines(step: str, width: int) -> list[Text]:
    """The topics of a step: each with its rows, its source, and what of it no longer holds."""
    lines: list[Text] = []
    for topic in topics_of(step):
        lines += [Text(), Text(topic.title, "bold")]
        for row in topic.rows:
            lines += wrapped(Text(f"  {_told(topic, row)}"), width, 4)
        if topic.truth:
            lines += wrapped(Text(f"  but: {topic.truth}", "italic"), width, 7)
        lines += wrapped(Text(f"  [{topic.source}]", "dim"), width, 4)
    return lines


def _told(topic: Topic, row: tuple[str, ...]) -> str:
    first, *rest = row
    cells = [
        value if name in ("what it is", "how", "value", "fields") else f"{name} {value}"
        for name, value in zip(topic.columns[1:], rest, strict=True)
        if value
    ]
    return f"{first}: {'; '.join(cells)}" if cells else first
