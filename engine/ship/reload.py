"""A fully fine-tuned model has nothing to merge; it has to survive being saved."""

from __future__ import annotations

from pathlib import Path

from tunewright.engine.run.job import Job
from tunewright.engine.ship.merge import MergeResult
from tunewright.hardware.errors import Exit, Problem

_NOTHING = "nothing to merge: a full fine-tune is a whole model in model/"


def verify_reloaded(job: Job, folder: Path) -> MergeResult:
    """Load the saved model afresh and hold its answers against those it gave when evaluated.

    A `Problem` (exit 1) when one differs, or when there is no trained model at all. Without an
    evaluation there is nothing to compare with, and the result says so.
    """
    from tunewright.engine.prove.evaluate import Evaluation
    from tunewright.engine.prove.measure import Pace, measure_answers
    from tunewright.engine.prove.models import load_tuned
    from tunewright.engine.prove.rows import held_out
    from tunewright.engine.prove.threads import threads_for
    from tunewright.engine.ship.checks import check_base, check_tokenizers
    from tunewright.engine.ship.files import folder_bytes

    model = load_tuned(job)
    check_tokenizers(job.model_dir, folder)
    dtype = check_base(folder)
    evaluation = job.load_result("evaluate", Evaluation)
    compared = 0
    if evaluation is not None:
        held = held_out(job)
        threads = threads_for(job, model, held.prompts())
        pace = Pace(job, "merge", len(held.rows))
        again = measure_answers(job, model, held, (), threads, pace)
        pairs = zip(held.numbers, evaluation.tuned.answers, again.answers, strict=True)
        differing = [row for row, was, now in pairs if was != now]
        if differing:
            raise Problem(
                "the saved model does not answer as it did when it was evaluated",
                why=f"{len(differing)} of {len(held.rows)} held-out rows differ, first row "
                f"{differing[0]}",
                cure="evaluate again; if it differs once more, the disk or the memory is at fault",
                exit=Exit.FAILED,
            )
        compared = len(held.rows)
    return MergeResult(
        figures={"verified_rows": compared},
        verdict=f"{_NOTHING}; loaded afresh it gave the same answers to {compared} held-out rows"
        if compared
        else f"{_NOTHING}; it loads, and was not evaluated, so answers were not compared",
        merged=None,
        dtype=dtype,
        bytes=folder_bytes(folder),
        tries=(),
        seconds=0.0,
    )
