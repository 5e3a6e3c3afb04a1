"""Why a command of Train can do nothing now: a reason for each, from how things stand."""

from __future__ import annotations

import msgspec
import pytest

from tunewright.tui.commands import of_pane
from tunewright.tui.panes.train import TrainPane
from tunewright.tui.panes.train_answers import Looked
from tunewright.tui.panes.train_reasons import Standing, standing, why_not

NOTHING = standing(
    None, Looked(), has_run=False, attached=False, starting=False, no_start="there is no plan yet"
)
RUNNING = msgspec.structs.replace(
    NOTHING, has_run=True, state="running", stage="train", stepped=True, answered=True,
    logged=True, rows=2, answers=3, no_start=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("command", "now", "reason"),
    [
        ("launch", NOTHING, "there is no plan yet"),
        ("anew", NOTHING, "enter launches it"),
        ("stop", NOTHING, "there is no run yet"),
        ("sample_row", NOTHING, "no row is answered while it trains yet"),
        ("launch", RUNNING, "it is launched already"),
        ("anew", RUNNING, "its run still works"),
        ("unpause", RUNNING, "it is not paused"),
        ("resume", RUNNING, "it is running"),
        ("prove", RUNNING, "the run is not done"),
        ("pause", RUNNING, None),
        ("sample_row", RUNNING, None),
        ("sample_earlier", RUNNING, None),
        ("sample_later", RUNNING, "it is the newest answer"),
    ],
)
def test_a_command_says_why_it_can_do_nothing(
    command: str, now: Standing, reason: str | None
) -> None:
    assert why_not(command, now) == reason


@pytest.mark.parametrize(
    ("change", "command", "reason"),
    [
        ({"stage": "baseline"}, "checkpoint", "only training writes checkpoints"),
        ({"state": "done"}, "stop", "the run is done"),
        ({"state": "done"}, "anew", None),
        ({"state": "done", "attached": True}, "anew", "of the session on the bench"),
        ({"state": None}, "anew", "still being read"),
        ({"state": "stopped", "starting": True}, "resume", "being resumed"),
        ({"rows": 1}, "sample_row", "the only row"),
        ({"back": 1}, "sample_earlier", "against the first answer"),
        ({"back": 1}, "sample_later", None),
        ({"stepped": False}, "zoom", "no step was taken"),
    ],
)
def test_and_no_longer_when_that_has_changed(
    change: dict[str, object], command: str, reason: str | None
) -> None:
    said = why_not(command, msgspec.structs.replace(RUNNING, **change))
    assert said is None if reason is None else reason in str(said)


def test_every_command_of_the_pane_is_done_by_it() -> None:
    own = [command.name for command in of_pane("train") if command.where]
    assert {"sample_row", "sample_earlier", "sample_later"} <= set(own)
    assert [name for name in own if not hasattr(TrainPane, f"do_{name}")] == []
