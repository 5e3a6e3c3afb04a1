"""The head of Train: which run, how it stands, how far it is and how long it will take. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.text import Text

from tunewright.engine.run.events import Progress
from tunewright.engine.run.progress import RunProgress, StageNow
from tunewright.engine.run.view import RunState
from tunewright.engine.session import Session
from tunewright.engine.text import duration, plain, shorten
from tunewright.engine.train.registry import method

STATE_STYLES: dict[RunState, str] = {
    "starting": "bold yellow",
    "running": "bold green",
    "paused": "bold yellow",
    "stopping": "bold yellow",
    "stopped": "bold yellow",
    "done": "bold green",
    "failed": "bold red",
    "crashed": "bold red",
}

# Measured on two cores: torch 3 s, transformers and trl 10 s more; a network disk takes longer.
STARTING = "importing torch and transformers, 10 to 20 s"


def head_lines(
    now: RunProgress, session: Session, stages: Sequence[StageNow], width: int
) -> list[Text]:
    """Which run, how it stands; its stages; how far it is and how long it will take."""
    return [
        _run_line(now, session, width),
        stages_line(stages, width),
        progress_line(now, stages, width),
    ]


def _run_line(now: RunProgress, session: Session, width: int) -> Text:
    assert now.view is not None
    state = now.view.state
    line = Text(no_wrap=True)
    line.append(state.upper(), STATE_STYLES[state])
    if session.plan is not None:
        line.append(f"  {method(session.plan.method.value).title.partition(' (')[0]}")
    line.append(f"  {plain(now.view.record.id)}")
    if (number := len(now.view.record.attempts)) > 1:
        line.append(f", attempt {number}")
    for said in ("  detached: closing this screen leaves it running", "  detached"):
        if now.view.alive and line.cell_len + len(said) <= width:
            line.append(said, "dim")
            break
    line.truncate(width, overflow="ellipsis")
    return line


def stages_line(stages: Sequence[StageNow], width: int) -> Text:
    """The stages in their order: done ones ticked, the present one in brackets."""
    for timed in (True, False):
        line = Text(no_wrap=True)
        for stage in stages:
            if stage.state == "running":
                line.append(f"[{stage.id}]", "bold reverse").append("  ")
            elif stage.state == "done":
                took = f" {duration(stage.seconds)}" if timed and stage.seconds is not None else ""
                line.append(f"✓ {stage.id}{took}  ")
            else:
                line.append(f"· {stage.id}  ", "dim")
        said = _next_said(stages)
        if line.cell_len + len(said) <= width:
            return line.append(said, "dim")
        if line.cell_len <= width:
            return line
    line.truncate(width, overflow="ellipsis")
    return line


def _next_said(stages: Sequence[StageNow]) -> str:
    """What comes after the stage that runs; "" when nothing does."""
    states = [stage.state for stage in stages]
    if "running" not in states:
        return ""
    after = stages[states.index("running") + 1 :]
    return f"next: {plain(after[0].title)}" if after else ""


def progress_line(now: RunProgress, stages: Sequence[StageNow], width: int) -> Text:
    """How far the present stage is, and what is left of it."""
    assert now.view is not None
    elapsed = now.seconds()
    took = f"{duration(elapsed)}" if elapsed is not None else ""
    running = next((stage for stage in stages if stage.state == "running"), None)
    if not now.view.alive:
        said = _steps_said(now)
        return _first_fitting([f"{said}, {took} in all", said] if took else [said], width)
    if running is None and stages and all(stage.state == "done" for stage in stages):
        return _first_fitting([f"all stages are done; ending, {took} so far", "ending"], width)
    if running is None:
        said = f"starting: {STARTING}; {took} so far"
        return _first_fitting([said, f"starting, {took} so far"], width)
    if running.id == "train":
        if now.step is None or not _stepped(now):
            return _first_fitting(
                [
                    f"train: loading the model, no step yet; {took} so far",
                    f"train: loading, {took}",
                ],
                width,
            )
        return _training_line(now, took, width)
    progress = running.progress
    if progress is None:
        said = f"{plain(running.title)}: loading the model; {took} so far"
        return _first_fitting([said, f"{running.id}: loading, {took}"], width)
    return _counted_line(running, progress, took, width)


def _stepped(now: RunProgress) -> bool:
    """Whether the present attempt has taken a step."""
    assert now.view is not None
    attempts = now.view.record.attempts
    return now.step is not None and (not attempts or now.step.time >= attempts[-1].started)


def _steps_said(now: RunProgress) -> str:
    if now.step is None:
        damaged = next(iter(now.skipped), None)
        return f"events/{plain(damaged)} cannot be read" if damaged else "no step was taken"
    return f"step {now.step.step:,} of {now.step.total_steps:,}"


def _training_line(now: RunProgress, took: str, width: int) -> Text:
    assert now.step is not None
    step = now.step
    done = f"step {step.step:,}/{step.total_steps:,}"
    share = step.step / max(1, step.total_steps)
    left = now.left()
    paused = now.view is not None and now.view.state == "paused"
    tails = [f"  {took}"]
    if left is not None and not paused and step.step < step.total_steps:
        eta, low, high = left
        end = time.strftime("%H:%M", time.localtime(time.time() + eta))
        span = f" ({_span(low, high)})" if round(high) > round(low) else ""
        epoch = f"  epoch {step.epoch:.2f}"
        tails = [
            f"{epoch}  {took}  left {duration(eta)}{span}, to {end}",
            f"  {took}  left {duration(eta)}{span}, to {end}",
            f"  left {duration(eta)}{span}, to {end}",
            f"  left {duration(eta)}, to {end}",
            f"  left {duration(eta)}",
        ]
    return _with_bar(done, share, tails, width)


def _span(low: float, high: float) -> str:
    """Two times in the unit that tells them apart: "40-70 s", "16-21 min", "1.5-2.0 h"."""
    if low < 100 and high < 600:
        return f"{low:.0f}-{high:.0f} s"
    if high < 7200:
        return f"{low / 60:.0f}-{high / 60:.0f} min"
    return f"{low / 3600:.1f}-{high / 3600:.1f} h"


def _counted_line(stage: StageNow, progress: Progress, took: str, width: int) -> Text:
    done = f"{stage.id} {progress.done:,}/{progress.total:,} {plain(progress.unit)}"
    tails = [f"  {took}"]
    if progress.eta_seconds is not None:
        left = f"  left {duration(progress.eta_seconds)}"
        tails = [f"  {took}{left}", left]
    return _with_bar(done, progress.done / max(1, progress.total), tails, width)


def _with_bar(done: str, share: float, tails: Sequence[str], width: int) -> Text:
    """`done [bar] 58 % tail` with the longest tail that leaves a bar of ten cells, else none."""
    share = max(0.0, min(1.0, share))
    percent = f" {share:4.0%}".replace("%", " %")
    for tail in tails:
        room = width - len(done) - len(percent) - len(tail) - 2
        if room >= 10:
            room = min(room, 24)
            full = round(share * room)
            line = Text(no_wrap=True).append(f"{done} ", "bold").append("█" * full, "cyan")
            return line.append("·" * (room - full), "dim").append(percent, "bold").append(tail)
    return _first_fitting([done + tail for tail in tails] + [done], width)


def _first_fitting(wordings: Sequence[str], width: int) -> Text:
    return Text(
        next((w for w in wordings if len(w) <= width), shorten(wordings[-1], width)), no_wrap=True
    )
