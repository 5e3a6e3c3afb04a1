"""The stages of a plan, in their own order. Pure."""

from __future__ import annotations

from tunewright.engine.plan import (
    PlannedStage,
)
from tunewright.engine.run.stages import STAGES
from tunewright.engine.session import Inputs
from tunewright.hardware.errors import Problem


def planned_stages(inputs: Inputs) -> tuple[PlannedStage, ...]:
    """The stages to run, in their own order; a `Problem` for one that cannot run as asked."""
    asked = inputs.stages
    known = [stage.id for stage in STAGES]
    for name in asked or ():
        if name not in known:
            raise Problem(
                f"there is no stage {name!r}",
                why=f"the stages are {', '.join(known)}",
                cure=f"--stages {','.join(s.id for s in STAGES if not s.asked)}",
            )
    if asked is not None and not asked:
        raise Problem(
            "no stage is left to run", why="the list of stages is empty", cure="--stages train"
        )
    chosen = [s for s in STAGES if (not s.asked if asked is None else s.id in asked)]
    ids = {stage.id for stage in chosen}
    for stage in chosen:
        for needed in stage.needs:
            if needed not in ids:
                raise Problem(
                    f"the stage {stage.id!r} cannot run without {needed!r}",
                    why=f"it takes what {needed!r} gave in the same run",
                    cure="--stages " + ",".join(k for k in known if k in ids | {needed}),
                )
    return tuple(PlannedStage(stage.id, stage.title) for stage in chosen)
