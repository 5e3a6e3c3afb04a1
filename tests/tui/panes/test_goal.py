"""Goal: one question at a time, each with why; answers are in the session at once."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from measured_figures import facts, figures
from screens import drive, shown, until, write_session
from textual import events
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.next_step import Named
from tunewright.engine.demo.session import demo_session
from tunewright.engine.evidence.decision import Decided
from tunewright.engine.run.create import create
from tunewright.engine.run.rundir import ExitRecord, RunDir, RunRecord, write_exit
from tunewright.engine.session import load_session, save_session
from tunewright.tui.app import TunewrightApp
from tunewright.tui.panes import goal
from tunewright.tui.widgets.lines import Lines


@pytest.fixture
def session(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    return write_session(tmp_path / "s", tiny_model, tiny_data)


def test_questions_come_one_by_one_and_answers_are_kept(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        assert "asked because" in shown(app)
        await pilot.press(*"[red]sort mail", "enter")
        await until(pilot, lambda: "live, or act" in shown(app))
        assert "goal [red]sort mail" in shown(app)
        # "no" is marked, since it promises least.
        await pilot.press("enter")
        await until(pilot, lambda: "How far do instructions" in shown(app))
        await pilot.press("j", "j", "j", "enter")
        await until(pilot, lambda: "Prompt engineering" in shown(app))
        assert "provisional until measured" in shown(app)

    app = drive(session, walk)
    answers = load_session(session).inputs.answers
    assert answers is not None
    assert (answers.goal, answers.external_lookup, answers.prompting) == (
        "[red]sort mail",
        False,
        "works",
    )
    assert app.bench.inputs.answers == answers


def test_number_keys_jump_until_a_sentence_is_begun(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        await pilot.press("5")
        await until(pilot, lambda: app.pane.STEP == "method")
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        await pilot.press("s", "3", "9", "?", "enter")
        await until(pilot, lambda: "live, or act" in shown(app))
        assert app.pane.STEP == "goal"

    drive(session, walk)
    answers = load_session(session).inputs.answers
    assert answers is not None
    assert answers.goal == "s39?"


def test_the_last_answer_can_be_taken_back_and_the_rules_read(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        await pilot.press("x", "enter")
        await until(pilot, lambda: "live, or act" in shown(app))
        await pilot.press("backspace")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        assert "nothing is answered yet" not in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.pane.STEP == "machine")
        await pilot.press("2", "escape", "2")

    drive(session, walk)
    answers = load_session(session).inputs.answers
    assert answers is None or answers.goal is None


# All that the demo's person has said: the verdict comes at once, and it is long.
DECIDED = Answers(
    goal="orders into JSON",
    external_lookup=False,
    prompting="fails",
    knowledge="none",
    behaviour=True,
    examples=600,
    preference_pairs=0,
    quality="high",
    repetitive=True,
)


def answered(session: Path, answers: Answers) -> Path:
    stored = load_session(session)
    inputs = msgspec.structs.replace(stored.inputs, answers=answers)
    save_session(msgspec.structs.replace(stored, inputs=inputs), session)
    return session


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 12)], ids=str)
def test_all_of_the_verdict_can_be_read(session: Path, size: tuple[int, int]) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "provisional until" in shown(app))
        lines = app.pane.query_one("#verdict", Lines).shown.splitlines()
        seen: set[str] = set()
        # A command names what is on the bench, so it can be copied.
        assert "MODEL" not in "".join(lines)
        for _ in range(len(lines)):
            await pilot.pause()
            seen |= {line.strip() for line in lines if line.strip() in shown(app)}
            await pilot.press("j")
        assert seen == {line.strip() for line in lines}
        if lines[-1].strip() not in shown(app):
            raise AssertionError(shown(app))
        await pilot.press("g")
        await pilot.pause()
        below = lines[-1].strip() not in shown(app)
        assert ("j k scroll" in shown(app)) is below
        assert size[0] == 80 or below

    drive(answered(session, DECIDED), walk, size=size)


def test_what_the_demo_says_is_not_put_into_the_persons_mouth(session: Path) -> None:
    demo = demo_session().inputs
    assert demo.answers is not None
    told = [goal.answered_lines(demo.answers, 300, demo=of) for of in (True, False)]
    assert [lines[0].plain.partition(":")[0] for lines in told] == [
        "the demo's answers",
        "you said",
    ]

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "you said: " in shown(app))
        app.bench.answer(data=demo.data, answers=demo.answers)
        app.pane.post_message(app.pane.Changed())
        await until(pilot, lambda: "the demo's answers: goal orders" in shown(app))

    drive(answered(session, DECIDED), walk)


def test_enter_alone_claims_nothing(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        for _ in range(20):
            await until(pilot, lambda: app.pane.why_not("choose") != "still deciding")
            if app.pane.why_not("choose"):
                break
            before = shown(app)
            await pilot.press("enter")
            await until(pilot, lambda before=before: shown(app) != before)

    drive(session, walk)
    answers = load_session(session).inputs.answers
    assert answers is not None
    claims = {
        "external_lookup": True, "behaviour": True, "repetitive": True, "domain_terms": True,
        "prompting": ("fails", "partly", "works"), "knowledge": ("static", "changes_monthly"),
        "quality": ("high", "mixed"),
    }  # fmt: skip
    for id, claimed in claims.items():
        said = getattr(answers, id)
        assert said != claimed
        assert not isinstance(claimed, tuple) or said not in claimed, id


def test_while_it_decides_nothing_is_taken_for_answered(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, question = threading.Event(), goal.next_question

    def slow(*asked: Any) -> Any:
        held.wait(60)
        return question(*asked)

    monkeypatch.setattr(goal, "next_question", slow)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        try:
            await pilot.press("2", "enter")
            await until(pilot, lambda: "still deciding" in shown(app))
            assert app.pane.why_not("choose") == app.pane.why_not("onward") == "still deciding"
            assert app.pane.STEP == "goal"
            held.set()
            await until(pilot, lambda: app.pane.why_not("onward") is None)
            held.clear()
            # A question is open again, and not found yet.
            await pilot.press("backspace", "backspace", "enter")
            await until(pilot, lambda: "still deciding" in shown(app))
            held.set()
            await until(pilot, lambda: app.pane.why_not("choose") is None)
            assert app.pane.STEP == "goal"
        finally:
            held.set()

    assert "goal" not in drive(answered(session, DECIDED), walk).bench.place.confirmed


def test_an_answer_that_is_taken_back_is_offered_again(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        await pilot.press(*"sort", "enter")
        await until(pilot, lambda: "live, or act" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "How far do instructions" in shown(app))
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: "Do the answers need" in shown(app))
        # What was marked before is no answer to this one.
        assert "> none beyond general knowledge" in shown(app)
        await pilot.press("backspace")
        await until(pilot, lambda: "How far do instructions" in shown(app))
        await until(pilot, lambda: "> sometimes right" in shown(app))
        await pilot.press("backspace", "backspace")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        await until(pilot, lambda: "\n sort" in shown(app))

    drive(session, walk)


def test_every_choice_is_in_sight_on_the_smallest_screen(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "How good are these" in shown(app))
        await until(pilot, lambda: "nobody has looked" in shown(app))
        assert "checked: right" in shown(app)
        assert "enter choose" in shown(app)

    before = msgspec.structs.replace(DECIDED, quality=None, examples=600)
    drive(answered(session, before), walk, size=(40, 12))


def test_what_is_pasted_into_the_sentence_is_cut_to_a_sentence(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        await until(pilot, lambda: app.focused is not None)
        app.post_message(events.Paste("[b]ab\u202e " * 125_000))
        await until(pilot, lambda: "[b]ab" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "live, or act" in shown(app))

    drive(session, walk)
    answers = load_session(session).inputs.answers
    assert answers is not None
    assert answers.goal is not None
    assert 0 < len(answers.goal) <= 1_000


def decided_run(folder: Path, retrieval: int) -> RunDir:
    """An evidence run that is done: retrieval got that many of 50 rows right, prompting 2."""
    measured = figures(2, retrieval)
    known = facts(measured)
    found = decide(Answers(external_lookup=False), known, Named(run="r", kit="kit"))
    run = create(folder, b"{}", RunRecord(id="decide-x", name="x", created=1.0))
    decided = Decided({"verdict": found.verdict}, "line", Answers(), known, found, ())
    (run.results / "decision.json").write_bytes(msgspec.json.encode(decided))
    write_exit(run, ExitRecord("done", 0, 1, 2.0, "done"))
    return run


def test_what_was_measured_stands_in_the_status_line_and_leads_the_verdict(
    session: Path, tmp_path: Path
) -> None:
    run = decided_run(tmp_path / "run", 45)
    place = session.with_name(session.stem + ".place.json")
    place.write_bytes(msgspec.json.encode({"step": "machine", "evidence": str(run.path)}))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "measured 0.90 exact match" in shown(app))
        await pilot.press("2")
        await until(pilot, lambda: "RAG (retrieval)" in shown(app))
        assert "measured, the measurement spoke" in shown(app)
        assert "provisional" not in shown(app)
        # Other rows: what was measured says nothing of them.
        app.bench.use_data("demo:orders")
        app.show_all()
        await until(pilot, lambda: "measured 0.90" not in shown(app))
        assert app.bench.evidence() is None

    drive(session, walk)


def test_broken_rows_are_told_and_not_measured(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(
            json.dumps({"prompt": f"Ana orders {n} lamp", "completion": f"Ana orders {n} lamp"})
            + "\n"
            for n in range(80)
        )
    )
    session = write_session(tmp_path / "s", tiny_model, TinyData(rows, rows))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        await until(pilot, lambda: "are their inputs, copied" in shown(app))
        reason = app.pane.why_not("measure")
        assert reason is not None
        assert "repair the rows first" in reason

    drive(session, walk)


@pytest.mark.slow
def test_a_key_measures_in_a_detached_run_until_the_verdict_is_measured(
    session: Path, tmp_path: Path
) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: app.pane.why_not("measure") is None, 60)
        await pilot.press("x", "enter")
        await until(pilot, lambda: "live, or act" in shown(app))
        await pilot.press("e")
        await until(pilot, lambda: "measuring:" in shown(app), 60)
        assert app.pane.why_not("measure") == "it is being measured"
        await until(pilot, lambda: "measured 0.00 exact match" in shown(app), 180)
        await until(pilot, lambda: "measuring:" not in shown(app))

    drive(session, walk)
    (run,) = (tmp_path / "home" / "runs").iterdir()
    assert (run / "results" / "decision.json").is_file()
