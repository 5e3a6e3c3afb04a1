"""A rollup says what the events say, or is not used: never something else, whatever befell it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunewright.engine.run import rollup
from tunewright.engine.run.curves import Batch
from tunewright.engine.run.events import Checkpoint, Evaluated, EventWriter, Note, Step
from tunewright.engine.run.rollup import Rollups, ToldFile, read_curves


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "STRETCH_BYTES", 2_000)
    monkeypatch.setattr("tunewright.engine.run.reader.CHUNK_BYTES", 2_000)


class Run:
    """Event files that grow; nothing of them is random."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, attempt: int, first: int, last: int) -> None:
        with EventWriter(self.folder / f"{attempt}-worker0.jsonl") as file:
            for step in range(first, last + 1):
                loss = None if step % 17 == 0 else attempt / step
                file.write(
                    Step(
                        step=step, total_steps=1000, epoch=0.5, loss=loss, learning_rate=1e-4,
                        grad_norm=loss, tokens=step, tokens_per_second=5.0 * step, step_seconds=1.0,
                    )
                )  # fmt: skip
                if step % 10 == 0:
                    file.write(Evaluated(step=step, eval_loss=2 / step, seconds=1.0))
                    file.write(Checkpoint(step=step, path="…", bytes=1, because="x"))

    def path(self, attempt: int = 1) -> Path:
        return self.folder / f"{attempt}-worker0.jsonl"

    def rolled(self, attempt: int = 1) -> Path:
        return self.path(attempt).with_suffix(".rollup")

    def told(self, attempt: int = 1) -> tuple[list[list[float]], list[object]]:
        """All columns and rare events, as a reader that comes now has them."""
        batches = list(ToldFile(self.path(attempt)).read_new())
        columns = [
            [repr(value) for batch in batches for value in batch[at]]
            for at in range(len(Batch._fields) - 1)
        ]
        return columns, [event for batch in batches for event in batch.rare]  # type: ignore[return-value]

    def truly(self, attempt: int = 1) -> tuple[list[list[float]], list[object]]:
        """The same, from the events alone."""
        kept = self.rolled(attempt).rename(self.folder / "aside")
        try:
            return self.told(attempt)
        finally:
            kept.rename(self.rolled(attempt))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path)
    made.write(1, 1, 60)
    Rollups(tmp_path).keep_up()
    assert made.rolled().stat().st_size > 0
    return made


def test_a_rollup_and_what_follows_it_are_what_the_events_are(run: Run) -> None:
    run.write(1, 61, 70)
    assert run.told() == run.truly()


def test_most_of_a_long_file_is_read_from_its_rollup(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run.told()
    # Garbage of the same length, but for what the last stretch is checked by.
    whole = run.path().read_bytes()
    ends = [end for _, end, _ in rollup._stretches(run.path())]
    assert len(ends) > 3
    assert ends[-1] == len(whole)
    first = ends[0] - 256
    run.path().write_bytes(b"\n" * first + whole[first:])
    assert run.told() == expected


def test_it_grows_with_the_run_and_is_not_written_anew(run: Run) -> None:
    rollups = Rollups(run.folder)
    rollups.keep_up()
    before = run.rolled().read_bytes()
    run.write(1, 61, 120)
    rollups.keep_up()
    assert run.rolled().read_bytes().startswith(before)
    assert len(run.rolled().read_bytes()) > len(before)
    assert run.told() == run.truly()


def test_a_little_growth_is_left_for_later(run: Run) -> None:
    rollups = Rollups(run.folder)
    rollups.keep_up()
    size = run.rolled().stat().st_size
    run.write(1, 61, 61)
    rollups.keep_up()
    assert run.rolled().stat().st_size == size


@pytest.mark.parametrize("cut", [1, 9, 100, 1500])
def test_a_torn_rollup_counts_up_to_where_it_is_whole_and_is_mended(run: Run, cut: int) -> None:
    os.truncate(run.rolled(), run.rolled().stat().st_size - cut)
    assert run.told() == run.truly()
    run.write(1, 61, 120)
    Rollups(run.folder).keep_up()
    assert run.told() == run.truly()
    assert len([end for _, end, _ in rollup._stretches(run.path())]) > 6


@pytest.mark.parametrize("at", [0, 3, 7, 12, 40, 700, -30])
def test_a_damaged_rollup_changes_nothing(run: Run, at: int) -> None:
    held = bytearray(run.rolled().read_bytes())
    held[at] ^= 0x55
    run.rolled().write_bytes(held)
    assert run.told() == run.truly()


def test_events_that_were_put_in_place_of_others_are_read_themselves(run: Run) -> None:
    kept = run.rolled().read_bytes()
    run.path().unlink()
    run.write(1, 1, 90)
    run.rolled().write_bytes(kept)
    assert run.told() == run.truly()


def test_events_that_lost_their_end_are_read_themselves(run: Run) -> None:
    os.truncate(run.path(), 5000)
    assert run.told() == run.truly()


def test_a_later_attempt_supersedes_what_is_rolled_up(run: Run) -> None:
    run.write(2, 31, 90)
    Rollups(run.folder).keep_up()
    assert run.rolled(2).exists()
    curves = read_curves(run.folder)
    assert list(curves.step) == list(range(1, 91))
    assert curves.loss[29] == 1 / 30
    assert curves.loss[30] == 2 / 31
    assert list(curves.eval_step) == list(range(10, 91, 10))


def test_lines_that_are_no_events_are_left_out(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write(1, 1, 20)
    with run.path().open("ab") as file:
        file.write(b'{"kind":"of the future"}\n{"kind":"step","st\n')
    run.write(1, 21, 60)
    with EventWriter(run.path()) as file_:
        file_.write(Note(text="…"))
    Rollups(tmp_path).keep_up()
    assert run.told() == run.truly()
    assert len(run.told()[0][0]) == 60


def test_a_file_that_cannot_be_written_is_said_and_leaves_the_truth(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write(1, 1, 60)
    run.rolled().mkdir()
    with pytest.raises(OSError, match="rollup"):
        Rollups(tmp_path).keep_up()
    assert len(run.told()[0][0]) == 60
