"""Only the difference is sent, and what the terminal then shows is what was wanted."""

from __future__ import annotations

import random

import pyte
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tunewright.tui.cells import Cells

WIDTH, HEIGHT = 40, 8
STYLES = [
    Style.null(), Style(bold=True), Style(reverse=True), Style(dim=True),
    Style(color="red"), Style(color="default", bgcolor="default"), Style(bgcolor="blue"),
]  # fmt: skip


class Seen:
    """A terminal that is sent differences."""

    def __init__(self) -> None:
        self.cells = Cells(WIDTH, HEIGHT)
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.Stream(self.screen)
        # As Textual sets it.
        self.stream.feed("\x1b[?7l")

    def frame(self, lines: list[Strip]) -> str:
        update = LayoutUpdate([[line] for line in lines], Region(0, 0, WIDTH, HEIGHT))
        assert self.cells.take(update, ColorSystem.STANDARD)
        return self.flush()

    def flush(self) -> str:
        sent = self.cells.difference()
        self.stream.feed(sent)
        return sent

    def looks(self) -> list[list[tuple[object, ...]]]:
        """What is seen in each cell; of a blank one, its ground alone."""
        seen = []
        for y in range(HEIGHT):
            row = [self.screen.buffer[y][x] for x in range(WIDTH)]
            seen.append([_look(cell) for cell in row])
        return seen


def _look(cell: pyte.screens.Char) -> tuple[object, ...]:
    if cell.data == " ":
        return " ", cell.bg, cell.reverse
    return cell.data, cell.fg, cell.bg, cell.bold, cell.reverse


def line(text: str, *styled: tuple[int, int, Style]) -> Strip:
    """A line of the screen with styles from cell to cell."""
    strip = Strip([Segment(text, Style.null())]).adjust_cell_length(WIDTH)
    for start, end, style in styled:
        parts = strip.divide([start, end, WIDTH])
        strip = Strip.join([parts[0], parts[1].apply_style(style), *parts[2:]])
    return strip


def drawn(seed: int, letters: str) -> list[Strip]:
    draw = random.Random(seed)
    lines = []
    for _ in range(HEIGHT):
        text = "a" + "".join(draw.choice(letters) for _ in range(draw.randrange(WIDTH // 2)))
        start = draw.randrange(1, WIDTH - 2)
        end = draw.randrange(start + 1, WIDTH - 1)
        lines.append(line(text, (start, end, draw.choice(STYLES))))
    return lines


def test_any_frame_after_any_other_is_shown_as_if_it_had_been_sent_whole() -> None:
    for letters in ("ab  ", "a⣿…  ", "a漢 ", "ae\u0301👩\u200d👧 "):
        one = Seen()
        for seed in range(60):
            whole = Seen()
            whole.frame(drawn(seed, letters))
            one.frame(drawn(seed, letters))
            assert one.looks() == whole.looks(), (letters, seed)


def test_frames_that_were_never_sent_leave_nothing_behind() -> None:
    one, whole = Seen(), Seen()
    one.frame(drawn(1, "ab "))
    for seed in (2, 3, 4):
        update = LayoutUpdate(
            [[strip] for strip in drawn(seed, "ab ")], Region(0, 0, WIDTH, HEIGHT)
        )
        one.cells.take(update, ColorSystem.STANDARD)
    one.flush()
    whole.frame(drawn(4, "ab "))
    assert one.looks() == whole.looks()


def test_the_same_again_sends_nothing() -> None:
    one = Seen()
    assert one.frame(drawn(1, "ab "))
    assert one.frame(drawn(1, "ab ")) == ""


def test_one_cell_is_a_few_bytes() -> None:
    one = Seen()
    lines = [line("loss 0.123")] * HEIGHT
    one.frame(lines)
    sent = one.frame([*lines[:3], line("loss 0.124"), *lines[4:]])
    assert sent == "\x1b[4;10H4"


def test_what_became_blank_is_three_bytes_and_a_place() -> None:
    one = Seen()
    one.frame([line("x" * 30)] * HEIGHT)
    assert one.frame([line("x")] + [line("x" * 30)] * (HEIGHT - 1)) == "\x1b[1;2H\x1b[K"


def test_a_part_is_painted_where_it_stands() -> None:
    one = Seen()
    one.frame([line("." * WIDTH)] * HEIGHT)
    chops: list[dict[int, Strip | None]] = [{} for _ in range(HEIGHT)]
    chops[2] = {0: None, 5: Strip([Segment("abcdef")]), 11: Strip([Segment("ghi")])}
    one.cells.take(
        ChopsUpdate(chops, [(2, 5, 9)], [[] if y != 2 else [5, 11, 14] for y in range(HEIGHT)]),
        ColorSystem.STANDARD,
    )
    one.flush()
    assert one.screen.display[2].startswith(".....abcd......")


def test_after_something_else_wrote_all_is_sent_again() -> None:
    one, whole = Seen(), Seen()
    one.frame(drawn(1, "ab "))
    one.stream.feed("\x1b[2;1Hwall: the machine goes down")
    one.cells.forget()
    one.flush()
    whole.frame(drawn(1, "ab "))
    assert one.looks() == whole.looks()


def test_colours_are_those_of_the_terminal_that_there_is() -> None:
    cells = Cells(4, 1)
    update = LayoutUpdate([[Strip([Segment("abcd", Style(color="#ff0000"))])]], Region(0, 0, 4, 1))
    cells.take(update, ColorSystem.STANDARD)
    assert cells.difference() == "\x1b[1;1H\x1b[31mabcd\x1b[m"
