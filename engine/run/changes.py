"""How the answers to a few held-out rows change while a run trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunewright.engine.run.events import Sample
from tunewright.engine.run.reader import worker_files
from tunewright.engine.run.rollup import ToldFile

# Answers kept of a row: the first ones, and of those after them the latest.
_KEPT = 200
_FIRST = 20


class Changes:
    """Answers by row and step; in memory at most 200 a row, whatever a long run has."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[int, Sample]] = {}
        self._tuned: dict[int, Sample] = {}

    def hear(self, sample: Sample) -> None:
        """Take an answer: one given while training, or the tuned model's to the same row."""
        if sample.step is not None:
            steps = self._rows.setdefault(sample.row, {})
            # What a newer attempt says of a step counts; it takes its place in their order.
            steps.pop(sample.step, None)
            steps[sample.step] = sample
            if len(steps) > _KEPT:
                del steps[sorted(steps)[_FIRST]]
        elif sample.stage == "evaluate" and sample.row in self._rows:
            self._tuned[sample.row] = sample

    @property
    def rows(self) -> Sequence[int]:
        """The rows that are answered (0-based places among the held-out ones), in their order."""
        return sorted(self._rows)

    def of(self, row: int) -> list[Sample]:
        """A row's answers, oldest first: the base model's at step 0, those of the training, and the
        tuned model's, which has no step."""
        steps = self._rows.get(row, {})
        tuned = self._tuned.get(row)
        return [*(steps[step] for step in sorted(steps)), *([tuned] if tuned else [])]


def read_changes(events: Path) -> Changes:
    """The changes of a run, from its folder of events."""
    changes = Changes()
    for path in worker_files(events):
        for batch in ToldFile(path).read_new():
            for event in batch.rare:
                if isinstance(event, Sample):
                    changes.hear(event)
    return changes
