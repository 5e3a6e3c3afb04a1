"""The line between the screens and the terminal: the difference alone is sent, when there is room.

`LineApp` is a Textual app whose frames go through `Cells` and `Flow`. While the line is taken,
frames are not queued but forgotten, since the next difference holds what they changed; so a slow
line is never seconds behind, and a terminal that nobody reads does not hold up the screen.
"""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input

from tunewright.tui import escape
from tunewright.tui.cells import Cells
from tunewright.tui.flow import QUESTION, Flow

# Between two looks at whether a line that is taken has become free, where no answer wakes us.
_AGAIN_SECONDS = 0.1
# How long leaving waits for answers that would else be typed into the shell.
_LEAVING_SECONDS = 1.0


class _Output:
    """The terminal's file, and whether it still takes what was written."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.writing = False

    def write(self, text: str) -> int:
        self.writing = True
        return self._file.write(text)

    def flush(self) -> None:
        self._file.flush()
        self.writing = False

    def fileno(self) -> int:
        return self._file.fileno()


class LineDriver(LinuxDriver):
    """Textual's driver, which also hears the terminal's answers."""

    def __init__(self, app: LineApp, **options: Any) -> None:
        super().__init__(app, **options)
        escape.use()
        self.flow = Flow()
        self._line_app = app
        assert sys.__stderr__ is not None
        self._output = _Output(sys.__stderr__)
        self._file = self._output  # type: ignore[assignment]

    @property
    def free(self) -> bool:
        """Whether a frame may be written now."""
        writer = self._writer_thread
        queued = writer is not None and writer._queue.qsize() > 0
        return not queued and not self._output.writing and self.flow.free(time.monotonic())

    def send(self, frame: str) -> None:
        """Write a frame and ask for its arrival."""
        if self.flow.asks:
            frame += QUESTION
            self.flow.sent(len(frame.encode()), time.monotonic())
        self.write(frame)

    def process_message(self, message: Message) -> None:
        if isinstance(message, events.CursorPosition):
            self.flow.answered(time.monotonic())
            self.send_message(events.Callback(callback=self._line_app.send))
        else:
            super().process_message(message)

    def disable_input(self) -> None:
        end = time.monotonic() + _LEAVING_SECONDS
        while self.flow.waiting and not self._output.writing and time.monotonic() < end:
            time.sleep(0.01)
        super().disable_input()


class LineApp(App[int]):
    """See the module. `live_due` is asked before live values are drawn."""

    def __init__(self, **options: Any) -> None:
        super().__init__(driver_class=LineDriver, **options)
        self._cells = Cells(0, 0)
        self._again: Timer | None = None

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        driver = self._driver
        shown = self._running and not self._closed and not self._batch_count
        if not (isinstance(driver, LineDriver) and shown and renderable is not None):
            super()._display(screen, renderable)
            return
        width, height = screen.outer_size
        if self._cells.size != (width, height):
            self._cells = Cells(width, height)
        colors = self.console._color_system or ColorSystem.TRUECOLOR
        if isinstance(renderable, CompositorUpdate) and self._cells.take(renderable, colors):
            self.send()
            self.post_display_hook()
        else:
            super()._display(screen, renderable)
            self._cells.forget()

    def send(self) -> None:
        """Send what the terminal does not show yet, now or as soon as the line is free."""
        driver = self._driver
        if not isinstance(driver, LineDriver) or self._closed or not self._running:
            return
        if not driver.free:
            if self._again is None:
                self._again = self.set_timer(_AGAIN_SECONDS, self._send_again)
            return
        frame = self._cells.difference()
        if not frame:
            return
        if isinstance(self.focused, Input):
            # Where the system shows what is being composed.
            x, y = self.cursor_position
            frame += f"\x1b[{y + 1};{x + 1}H"
        self._begin_update()
        driver.send(frame)
        self._end_update()

    def _send_again(self) -> None:
        self._again = None
        self.send()

    def live_due(self, what: str) -> bool:
        """Whether live values of a kind may be drawn now. Always, where no terminal is."""
        driver = self._driver
        return not isinstance(driver, LineDriver) or driver.flow.live(what, time.monotonic())

    async def _on_resize(self, event: events.Resize) -> None:
        # Terminals wrap, cut or clear what they show. Textual calls its own handler besides this.
        self._cells.forget()
        if self._cells.size == event.size:
            # Back from a suspension: nothing is laid out anew, so nothing is painted.
            self.send()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        # A cursor that blinks is the only thing that an idle screen would send.
        if isinstance(event.widget, Input):
            event.widget.cursor_blink = False

    def do_redraw(self) -> None:
        """Send all of it anew: something else wrote to the terminal."""
        self._cells.forget()
        self.send()
