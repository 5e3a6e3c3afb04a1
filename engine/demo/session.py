"""The demo as a session: the embedded model and task, with what makes it fit into ten minutes."""

from __future__ import annotations

from tunewright.engine.decide.answers import Answers
from tunewright.engine.model import DEMO_DATA, DEMO_MODEL
from tunewright.engine.session import VERSION, DataInput, Inputs, Session

# Half of the rows once, about 23,000 tokens: a matter of minutes on two cores, and enough.
OVERRIDES = {
    "training.max_steps": 72,
    "training.learning_rate": 5e-4,
    "training.lr_scheduler_type": "linear",
    "training.per_device_train_batch_size": 4,
    "training.gradient_accumulation_steps": 1,
    "training.eval_steps": 72,
    "training.save_steps": 72,
}

# What holds for the demo's task; that prompting fails is measured by its baseline stage.
ANSWERS = Answers(
    goal="orders in free text into strict JSON",
    external_lookup=False,
    prompting="fails",
    knowledge="none",
    behaviour=True,
    quality="high",
    repetitive=True,
    preference_pairs=0,
)


def on_demo(inputs: Inputs) -> bool:
    """Whether the rows are the demo's, of whichever task."""
    return inputs.data.path.startswith("demo:")


def of_demo(inputs: Inputs) -> frozenset[str]:
    """Full keys of the settings that stand as the demo set them: nobody else has said them. None in
    a session on other rows."""
    if not on_demo(inputs):
        return frozenset()
    said = inputs.overrides
    return frozenset(key for key, value in OVERRIDES.items() if said.get(key) == value)


def answered_by_demo(inputs: Inputs) -> bool:
    """Whether all that is said of the goal is what the demo says of its own."""
    return on_demo(inputs) and inputs.answers == ANSWERS


def demo_session() -> Session:
    """The demo's inputs; no plan yet."""
    return Session(
        version=VERSION,
        inputs=Inputs(
            name="demo",
            model=DEMO_MODEL,
            data=DataInput(path=DEMO_DATA),
            overrides=dict(OVERRIDES),
            answers=ANSWERS,
        ),
    )
