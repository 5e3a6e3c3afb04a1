"""--plain: the same path as plain questions, line by line, for screen readers and dumb terminals.

It walks the bench that the screens walk, so leaving here and opening there comes to the same place.
An empty line takes what stands in brackets; `back` takes back the last answer, or goes back to the
question before; Ctrl-D leaves.
"""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

import msgspec

from tunewright.engine.data.example import DataFacts
from tunewright.engine.decide.asking import next_question
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.questions import Question
from tunewright.engine.decide.verdict import Verdict
from tunewright.engine.environment import read_environment
from tunewright.engine.plan import Plan
from tunewright.engine.ready import check_ready
from tunewright.engine.text import plain, size
from tunewright.hardware.errors import Exit, Problem
from tunewright.hardware.fit import training_memory
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.take import take_snapshot
from tunewright.hardware.whatif import imagine
from tunewright.tui import say
from tunewright.tui.looking import DataFound, ModelFound, look_at_model, look_at_rows
from tunewright.tui.on_bench import answers_on, facts_on, given
from tunewright.tui.planning import with_result
from tunewright.tui.workbench import Workbench


class _Left(Exception):
    """The person has ended the input."""


class _Back(Exception):
    """The person wants the question before this one."""


def walk(session: Path | None, hardware: str | None = None) -> int:
    """Ask from Machine to Train; the exit code of what was launched, 0 when nothing was. `hardware`
    describes a machine that is planned on instead of this one."""
    bench = Workbench.open(session)
    try:
        _machine(bench, take_snapshot() if hardware is None else imagine(hardware))
        steps, at = (_goal, _data_and_model, _method), 0
        while True:
            try:
                for step in steps[at:]:
                    step(bench)
                    at += 1
                return _train(bench)
            except _Back:
                at = max(0, at - 1)
                if at == 0:
                    _take_back(bench)
    except _Left:
        say.line("\nkept; `tunewright --plain` goes on here")
        return Exit.DONE
    finally:
        bench.saver.flush()


def _ask(question: str, default: str) -> str:
    """One line of input; the default for an empty one."""
    shown = f" [{plain(default)}]" if default else ""
    try:
        said = input(f"{question}{shown}: ").strip()
    except EOFError:
        raise _Left from None
    if said == "back":
        raise _Back
    return said or default


def _head(step: str, title: str, bench: Workbench) -> None:
    bench.go(step)
    say.line(f"\n{title}")


def _machine(bench: Workbench, snapshot: Snapshot) -> None:
    _head("machine", "Machine" + (" (SIM: not this one)" if snapshot.simulated else ""), bench)
    bench.saw(snapshot, read_environment(snapshot.host))
    for gpu in snapshot.gpus:
        free = f"{size(gpu.free_bytes)} free of {size(gpu.total_bytes)}"
        say.line(f"  GPU{gpu.label} {plain(gpu.name)}: {free}")
    say.line(f"  {training_memory(snapshot)[2]}")
    bench.confirm("machine")


def _count_rows(bench: Workbench) -> None:
    """What rows say that are there already is not asked. Data tells what is wrong with them."""
    unknown = Problem("the model is not looked at yet", why="the goal comes first", cure="go on")
    found = look_at_rows(bench.inputs, bench.base, unknown)
    if isinstance(found, DataFound):
        bench.found(bench.ticket, found, "data")


def _verdict(bench: Workbench) -> Verdict:
    return decide(answers_on(bench), facts_on(bench))


def _goal(bench: Workbench) -> None:
    _head("goal", "Goal", bench)
    _count_rows(bench)
    while True:
        answers = answers_on(bench)
        question = next_question(answers, facts_on(bench))
        if question is None:
            break
        try:
            value = _answer_to(question)
        except _Back:
            _take_back(bench)
            continue
        bench.answer(answers=msgspec.structs.replace(answers, **{question.id: value}))
    _tell(bench, _verdict(bench))
    bench.confirm("goal")


def _take_back(bench: Workbench) -> None:
    answers = answers_on(bench)
    before = given(answers)
    if before:
        bench.answer(answers=msgspec.structs.replace(answers, **{before[-1]: None}))


def _tell(bench: Workbench, verdict: Verdict) -> None:
    say.line(f"  {verdict.title} (provisional until measured, confidence {verdict.confidence})")
    for mark, reasons in (("for", verdict.because), ("against", verdict.against)):
        for reason in reasons:
            say.line(f"  {mark}: {plain(reason.sentence)}")
    for change in verdict.would_change:
        say.line(f"  would change it: {plain(change.sentence)}")
    say.line(f"  next: {plain(verdict.next_step.sentence)}")
    named = {"MODEL": bench.inputs.model, "DATA": bench.inputs.data.path}
    words = (quote(named[w]) if w in named else w for w in verdict.next_step.command.split(" "))
    say.line(f"    {plain(' '.join(words))}")


def _answer_to(question: Question) -> Any:
    say.line(f"  {question.text}")
    say.line(f"  (asked because {question.why})")
    for number, choice in enumerate(question.choices, 1):
        say.line(f"    {number} {choice.explained}")
    if not question.choices:
        return _ask("  answer", "")
    while True:
        said = _ask("  number", str(question.least + 1))
        if said.isdigit() and 1 <= int(said) <= len(question.choices):
            return question.choices[int(said) - 1].value
        say.line(f"  a number from 1 to {len(question.choices)}, or back")


def _data_and_model(bench: Workbench) -> None:
    """Data is measured under the model's tokenizer, so both are asked before one is looked at."""
    before = _verdict(bench).title
    while True:
        _head("data", "Data", bench)
        path = _ask("  file", bench.inputs.data.path)
        if path != bench.inputs.data.path:
            bench.use_data(path)
        _head("model", "Model", bench)
        bench.answer(model=_ask("  folder, hub id or demo model", bench.inputs.model))
        bench.found(bench.ticket, look_at_model(bench.inputs, bench.base, say.note), "model")
        assert bench.model is not None
        bench.found(bench.ticket, look_at_rows(bench.inputs, bench.base, bench.model), "data")
        trouble = bench.trouble()
        if trouble is None:
            break
        say.problem(trouble, as_json=False)
    assert isinstance(bench.model, ModelFound)
    assert isinstance(bench.data, DataFound)
    assert isinstance(bench.data.facts, DataFacts)
    facts = bench.data.facts
    say.line(
        f"  model: {bench.model.shape.parameters:,} parameters, {bench.model.shape.model_type}"
    )
    say.line(
        f"  data: {facts.rows:,} rows and {facts.eval_rows:,} held out ({facts.format}), "
        f"{facts.train_tokens:,} tokens an epoch, longest {facts.length_max:,}"
    )
    bench.confirm("data")
    bench.confirm("model")
    if _verdict(bench).title != before:
        say.line("\nGoal, with these rows")
        _tell(bench, _verdict(bench))


def _method(bench: Workbench) -> None:
    from tunewright.tui.plan_text import plan_lines

    _head("method", "Method", bench)
    while True:
        assert isinstance(bench.plan, Plan)
        said = _ask(
            f"  {', '.join(f'{f.method} {f.verdict}' for f in bench.plan.fits)}; method",
            bench.plan.method.value,
        )
        if said in [fit.method for fit in bench.plan.fits]:
            if said != bench.plan.method.value:
                bench.answer(method=said)
            break
        say.line("  one of those methods, or back")
    for line in plan_lines(bench.session, bench.prices, str(bench.path)):
        say.line(f"  {line}")
    bench.confirm("method")


def _train(bench: Workbench) -> int:
    from tunewright.engine.run.launch import launch
    from tunewright.engine.run.rundir import LaunchOptions
    from tunewright.hardware.host import logout_kills
    from tunewright.tui.follow import follow
    from tunewright.tui.verbs.common import say_ending

    _head("train", "Train", bench)
    check_ready(bench.session, None)
    trouble = logout_kills()
    if trouble is not None:
        say.problem(Problem(trouble.what, why=trouble.why, cure=trouble.cure), as_json=False)
    if _ask("  launch it, detached? yes or no", "no").lower() not in ("y", "yes"):
        raise _Left
    run = launch(bench.session, bench.base, LaunchOptions())
    bench.launched(run)
    say.line(f"  run {run.read_record().id}; Ctrl-C stops it after a checkpoint")
    ended = follow(run, stop_on_interrupt=True, quiet=False)
    code = say_ending(run, ended)
    if code == Exit.DONE:
        after = with_result(bench.session, run)
        if after is not None:
            bench.ran(bench.session, after)
    return code
