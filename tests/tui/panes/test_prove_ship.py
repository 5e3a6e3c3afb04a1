"""Prove and Ship on a real finished run: the verdict, the rows behind it, and what was made."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from jobs import finish_run
from rich.text import Text
from screens import drive, shown, until, write_session
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.results import Results, read_results
from tunewright.engine.run.rundir import RunDir
from tunewright.tui.app import TunewrightApp
from tunewright.tui.panes.prove import answer_rows, answer_texts, proof_lines, why_lines
from tunewright.tui.panes.ship import merge_lines

NASTY = "[bold]a\x1b[31mred\x1b[0m\r\u202etxt 漢字\n\n"


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: TinyData
) -> RunDir:
    return RunDir(finish_run(tmp_path_factory.mktemp("finished"), tiny_model, tiny_data))


@pytest.fixture(scope="module")
def results(finished: RunDir) -> Results:
    return read_results(finished)


def text(lines: list[Text]) -> str:
    return "\n".join(line.plain for line in lines)


@pytest.mark.parametrize("width", [38, 58, 78, 118])
def test_figures_fit_and_say_what_was_measured(results: Results, width: int) -> None:
    lines = proof_lines(results.baseline, results.evaluation, width)
    assert all(line.cell_len <= width for line in lines), text(lines)
    told = text(lines)
    if width >= 58:
        # A figure and its interval stand in one line.
        assert not any(line.plain.lstrip().startswith(("%", "[")) for line in lines[1:]), told
    assert "Tuned 0.0 %" in told.replace("\n", " ")
    assert "held-out rows" in told
    assert "perplexity" in told


def test_before_and_between_the_stages_it_says_what_is_missing(results: Results) -> None:
    assert "Nothing is measured yet" in text(proof_lines(None, None, 78))
    assert "not measured yet" in text(proof_lines(results.baseline, None, 78))
    assert "Nothing is made yet" in text(merge_lines(None, made=False, width=78))


def test_every_row_shows_who_was_right(results: Results) -> None:
    rows = answer_rows(results.baseline, results.evaluation)
    assert results.evaluation is not None
    assert len(rows) == len(results.evaluation.wants)
    assert {row.cells[1] for row in rows} <= {"=", "≠"}
    told = dict(answer_texts(results.baseline, results.evaluation, 0))
    assert list(told) == ["wanted", "base", "tuned"]


def test_the_reasons_name_the_test(results: Results) -> None:
    assert "McNemar" in text(why_lines(results, 72))


def test_the_panes_show_a_run_and_nothing_of_it_is_obeyed(
    finished: RunDir,
    results: Results,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: TinyData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    assert results.evaluation is not None
    tuned = msgspec.structs.replace(
        results.evaluation.tuned, answers=(NASTY,) * len(results.evaluation.wants)
    )
    hostile = msgspec.structs.replace(results.evaluation, tuned=tuned)
    kept = (finished.results / "evaluate.json").read_bytes()
    (finished.results / "evaluate.json").write_bytes(msgspec.json.encode(hostile))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("7")
        await until(pilot, lambda: "held-out rows" in shown(app))
        await until(pilot, lambda: "[bold]a\\x1b[31mred" in shown(app))
        await pilot.press("v")
        await until(pilot, lambda: "the marked row" in shown(app))
        await pilot.press("escape", "w")
        await until(pilot, lambda: "why this verdict" in shown(app))
        await pilot.press("escape", "8")
        await until(pilot, lambda: "merged" in shown(app) and "adapter" in shown(app))
        assert str(finished.path)[:40] in shown(app)

    session = write_session(tmp_path / "s", tiny_model, tiny_data)
    try:
        drive(session, walk, attach=finished)
    finally:
        (finished.results / "evaluate.json").write_bytes(kept)
