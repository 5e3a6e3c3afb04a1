"""The steps of the path, in their order: what each asks, and the key that jumps to it."""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """`id` names the pane in `panes/`; `question` is what a person comes to it with."""

    id: str
    title: str
    key: str
    question: str


STEPS: tuple[Step, ...] = (
    Step("machine", "Machine", "1", "What is here to train with?"),
    Step("goal", "Goal", "2", "Is fine-tuning the right tool?"),
    Step("data", "Data", "3", "What will be learned from?"),
    Step("model", "Model", "4", "What will be tuned?"),
    Step("method", "Method", "5", "How, and does it fit?"),
    Step("train", "Train", "6", "How is it going?"),
    Step("prove", "Prove", "7", "Did it get better?"),
    Step("ship", "Ship", "8", "What do I take away?"),
)

# Beside the path: every run there is.
RUNS = Step("runs", "Runs", "9", "What is running, what has run?")


def step(id: str) -> Step:
    """The step of that id; KeyError if there is none."""
    return {step.id: step for step in (*STEPS, RUNS)}[id]


def after(id: str) -> str:
    """The step that follows on the path; the last one follows itself."""
    ids = [step.id for step in STEPS]
    return ids[min(ids.index(id) + 1, len(ids) - 1)]


def before(id: str) -> str:
    """The step before on the path; the first one precedes itself."""
    ids = [step.id for step in STEPS]
    return ids[max(ids.index(id) - 1, 0)]
