"""The table of commands: nothing in it that does nothing, and no key that means two things."""

from __future__ import annotations

from collections import Counter
from importlib import import_module

import pytest

from tunewright.tui.app import PANES, TunewrightApp
from tunewright.tui.commands import COMMANDS, of_pane, on_key
from tunewright.tui.frame import bar_line, path_line
from tunewright.tui.steps import STEPS


@pytest.mark.parametrize("pane", sorted(PANES))
def test_every_command_of_a_pane_is_done_by_it_or_by_the_app(pane: str) -> None:
    module, _, name = PANES[pane].partition(":")
    kind = getattr(import_module(f"tunewright.tui.panes.{module}"), name)
    for command in of_pane(pane):
        does = f"do_{command.name}"
        assert hasattr(kind, does) or hasattr(TunewrightApp, does), command


# Commands that are never both possible: a run that is paused is not running.
TURNS = [{"launch", "prove"}, {"pause", "unpause"}, {"choose", "onward"}]


@pytest.mark.parametrize("pane", sorted(PANES))
def test_a_key_means_one_thing_in_a_pane(pane: str) -> None:
    keys = Counter(key for command in of_pane(pane) for key in command.keys)
    for shared in (key for key, count in keys.items() if count > 1):
        assert {command.name for command in of_pane(pane) if shared in command.keys} in TURNS
    assert not set(keys) & {step.key for step in STEPS}


def test_a_shared_key_does_what_can_be_done_and_the_bar_says_so() -> None:
    def paused(name: str) -> str | None:
        return None if name == "unpause" else "not now"

    command = on_key("train", "p", paused)
    assert command is not None
    assert command.name == "unpause"
    bar = bar_line("train", paused, 120).plain
    assert "p go on" in bar
    assert "p pause" not in bar


def test_every_command_has_a_place_and_a_help() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    assert all(set(command.where) <= set(PANES) and command.help for command in COMMANDS)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("pane", sorted(PANES))
def test_the_lines_around_a_pane_fit(pane: str, width: int) -> None:
    done = tuple(step.id for step in STEPS)
    assert path_line(pane, done, width).cell_len <= width
    bar = bar_line(pane, lambda name: "not now", width)
    assert bar.cell_len <= width
    assert "? keys" in bar.plain
    assert "q quit" in bar.plain


@pytest.mark.parametrize("pane", sorted(PANES))
def test_the_way_back_has_room_at_80_columns_and_the_way_forward_at_40(pane: str) -> None:
    assert "esc back" in bar_line(pane, lambda name: None, 80).plain
    forward = next((c for c in of_pane(pane) if c.keys[0] == "enter"), None)
    if forward is not None:
        assert f"enter {forward.title}" in bar_line(pane, lambda name: None, 40).plain
