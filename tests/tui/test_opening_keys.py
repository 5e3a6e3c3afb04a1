"""What is typed before the screens are there does what it would do later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from live import PROGRAM
from terminal import Terminal

from tunewright.tui.opening import keys_of


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"\x1b[6~", [("pagedown", None)]),
        (b"\x1b[15~", [("f5", None)]),
        (b"\x1b[3~", [("delete", None)]),
        (b"\x1bOP", [("f1", None)]),
        (b"\x1b[A\x1b[Bj", [("up", None), ("down", None), ("j", "j")]),
        # What has no name is one key that does nothing, and so is what was cut off.
        (b"\x1b[77;99z3", [("3", "3")]),
        (b"\x1bO1", []),
        (b"\x1b[6", []),
        (b"\x1b", [("escape", "\x1b")]),
        (b"\x1b\x1bq", [("escape", "\x1b"), ("escape", "\x1b"), ("q", "q")]),
        (b"\n\r", [("enter", "\r"), ("enter", "\r")]),
        (b"mR 4", [("m", "m"), ("R", "R"), ("space", " "), ("4", "4")]),
        ("/ä".encode(), [("slash", "/"), ("ä", "ä")]),
        (b"\x7f\x10", [("backspace", "\x7f"), ("ctrl+p", "\x10")]),
    ],
    ids=repr,
)
def test_a_key_is_one_key_with_its_character(
    typed: bytes, keys: list[tuple[str, str | None]]
) -> None:
    found = keys_of(typed)
    assert [key.key for key in found] == [name for name, _ in keys]
    for key, (_, wanted) in zip(found, keys, strict=True):
        assert wanted is None or key.character == wanted


@pytest.mark.parametrize("opens", ["m", "\x10"], ids=["what if", "palette"])
def test_text_typed_behind_the_key_of_a_field_stands_in_the_field(
    opens: str, tmp_path: Path
) -> None:
    said = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with Terminal([PROGRAM], said | {"TUNEWRIGHT_HOME": str(tmp_path)}) as terminal:
        terminal.until("opening ...")
        terminal.press(f"{opens}RTX 4090 q")
        terminal.until("RTX 4090 q")
        terminal.press("\x1b")
        terminal.until("[1 Machine]")
