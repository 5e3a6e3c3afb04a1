"""decide: prompting, RAG, tools or fine-tuning, from answers, from the rows, and from measuring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import (
    add_json,
    launch_options,
    launched,
    say_ending,
    start,
    summary,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tunewright.engine.data.example import Example
    from tunewright.engine.decide.answers import Answers
    from tunewright.engine.decide.facts import Facts
    from tunewright.engine.decide.guide import Verdicts
    from tunewright.engine.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--answers", type=Path, metavar="FILE", help="JSON; see --schema")
    parser.add_argument(
        "--data", metavar="DATA", help="rows to count, as JSONL or JSON, or demo:orders"
    )
    parser.add_argument("--format", default="auto", help="as in data check --format")
    parser.add_argument(
        "--kit", type=Path, metavar="DIR", help="write which rows are missing, and a template"
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of an answers file"
    )
    measuring = parser.add_argument_group(
        "measuring", "with --data and --model a detached run measures before it decides"
    )
    measuring.add_argument(
        "--model",
        metavar="MODEL",
        help="a model folder, demo:smollm2-135m-instruct, or http://HOST:PORT/v1 on your network",
    )
    measuring.add_argument("--served-as", metavar="NAME", help="the model's name at that server")
    measuring.add_argument("--eval-data", metavar="FILE", help="held-out rows; else a share")
    measuring.add_argument(
        "--eval-fraction", type=float, metavar="F", help="that share (default: about 50 rows)"
    )
    measuring.add_argument("--rows", type=int, metavar="N", help="held-out rows (default: 50)")
    measuring.add_argument("--shots", type=int, default=4, metavar="K", help="examples in a prompt")
    measuring.add_argument(
        "--passages", type=int, default=2, metavar="K", help="retrieved passages in a prompt"
    )
    measuring.add_argument("--documents", metavar="PATH", help="a folder of text to retrieve from")
    measuring.add_argument("--embedder", metavar="DIR", help="an embedding model, beside BM25")
    measuring.add_argument("--instruction", metavar="TEXT", help="in place of the one written here")
    measuring.add_argument(
        "--target", type=float, metavar="F", help="the figure that is good enough (default: 0.85)"
    )
    measuring.add_argument(
        "--pilot", choices=("auto", "always", "never"), default="auto", help="a short training"
    )
    measuring.add_argument("--anyway", action="store_true", help="measure on broken rows too")
    measuring.add_argument("--name", help="what to call the run (default: the data file's name)")
    measuring.add_argument("--seed", type=int, default=42)
    measuring.add_argument("--save", type=Path, metavar="FILE", help="write the session here")
    measuring.add_argument("--run-dir", type=Path, metavar="DIR", help="where the run is kept")
    measuring.add_argument("--python", metavar="PATH", help="the interpreter that runs the worker")
    measuring.add_argument("--timeout", type=float, metavar="SECONDS", help="stop after so long")
    measuring.add_argument("--detach", action="store_true", help="launch and return at once")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.decide.answers import Answers, answers_schema, load_answers

    if options.schema:
        say.data(answers_schema())
        return Exit.DONE
    if options.answers is None and options.data is None:
        raise Problem(
            "there is nothing to decide on",
            why="neither answers nor rows were named",
            cure="tunewright decide --answers FILE, or --data FILE; the fields: "
            "tunewright decide --schema",
        )
    answers = Answers() if options.answers is None else load_answers(options.answers)
    answers, facts = _look(answers, options)
    if options.model is None:
        return _decide(answers, facts, options)
    if not answers.data or facts.rows is None:
        raise Problem(
            "there are no rows to measure on",
            why="a model was named, and no data",
            cure=f"tunewright decide --data FILE --model {options.model}",
        )
    if facts.broken and not options.anyway:
        import msgspec

        say.note("nothing was measured: the rows have to be repaired first (--anyway measures)")
        return _decide(answers, msgspec.structs.replace(facts, refused=True), options)
    return _measure(answers, options, facts.total or 0)


def _decide(answers: Answers, facts: Facts, options: argparse.Namespace) -> int:
    """The verdict by rules, printed; with --kit what is missing is written."""
    from tunewright.engine.decide.decide import decide
    from tunewright.engine.decide.next_step import Named
    from tunewright.tui.decide_text import verdict_lines

    named = Named(str(options.answers or ""), options.model or "MODEL")
    verdict = decide(answers, facts, named)
    if options.kit is not None:
        _write_kit(answers, verdict.verdict, options)
    if options.json:
        say.data(verdict)
    else:
        for line in verdict_lines(answers, verdict):
            say.line(line)
    return Exit.DONE


def _write_kit(answers: Answers, verdict: Verdicts, options: argparse.Namespace) -> None:
    from tunewright.engine.data.read import read_examples
    from tunewright.engine.evidence.missing import write_missing
    from tunewright.engine.evidence.trial import write_trial
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import resolve_data
    from tunewright.engine.session import DataInput

    rows: Sequence[Example] = ()
    if answers.data:
        path, _ = resolve_data(DataInput(path=answers.data), Path(), cache_home())
        rows = read_examples(path, options.format).examples
    try:
        if rows or verdict not in ("prompting", "rag", "tools"):
            write_missing(options.kit, rows, None)
        else:
            write_trial(options.kit, verdict)
    except OSError as error:
        raise Problem(
            f"{options.kit} cannot be written",
            why=str(error.strerror or error),
            cure="name another folder with --kit",
        ) from error
    say.note(f"what is missing: {options.kit}/missing.md; to fill in: {options.kit}/template.jsonl")


def _measure(answers: Answers, options: argparse.Namespace, rows: int) -> int:
    """Launch the evidence run and follow it; its verdict is the answer."""
    from tunewright.engine.planner import replan
    from tunewright.engine.session import rebase, save_session
    from tunewright.tui.follow import follow

    options.max_steps = None
    here = Path.cwd()
    launching = launch_options(options, {})
    planned, _ = replan(_session(answers, options, rows), here, "here")
    if options.save is not None:
        save_session(rebase(planned, here, options.save.absolute().parent), options.save)
        say.note(f"session written to {options.save}")
    run_dir = start(planned, here, options, launching)
    if options.detach:
        return launched(run_dir, as_json=options.json)
    ended = follow(run_dir, stop_on_interrupt=True, quiet=options.json)
    code = say_ending(run_dir, ended)
    if code != Exit.DONE:
        if options.json:
            say.data(summary(run_dir, ended))
        return code
    from tunewright.engine.results import read_decision
    from tunewright.tui.decide_text import verdict_lines

    decided = read_decision(run_dir)
    assert decided is not None
    if options.json:
        say.data(decided.decision)
    else:
        for line in verdict_lines(decided.answers, decided.decision):
            say.line(line)
    return Exit.DONE


def _session(answers: Answers, options: argparse.Namespace, rows: int) -> Session:
    from tunewright.engine.evidence.given import TARGET, EvidenceInput
    from tunewright.engine.evidence.plan import ROWS
    from tunewright.engine.run.stages import EVIDENCE
    from tunewright.engine.session import VERSION, DataInput, Inputs, Session

    for flag, value, least in (
        ("--rows", options.rows, 1),
        ("--shots", options.shots, 0),
        ("--passages", options.passages, 0),
    ):
        if value is not None and value < least:
            raise Problem(
                f"{flag} {value} makes no sense", why=f"it is {least} or more", cure=f"{flag} 4"
            )
    if options.target is not None and not 0 < options.target <= 1:
        raise Problem(
            f"--target {options.target:g} makes no sense",
            why="it is a share, above 0 and at most 1",
            cure="--target 0.85",
        )
    wanted = options.rows or ROWS
    # Rows that are held out teach nothing: no more than a third of few.
    share = options.eval_fraction or min(0.34, max(0.02, (wanted + 0.5) / max(1, rows)))
    data = str(answers.data)
    return Session(
        version=VERSION,
        inputs=Inputs(
            name=options.name or f"decide-{Path(data.partition(':')[2] or data).stem}",
            model=_spec(options.model),
            data=DataInput(
                path=data,
                format=options.format,
                eval_path=_spec(options.eval_data) if options.eval_data else None,
                eval_fraction=round(share, 4),
            ),
            seed=options.seed,
            stages=EVIDENCE,
            answers=answers,
            evidence=EvidenceInput(
                rows=options.rows,
                shots=options.shots,
                passages=options.passages,
                documents=_spec(options.documents) if options.documents else None,
                embedder=_spec(options.embedder) if options.embedder else None,
                instruction=options.instruction,
                target=TARGET if options.target is None else options.target,
                pilot=options.pilot,
                served_as=options.served_as,
            ),
        ),
    )


def _spec(text: str) -> str:
    return str(Path(text).expanduser()) if text.startswith("~") else text


def _look(answers: Answers, options: argparse.Namespace) -> tuple[Answers, Facts]:
    """Count the rows of `--data`, or of the file that the answers name; the answers with the path
    as it is named from here. Only a missing file of the answers is let pass, and told."""
    import msgspec

    from tunewright.engine.decide.facts import Facts, facts_of_rows

    named = options.data or answers.data
    if not named:
        return answers, Facts()
    base = Path() if options.data else options.answers.parent
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import resolve_data
    from tunewright.engine.session import DataInput

    given = DataInput(path=named, eval_path=options.eval_data)
    path, held = resolve_data(given, base, cache_home())
    if options.eval_data and not named.startswith("demo:"):
        held = Path(options.eval_data).expanduser()
    told = named if named.startswith("demo:") else str(path)
    answers = msgspec.structs.replace(answers, data=told)
    if not options.data and not path.exists():
        from tunewright.engine.text import plain

        say.note(f"note: no rows were counted: there is no {plain(told)}")
        return answers, Facts()
    from tunewright.engine.data.read import read_examples

    rows = read_examples(path, options.format).examples
    return answers, facts_of_rows(
        rows, read_examples(held, options.format).examples if held else ()
    )
