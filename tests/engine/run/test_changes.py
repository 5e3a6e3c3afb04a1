"""How the answers to a row changed: in the order of steps, whatever happened in between."""

from __future__ import annotations

from pathlib import Path

from tunewright.engine.run.changes import Changes, read_changes
from tunewright.engine.run.events import EventWriter, Sample


def answer(step: int | None, got: str = "", row: int = 3, stage: str = "train") -> Sample:
    return Sample(stage=stage, row=row, want="wanted", got=got or f"at {step}", step=step)


def heard(*samples: Sample) -> Changes:
    changes = Changes()
    for sample in samples:
        changes.hear(sample)
    return changes


def test_answers_stand_by_row_and_step_with_the_tuned_models_last() -> None:
    changes = heard(
        answer(None, "few-shot", stage="baseline"),
        answer(0),
        answer(0, row=1),
        answer(20),
        answer(None, "tuned", stage="evaluate"),
        answer(None, "of another row", row=9, stage="evaluate"),
        answer(10),
    )
    assert list(changes.rows) == [1, 3]
    assert [sample.got for sample in changes.of(3)] == ["at 0", "at 10", "at 20", "tuned"]
    assert [sample.got for sample in changes.of(1)] == ["at 0"]
    assert changes.of(9) == []


def test_what_a_resumed_training_says_of_a_step_counts() -> None:
    changes = heard(answer(10), answer(20, "lost with the power"), answer(20, "again"))
    assert [sample.got for sample in changes.of(3)] == ["at 10", "again"]


def test_a_long_run_keeps_the_first_and_the_latest() -> None:
    changes = heard(*(answer(step) for step in range(0, 50_000, 10)))
    steps = [sample.step for sample in changes.of(3)]
    assert len(steps) == 200
    assert steps[:20] == list(range(0, 200, 10))
    assert steps[-1] == 49_990


def test_they_are_read_from_the_events_of_all_attempts(tmp_path: Path) -> None:
    for attempt, samples in {1: [answer(0), answer(10)], 2: [answer(10, "again")]}.items():
        with EventWriter(tmp_path / f"{attempt}-worker0.jsonl") as events:
            for sample in samples:
                events.write(sample)
    assert [sample.got for sample in read_changes(tmp_path).of(3)] == ["at 0", "again"]
