"""The one table of commands: bindings, the bar at the foot, help and palette are made from it.

A command is a row here and a method `do_<name>` of a pane or of the app. Where it can do nothing
now, `why_not(name)` says why; it is then shown as disabled with that reason, never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Command(NamedTuple):
    """`keys`: the first is the one shown. `where`: ids of the panes that have it; () is everywhere.
    `bar`: shown at the foot of the screen; the rest stands in help and palette."""

    name: str
    keys: tuple[str, ...]
    title: str
    help: str
    where: tuple[str, ...] = ()
    bar: bool = True


COMMANDS: tuple[Command, ...] = (
    # Panes. The first that a pane has on `enter` is its way forward.
    Command("next", ("enter",), "next", "accept what stands here and go on", ("machine", "prove")),
    Command("view", ("tab",), "view", "devices, processes, or links between GPUs", ("machine",)),
    Command(
        "use", ("space",), "use", "train on this device; again: the rules choose", ("machine",)
    ),
    Command(
        "use_too", ("plus",), "use too", "train on this device too, together", ("machine",), False
    ),
    Command(
        "what_if", ("m",), "what if", "plan on a machine that is not here: 8x H100", ("machine",)
    ),
    Command("sort", ("s",), "sort", "sort the list by the next thing", ("machine",)),
    Command(
        "when_busy", ("w",), "wait", "wait for a busy device, or take another one", ("machine",)
    ),
    Command("choose", ("enter",), "choose", "answer with the marked choice", ("goal",)),
    Command("onward", ("enter",), "next", "take the verdict and go on", ("goal",)),
    Command("unanswer", ("backspace",), "take back", "take back the last answer", ("goal",)),
    Command(
        "measure",
        ("e",),
        "measure",
        "measure prompting, retrieval and a pilot on your rows",
        ("goal",),
    ),
    Command("accept", ("enter",), "use it", "use this data and go on", ("data",)),
    Command("take", ("enter",), "use it", "use the marked model and go on", ("model",)),
    Command("edit", ("e",), "path", "type or paste a path", ("data", "model")),
    Command("tokens", ("t",), "tokens", "this row token by token, as it is trained", ("data",)),
    Command("problems", ("p",), "problems", "what was found, at file:line:field", ("data",)),
    Command("finding", ("f",), "findings", "only rows with the next finding", ("data",)),
    Command("finding_before", ("F",), "finding before", "the finding before", ("data",), False),
    Command("train", ("enter",), "train", "use the marked method and go on", ("method",)),
    Command("knobs", ("tab",), "knobs", "between the methods and the knobs", ("method",)),
    Command(
        "less", ("<", "left", "h"), "turn down", "the marked knob one step down", ("method",), False
    ),
    Command("more", (">", "right", "l"), "turn", "the marked knob one step up", ("method",)),
    Command("advised", ("a",), "advised", "take back what you set on the knob", ("method",)),
    Command("memory", ("m",), "memory", "where the memory goes, line by line", ("method",)),
    Command("attach", ("enter",), "open", "watch this run", ("runs",)),
    Command("launch", ("enter",), "launch", "start the run, detached", ("train",)),
    Command("prove", ("enter",), "prove", "what the run was worth", ("train",)),
    Command("checkpoint", ("c",), "checkpoint", "write a checkpoint now", ("train",)),
    Command("pause", ("p",), "pause", "hold the training between two steps", ("train",)),
    Command("unpause", ("p",), "go on", "let the held training go on", ("train",)),
    Command("stop", ("x",), "stop", "checkpoint, then stop; it can be resumed", ("train",)),
    Command("resume", ("r",), "resume", "go on from the last good checkpoint", ("runs", "train")),
    Command("anew", ("n",), "new run", "launch the session as it is now once more", ("train",)),
    Command("zoom", ("z",), "zoom", "all steps, or only the latest", ("train",)),
    Command("sample_row", ("a",), "row", "the next held-out row that is asked again", ("train",)),
    Command(
        "sample_earlier",
        ("left",),
        "earlier",
        "its answer at the step before",
        ("train",),
        False,
    ),
    Command("sample_later", ("right",), "later", "its answer at the step after", ("train",), False),
    Command("answers", ("v",), "answers", "answers to held-out rows so far", ("train",)),
    Command("log", ("o",), "log", "what the run said", ("train",)),
    Command("leave", ("d",), "leave", "close the screen; the run goes on", ("train",), False),
    Command("answer_whole", ("v",), "whole", "the marked row, whole", ("prove",)),
    Command("compare", ("c",), "compare", "this run with the one marked before", ("runs",)),
    Command("mark", ("space",), "mark", "mark a run to compare with", ("runs",)),
    Command("delete", ("x",), "delete", "delete the run's directory", ("runs",)),
    Command("why", ("w",), "why", "the reasons in full", ("goal", "method", "prove", "train")),
    Command("type_value", ("e",), "value", "type any value for the marked knob", ("method",)),
    Command("log_scale", ("l",), "log y", "logarithmic or linear y axis", ("train",)),
    Command("series", ("s",), "curve", "loss, gradient norm, learning rate or speed", ("train",)),
    Command("copy", ("y",), "copy", "copy what is marked to the clipboard", bar=False),
    # Everywhere.
    Command("filter", ("slash",), "find", "show only what matches", bar=False),
    Command("back", ("escape",), "back", "close this, or the step before"),
    Command("runs", ("9",), "runs", "every run: running, finished, crashed", bar=False),
    Command("fresh", ("f5",), "look again", "look at machine, model and data anew", bar=False),
    Command("redraw", ("ctrl+l",), "redraw", "draw anew what something else wrote over", bar=False),
    Command("help", ("question_mark",), "keys", "all keys of this screen"),
    Command("quit", ("q",), "quit", "close the screen; runs go on"),
)

# How keys are called on the screen.
KEY_NAMES = {
    "question_mark": "?", "escape": "esc", "slash": "/", "up": "↑", "down": "↓", "left": "←",
    "right": "→", "less_than_sign": "<", "greater_than_sign": ">",
    "plus": "+",
}  # fmt: skip

# Moving in lists is the same everywhere and handled by the list itself: told in help only.
JUMPS = ("1 … 8", "jump to a step")
MOVING = (
    ("↑ ↓ j k", "one line"),
    ("PgUp PgDn", "one page"),
    ("g G", "first, last"),
    JUMPS,
    ("ctrl+p", "palette: every command by name"),
    ("ctrl+z", "to the shell; fg comes back"),
)


def of_pane(pane: str) -> Sequence[Command]:
    """The commands that a pane has, its own first."""
    own = [command for command in COMMANDS if pane in command.where]
    return [*own, *(command for command in COMMANDS if not command.where)]


def on_key(pane: str, key: str, why_not: Callable[[str], str | None]) -> Command | None:
    """What a key does in a pane now; None when nothing.

    A key may stand for several commands (pause, go on): the first that can be done, else the first.
    """
    on_it = [command for command in of_pane(pane) if key in command.keys]
    able = (command for command in on_it if why_not(command.name) is None)
    return next(able, on_it[0] if on_it else None)


def key_name(command: Command) -> str:
    """The key as it is shown."""
    return KEY_NAMES.get(command.keys[0], command.keys[0])
