"""What the bench says to the rules of the decision."""

from __future__ import annotations

import msgspec

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.questions import QUESTIONS
from tunewright.engine.plan import Plan
from tunewright.tui.looking import DataFound, ModelFound
from tunewright.tui.workbench import Workbench


def answers_on(bench: Workbench) -> Answers:
    """What was answered about the goal. The file with the rows is the Data step's question."""
    answers = bench.inputs.answers or Answers()
    return answers if answers.data is not None else msgspec.structs.replace(answers, data="")


def given(answers: Answers) -> list[str]:
    """Ids of the questions that the person has answered, in order."""
    return [q.id for q in QUESTIONS if q.id != "data" and getattr(answers, q.id) is not None]


def facts_on(bench: Workbench) -> Facts:
    """What the rows on the bench say, and what was measured on them; nothing while they are not
    read."""
    data = bench.data
    if not isinstance(data, DataFound):
        return Facts()
    context = (
        bench.model.shape.max_position_embeddings if isinstance(bench.model, ModelFound) else None
    )
    return msgspec.structs.replace(
        data.counted,
        measured=bench.decided.facts.measured if bench.decided else None,
        too_long=sum(rows for n, rows in data.train_spread.items() if n > context)
        if context and data.lengths
        else None,
        fits=bench.plan.chosen().verdict != "no" if isinstance(bench.plan, Plan) else None,
    )
