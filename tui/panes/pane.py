"""What every step's pane is: it shows what the bench knows, and does the commands of the table.

Data comes down (`show` reads the bench), messages go up (`Pane.Go`, `Pane.Changed`). A pane never
waits: what reads disk, NVML or a process is done by `app.in_thread`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from tunewright.engine.plan import Plan
from tunewright.hardware.errors import Problem
from tunewright.tui.workbench import Workbench

if TYPE_CHECKING:
    from tunewright.tui.app import TunewrightApp

T = TypeVar("T")

# Characters that go to the clipboard at once: terminals drop what is much longer, without a word.
MOST_COPIED = 100_000


class Pane(Vertical):
    """One step. A command `name` of the table is done by a method `do_<name>`."""

    STEP: ClassVar[str]

    class Go(Message):
        """The person wants to be at another step."""

        def __init__(self, step: str) -> None:
            super().__init__()
            self.step = step

    class Changed(Message):
        """The bench has changed: everything on screen shows it."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__(id=self.STEP)
        self.bench = bench

    @property
    def tunewright(self) -> TunewrightApp:
        return cast("TunewrightApp", self.app)

    def show(self) -> None:
        """Draw what the bench knows now. Called when the pane appears and whenever that changes."""
        raise NotImplementedError

    @property
    def reading(self) -> bool:
        """Whether what this pane shows is still being read, before all else."""
        return False

    def on_resize(self) -> None:
        # What was drawn before the pane had its size was drawn for another one.
        self.call_after_refresh(self.show)

    def gauged(self) -> Plan | Problem | None:
        """The plan that the fit gauge of the frame shows while this pane is on screen."""
        return self.bench.plan

    def why_not(self, command: str) -> str | None:
        """Why a command of this pane can do nothing now; None when it can."""
        return None

    def first_focus(self) -> Widget | None:
        """What has the focus when the pane appears."""
        return next((w for w in self.query("*") if w.can_focus and w.display), None)

    def narrow(self, text: str) -> bool:
        """Show only what matches `text` (the `/` command); False when there is nothing to find."""
        return False

    def copied(self) -> str | None:
        """What `y` copies, of which no more than `MOST_COPIED` characters are needed, since it is
        asked with every drawing; None when there is nothing."""
        return None

    @property
    def inside(self) -> bool:
        """Whether `esc` has something to close in here, so that `back` would be True; asked where
        there is no step to go back to."""
        return False

    def back(self) -> bool:
        """`esc` inside the pane (close a detail, leave a field); False when it is for the app."""
        return False

    def in_thread(
        self,
        work: Callable[[], T],
        then: Callable[[T], Any],
        failed: Callable[[Problem], Any] | None = None,
    ) -> None:
        """Do slow `work` in a thread and hand what it returns to `then` here, on the screen's; a
        `Problem` to `failed` (default: a box says it)."""
        self.tunewright.in_thread(work, then, failed)
