"""Goal: one question at a time, each with why it is asked, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any, ClassVar

import msgspec
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.asking import next_question
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.questions import QUESTIONS, Question
from tunewright.engine.decide.verdict import Verdict
from tunewright.engine.demo.session import answered_by_demo
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.text import plain, shorten
from tunewright.hardware.errors import Problem
from tunewright.tui.measuring import LOOK_SECONDS, Watched, cannot_measure, start_measuring, watch
from tunewright.tui.on_bench import answers_on, facts_on, given
from tunewright.tui.panes.pane import Pane
from tunewright.tui.screens.text import LongText, box_width
from tunewright.tui.steps import RUNS, STEPS
from tunewright.tui.widgets.lines import Lines, wrapped
from tunewright.tui.widgets.rows import Column, Row, Rows
from tunewright.tui.workbench import Workbench

_JUMPS = {*(step.key for step in (*STEPS, RUNS)), "question_mark"}
# Of what is pasted into a sentence, more is not drawn in a line nor read in a report.
_LONGEST = 1_000


class Told(VerticalScroll, can_focus=True):
    """The verdict, which may be longer than the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "by(1)", show=False),
        Binding("k,up", "by(-1)", show=False),
        Binding("g,home", "edge(0)", show=False),
        Binding("G,end", "edge(1)", show=False),
    ]

    def action_by(self, lines: int) -> None:
        self.scroll_relative(y=lines, animate=False)

    def action_edge(self, end: int) -> None:
        (self.scroll_end if end else self.scroll_home)(animate=False)


class Sentence(Input):
    """A field that leaves the number keys to the steps until something is typed."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        free = not self.value and key in _JUMPS
        return not free and super().check_consume_key(key, character)

    async def _on_key(self, event: events.Key) -> None:
        if not self.value and event.key in _JUMPS:
            # Not typed here, so the app's own binding has it.
            event.prevent_default()

    def _on_paste(self, event: events.Paste) -> None:
        # A field takes nothing of what is longer than it.
        event.prevent_default()
        event.stop()
        room = _LONGEST - len(self.value)
        self.insert_text_at_cursor(" ".join(event.text[:_LONGEST].split())[: max(0, room)])


class GoalPane(Pane):
    """A question with its choices until all that matters is known; then the verdict."""

    STEP: ClassVar[str] = "goal"

    DEFAULT_CSS = """
    GoalPane #question { margin-bottom: 1; }
    GoalPane #choices { height: auto; max-height: 6; }
    GoalPane #typed { width: 1fr; height: 1; }
    GoalPane #told { height: 1fr; scrollbar-size-vertical: 1; }
    GoalPane #more { text-style: dim; }
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._question: Question | None = None
        # The answer that was taken back last, by its question: it is offered again.
        self._taken_back: tuple[str, str] | None = None
        self._verdict: Verdict | None = None
        self._asked: tuple[Answers, Facts] | None = None
        # What the question and the verdict on the screen were decided for.
        self._decided: tuple[Answers, Facts] | None = None
        self._watched: Watched | None = None
        self._looking = False

    def compose(self) -> ComposeResult:
        yield Lines(id="question")
        yield Rows([Column("")], id="choices")
        yield Sentence(
            id="typed",
            compact=True,
            max_length=_LONGEST,
            placeholder="a sentence, or nothing; number keys jump while it is empty",
        )
        yield Lines(id="measuring")
        with Told(id="told"):
            yield Lines(id="verdict")
        yield Lines(id="more")

    def on_mount(self) -> None:
        self.set_interval(LOOK_SECONDS, self._watch)
        self._watch()

    @property
    def answers(self) -> Answers:
        return answers_on(self.bench)

    def show(self) -> None:
        facts = facts_on(self.bench)
        if self._asked == (self.answers, facts):
            self._draw()
            return
        self._asked = asked = (self.answers, facts)

        def work() -> tuple[Question | None, Verdict]:
            return next_question(*asked), decide(*asked)

        def then(found: tuple[Question | None, Verdict]) -> None:
            if self._asked == asked:
                new = found[0] != self._question
                self._question, self._verdict = found
                self._decided = asked
                self._draw()
                if new and self.tunewright.pane is self:
                    self._fresh_question()
                self.tunewright.show_frame()

        # Some hundred thousand cases are decided to find what still matters: not on the screen's.
        self.in_thread(work, then)

    def _fresh_question(self) -> None:
        question, before = self._question, self._taken_back
        again = before[1] if question and before and before[0] == question.id else None
        typed = self.query_one("#typed", Input)
        typed.value = "" if again is None or question is None or question.choices else again
        if question is not None and question.choices:
            choices = self.query_one("#choices", Rows)
            for key in (str(question.choices[question.least].value), again):
                choices.select(key or "")
        self.app.set_focus(self.first_focus())

    def _draw(self) -> None:
        width = max(20, self.size.width - 2)
        question, verdict = self._question, self._verdict
        self.query_one("#measuring", Lines).show(watched_lines(self._watched, width))
        lines, told = self.query_one("#question", Lines), self.query_one("#told")
        told.styles.margin = (1 if question and self.size.height >= 12 else 0, 0, 0, 0)
        choices, typed = self.query_one("#choices", Rows), self.query_one("#typed", Input)
        choices.display = question is not None and bool(question.choices)
        typed.display = question is not None and not question.choices
        if verdict is None:
            lines.show(["deciding"])
            return
        if question is None:
            lines.show(
                answered_lines(self.answers, width, demo=answered_by_demo(self.bench.inputs))
            )
        else:
            room = self.size.height - max(1, len(question.choices)) - 1
            lines.show(question_lines(question, self.answers, width, room))
            choices.show([Row(str(c.value), (c.explained,)) for c in question.choices])
        self._draw_verdict(verdict, width)
        self.call_after_refresh(self._draw_more)

    def _draw_verdict(self, verdict: Verdict, width: int) -> None:
        """The verdict: beside a question what fits of it, else all, to scroll through."""
        open_question = self._question is not None
        inputs = self.bench.inputs
        named = {"MODEL": inputs.model, "DATA": inputs.data.path}
        told = verdict_lines(verdict, width, whole=not open_question, named=named)
        room = self.query_one("#told").size.height
        if open_question and 0 < room < len(told):
            told = [*told[: room - 1], Text(" … w tells all of it", "dim")]
        self.query_one("#verdict", Lines).show(told)

    def _draw_more(self) -> None:
        """Say that there is more than the screen has."""
        told, more = self.query_one("#told", Told), self.query_one("#more", Lines)
        if self._verdict is None:
            return
        if self._question is not None:
            more.show([])
            # Its room is known only now that the question stands.
            self._draw_verdict(self._verdict, max(20, self.size.width - 2))
            return
        lines = len(self.query_one("#verdict", Lines).shown.splitlines())
        # This line takes one itself.
        below = lines - told.size.height - len(more.shown.splitlines())
        more.show([f" … {lines} lines: j k scroll"] if below > 0 else [])

    def first_focus(self) -> Widget | None:
        if self._question is None:
            return self.query_one("#told", Told)
        return self.query_one("#choices" if self._question.choices else "#typed", Widget)

    # -- commands

    def why_not(self, command: str) -> str | None:
        if command == "measure":
            return cannot_measure(self.bench, self._watched)
        if command in ("choose", "onward") and self._deciding():
            return "still deciding"
        if command == "choose":
            return None if self._question else "all that matters is answered"
        if command == "onward":
            return "a question is open" if self._question else None
        if command == "unanswer" and not given(self.answers):
            return "nothing is answered yet"
        return None

    def _deciding(self) -> bool:
        """Whether the next question, or that there is none, is still being found out. One that
        stands on the screen may be answered while only the rows are seen anew."""
        now = (self.answers, facts_on(self.bench))
        if self._decided is None or self._question is None:
            return self._decided != now
        return self._decided[0] != now[0]

    def do_onward(self) -> None:
        """Take the verdict as it stands and go on."""
        self.bench.confirm(self.STEP)
        self.post_message(self.Go("data"))

    def do_choose(self) -> None:
        """Answer with what is marked."""
        question = self._question
        if question is not None and question.choices:
            key = self.query_one("#choices", Rows).key
            value: Any = next(c.value for c in question.choices if str(c.value) == key)
            self._answer(question, value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "typed" and self._question is not None and not self._deciding():
            event.stop()
            self._answer(self._question, event.value.strip())

    def _answer(self, question: Question, value: Any) -> None:
        self.bench.answer(answers=msgspec.structs.replace(self.answers, **{question.id: value}))
        self.post_message(self.Changed())

    def do_unanswer(self) -> None:
        last = given(self.answers)[-1]
        self._taken_back = (last, str(getattr(self.answers, last)))
        self.bench.answer(answers=msgspec.structs.replace(self.answers, **{last: None}))
        self.post_message(self.Changed())

    def do_why(self) -> None:
        if self._verdict is not None:
            self.app.push_screen(
                LongText("the verdict and its rules", why_lines(self._verdict, box_width(self.app)))
            )

    # -- the evidence run

    def do_measure(self) -> None:
        """Start the evidence run, detached; it goes on when the screen is closed."""
        bench = self.bench
        recorded = bench.recorded()
        assert recorded is not None
        inputs, base = bench.inputs, bench.base

        def then(run: RunDir) -> None:
            bench.measuring(run)
            self._watched = None
            self._watch()
            self.post_message(self.Changed())

        self.in_thread(lambda: start_measuring(inputs, recorded, base), then)

    def _watch(self) -> None:
        run = self.bench.evidence()
        if run is None or self._looking or self.bench.decided is not None:
            return
        self._looking = True

        def then(found: Watched) -> None:
            self._looking = False
            if self.bench.evidence() is None:
                return
            before, self._watched = self._watched, found
            if found.decided is not None:
                self.bench.measured(found.decided)
                self.post_message(self.Changed())
            elif found != before and self.tunewright.pane is self:
                self._draw()
                self.tunewright.show_frame()

        def failed(problem: Problem) -> None:
            self._looking = False
            self.tunewright.notice(problem.what)

        self.in_thread(lambda: watch(run), then, failed)

    def copied(self) -> str | None:
        return self.query_one("#verdict", Lines).shown or None


def watched_lines(watched: Watched | None, width: int) -> list[Text]:
    """How far the evidence run is, or how it ended without a verdict; nothing when it has one."""
    if watched is None or watched.decided is not None:
        return []
    return wrapped(Text(f"measuring: {plain(watched.told)}", "bold"), width, 11)


def question_lines(question: Question, answers: Answers, width: int, room: int) -> list[Text]:
    """The answers so far, the question, and why it is asked; where `room` lines do not have all of
    it, first the answers give way, then the reason."""
    given = said_so_far(answers, 18)
    said = wrapped(Text(given, "dim"), width) if given else []
    asked = wrapped(Text(question.text, "bold"), width)
    why = wrapped(Text(f"asked because {question.why}", "dim"), width)
    for lines in ([*said, *asked, *why], [*asked, *why]):
        if len(lines) <= room:
            return lines
    return asked


def answered_lines(answers: Answers, width: int, *, demo: bool) -> list[Text]:
    """All that was said, by the person or by the `demo`, when nothing that matters is open."""
    who = "the demo's answers" if demo else "you said"
    return wrapped(Text(f"{who}: {said_so_far(answers, 40) or 'nothing'}", "dim"), width, 2)


def said_so_far(answers: Answers, most: int) -> str:
    """The answers, a few words each; a sentence is cut at `most` characters."""
    return ", ".join(
        f"{q.short} {shorten(_word(getattr(answers, q.id)), most)}"
        for q in QUESTIONS
        if getattr(answers, q.id) not in (None, "")
    )


def _word(value: Any) -> str:
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )


def verdict_lines(
    verdict: Verdict, width: int, *, whole: bool, named: Mapping[str, str]
) -> list[Text]:
    """The verdict with what speaks for and against it; short while questions are open. `named` are
    the words of the next command that stand for what is on the bench."""
    so_far = "" if whole else "so far: "
    provisional = "measured" if verdict.measured else "provisional until measured"
    if verdict.measured and verdict.spoke != "both":
        provisional += f", the {verdict.spoke} spoke"
    head = Text(f"{so_far}{verdict.title}", "bold")
    head.append(f"   {provisional}, confidence {verdict.confidence}", "dim")
    lines = wrapped(head, width)
    for trouble in verdict.repair:
        lines += wrapped(Text(f" ! {plain(trouble.message)}: {plain(trouble.repair)}"), width, 3)
    if verdict.measurement:
        lines += wrapped(f" = {plain(verdict.measurement)}", width, 3)
    for mark, reasons in (("+", verdict.because), ("-", verdict.against)):
        for reason in reasons[: None if whole else 2]:
            lines += wrapped(f" {mark} {plain(reason.sentence)}", width, 3)
    if whole:
        for lacking in verdict.not_measured:
            lines += wrapped(Text(f" ~ not measured: {plain(lacking)}", "dim"), width, 3)
        for change in verdict.would_change[:3]:
            lines += wrapped(Text(f" ? {plain(change.sentence)}", "dim"), width, 3)
        lines += wrapped(f"next: {plain(verdict.next_step.sentence)}", width, 6)
        words = (
            quote(named[w]) if named.get(w) else w for w in verdict.next_step.command.split(" ")
        )
        lines += wrapped(f"      {plain(' '.join(words))}", width, 6)
        for step in verdict.training:
            lines += wrapped(f"training: {plain(step.sentence)}", width, 10)
    return lines


def why_lines(verdict: Verdict, width: int) -> list[Text]:
    """Every rule that fired with its source, what would change the verdict, and the approaches."""
    lines = wrapped(Text(verdict.title, "bold"), width)
    lines += wrapped(f"confidence {verdict.confidence}: {plain(verdict.confidence_because)}", width)
    for head, reasons in (("for it", verdict.because), ("against it", verdict.against)):
        if reasons:
            lines += [Text(), Text(head, "bold")]
        for reason in reasons:
            lines += wrapped(f"  {reason.rule}: {plain(reason.sentence)}", width, 4)
            lines += wrapped(Text(f"    {plain(reason.source)}", "dim"), width, 4)
    if verdict.would_change:
        lines += [Text(), Text("what would change it", "bold")]
    for change in verdict.would_change:
        lines += wrapped(f"  {plain(change.sentence)}", width, 4)
    lines += [Text(), Text("approach, cost, time, upkeep", "bold")]
    for approach in verdict.approaches:
        told = f"  {approach.title}: {approach.best_when}; cost {approach.cost}"
        lines += wrapped(f"{told}; {approach.time}; upkeep {approach.upkeep}", width, 4)
    return lines
