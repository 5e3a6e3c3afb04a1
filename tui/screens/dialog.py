"""A box over the screen that `esc` closes; that key is the app's, before any field has it."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

T = TypeVar("T")


class Dialog(ModalScreen[T]):
    """What is in it stands in `#box`."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog #box { width: 76; max-width: 100%; height: auto; max-height: 100%;
                  border: round ansi_default; padding: 0 1; background: ansi_default; }
    """

    def action_close(self) -> None:
        self.dismiss(None)
