"""Model: what will be tuned. Local models first, each with its size and whether it fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Input

from tunewright.engine.data.assumed import assumed_facts, assumed_words
from tunewright.engine.data.example import DataFacts
from tunewright.engine.homes import cache_home
from tunewright.engine.model import DEMO_MODEL
from tunewright.engine.models import Candidate, find_models, typed_model
from tunewright.engine.plan import Plan
from tunewright.engine.session import Environment, Inputs, Recorded
from tunewright.engine.sizing import model_plan
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Snapshot
from tunewright.tui.labelled import error_lines
from tunewright.tui.looking import DataFound, ModelFound, look_at_model
from tunewright.tui.panes.model_lines import model_columns, model_lines, model_rows
from tunewright.tui.panes.pane import Pane
from tunewright.tui.widgets.folder_field import FolderField
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.rows import Rows
from tunewright.tui.workbench import Workbench


class Sizes(msgspec.Struct, frozen=True):
    """What models are sized with: the session's rows, or assumed ones where `facts` is None."""

    inputs: Inputs
    snapshot: Snapshot
    environment: Environment
    facts: DataFacts | None

    def plan(self, candidate: Candidate) -> Plan | Problem | None:
        """The best plan for a model; None for one whose shape is not known."""
        shape = candidate.shape
        if shape is None:
            return None
        facts = self.facts or assumed_facts(shape.max_position_embeddings)
        recorded = Recorded(self.snapshot, self.environment, facts, shape)
        return model_plan(self.inputs, candidate.spec, shape, recorded)


class ModelPane(Pane):
    """The models at hand, the marked one in detail, and a field for the path of another."""

    STEP: ClassVar[str] = "model"

    DEFAULT_CSS = """
    ModelPane #models { height: 1fr; }
    ModelPane #model-detail { height: auto; max-height: 9; margin-top: 1; }
    ModelPane #model-field { height: auto; display: none; }
    ModelPane #model-path { height: 1; }
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._found: tuple[Candidate, ...] = ()
        self._typed: dict[str, Candidate] = {}
        self._plans: dict[str, Plan | Problem] = {}
        # What the list was made from, so that it is made again when that has changed.
        self._made_from: tuple[Any, ...] | None = None
        self._looking = False
        self._fetching: list[str] | None = None
        self._placed = False

    def compose(self) -> ComposeResult:
        yield Rows(empty="looking for models on this machine", id="models")
        yield Lines(id="model-detail")
        yield Lines(id="model-field")
        yield FolderField(placeholder="a model folder, or ORG/NAME", id="model-path")
        yield Lines(id="model-error")

    def on_mount(self) -> None:
        self._edit(False)

    # -- looking

    def _facts(self) -> DataFacts | None:
        data = self.bench.data
        facts = data.facts if isinstance(data, DataFound) else None
        return facts if isinstance(facts, DataFacts) else None

    def _sizes(self) -> Sizes | None:
        bench = self.bench
        if bench.snapshot is None or bench.environment is None:
            return None
        return Sizes(bench.inputs, bench.snapshot, bench.environment, self._facts())

    def _look(self) -> None:
        """Look for models, and size them, when what the list was made from is no longer so."""
        bench, facts, sizes = self.bench, self._facts(), self._sizes()
        made_from = (bench.ticket, facts, bench.inputs, sizes is None)
        if self._looking or self._made_from == made_from:
            return
        self._looking = True
        spec, base, typed = bench.inputs.model, bench.base, tuple(self._typed.values())

        def work() -> tuple[tuple[Candidate, ...], dict[str, Plan | Problem]]:
            found = find_models(spec, base, Path.cwd(), cache_home())
            plans = {}
            for candidate in (*found, *typed):
                plan = sizes.plan(candidate) if sizes else None
                if plan is not None:
                    plans[candidate.spec] = plan
            return found, plans

        def then(what: tuple[tuple[Candidate, ...], dict[str, Plan | Problem]]) -> None:
            self._looking = False
            self._made_from = made_from
            self._found, self._plans = what
            self.query_one("#models", Rows).empty = "no model found here: e types a path"
            self.show()
            self.tunewright.show_frame()

        def failed(problem: Problem) -> None:
            self._looking = False
            # Not tried again before something is otherwise.
            self._made_from = made_from
            self.tunewright.trouble(problem)

        self.in_thread(work, then, failed)

    # -- drawing

    @property
    def _width(self) -> int:
        return (self.size.width or self.app.size.width) - 2

    def show(self) -> None:
        self._look()
        models, width = self.query_one("#models", Rows), self._width
        spec = self.bench.inputs.model
        rows = model_rows(self._candidates, self._all_plans(), spec, width)
        models.show(rows, model_columns(width))
        if rows and not self._placed:
            self._placed = True
            models.select(spec)
        self._show_detail()

    def _show_detail(self) -> None:
        detail, candidate = self.query_one("#model-detail", Lines), self._marked
        if self._fetching is not None:
            detail.show([Text("fetching the demo model", "bold"), *self._fetching[-6:]])
        elif candidate is None:
            detail.show([])
        else:
            plan = self._all_plans().get(candidate.spec)
            detail.show(model_lines(candidate, plan, self._rows_said(candidate), self._width))

    @property
    def _candidates(self) -> tuple[Candidate, ...]:
        """What was found and typed; before that at least the model that the session has."""
        found = {c.spec: c for c in (*self._found, *self._typed.values())}
        spec, known = self.bench.inputs.model, self.bench.model
        if not found and isinstance(known, ModelFound):
            name = spec.rstrip("/").rpartition("/")[2].rpartition(":")[2]
            found[spec] = Candidate(spec, name, "session", known.folder, known.shape)
        return tuple(found.values())

    def _all_plans(self) -> dict[str, Plan | Problem]:
        """The plan of each model by its spec; of the session's own the one that will be run."""
        if isinstance(self.bench.plan, Plan):
            return {**self._plans, self.bench.inputs.model: self.bench.plan}
        return self._plans

    def _rows_said(self, candidate: Candidate) -> str:
        facts = self._facts()
        if facts is None:
            context = candidate.shape.max_position_embeddings if candidate.shape else None
            return "Rows " + assumed_words(assumed_facts(context))
        counted = (
            "" if candidate.spec == self.bench.inputs.model else ", counted by the other model"
        )
        return f"With your {facts.rows:,} rows of up to {facts.length_max:,} tokens{counted}"

    @property
    def _marked(self) -> Candidate | None:
        key = self.query_one("#models", Rows).key
        return next((c for c in self._candidates if c.spec == key), None)

    def gauged(self) -> Plan | Problem | None:
        """The gauge shows the marked model with the method that is best for it."""
        candidate = self._marked
        if candidate is None:
            return self.bench.plan
        return self._all_plans().get(candidate.spec)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self._show_detail()

    def first_focus(self) -> Widget | None:
        field = self.query_one("#model-path")
        return field if field.display else self.query_one("#models")

    # -- commands

    def why_not(self, command: str) -> str | None:
        if command != "take":
            return None
        if self._fetching is not None:
            return "the demo model is being fetched"
        if self._marked:
            return None
        matches = "no model matches: esc shows all"
        return matches if self._candidates else "no model is marked; e types the path of one"

    def do_take(self) -> None:
        candidate = self._marked
        if candidate is None:
            return
        if candidate.problem is not None:
            raise candidate.problem
        if candidate.folder is None:
            self._fetch()
        else:
            self._use(candidate.spec)

    def _use(self, spec: str) -> None:
        self.bench.answer(model=spec)
        self.bench.confirm(self.STEP)
        self.post_message(self.Changed())
        self.post_message(self.Go("method"))

    def _fetch(self) -> None:
        inputs = msgspec.structs.replace(self.bench.inputs, model=DEMO_MODEL)
        base, said = self.bench.base, [""]
        self._fetching = said
        app = self.app

        def say(line: str) -> None:
            said.append(line)
            if app.is_running:
                app.call_from_thread(self._show_detail)

        def then(found: ModelFound | Problem) -> None:
            self._fetching = None
            self._made_from = None
            if isinstance(found, Problem):
                self.show()
                self.tunewright.trouble(found)
                return
            self.bench.answer(model=DEMO_MODEL)
            self.bench.found(self.bench.ticket, found, "model")
            self._use(DEMO_MODEL)

        self._show_detail()
        self.in_thread(lambda: look_at_model(inputs, base, say), then, then)

    def do_edit(self) -> None:
        self._edit(True)

    def _edit(self, on: bool) -> None:
        """Open or close the field; what was typed stays in it."""
        hint = self.query_one("#model-field", Lines)
        field, error = self.query_one("#model-path"), self.query_one("#model-error", Lines)
        hint.show([Text("path   tab completes, enter looks at it, esc closes", "dim")])
        for widget in (hint, field, error):
            widget.display = on
        self.query_one("#model-detail").display = not on
        if on:
            # At once: what is typed behind `e` belongs into the field.
            self.screen.set_focus(field)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "model-path":
            event.stop()
            self.query_one("#model-error", Lines).show([])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id != "model-path":
            return
        event.stop()
        text, base, sizes = event.value, self.bench.base, self._sizes()

        def work() -> tuple[Candidate, Plan | Problem | None]:
            candidate = typed_model(text, base, Path.cwd(), cache_home())
            return candidate, sizes.plan(candidate) if sizes else None

        def then(found: tuple[Candidate, Plan | Problem | None]) -> None:
            candidate, plan = found
            if candidate.problem is not None:
                error = self.query_one("#model-error", Lines)
                error.show(error_lines(candidate.problem, self._width))
                return
            if candidate.spec not in {c.spec for c in self._found}:
                self._typed[candidate.spec] = candidate
            if plan is not None:
                self._plans[candidate.spec] = plan
            self._edit(False)
            models = self.query_one("#models", Rows)
            models.narrow("")
            self.screen.set_focus(models)
            self.show()
            models.select(candidate.spec)
            self.tunewright.show_frame()

        self.in_thread(work, then)

    def narrow(self, text: str) -> bool:
        self.query_one("#models", Rows).narrow(text)
        return bool(self._found)

    def back(self) -> bool:
        if self.query_one("#model-path").display:
            self._edit(False)
            self.screen.set_focus(self.query_one("#models"))
            return True
        return False

    def copied(self) -> str | None:
        candidate = self._marked
        return None if candidate is None else str(candidate.folder or candidate.spec)
