"""The knobs of a method, each with what its next step costs, and a field for any other value."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from tunewright.engine.demo.session import of_demo
from tunewright.engine.plan import Plan
from tunewright.engine.sizing import WhatIf
from tunewright.engine.text import plain
from tunewright.engine.train.names import parse_setting
from tunewright.engine.train.registry import method
from tunewright.hardware.errors import Problem
from tunewright.tui.knobs import Knob, knobs_of, stepped, told
from tunewright.tui.labelled import error_lines
from tunewright.tui.panes.knob_lines import knob_lines, price
from tunewright.tui.panes.reason_lines import set_by
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.rows import Column, Row, Rows


class Knobs(Rows):
    """Left and right turn the marked knob instead of scrolling.

    A price is a plan of its own. They are made one after the other, with the screen's own work in
    between, and each stands in its row when it is known.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "app.press('left')", show=False),
        Binding("right", "app.press('right')", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._what_if: WhatIf | None = None
        self._plan: Plan | None = None
        self._pricing = False

    def show_plan(self, what_if: WhatIf, plan: Plan | None, value_width: int) -> None:
        """The knobs of a plan; none without one."""
        self._what_if, self._plan = what_if, plan
        title = "knob" if self.has_focus else "knob (tab)"
        columns = [Column(title, 13), Column("now", value_width, True), Column("next step costs")]
        self.show(self._made(), columns)
        self._price_on()

    @property
    def _own(self) -> tuple[Knob, ...]:
        return () if self._plan is None else knobs_of(method(self._plan.method.value))

    @property
    def marked(self) -> Knob | None:
        """The knob under the cursor."""
        return next((knob for knob in self._own if knob.key == self.key), None)

    def turned(self, by: int) -> Any | None:
        """The value of the marked knob a step further up (1) or down (-1); None where it ends."""
        knob = self.marked
        if self._what_if is None or self._plan is None or knob is None:
            return None
        return stepped(knob, self._plan.value(knob.key), by, self._what_if.recorded.model)

    def lines(self, width: int) -> list[Text]:
        """Why the marked knob stands where it does, and what its next step brings along."""
        knob, plan, what_if = self.marked, self._plan, self._what_if
        if knob is None or plan is None or what_if is None:
            return []
        value = self._next(knob)
        after = None if value is None else what_if.changed(plan.method.value, knob.key, value)
        return knob_lines(knob.key, plan, after, value, width, of_demo(what_if.inputs))

    def _next(self, knob: Knob) -> Any | None:
        """The step that is priced: up, or down from the top."""
        assert self._what_if is not None
        assert self._plan is not None
        shape, now = self._what_if.recorded.model, self._plan.value(knob.key)
        up = stepped(knob, now, 1, shape)
        return up if up is not None else stepped(knob, now, -1, shape)

    def _made(self) -> list[Row]:
        return [self._row(knob) for knob in self._own]

    def _row(self, knob: Knob) -> Row:
        what_if, plan = self._what_if, self._plan
        assert what_if is not None
        assert plan is not None
        id, key, value = plan.method.value, knob.key, self._next(knob)
        cost: str | Text = Text("at its end", "dim")
        if value is not None:
            cost = Text("…", "dim")
            if what_if.is_known(id, key, value):
                cost = price(key, plan, what_if.changed(id, key, value), value, what_if)
        whose = set_by(key, plan.settings[key], of_demo(what_if.inputs))
        mark = "• " if whose == "person" else ""
        return Row(key, (knob.title, Text(mark + plain(told(plan.value(key))), "bold"), cost))

    def _price_on(self) -> None:
        if not self._pricing:
            self._pricing = True
            self.call_later(self._price_one)

    def _price_one(self) -> None:
        self._pricing = False
        what_if, plan = self._what_if, self._plan
        if what_if is None or plan is None:
            return
        for knob in self._own:
            value = self._next(knob)
            if value is not None and not what_if.is_known(plan.method.value, knob.key, value):
                what_if.changed(plan.method.value, knob.key, value)
                self._price_on()
                break
        else:
            self.show(self._made())


class KnobField(Horizontal):
    """A value for one knob, looked at with every key: `found` is what it would give."""

    DEFAULT_CSS = """
    KnobField { height: 1; display: none; }
    KnobField Input { width: 1fr; }
    """

    class Typed(Message):
        """Another value is looked at."""

    class Chosen(Message):
        """The value that was typed is to be set."""

        def __init__(self, key: str, value: Any) -> None:
            super().__init__()
            self.key = key
            self.value = value

    def __init__(self) -> None:
        super().__init__()
        self._asked: tuple[WhatIf, Plan, Knob] | None = None
        self._value: Any = None
        self.found: Plan | Problem | None = None

    def compose(self) -> ComposeResult:
        yield Lines(id="knob-name")
        yield Input(compact=True, id="knob-value")

    @property
    def input(self) -> Input:
        return self.query_one("#knob-value", Input)

    @property
    def is_open(self) -> bool:
        return self._asked is not None

    def open(self, what_if: WhatIf, plan: Plan, knob: Knob) -> None:
        """Ask for a value of a knob."""
        self._asked = what_if, plan, knob
        self.found = None
        name = self.query_one("#knob-name", Lines)
        name.show([Text(knob.title, "bold")])
        name.styles.width = len(knob.title) + 1
        self.input.placeholder = f"another value than {told(plan.value(knob.key))}"
        self.input.value = ""
        # What is not displayed takes no focus.
        self.display = True

    def close(self) -> None:
        self._asked = self.found = None
        self.display = False

    def lines(self, width: int) -> list[Text]:
        """What stands in the field, and what it would give or what is wrong with it."""
        if self._asked is None:
            return []
        what_if, plan, knob = self._asked
        if self.found is None:
            return [Text("enter sets it, esc leaves it as it is", "dim")]
        if isinstance(self.found, Problem):
            return error_lines(self.found, width)
        demo = of_demo(what_if.inputs)
        return knob_lines(knob.key, plan, self.found, self._value, width, demo)

    def refuse(self, problem: Problem) -> None:
        """What was typed cannot be set, for this reason."""
        self.found = problem
        self.post_message(self.Typed())

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._asked is None:
            return
        what_if, plan, knob = self._asked
        self.found = None
        if event.value.strip():
            try:
                _, self._value, _ = parse_setting(
                    knob.key, event.value.strip(), what_if.recorded.model
                )
                self.found = what_if.changed(plan.method.value, knob.key, self._value)
            except Problem as problem:
                self.found = problem
        self.post_message(self.Typed())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._asked is not None and isinstance(self.found, Plan):
            self.post_message(self.Chosen(self._asked[2].key, self._value))
