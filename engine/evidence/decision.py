"""Stage "decision": rules and measurements to a verdict, and the kit that makes it run."""

from __future__ import annotations

import shlex

import msgspec

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.facts import Facts, facts_of_rows
from tunewright.engine.decide.measured import measured_of
from tunewright.engine.decide.next_step import Named
from tunewright.engine.decide.verdict import Verdict
from tunewright.engine.evidence.result import Evidence, Pilot
from tunewright.engine.run.job import Job
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.text import plain

KIT = "kit"


class Decided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """results/decision.json. `figures` holds the verdict, so that a replay compares it; `facts`
    are what it was made from, so that answers can be changed without measuring again."""

    figures: dict[str, str]
    verdict: str
    answers: Answers
    facts: Facts
    decision: Verdict
    kit: tuple[str, ...]


def run(job: Job) -> None:
    """Decide, and write what the verdict needs to be tried into kit/."""
    from tunewright.engine.data.prepared import load_split
    from tunewright.engine.evidence.kit import write_kit

    evidence = job.load_result("evidence", Evidence)
    assert evidence is not None
    inputs = job.session.inputs
    train, held = load_split(job)
    facts = msgspec.structs.replace(
        facts_of_rows(train, held),
        measured=measured_of(evidence, job.load_result("pilot", Pilot), inputs.seed),
    )
    answers = inputs.answers or Answers()
    answers = msgspec.structs.replace(answers, data=_data(job))
    run_dir = RunDir(job.run_dir)
    kit = job.run_dir / KIT
    named = Named(
        model=_model(job),
        run=shlex.quote(run_dir.read_record().id) if run_dir.record.is_file() else str(job.run_dir),
        kit=str(kit),
    )
    found = decide(answers, facts, named)
    files = write_kit(job, evidence, found.verdict, kit)
    line = f"{found.title} ({found.spoke} spoke): {found.measurement}"
    job.save_result(
        "decision",
        Decided(
            figures={"verdict": found.verdict, "spoke": found.spoke},
            verdict=plain(line),
            answers=answers,
            facts=facts,
            decision=found,
            kit=files,
        ),
    )


def _data(job: Job) -> str:
    """The data as it is named on a command line from anywhere."""
    path = job.session.inputs.data.path
    return path if path.startswith("demo:") else str((job.run_dir / path).resolve())


def _model(job: Job) -> str:
    from tunewright.engine.evidence.given import is_endpoint

    model = job.session.inputs.model
    if model.startswith("demo:") or is_endpoint(model):
        return model
    return str(job.model_dir)
