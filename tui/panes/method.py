"""Method: how it is tuned, whether that fits, and what each knob costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from tunewright.engine.plan import Plan
from tunewright.engine.session import Recorded
from tunewright.engine.sizing import WhatIf, foreign_settings, with_method
from tunewright.engine.text import size
from tunewright.engine.train.registry import method
from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import ModelShape
from tunewright.tui.fit_text import said_of
from tunewright.tui.panes.memory_lines import assumption_lines, item_lines
from tunewright.tui.panes.method_detail import Detail, View
from tunewright.tui.panes.method_knobs import KnobField, Knobs
from tunewright.tui.panes.method_lines import (
    advice_lines,
    change_lines,
    method_rows,
    nothing_fits,
    pace_lines,
    problem_lines,
    room_lines,
)
from tunewright.tui.panes.method_source import Source
from tunewright.tui.panes.pane import Pane
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.rows import Column, Rows
from tunewright.tui.workbench import Workbench

if TYPE_CHECKING:
    from tunewright.engine.changes import Change

_ITEMS_WIDTH = 28
# Under this there is one column: items while the methods have the focus, else knobs.
_TWO_COLUMNS = 70
_WIDE = 105
# With so many lines there is room for what the estimate assumes as well.
_HIGH = 34
# Commands that change the marked knob, and those that wait until an open list is closed.
_OF_A_KNOB = ("less", "more", "advised", "type_value")
_NOT_OVER_A_LIST = ("train", "knobs", *_OF_A_KNOB)


class Lower(Horizontal):
    """Items and knobs. What else stands on the screen changes its height, and with it how many
    items there is room for."""

    def on_resize(self) -> None:
        pane = self.parent
        if isinstance(pane, MethodPane):
            pane.call_after_refresh(pane.show)


class MethodPane(Pane):
    """Methods with their verdicts, the memory of the marked one, its knobs with their prices."""

    STEP: ClassVar[str] = "method"

    # The screen would move the focus on tab; here it moves between methods and knobs. It has
    # priority, so that keys typed right behind it find the focus where it put it.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.press('tab')", show=False, priority=True)
    ]

    DEFAULT_CSS = f"""
    MethodPane #methods {{ height: 4; }}
    MethodPane #method-advice {{ height: 3; }}
    MethodPane #method-lower {{ height: 1fr; max-height: 12; }}
    MethodPane #items {{ width: {_ITEMS_WIDTH}; }}
    MethodPane #knobs {{ width: 1fr; height: 1fr; }}
    MethodPane #method-foot {{ height: auto; min-height: 2; max-height: 3; }}
    MethodPane #method-more {{ height: auto; margin-top: 1; }}
    """

    def compose(self) -> ComposeResult:
        yield Lines(id="method-state")
        yield Rows(id="methods")
        yield Lines(id="method-advice")
        with Lower(id="method-lower"):
            yield Lines(id="items")
            yield Knobs(id="knobs")
        yield KnobField()
        yield Lines(id="method-foot")
        yield Lines(id="method-more")
        yield Detail()

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._source: Source | None = None
        self._what_if: WhatIf | None = None
        # What would make something fit, and what that was found for.
        self._changes: Sequence[Change] | None = None
        self._changes_of: Recorded | None = None
        # The model for which the cursor was put on a method.
        self._placed_for: ModelShape | None = None

    def on_mount(self) -> None:
        self._source = Source(self.bench, alone=self.tunewright.alone == self.STEP)

    # -- what is on the screen

    @property
    def _methods(self) -> Rows:
        return self.query_one("#methods", Rows)

    @property
    def _knobs(self) -> Knobs:
        return self.query_one("#knobs", Knobs)

    @property
    def _field(self) -> KnobField:
        return self.query_one(KnobField)

    @property
    def _detail(self) -> Detail:
        return self.query_one(Detail)

    @property
    def _marked(self) -> str | None:
        return self._methods.key

    @property
    def _view(self) -> View:
        return self._detail.view

    @property
    def _plan(self) -> Plan | Problem | None:
        """The plan of the marked method."""
        what_if, marked = self._what_if, self._marked
        return what_if.plan(marked) if what_if and marked else None

    def gauged(self) -> Plan | Problem | None:
        """The gauge shows the marked method, not only the one that is advised, and the value that
        is being typed."""
        if self._what_if is None or self._marked is None:
            return self.bench.plan
        typed = self._field.found
        return typed if isinstance(typed, Plan) else self._plan

    # -- drawing

    @property
    def _width(self) -> int:
        """Cells inside the padding; before the first layout those of the screen."""
        return (self.size.width or self.app.size.width) - 2

    def show(self) -> None:
        if not self.is_mounted or self._source is None:
            return
        found = self._source.look()
        known = isinstance(found, WhatIf)
        self._what_if = found if isinstance(found, WhatIf) else None
        closed = known and not self._view
        for id in ("methods", "method-advice", "method-lower", "method-foot"):
            self.query_one(f"#{id}").display = closed
        self.query_one("#method-more").display = closed and self.app.size.height >= _HIGH
        self._field.display = closed and self._field.is_open
        self._detail.display = known and not closed
        state = self.query_one("#method-state", Lines)
        state.display = not known
        if isinstance(found, WhatIf):
            self._show_methods(found)
        else:
            state.show(self._state(found))

    def _state(self, found: Problem | None) -> list[Text]:
        width = self._width
        if found is not None:
            another = (
                "`tunewright size MODEL` sizes another one"
                if self._source is not None and self._source.alone
                else "4 chooses another model"
            )
            return problem_lines(found, f"{another}; f5 looks again", width)
        if self.bench.model is None:
            return [Text("Reading the model: its verdicts follow.")]
        return [Text("Counting the tokens of every row: the plan follows."),
                Text("3 shows the data", "dim")]  # fmt: skip

    def _show_methods(self, what_if: WhatIf) -> None:
        width, methods = self._width, self._methods
        columns = [Column("  method", 20), Column("fit", 5), Column("expected", 10, True)]
        if width >= _TWO_COLUMNS:
            columns += [Column("safe", 10, True), Column("trade-off")]
        methods.show(method_rows(what_if), columns)
        if self._placed_for != what_if.recorded.model:
            self._placed_for = what_if.recorded.model
            self._place(what_if)
        marked = methods.key
        if marked is None:
            return
        advice = advice_lines(what_if, marked, width)
        self.query_one("#method-advice", Lines).show(advice)
        plan = what_if.plan(marked)
        self._show_lower(what_if, plan, width)
        if isinstance(plan, Plan):
            self._show_foot(what_if, plan, width)
            if self._view:
                self._detail.show_plan(what_if, plan, width)

    def _place(self, what_if: WhatIf) -> None:
        """Begin on the method in use, else on the one that is advised."""
        advised = what_if.advised
        if what_if.in_use is not None:
            self._methods.select(what_if.in_use)
        elif isinstance(advised, Plan):
            self._methods.select(advised.method.value)
        if self.screen.focused is None and self.tunewright.pane is self:
            # When the pane appeared there was nothing yet to have the focus.
            self.screen.set_focus(self._methods)

    def _show_lower(self, what_if: WhatIf, plan: Plan | Problem, width: int) -> None:
        items, knobs = self.query_one("#items", Lines), self._knobs
        two, wide = width >= _TWO_COLUMNS, width >= _WIDE
        turning = knobs.has_focus or self._field.is_open
        items.display = two or not turning
        # What is not displayed loses the focus, so in one column it is only made flat.
        knobs.styles.display = "block" if two or turning else "none"
        items_width = _ITEMS_WIDTH + (20 if wide else 0) if two else width
        items.styles.width = items_width
        if isinstance(plan, Problem):
            items.show([])
            knobs.show_plan(what_if, None, 10)
            return
        height = self.query_one("#method-lower").size.height or None
        items.show(item_lines(plan.chosen().estimate, items_width - 1, height))
        knobs.show_plan(what_if, plan, 16 if wide else 10)

    def _show_foot(self, what_if: WhatIf, plan: Plan, width: int) -> None:
        foot = self.query_one("#method-foot", Lines)
        if self._field.is_open:
            foot.show(self._field.lines(width))
        elif self._knobs.has_focus:
            foot.show(self._knobs.lines(width))
        elif nothing_fits(what_if):
            foot.show(change_lines(self._changes_for(what_if), width))
        else:
            foot.show(room_lines(what_if, plan, width, self.bench.prices))
        more = [*pace_lines(what_if, plan, width), *assumption_lines(plan, width)]
        self.query_one("#method-more", Lines).show(more)

    def _changes_for(self, what_if: WhatIf) -> Sequence[Change] | None:
        """What would make something fit; None while it is looked for, in a thread."""
        recorded = what_if.recorded
        if self._changes_of == recorded:
            return self._changes
        self._changes_of, self._changes = recorded, None

        def work() -> Sequence[Change]:
            from tunewright.engine.changes import cheapest_changes
            from tunewright.engine.choose import Ask

            ask = Ask(seq_len=recorded.data.length_max)
            return cheapest_changes(recorded.model, recorded.snapshot, ask)

        def then(found: Sequence[Change]) -> None:
            if self._changes_of == recorded:
                self._changes = found
                self.show()

        self.in_thread(work, then)
        return None

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self.show()

    def on_descendant_focus(self) -> None:
        self.show()

    def on_knob_field_typed(self) -> None:
        self.show()
        self.tunewright.show_frame()

    def first_focus(self) -> Widget | None:
        if self._what_if is None:
            return None
        if self._field.is_open:
            return self._field.input
        return self._detail.rows if self._view else self._methods

    # -- commands

    def why_not(self, command: str) -> str | None:
        if not self.is_mounted or self._what_if is None:
            return self._why_no_plan()
        plan = self._plan
        if command in _NOT_OVER_A_LIST:
            if self._view:
                return "esc closes the list first"
            if self._field.is_open and command != "knobs":
                return "enter sets the value, esc leaves it as it is"
        if command == "train":
            return self._why_not_train(plan)
        if isinstance(plan, Problem):
            return plan.what
        return self._why_not_turn(command, plan) if command in _OF_A_KNOB else None

    def _why_no_plan(self) -> str:
        known = self.bench.model
        alone = self._source is not None and self._source.alone
        if isinstance(known, Problem):
            return known.what if alone else f"{known.what}: 4 chooses another model"
        if self.bench.snapshot is None or self.bench.environment is None:
            return "the machine is still being read"
        return "the model is still being read" if known is None else "the rows are still being read"

    def _why_not_train(self, plan: Plan | Problem | None) -> str | None:
        if self._source is not None and self._source.alone:
            return "this is for sizing alone; `tunewright` has the whole path"
        if isinstance(plan, Problem):
            return plan.what
        if self._what_if is not None and self._what_if.assumed:
            return "the rows are only assumed: 3 says which ones to train on"
        return None

    def _why_not_turn(self, command: str, plan: Plan | None) -> str | None:
        knob = self._knobs.marked
        if knob is None or plan is None:
            return "no knob is marked"
        if command == "advised":
            yours = plan.settings[knob.key].rule == "override"
            return None if yours else f"{knob.title} stands as advised"
        if command == "type_value":
            return None
        by = 1 if command == "more" else -1
        if self._knobs.turned(by) is None:
            return f"{knob.title} has no {'higher' if by > 0 else 'lower'} step"
        return None

    def do_knobs(self) -> None:
        if self._field.is_open:
            self._close_field()
            return
        knobs = self._knobs
        if knobs.has_focus:
            self.screen.set_focus(self._methods)
        else:
            self._to_knobs()

    def _to_knobs(self) -> None:
        self._knobs.styles.display = "block"
        # At once, not by focus(), which comes after the keys that were typed behind tab.
        self.screen.set_focus(self._knobs)

    def do_more(self) -> None:
        self._turn(1)

    def do_less(self) -> None:
        self._turn(-1)

    def do_advised(self) -> None:
        knob = self._knobs.marked
        if knob is not None:
            self._set(knob.key, None)

    def _turn(self, by: int) -> None:
        knob, value = self._knobs.marked, self._knobs.turned(by)
        if knob is not None and value is not None:
            self._set(knob.key, value)

    def do_type_value(self) -> None:
        what_if, plan, knob = self._what_if, self._plan, self._knobs.marked
        if what_if is None or not isinstance(plan, Plan) or knob is None:
            return
        self._field.open(what_if, plan, knob)
        self.screen.set_focus(self._field.input)
        self.show()

    def _close_field(self) -> None:
        self._field.close()
        self._to_knobs()
        self.show()
        self.tunewright.show_frame()

    def on_knob_field_chosen(self, message: KnobField.Chosen) -> None:
        try:
            self._set(message.key, message.value)
        except Problem as problem:
            self._field.refuse(problem)
            return
        self._close_field()

    def _set(self, key: str, value: Any) -> None:
        """Set one setting for the marked method. A `Problem` leaves everything as it was."""
        what_if, marked, source = self._what_if, self._marked, self._source
        if what_if is None or marked is None or source is None:
            return
        if source.take(what_if.turned(marked, key, value).inputs):
            self.post_message(self.Changed())
        else:
            self.show()

    def do_train(self) -> None:
        plan, marked = self._plan, self._marked
        if not isinstance(plan, Plan) or marked is None:
            return
        fit = plan.chosen()
        if fit.verdict != "no":
            self._use(marked)
            return
        self.tunewright.confirm(
            f"{method(marked).title} does not fit. Use it all the same?",
            f"It needs {size(fit.estimate.expected_bytes)}, and {size(fit.free_bytes)} are free. "
            "Launching it here would be refused; the session can go to a machine with "
            f"{size(fit.estimate.safe_bytes)} free.",
            lambda: self._use(marked),
        )

    def _use(self, marked: str) -> None:
        bench, what_if = self.bench, self._what_if
        if what_if is None:
            return
        advised = what_if.advised
        asked = isinstance(advised, Plan) and advised.method.value == marked
        foreign = () if asked else foreign_settings(bench.inputs, marked)
        inputs = bench.inputs if asked else with_method(bench.inputs, marked)
        bench.answer(method="auto" if asked else marked, overrides=inputs.overrides)
        bench.confirm(self.STEP)
        self.post_message(self.Changed())
        self.post_message(self.Go("train"))
        if foreign:
            names = ", ".join(foreign)
            self.tunewright.notice(f"taken back, since {method(marked).title} has none: {names}")

    def do_memory(self) -> None:
        self._open("" if self._view == "memory" else "memory")

    def do_why(self) -> None:
        self._open("" if self._view == "why" else "why")

    def _open(self, view: View) -> None:
        self._field.close()
        self._detail.view = view
        rows = self._detail.rows
        rows.narrow("")
        self.show()
        rows.action_edge(0)
        self.screen.set_focus(rows if view else self._methods)

    def narrow(self, text: str) -> bool:
        if self._view != "why":
            return False
        self._detail.rows.narrow(text)
        return True

    @property
    def inside(self) -> bool:
        return bool(self._view) or self._field.is_open or self._knobs.has_focus

    def back(self) -> bool:
        if self._view:
            self._open("")
            return True
        if self._field.is_open:
            self._close_field()
            return True
        if self._knobs.has_focus:
            self.screen.set_focus(self._methods)
            return True
        return False

    def copied(self) -> str | None:
        plan = self._plan
        if not isinstance(plan, Plan):
            return None
        if self._view == "why":
            key = self._detail.rows.key
            decision = plan.settings.get(key or "")
            return f"--set {key}={decision.value}" if decision else plan.method.because
        items = "\n".join(f"{i.bytes:>15,}  {i.id}: {i.why}" for i in plan.chosen().estimate.items)
        return f"{plan.method.value} {said_of(plan.chosen())}\n{items}"
