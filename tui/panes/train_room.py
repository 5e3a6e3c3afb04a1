"""What stands beside and below the curve of Train, by the room there is. Pure."""

from __future__ import annotations

from rich.text import Text

from tunewright.engine.run.progress import RunProgress
from tunewright.tui.panes.train_answers import Looked, answer_lines, changes_lines
from tunewright.tui.panes.train_figures import checkpoint_line, memory_line, number_lines
from tunewright.tui.panes.train_log import ending_lines
from tunewright.tui.panes.train_notable import notable_line
from tunewright.tui.watched import Watched

# The pane has room for a second curve and for what the run says from here on.
WIDE, HIGH = 110, 30
# From here on for an answer beside the one before it, and below it for one line of figures.
_MIDDLE, _LOW = 18, 12


def foot_lines(watched: Watched, looked: Looked, width: int, height: int) -> list[Text]:
    """What stands below the curve of a pane that is `height` lines high."""
    now, plan = watched.progress, watched.session.plan
    ending, figures = ending_lines(now, width), number_lines(now, width)
    if height < _LOW:
        return (ending or figures)[:3]
    if ending and height < _MIDDLE:
        return [*figures, *ending]
    about = (
        memory_line(now, plan, width),
        checkpoint_line(now, plan, width),
        notable_line(watched.moments(), now, width),
    )
    lines = [*figures, *(line for line in about if line is not None)]
    return [*lines, *_answers(now, looked, width, height), *ending]


def _answers(now: RunProgress, looked: Looked, width: int, height: int) -> list[Text]:
    """How the answer to one row changed, or else the last answer of a stage."""
    if not now.curves.step:
        return []
    if now.changes.rows:
        most = 1 if height < _MIDDLE else 2 if height < HIGH else 5
        return changes_lines(now.changes, looked, width, most, asks=height >= _MIDDLE)
    ended = now.view is not None and now.view.ended is not None
    if ended or height < _MIDDLE or not now.answers:
        return []
    return answer_lines(now.answers[-1], width)


def newest_answers(now: RunProgress, width: int, height: int) -> list[Text]:
    """Answers of the stages, newest first, in `height` lines: where there is no curve yet."""
    lines = [Text()]
    for answer in reversed(now.answers):
        lines += [*answer_lines(answer, width), Text()]
        if len(lines) >= height:
            break
    if len(lines) > 1:
        lines[0] = Text("answers so far, newest first", "dim")
    return lines[: max(1, height)]
