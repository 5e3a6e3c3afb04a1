"""Asking the run on screen for something, and telling what it answers."""

from __future__ import annotations

from tunewright.engine.run import control
from tunewright.engine.run.client import ask
from tunewright.engine.run.events import HANDED_ON, Answered
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.text import plain
from tunewright.tui.panes.pane import Pane

# What a person is told at once; the answer of the run follows.
_SAID: dict[control.Verb, str] = {
    "checkpoint": "asked for a checkpoint: it is written after this step",
    "pause": "asked to pause: it holds after this step, and keeps its memory",
    "unpause": "asked to go on",
    "stop": "asked to stop: a checkpoint is written first",
}


class Orders:
    """Commands of this screen by their id; those of others are answered to others."""

    def __init__(self, pane: Pane) -> None:
        self._pane = pane
        self._asked: dict[str, control.Verb] = {}

    def ask(self, run: RunDir, verb: control.Verb) -> None:
        """Send a command to `run`, in a thread."""

        def take(id: str) -> None:
            self._asked[id] = verb
            self._pane.tunewright.notice(_SAID[verb])

        self._pane.in_thread(lambda: ask(run, verb, "the screen"), take)

    def tell(self, answers: list[Answered]) -> None:
        """Say those of the answers that are to this screen's commands."""
        for answer in answers:
            # That it was handed on says less than what was said when it was asked.
            if self._asked.get(answer.id) == answer.command and answer.answer != HANDED_ON:
                self._pane.tunewright.notice(f"{answer.command}: {plain(answer.answer)}")
