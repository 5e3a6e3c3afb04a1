"""Sessions that are planned: what the bench makes of what is known, and of what a run gave.

The planner, and all that it weighs, is some fifty modules. They are imported with this one, which
nothing needs before model and rows are known.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tunewright.engine.plan import Plan
from tunewright.engine.planner import make_plan, recorded_by
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.session import VERSION, Recorded, Session, load_session


def planned_session(session: Session, recorded: Recorded) -> Session:
    """The session with the plan that its inputs get on what is `recorded`; a `Problem` when none
    can be made. What a run of it gave stays expected while it would train the same."""
    plan = make_plan(session.inputs, recorded)
    before = session.recorded
    planned = Session(VERSION, session.inputs, plan, recorded)
    if before is not None and before.expect is not None and _run_alike(session, planned):
        # Its environment was the run's own, and with it the threads that decide the digits.
        recorded = msgspec.structs.replace(
            recorded, expect=before.expect, environment=before.environment
        )
    return msgspec.structs.replace(planned, recorded=recorded)


def with_result(session: Session, run: RunDir) -> Session | None:
    """The session with what `run` gave. None when that is recorded already, the run is not done, or
    it did something else. Reads all events of the run; a `Problem` when its files are damaged."""
    if session.recorded is None or session.recorded.expect is not None:
        return None
    ended = run.read_exit()
    if ended is None or ended.state != "done":
        return None
    return recorded_by(run, session) if _run_alike(session, load_session(run.session)) else None


def _run_alike(a: Session, b: Session) -> bool:
    """Whether two sessions train the same: what was free when they were planned may differ."""
    if a.plan is None or b.plan is None or a.recorded is None or b.recorded is None:
        return False

    def said(session: Session, plan: Plan) -> list[Any]:
        data = session.inputs.data
        settings = {key: decision.value for key, decision in plan.settings.items()}
        return [
            plan.method.value, plan.device.value, settings, plan.stages, session.inputs.seed,
            data.fingerprint, data.eval_fingerprint, data.eval_fraction,
        ]  # fmt: skip

    return a.recorded.model == b.recorded.model and said(a, a.plan) == said(b, b.plan)
