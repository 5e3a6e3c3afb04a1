"""Text of strangers is made plain, and cut by the cells that a terminal gives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunewright.engine.text import place, plain, shorten


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200d", "\ufeff", "\u202e", "\u2066", "\x1b", "\x9b"]
)
def test_what_a_terminal_would_obey_or_hide_is_shown_as_its_code(hidden: str) -> None:
    said = plain(f"a{hidden}b")
    assert said.isascii()
    assert f"{ord(hidden):x}" in said


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("\u754c\u754c\u754c", 6, "\u754c\u754c\u754c"),
        ("\u754c\u754c\u754c", 5, "\u754c\u754c…"),
        ("\u754c\u754c\u754c", 4, "\u754c…"),
        ("e\u0301tude", 5, "e\u0301tude"),
    ],
)
def test_a_text_is_cut_by_cells(text: str, width: int, cut: str) -> None:
    assert shorten(text, width) == cut


def test_what_is_at_home_begins_with_a_tilde_and_else_stands_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert place(Path("/home/ada/runs/one")) == "~/runs/one"
    assert place("/home/adam/runs") == "/home/adam/runs"
    assert place("/scratch/\x1b[31m") == "/scratch/\\x1b[31m"
