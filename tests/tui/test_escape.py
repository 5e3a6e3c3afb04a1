"""`esc` and a key behind it stay two keys, however close together a line delivers them."""

from __future__ import annotations

import pytest

from tunewright.tui.escape import EscapeParser


def keys(typed: str) -> list[str]:
    return [event.key for event in EscapeParser().feed(typed) if hasattr(event, "key")]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("\x1b7", ["escape", "7"]),
        ("\x1bq", ["escape", "q"]),
        ("\x1b5j", ["escape", "5", "j"]),
        ("\x1b\r", ["escape", "enter"]),
        ("\x1b\t", ["escape", "tab"]),
        ("\x1b?", ["escape", "question_mark"]),
        ("\x1bG", ["escape", "G"]),
        ("\x1b\x10", ["escape", "ctrl+p"]),
        ("\x1b\x1b7", ["escape", "escape", "7"]),
        # What a terminal sends for one key stays one.
        ("\x1b[A", ["up"]),
        ("\x1bOA", ["up"]),
        ("\x1b[Z", ["shift+tab"]),
        ("\x1b[15~", ["f5"]),
        ("\x1b\x7f", ["ctrl+w"]),
        ("¶", ["pilcrow_sign"]),
    ],
)
def test_what_arrives_is_what_was_pressed(typed: str, expected: list[str]) -> None:
    assert keys(typed) == expected


def test_a_paste_is_no_keys() -> None:
    (event,) = list(EscapeParser().feed("\x1b[200~ab q\x1b[201~"))
    assert event.text == "ab q"  # type: ignore[attr-defined]
    assert not hasattr(event, "key")
