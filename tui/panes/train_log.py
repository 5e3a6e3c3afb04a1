"""What a run said, and how it ended. Pure."""

from __future__ import annotations

import time

from rich.text import Text

from tunewright.engine.run.events import Sample, StageDone
from tunewright.engine.run.progress import RunProgress
from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem
from tunewright.tui.follow import describe
from tunewright.tui.panes.problem_lines import problem_lines
from tunewright.tui.widgets.lines import wrapped


def log_lines(now: RunProgress, width: int) -> list[Text]:
    """What the run said, oldest first. Answers have a place of their own."""
    lines: list[Text] = []
    for event in sorted(now.log, key=lambda event: event.time):
        said = describe(event) if not isinstance(event, Sample) else None
        if said is not None:
            at = time.strftime("%H:%M:%S", time.localtime(event.time))
            lines += wrapped(Text().append(f"{at}  ", "dim").append(said), width, 10)
    return lines


def ending_lines(now: RunProgress, width: int) -> list[Text]:
    """How the run ended and what to do next; [] while it goes on."""
    assert now.view is not None
    ended = now.view.ended
    if ended is None:
        return []
    if ended.state == "done":
        lines = []
        for event in now.log:
            if isinstance(event, StageDone) and event.result.get("verdict"):
                verdict = plain(str(event.result["verdict"]))
                lines += wrapped(Text(f"{event.stage}: {verdict}"), width, 2)
        return [*lines, *wrapped(Text("enter: what it proved, row by row", "bold"), width)]
    problem = Problem(ended.what, why=ended.why or "not told", cure=ended.cure or "r resumes it")
    if ended.state == "stopped":
        lines = wrapped(Text(f"stopped: {plain(ended.why or ended.what)}", "bold"), width, 2)
    else:
        lines = problem_lines(problem, width)
    steps = sorted(now.checkpoints)
    at = f"from step {steps[-1]:,}" if steps else "from the start: no checkpoint was written"
    return [*lines, *wrapped(Text(f"r resumes it {at}", "bold"), width)]
