"""`esc` and the key behind it are two keys, also where a line delivers both at once.

A terminal sends the same for `esc 7` and for alt+7. Textual takes what arrives within a tenth of a
second for the latter, and makes "¶" of it or nothing at all. No command here is on alt, and over a
slow line keys that were pressed one by one arrive together.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver

_ESCAPE = "\x1b"
# Introduce longer sequences: CSI, SS3, and the strings of a terminal's answers.
_LONGER = "[OP]_^X"
# alt+backspace deletes a word, as everywhere.
_KEPT = "\x7f\x1b"


class EscapeParser(XTermParser):
    """Textual's parser of what a terminal sends, without alt+key."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if len(sequence) == 2 and sequence[0] == _ESCAPE and sequence[1] not in _LONGER + _KEPT:
            yield events.Key("escape", _ESCAPE)
            yield from super()._sequence_to_key_events(sequence[1])
        else:
            yield from super()._sequence_to_key_events(sequence, alt)


def use() -> None:
    """Have Textual's driver read keys with it; the driver names its parser nowhere else."""
    linux_driver.XTermParser = EscapeParser  # type: ignore[attr-defined]
