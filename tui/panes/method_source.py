"""What the Method screen plans from: the session, or assumed rows where none are measured."""

from __future__ import annotations

import msgspec

from tunewright.engine.data.assumed import assumed_facts
from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import Plan
from tunewright.engine.session import Inputs, Recorded
from tunewright.engine.sizing import WhatIf
from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import training_memory
from tunewright.tui.looking import DataFound, ModelFound
from tunewright.tui.workbench import FREE_MOVED, Workbench


class Source:
    """Plans around what is on the bench; made anew only when that has changed, so that what was
    planned once is not planned again. `alone` sizes the model with assumed rows, whatever the
    session says of its data."""

    def __init__(self, bench: Workbench, *, alone: bool) -> None:
        self._bench = bench
        self.alone = alone
        # Sizing alone changes no session: what is tried there is kept here.
        self._tried: Inputs | None = None
        self._before: WhatIf | None = None

    def look(self) -> WhatIf | Problem | None:
        """The plans; the problem of the model where it has one; None while something is still being
        looked at."""
        bench = self._bench
        if isinstance(bench.model, Problem):
            return bench.model
        if bench.snapshot is None or bench.environment is None or bench.model is None:
            return None
        measured = isinstance(bench.data, DataFound) and isinstance(bench.data.facts, DataFacts)
        assumed = self.alone or not measured
        if not assumed:
            planned = isinstance(bench.plan, Plan)
            recorded = bench.session.recorded if planned else bench.recorded()
        elif bench.data is None and not self.alone:
            return None
        else:
            recorded = self._assumed(bench.model)
        if recorded is None:
            return None
        inputs = (self._tried or _bare(bench.inputs)) if self.alone else bench.inputs
        now = self._before
        if now and now.inputs == inputs and (now.given is recorded or now.given == recorded):
            return now
        self._before = WhatIf(inputs, recorded, assumed=assumed)
        return self._before

    def _assumed(self, model: ModelFound) -> Recorded:
        """The model with assumed rows; as it was while the free memory has hardly moved."""
        bench, before = self._bench, self._before
        assert bench.snapshot is not None
        assert bench.environment is not None
        if before is not None and before.assumed and before.given.model == model.shape:
            snapshots = before.given.snapshot, bench.snapshot
            was, now = (training_memory(snapshot)[1] for snapshot in snapshots)
            if abs(was - now) <= FREE_MOVED * max(was, now):
                return before.given
        facts = assumed_facts(model.shape.max_position_embeddings)
        return Recorded(bench.snapshot, bench.environment, facts, model.shape)

    def take(self, inputs: Inputs) -> bool:
        """Plan with other inputs from now on; whether that has changed the session."""
        if self.alone:
            self._tried = inputs
            return False
        self._bench.answer(method=inputs.method, overrides=inputs.overrides)
        return True


def _bare(inputs: Inputs) -> Inputs:
    """The inputs for sizing alone: the model, and nothing that was said for its data."""
    return msgspec.structs.replace(inputs, method="auto", overrides={}, stages=None)
