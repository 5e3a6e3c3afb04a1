"""Method: how it is tuned, whether that fits, and what each knob costs."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from tunewright.engine.data.assumed import assumed_facts
from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import Plan
from tunewright.engine.session import Inputs, Recorded
from tunewright.engine.sizing import WhatIf, foreign_settings, with_method, with_setting
from tunewright.engine.text import plain, size
from tunewright.engine.train.names import resolve_setting
from tunewright.engine.train.registry import method
from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import training_memory
from tunewright.tui.knobs import Knob, knobs_of, stepped, told
from tunewright.tui.looking import DataFound, ModelFound
from tunewright.tui.panes.method_lines import (
    advice_lines,
    assumption_lines,
    item_lines,
    knob_lines,
    memory_lines,
    memory_rows,
    method_rows,
    pace_lines,
    price,
    problem_lines,
    reason_lines,
    reason_rows,
    room_lines,
    said_of,
)
from tunewright.tui.panes.pane import Pane
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.rows import Column, Row, Rows
from tunewright.tui.workbench import FREE_MOVED, Workbench

_ITEMS_WIDTH = 32
# Under this there is one column: items while the methods have the focus, else knobs.
_TWO_COLUMNS = 70
_WIDE = 105
_REASON_LINES = 5
# With so many lines there is room for what the estimate assumes as well.
_HIGH = 34


class Knobs(Rows):
    """Rows in which left and right turn the knob instead of scrolling."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "app.press('left')", show=False),
        Binding("right", "app.press('right')", show=False),
    ]


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
    MethodPane #detail {{ height: 1fr; }}
    MethodPane #detail-lines {{ height: auto; margin-top: 1; }}
    """

    def compose(self) -> ComposeResult:
        yield Lines(id="method-state")
        yield Rows(id="methods")
        yield Lines(id="method-advice")
        with Horizontal(id="method-lower"):
            yield Lines(id="items")
            yield Knobs(id="knobs")
        yield Lines(id="method-foot")
        yield Lines(id="method-more")
        yield Rows(empty="nothing matches; esc shows all", id="detail")
        yield Lines(id="detail-lines")

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._view = ""
        self._what_if: WhatIf | None = None
        # Sizing alone changes no session: what is tried there is kept here.
        self._alone_inputs: Inputs | None = None
        self._pricing = False
        self._placed = False

    # -- what there is to plan from

    @property
    def _alone(self) -> bool:
        return self.tunewright.alone == self.STEP

    def _look(self) -> WhatIf | Problem | None:
        """What plans are made from: the session, or assumed rows where there are none to measure.
        None while something is still being looked at."""
        bench = self.bench
        if isinstance(bench.model, Problem):
            return bench.model
        if bench.snapshot is None or bench.environment is None or bench.model is None:
            return None
        inputs = (self._alone_inputs or _bare(bench.inputs)) if self._alone else bench.inputs
        measured = isinstance(bench.data, DataFound) and isinstance(bench.data.facts, DataFacts)
        if measured and not self._alone:
            kept = bench.session.recorded
            recorded = kept if isinstance(bench.plan, Plan) else bench.recorded()
            if recorded is None:
                return None
        elif bench.data is None and not self._alone:
            return None
        else:
            recorded = self._assumed(bench.model)
        now = self._what_if
        if now and now.inputs == inputs and (now.given is recorded or now.given == recorded):
            return now
        self._what_if = WhatIf(inputs, recorded, assumed=self._alone or not measured)
        return self._what_if

    def _assumed(self, model: ModelFound) -> Recorded:
        bench, before = self.bench, self._what_if
        assert bench.snapshot is not None
        assert bench.environment is not None
        if before is not None and before.assumed and before.given.model == model.shape:
            snapshots = before.given.snapshot, bench.snapshot
            was, now = (training_memory(snapshot)[1] for snapshot in snapshots)
            if abs(was - now) <= FREE_MOVED * max(was, now):
                return before.given
        facts = assumed_facts(model.shape.max_position_embeddings)
        return Recorded(bench.snapshot, bench.environment, facts, model.shape)

    def _in_use(self, what_if: WhatIf) -> str | None:
        return None if what_if.inputs.method == "auto" else what_if.inputs.method

    @property
    def _marked(self) -> str | None:
        return self.query_one("#methods", Rows).key

    def gauged(self) -> Plan | Problem | None:
        """The gauge shows the marked method, not only the one that is advised."""
        what_if, marked = self._what_if, self._marked
        if what_if is None or marked is None:
            return self.bench.plan
        return what_if.plan(marked)

    # -- drawing

    @property
    def _width(self) -> int:
        """Cells inside the padding; before the first layout those of the screen."""
        return (self.size.width or self.app.size.width) - 2

    def show(self) -> None:
        if not self.is_mounted:
            return
        found = self._look()
        known = isinstance(found, WhatIf)
        if not known:
            self._what_if = None
        for id in ("methods", "method-advice", "method-lower", "method-foot"):
            self.query_one(f"#{id}").display = known and not self._view
        more = known and not self._view and self.app.size.height >= _HIGH
        self.query_one("#method-more").display = more
        for id in ("detail", "detail-lines"):
            self.query_one(f"#{id}").display = known and bool(self._view)
        state = self.query_one("#method-state", Lines)
        state.display = not known
        if isinstance(found, WhatIf):
            self._show_methods(found)
        else:
            state.show(self._state(found))

    def _state(self, found: Problem | None) -> list[Text]:
        width = self._width
        if found is not None:
            return problem_lines(found, "4 chooses another model; f5 looks again", width)
        if self.bench.model is None:
            return [Text("Reading the model: its verdicts follow."),
                    Text("4 shows the models that are here", "dim")]  # fmt: skip
        return [Text("Counting the tokens of every row: the plan follows."),
                Text("3 shows the data", "dim")]  # fmt: skip

    def _show_methods(self, what_if: WhatIf) -> None:
        width = self._width
        methods = self.query_one("#methods", Rows)
        short = width < _TWO_COLUMNS
        columns = [Column("  method", 20), Column("fit", 5), Column("expected", 10, True)]
        methods.show(
            method_rows(what_if, self._in_use(what_if)),
            columns if short else [*columns, Column("safe", 10, True), Column("trade-off")],
        )
        if not self._placed:
            self._placed = True
            advised, in_use = what_if.advised, self._in_use(what_if)
            if in_use is not None:
                methods.select(in_use)
            elif isinstance(advised, Plan):
                methods.select(advised.method.value)
            if self.screen.focused is None and self.tunewright.pane is self:
                # When the pane appeared there was nothing yet to have the focus.
                self.screen.set_focus(methods)
        marked = methods.key
        if marked is None:
            return
        plan = what_if.plan(marked)
        advice = advice_lines(what_if, marked, self._in_use(what_if), width)
        self.query_one("#method-advice", Lines).show(advice)
        self._show_lower(what_if, marked, plan, width)
        if self._view and isinstance(plan, Plan):
            self._show_detail(what_if, plan, width)

    def _show_lower(self, what_if: WhatIf, marked: str, plan: Plan | Problem, width: int) -> None:
        items, knobs = self.query_one("#items", Lines), self.query_one("#knobs", Rows)
        two, wide = width >= _TWO_COLUMNS, width >= _WIDE
        items_width = _ITEMS_WIDTH + (16 if wide else 0) if two else width
        turning = knobs.has_focus
        items.display = two or not turning
        # What is not displayed loses the focus, so in one column it is only made flat.
        knobs.styles.display = "block" if two or turning else "none"
        items.styles.width = items_width
        if isinstance(plan, Problem):
            items.show([])
            knobs.show([])
            return
        items.show(item_lines(plan.chosen().estimate, items_width - 1))
        knobs.show(
            [self._knob_row(what_if, plan, knob) for knob in knobs_of(method(marked))],
            [
                Column("knob" if turning else "knob (tab)", 13),
                Column("now", 16 if wide else 10, True),
                Column("next step costs"),
            ],
        )
        self._show_foot(what_if, plan, width)
        self.query_one("#method-more", Lines).show(
            [*pace_lines(what_if, plan, width), *assumption_lines(plan, width)]
        )
        self._price_on()

    def _knob_row(self, what_if: WhatIf, plan: Plan, knob: Knob) -> Row:
        now = plan.value(knob.key)
        next_ = self._next(what_if, knob, now)
        cost: str | Text = Text("at its end", "dim")
        if next_ is not None:
            known = what_if.is_known(plan.method.value, knob.key, next_)
            cost = Text("…", "dim")
            if known:
                after = what_if.changed(plan.method.value, knob.key, next_)
                cost = price(plan, after, next_, what_if)
        mark = "• " if plan.settings[knob.key].rule == "override" else ""
        return Row(knob.key, (knob.title, Text(mark + plain(told(now)), "bold"), cost))

    def _next(self, what_if: WhatIf, knob: Knob, now: Any) -> Any | None:
        """The step that is priced: up, or down from the top."""
        shape = what_if.recorded.model
        up = stepped(knob, now, 1, shape)
        return up if up is not None else stepped(knob, now, -1, shape)

    def _show_foot(self, what_if: WhatIf, plan: Plan, width: int) -> None:
        foot, knobs = self.query_one("#method-foot", Lines), self.query_one("#knobs", Rows)
        knob = self._knob(plan)
        if not knobs.has_focus or knob is None:
            foot.show(room_lines(what_if, plan, width, self.bench.prices))
            return
        value = self._next(what_if, knob, plan.value(knob.key))
        after = None if value is None else what_if.changed(plan.method.value, knob.key, value)
        foot.show(knob_lines(knob.key, plan, after, value, width))

    def _price_on(self) -> None:
        """Price one knob after the other, with the screen's own work in between."""
        if not self._pricing:
            self._pricing = True
            self.call_later(self._price_one)

    def _price_one(self) -> None:
        self._pricing = False
        what_if, marked = self._what_if, self._marked
        plan = what_if.plan(marked) if what_if and marked else None
        if what_if is None or marked is None or not isinstance(plan, Plan):
            return
        for knob in knobs_of(method(marked)):
            value = self._next(what_if, knob, plan.value(knob.key))
            if value is not None and not what_if.is_known(marked, knob.key, value):
                what_if.changed(marked, knob.key, value)
                self._price_on()
                break
        else:
            knobs = self.query_one("#knobs", Rows)
            knobs.show([self._knob_row(what_if, plan, k) for k in knobs_of(method(marked))])

    def _show_detail(self, what_if: WhatIf, plan: Plan, width: int) -> None:
        detail = self.query_one("#detail", Rows)
        if self._view == "why":
            wide = max(26, min(44, width // 3))
            columns = [Column("", 3), Column("setting", wide), Column("value", 12), Column("why")]
            detail.show(reason_rows(what_if, plan), columns)
            detail.styles.height = "1fr"
        else:
            room = 20 if width >= 76 else 8
            columns = [Column("what", 15), Column("bytes", 10, True), Column("", 4, True),
                       Column("", room), Column("why")]  # fmt: skip
            rows = memory_rows(plan.chosen().estimate, width)
            detail.show(rows, columns)
            detail.styles.height = len(rows) + 1
        self._show_detail_lines(plan, width)

    def _show_detail_lines(self, plan: Plan, width: int) -> None:
        key = self.query_one("#detail", Rows).key or ""
        lines = self.query_one("#detail-lines", Lines)
        if self._view == "why":
            lines.show(reason_lines(plan, key, width, _REASON_LINES))
        else:
            lines.show(memory_lines(plan, key, width))

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self.show()

    def on_descendant_focus(self) -> None:
        self.show()

    def first_focus(self) -> Widget | None:
        if self._what_if is None:
            return None
        return self.query_one("#detail" if self._view else "#methods")

    # -- commands

    def why_not(self, command: str) -> str | None:
        if not self.is_mounted or self._what_if is None:
            return "there is no plan yet: a model comes first (4)"
        plan = self._plan()
        if isinstance(plan, Problem) and command != "train":
            return plan.what
        if command == "train":
            return self._why_not_train(plan)
        knob = self._knob(plan) if isinstance(plan, Plan) else None
        if command in ("less", "more", "advised"):
            if self._view:
                return "esc closes the list first"
            if knob is None or not isinstance(plan, Plan):
                return "no knob is marked"
            if command == "advised":
                yours = plan.settings[knob.key].rule == "override"
                return None if yours else f"{knob.title} stands as advised"
            by = 1 if command == "more" else -1
            shape = self._what_if.recorded.model
            if stepped(knob, plan.value(knob.key), by, shape) is None:
                return f"{knob.title} has no {'higher' if by > 0 else 'lower'} step"
        return None

    def _why_not_train(self, plan: Plan | Problem | None) -> str | None:
        if self._view:
            return None
        if self._alone:
            return "this is for sizing alone; `tunewright` has the whole path"
        if isinstance(plan, Problem):
            return plan.what
        if self._what_if is not None and self._what_if.assumed:
            return "the rows are only assumed: 3 says which ones to train on"
        return None

    def _plan(self) -> Plan | Problem | None:
        what_if, marked = self._what_if, self._marked
        return what_if.plan(marked) if what_if and marked else None

    def _knob(self, plan: Plan | Problem | None) -> Knob | None:
        if not isinstance(plan, Plan):
            return None
        key = self.query_one("#knobs", Rows).key
        knobs = knobs_of(method(plan.method.value))
        return next((knob for knob in knobs if knob.key == key), None)

    def do_knobs(self) -> None:
        if self._view:
            return
        knobs, methods = self.query_one("#knobs", Rows), self.query_one("#methods", Rows)
        if knobs.has_focus:
            self.screen.set_focus(methods)
        else:
            knobs.styles.display = "block"
            # At once, not by focus(), which comes after the keys that were typed behind tab.
            self.screen.set_focus(knobs)

    def do_more(self) -> None:
        self._turn(1)

    def do_less(self) -> None:
        self._turn(-1)

    def do_advised(self) -> None:
        knob = self._knob(self._plan())
        if knob is not None:
            self._set(knob.key, None)

    def _turn(self, by: int) -> None:
        what_if, plan = self._what_if, self._plan()
        knob = self._knob(plan)
        if what_if is None or knob is None or not isinstance(plan, Plan):
            return
        value = stepped(knob, plan.value(knob.key), by, what_if.recorded.model)
        if value is not None:
            self._set(knob.key, value)

    def _set(self, key: str, value: Any) -> None:
        """Set one setting for the marked method. A `Problem` leaves everything as it was."""
        what_if, marked = self._what_if, self._marked
        if what_if is None or marked is None:
            return
        inputs = with_setting(what_if.inputs, key, value)
        asked = self._in_use(what_if)
        if asked is not None and key in _resolved(foreign_settings(inputs, asked)):
            # A knob that the method in use lacks: turning it takes the method that has it.
            inputs = with_method(inputs, marked)
        tried = WhatIf(inputs, what_if.given, assumed=what_if.assumed)
        for plan in (tried.plan(marked), tried.advised if asked is None else tried.plan(asked)):
            if isinstance(plan, Problem):
                raise plan
        if self._alone:
            self._alone_inputs = inputs
            self.show()
            return
        self.bench.answer(method=inputs.method, overrides=inputs.overrides)
        self.post_message(self.Changed())

    def do_train(self) -> None:
        if self._view:
            self.back()
            return
        plan = self._plan()
        marked = self._marked
        if not isinstance(plan, Plan) or marked is None:
            return
        fit = plan.chosen()
        if fit.verdict != "no":
            self._use(marked)
            return
        free = size(fit.free_bytes)
        self.tunewright.confirm(
            f"{method(marked).title} {said_of(fit).partition(':')[0]}. Use it all the same?",
            f"{said_of(fit)}. Launching it here would be refused; the session can go to a machine "
            f"with more than {free} free.",
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

    def _open(self, view: str) -> None:
        self._view = view
        detail = self.query_one("#detail", Rows)
        detail.narrow("")
        self.show()
        detail.action_edge(0)
        self.screen.set_focus(detail if view else self.query_one("#methods", Rows))

    def narrow(self, text: str) -> bool:
        if self._view != "why":
            return False
        self.query_one("#detail", Rows).narrow(text)
        return True

    def back(self) -> bool:
        if self._view:
            self._open("")
            return True
        if self.query_one("#knobs", Rows).has_focus:
            self.screen.set_focus(self.query_one("#methods", Rows))
            return True
        return False

    def copied(self) -> str | None:
        plan = self._plan()
        if not isinstance(plan, Plan):
            return None
        if self._view == "why":
            key = self.query_one("#detail", Rows).key
            decision = plan.settings.get(key or "")
            return f"--set {key}={decision.value}" if decision else plan.method.because
        items = "\n".join(f"{i.bytes:>15,}  {i.id}: {i.why}" for i in plan.chosen().estimate.items)
        return f"{plan.method.value} {said_of(plan.chosen())}\n{items}"


def _bare(inputs: Inputs) -> Inputs:
    """The inputs for sizing alone: the model, and nothing that was said for its data."""
    return msgspec.structs.replace(inputs, method="auto", overrides={}, stages=None)


def _resolved(names: tuple[str, ...]) -> set[str]:
    return {resolve_setting(name)[0] for name in names}
