"""The Data step browses rows of any number, filters them by finding, and edits nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import msgspec
import pytest
from screens import drive, shown, until, write_session
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.session import DataInput, load_session, save_session
from tunewright.tui.app import TunewrightApp
from tunewright.tui.panes import data_look
from tunewright.tui.panes.data import DataPane
from tunewright.tui.panes.data_look import DataLook
from tunewright.tui.widgets.long_rows import LongRows


@pytest.fixture
def session(tmp_path: Path, tiny_model: Path, tiny_data: TinyData) -> Path:
    """A session on 900 rows, of which one is broken, two are equal and one holds an address."""
    rows = [
        {"prompt": f"what is the number {n} of the list", "completion": f"it is item {n * 7} there"}
        for n in range(900)
    ]
    rows[500]["completion"] = "write to jane.roe@acme-tools.org about it"
    rows[700] = rows[3]
    lines = [json.dumps(row) for row in rows]
    lines[600] = '{"prompt": "\\u001b[31m[bold]x[/]", "completion": ""}'
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    made = write_session(tmp_path / "session", tiny_model, tiny_data)
    stored = load_session(made)
    data = msgspec.structs.replace(stored.inputs.data, path=str(path), eval_path=None)
    inputs = msgspec.structs.replace(stored.inputs, data=data)
    save_session(msgspec.structs.replace(stored, inputs=inputs), made)
    return made


def rows_of(app: TunewrightApp) -> LongRows:
    return app.query_one("#data-rows", LongRows)


def checked(app: TunewrightApp) -> bool:
    pane = app.query_one(DataPane)
    return pane._look is not None and pane._look.finished is not None


def test_every_row_is_there_with_its_place_and_findings_filter_them(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("3")
        await until(pilot, lambda: checked(app))
        await pilot.pause(0.2)
        assert "1 error, 2 warnings" in shown(app)
        assert len(rows_of(app)._rows) == 900
        await pilot.press("G")
        await until(pilot, lambda: "it is item 6293 there" in shown(app))
        # The broken row first: errors come first.
        await pilot.press("f")
        await until(pilot, lambda: rows_of(app).number == 600)
        assert "only answer.empty, 1 row:" in shown(app)
        assert "! completion: found empty text" in shown(app)
        seen = set()
        for _ in range(2):
            await pilot.press("f")
            await pilot.pause(0.1)
            seen.add(rows_of(app).number)
        assert seen == {500, 700}
        await pilot.press("escape")
        await until(pilot, lambda: len(rows_of(app)._rows) == 900)
        await pilot.press("p")
        await until(pilot, lambda: ":601:completion  found empty text" in shown(app))

    before = load_session(session)
    drive(session, walk)
    path = Path(before.inputs.data.path)
    assert len(path.read_text().splitlines()) == 900


def test_a_search_lists_the_rows_that_hold_the_text(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("3")
        await until(pilot, lambda: checked(app))
        await pilot.press("slash", *"JANE.roe")
        await until(pilot, lambda: list(rows_of(app)._rows.numbers) == [500])  # type: ignore[attr-defined]
        assert "jane.roe@acme-tools.org" in str(app.query_one(DataPane).copied())
        await pilot.press("escape")
        await until(pilot, lambda: len(rows_of(app)._rows) == 900)

    drive(session, walk)


def test_text_of_rows_changes_no_terminal_and_is_no_markup(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("3")
        await until(pilot, lambda: checked(app))
        rows_of(app).select("600")
        await pilot.pause(0.2)
        assert "\x1b" not in shown(app)

    drive(session, walk)


def test_tokens_of_a_row_are_shown_trained_and_masked(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    made = write_session(tmp_path / "session", tiny_model, tiny_data)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("3")
        await until(pilot, lambda: checked(app) and not isinstance(app.bench.data, type(None)))
        await pilot.press("j", "t")
        await until(pilot, lambda: "▶" in shown(app))
        assert "19 trained" in shown(app)
        # Rows of the held-out file come after those for training, and say so.
        await pilot.press("t", "G")
        await until(pilot, lambda: "held 60" in shown(app))

    drive(made, walk)


def test_a_list_of_a_million_rows_fetches_what_is_seen(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    from tunewright.tui.widgets.rows import Row

    made = write_session(tmp_path / "session", tiny_model, tiny_data)
    fetched: list[int] = []

    def fetch(number: int) -> Row:
        fetched.append(number)
        return Row(str(number), (str(number), "", f"row {number}", ""))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("3")
        await until(pilot, lambda: checked(app) and app.bench.data is not None)
        await pilot.pause(0.3)
        rows = rows_of(app)
        rows.show_numbers(range(1_000_000), fetch)
        await pilot.press("G")
        await until(pilot, lambda: "row 999999" in shown(app))
        await pilot.press("g")
        await until(pilot, lambda: "row 0" in shown(app))
        assert len(fetched) < 200

    drive(made, walk)


def test_a_row_is_not_there_before_its_file_is_open(tmp_path: Path) -> None:
    # A new path is given while the rows of the old one are still on the screen.
    look = DataLook(DataInput(path=str(tmp_path / "absent.jsonl")), tmp_path)
    with pytest.raises(IndexError):
        look.row(0)
    look.open()
    assert look.problem is not None
    with pytest.raises(IndexError):
        look.row(0)


def with_long_row(session: Path, tmp_path: Path) -> DataInput:
    """Have a session on 40 rows, of which the third has 7 million letters; its data."""
    rows = [{"prompt": f"what is {n}", "completion": f"it is {n}"} for n in range(40)]
    rows[2]["prompt"] = "lorem ipsum " * 600_000
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    stored = load_session(session)
    data = msgspec.structs.replace(stored.inputs.data, path=str(path))
    inputs = msgspec.structs.replace(stored.inputs, data=data)
    save_session(msgspec.structs.replace(stored, inputs=inputs), session)
    return data


def die(*_: object) -> None:
    """As a process does of which the kernel needs the memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_long_row_whose_reader_dies_says_so_and_is_not_asked_for_again(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_long_row(session, tmp_path)
    monkeypatch.setattr(data_look, "seen_elsewhere", die)
    fetched: list[int] = []
    inner = DataLook._take

    def take(look: DataLook, number: int, file: str, held: bool) -> None:
        fetched.append(number)
        inner(look, number, file, held)

    monkeypatch.setattr(DataLook, "_take", take)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("3")
        await until(pilot, lambda: checked(app) and app.bench.data is not None)
        await pilot.press("g", "j", "j")
        await until(pilot, lambda: "! the process that read the data was ended" in shown(app))
        for _ in range(5):
            app.query_one(DataPane).show()
            await pilot.pause()
        look = app.query_one(DataPane)._look
        assert look is not None
        assert not look.row(2).coming
        assert "was ended" in look.brief(2).wrong
        assert "reading" not in shown(app)
        assert fetched == [2]

    drive(session, walk)


def test_a_reader_that_was_killed_between_two_long_rows_is_replaced(
    session: Path, tmp_path: Path
) -> None:
    data = with_long_row(session, tmp_path)
    look = DataLook(data, tmp_path)
    look.open()
    look.build(lambda: None)
    try:
        os.kill(look._apart.call(os.getpid), signal.SIGKILL)
        assert look.row(2).coming
        look.fetch(2)
        assert look.row(2).normal is not None
    finally:
        look.stop()
    # Of one that was stopped nothing is asked any more.
    look._whole.clear()
    look.fetch(2)
    assert look.row(2).coming
    assert look._apart._worker is None


def test_a_row_of_megabytes_is_read_once_cut_for_view_and_refused(
    session: Path, tmp_path: Path
) -> None:
    with_long_row(session, tmp_path)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("3")
        # More than one process may check it, started from under the full screen.
        await until(pilot, lambda: checked(app) and app.bench.data is not None)
        look = app.query_one(DataPane)._look
        assert look is not None
        assert look.problem is None
        assert "longer than any context" in shown(app)
        read: list[int] = []
        inner = look._take
        look._take = lambda number, *told: read.append(number) or inner(number, *told)  # type: ignore
        await pilot.press("g", "j", "j")
        # Another process reads it, and this one never has more than its beginning.
        await until(pilot, lambda: "lorem ipsum" in shown(app))
        await pilot.press("t")
        await until(pilot, lambda: "the row has 7,200,007 letters" in shown(app))
        for _ in range(5):
            app.show_all()
        assert read.count(2) <= 1
        normal = look.row(2).normal
        assert normal is not None
        assert max(len(message.content) for message in normal.messages) == 200_000
        await pilot.press("y")
        await until(pilot, lambda: "copied the first 100,000 characters" in shown(app))

    drive(session, walk)
