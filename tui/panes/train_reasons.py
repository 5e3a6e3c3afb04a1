"""Why a command of Train can do nothing now. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tunewright.engine.run.changes import Changes
from tunewright.engine.run.progress import RunProgress
from tunewright.engine.run.view import RunState
from tunewright.tui.panes.train_answers import Looked

OVER: tuple[RunState, ...] = ("done", "stopped", "failed", "crashed")


class Standing(msgspec.Struct, frozen=True):
    """What the commands depend on. `state` is None while no run is known in full; `attached`: the
    run is not of the session on the bench; `stage` is the one that runs; `no_start` says what keeps
    the session from being launched; `rows` are asked while it trains, and the one looked at has
    `answers`, of which it stands `back` before the newest."""

    has_run: bool
    state: RunState | None
    attached: bool
    starting: bool
    no_start: str | None
    stage: str | None
    stepped: bool
    answered: bool
    logged: bool
    rows: int
    answers: int
    back: int


def standing(
    now: RunProgress | None,
    looked: Looked,
    *,
    has_run: bool,
    attached: bool,
    starting: bool,
    no_start: str | None,
) -> Standing:
    """How things stand with what is known of a run; `now` is None while that is nothing."""
    changes = now.changes if now is not None else Changes()
    looked = looked.within(changes)
    return Standing(
        has_run=has_run,
        state=now.view.state if now is not None and now.view is not None else None,
        attached=attached,
        starting=starting,
        no_start=no_start,
        stage=now.started.stage if now is not None and now.started is not None else None,
        stepped=bool(now is not None and now.curves.step),
        answered=bool(now is not None and (now.answers or changes.rows)),
        logged=bool(now is not None and now.log),
        rows=len(changes.rows),
        answers=len(changes.of(changes.rows[looked.row])) if changes.rows else 0,
        back=looked.back,
    )


def why_not(command: str, now: Standing) -> str | None:
    """Why `command` can do nothing; None when it can."""
    reason = _REASONS.get(command)
    return reason(now) if reason is not None else None


def _launch(now: Standing) -> str | None:
    return "it is launched already" if now.has_run else now.no_start


def _anew(now: Standing) -> str | None:
    if not now.has_run:
        return "enter launches it"
    if now.attached:
        return "this run is not of the session on the bench; esc goes back"
    if now.state is None:
        return "its run is still being read"
    return now.no_start if now.state in OVER else "its run still works"


def _resume(now: Standing) -> str | None:
    if now.state in ("stopped", "failed", "crashed"):
        return "it is being resumed" if now.starting else None
    return "there is no run to go on with" if now.state is None else f"it is {now.state}"


def _checkpoint(now: Standing) -> str | None:
    if now.state != "running":
        return _asked(now, "running")
    return None if now.stage == "train" else "only training writes checkpoints"


def _asked(now: Standing, *states: RunState) -> str | None:
    if now.state is None:
        return "there is no run yet"
    return None if now.state in states else f"the run is {now.state}"


def _curve(now: Standing) -> str | None:
    return None if now.stepped else "no step was taken yet"


def _changes(now: Standing) -> str | None:
    return None if now.rows else "no row is answered while it trains yet"


def _row(now: Standing) -> str | None:
    return "it is the only row" if now.rows == 1 else _changes(now)


def _earlier(now: Standing) -> str | None:
    if not now.rows:
        return _changes(now)
    return None if now.answers - now.back > 2 else "it is held against the first answer already"


def _later(now: Standing) -> str | None:
    if not now.rows:
        return _changes(now)
    return None if now.back else "it is the newest answer"


_REASONS: dict[str, Callable[[Standing], str | None]] = {
    "launch": _launch,
    "anew": _anew,
    "prove": lambda now: None if now.state == "done" else "the run is not done",
    "resume": _resume,
    "checkpoint": _checkpoint,
    "pause": lambda now: _asked(now, "running"),
    "unpause": lambda now: None if now.state == "paused" else "it is not paused",
    "stop": lambda now: _asked(now, "starting", "running", "paused"),
    "answers": lambda now: None if now.answered else "no held-out row is answered yet",
    "log": lambda now: None if now.logged else "the run has said nothing yet",
    "zoom": _curve,
    "log_scale": _curve,
    "series": _curve,
    "why": lambda now: None if now.state is not None else "there is no run yet",
    "sample_row": _row,
    "sample_earlier": _earlier,
    "sample_later": _later,
}
