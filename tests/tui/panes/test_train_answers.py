"""Lines that show how an answer changed: what is new in it is marked, and every line fits."""

from __future__ import annotations

import pytest
from rich.text import Text

from tunewright.engine.run.changes import Changes
from tunewright.engine.run.events import Sample
from tunewright.tui.panes.train_answers import Looked, all_answer_lines, changes_lines

LONG = "The order is for one lamp, to be sent on Monday to the shop in the old harbour. " * 3


def changes(*got: str, rows: int = 1, want: str = "two lamps") -> Changes:
    found = Changes()
    for at, text in enumerate(got):
        for row in range(rows):
            found.hear(
                Sample(stage="train", row=row, want=want, got=text, step=10 * at, asked=want * 2)
            )
    return found


def plain(lines: list[Text]) -> list[str]:
    return [line.plain.rstrip() for line in lines]


def bold(line: Text) -> list[str]:
    return [line.plain[span.start : span.end] for span in line.spans if span.style == "bold"]


def test_the_newest_answer_stands_below_the_one_before_and_below_what_was_wanted() -> None:
    lines = changes_lines(changes("a lamp", "one lamp", "two lamps"), Looked(), 70, 2, asks=False)
    wanted, before, now = plain(lines)
    assert wanted.startswith("row 1 wanted    two lamps")
    assert wanted.endswith("← → answer 3/3")
    assert before == "step 10       ≠ one lamp"
    assert now == "step 20       = two lamps"
    # What is new in it, besides its name.
    assert "two lamps" in bold(lines[-1])


def test_what_the_row_asks_stands_above_where_there_is_room() -> None:
    found = changes("a lamp", "one lamp", want="two ")
    asked, wanted, *said = plain(changes_lines(found, Looked(), 70, 2, asks=True))
    assert asked == "row 1 asked     two two"
    assert wanted == "     wanted     two"
    assert said == plain(changes_lines(found, Looked(), 70, 2, asks=False))[1:]


def test_a_word_that_changed_in_a_long_answer_is_brought_into_view() -> None:
    lines = changes_lines(changes(LONG + "Monday", LONG + "Friday"), Looked(), 60, 2, asks=False)
    assert [line.rstrip()[-6:] for line in plain(lines)[1:]] == ["Monday", "Friday"]
    assert "Fri" in bold(lines[-1])
    assert all(line.cell_len <= 60 for line in lines)


def test_what_is_still_not_as_wanted_is_brought_into_view_too() -> None:
    found = changes("no", LONG + "Monday", want=LONG + "Friday")
    wanted, _, now = plain(changes_lines(found, Looked(), 60, 2, asks=False))
    assert wanted.endswith("Friday")
    assert now.endswith("Monday")


def test_one_steps_back_and_to_the_next_row_and_not_past_the_ends() -> None:
    found = changes("a", "b", "c", rows=2)
    looked = Looked().step(1, found)
    assert plain(changes_lines(found, looked, 70, 2, asks=False))[1:] == [
        "base          ≠ a",
        "step 10       ≠ b",
    ]
    assert looked.step(1, found) == looked
    assert looked.next_row(found) == Looked(1, 1)
    assert looked.next_row(found).next_row(found) == looked
    assert looked.step(-5, found) == Looked()
    assert Looked(7, 9).within(Changes()) == Looked()


@pytest.mark.parametrize("width", [20, 38, 58, 78, 118])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_every_line_fits_and_no_text_is_obeyed(width: int, most: int) -> None:
    evil = "\x1b[31m[bold]x[/]\u202e\u200b漢字" + "漢" * 3000
    found = changes(evil, evil + "a", LONG + evil, rows=3, want=evil)
    for looked in (Looked(), Looked(2, 1)):
        lines = changes_lines(found, looked, width, most, asks=True)
        assert len(lines) == 2 + min(most, 3 - looked.back)
        assert all(line.cell_len <= max(width, 25) for line in lines)
        text = "".join(plain(lines))
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert all(line.cell_len <= width for line in all_answer_lines([], found, max(width, 20)))
