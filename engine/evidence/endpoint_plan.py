"""Planning an evidence run at an endpoint: no model folder, so no memory and no training."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tunewright.engine.data.fingerprint import fingerprint
from tunewright.engine.data.hub import commit_of
from tunewright.engine.data.prepared import read_split
from tunewright.engine.evidence.endpoint import checked_url
from tunewright.engine.evidence.given import EvidenceInput
from tunewright.engine.evidence.plan import default_rows, prompt_settings
from tunewright.engine.homes import cache_home
from tunewright.engine.model import is_hub_id, resolve_data
from tunewright.engine.plan import Decision, Plan, PlannedStage
from tunewright.engine.prove.defaults import LONGEST_ANSWER
from tunewright.engine.replay import Difference, plan_differences
from tunewright.engine.run.stages import EVIDENCE, STAGES
from tunewright.engine.session import Session
from tunewright.hardware.errors import Problem

# A byte-level tokenizer makes no more tokens than bytes, and seldom more than one of three.
_BYTES_A_TOKEN = 3
_MARGIN = 16


def replan_endpoint(session: Session, base: Path) -> tuple[Session, tuple[Difference, ...]]:
    """The session with its plan; what differs from the plan that it had. A `Problem` for stages
    that need a model folder, a URL that leads elsewhere, or data that has changed."""
    checked_url(session.inputs.model)
    stages = session.inputs.stages or EVIDENCE
    if set(stages) - set(EVIDENCE):
        raise Problem(
            "a model at a server can be measured, but not trained here",
            why=f"asked for were the stages {', '.join(stages)}",
            cure="name the folder of the model for a training",
        )
    data = session.inputs.data
    rows = read_split(data, base, session.inputs.seed)
    train_path, eval_path = resolve_data(data, base, cache_home())
    data = msgspec.structs.replace(
        data,
        fingerprint=fingerprint(train_path),
        eval_fingerprint=None if eval_path is None else fingerprint(eval_path),
        revision=commit_of(train_path) if is_hub_id(data.path, base) else None,
    )
    inputs = msgspec.structs.replace(session.inputs, data=data, stages=tuple(stages))
    given = inputs.evidence or EvidenceInput()
    longest = max(
        len(e.messages[-1].content.encode("utf-8", "surrogatepass"))
        for e in (*rows.train, *rows.held)
    )
    tokens = min(LONGEST_ANSWER, longest // _BYTES_A_TOKEN + _MARGIN)
    plan = Plan(
        method=Decision("none", "nothing is trained at a server", "method.endpoint"),
        device=Decision("endpoint", "the model answers at a URL that was named", "device.endpoint"),
        settings={
            "evaluation.max_new_tokens": Decision(
                tokens,
                f"the longest answer has {longest} bytes; the server's tokenizer is not known",
                "evaluation.new-tokens-bytes",
            ),
            "evidence.rows": default_rows(given, len(rows.held), tokens),
            **prompt_settings(given, len(rows.train)),
        },
        stages=tuple(
            PlannedStage(stage.id, stage.title)
            for stage in STAGES
            if stage.id in stages and stage.id != "pilot"
        ),
        fits=(),
    )
    differences = plan_differences(session.plan, plan) if session.plan is not None else ()
    return msgspec.structs.replace(session, inputs=inputs, plan=plan), differences
