"""decide: prompting, RAG, tools or fine-tuning, from answers in a file and the rows themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json

if TYPE_CHECKING:
    import argparse

    from tunewright.engine.decide.answers import Answers
    from tunewright.engine.decide.facts import Facts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--answers", type=Path, metavar="FILE", help="JSON; see --schema")
    parser.add_argument(
        "--data", metavar="DATA", help="rows to count, as JSONL or JSON, or demo:orders"
    )
    parser.add_argument("--format", default="auto", help="messages, prompt_completion or alpaca")
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of an answers file"
    )
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
    from tunewright.engine.decide.decide import decide
    from tunewright.tui.decide_text import verdict_lines

    answers = Answers() if options.answers is None else load_answers(options.answers)
    answers, facts = _look(answers, options)
    verdict = decide(answers, facts, str(options.answers or "ANSWERS.json"))
    if options.json:
        say.data(verdict)
    else:
        for line in verdict_lines(answers, verdict):
            say.line(line)
    return Exit.DONE


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

    path, held = resolve_data(DataInput(path=named), base, cache_home())
    told = named if named.startswith("demo:") else str(path)
    answers = msgspec.structs.replace(answers, data=told)
    if not options.data and not path.exists():
        from tunewright.engine.text import plain

        say.note(f"note: no rows were counted: there is no {plain(told)}")
        return answers, Facts()
    from tunewright.engine.data.read import read_examples

    facts = facts_of_rows(read_examples(path, options.format).examples)
    if held is not None:
        rows = len(read_examples(held, options.format).examples)
        facts = msgspec.structs.replace(facts, eval_rows=rows)
    return answers, facts
