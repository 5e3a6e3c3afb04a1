"""ask RUN [QUESTION]: answer with the prompt or the index that an evidence run has left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json, add_run

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "question", nargs="*", metavar="QUESTION", help="left out: one a line is read from stdin"
    )
    parser.add_argument(
        "--at",
        metavar="URL",
        help="ask the model that is served there, http://HOST:PORT/v1 on your network",
    )
    parser.add_argument("--python", metavar="PATH", help="the interpreter that loads the model")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.evidence.answer import open_kit
    from tunewright.engine.run.rundir import find_run

    found = find_run(options.run)
    kit, _ = open_kit(found.path)
    say.note(f"answering with: {kit.title}")
    answers = []
    for told in _answers(found.path, options):
        if options.json:
            answers.append(told)
        else:
            _say(told)
    if options.json:
        say.data(answers)
    return Exit.DONE


def _questions(options: argparse.Namespace) -> Iterator[str]:
    if options.question:
        yield " ".join(options.question)
        return
    if sys.stdin.isatty():
        say.note("a question a line; Ctrl-D ends")
    for line in sys.stdin:
        if line.strip():
            yield line.strip()


def _answers(run_dir: Any, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    import msgspec

    # A process of its own: the model is loaded once, and nothing of it enters this one.
    child = subprocess.Popen(
        [
            options.python or sys.executable,
            "-m",
            "tunewright.engine.evidence.answer",
            str(run_dir),
            *([options.at] if options.at else []),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        for question in _questions(options):
            try:
                child.stdin.write(msgspec.json.encode(question) + b"\n")
                child.stdin.flush()
            except BrokenPipeError:
                pass  # what it said before it left tells why
            line = child.stdout.readline()
            if not line:
                raise Problem(
                    "the model did not answer",
                    why=f"its process ended with {child.wait()}",
                    cure="what it printed stands above",
                    exit=Exit.FAILED,
                )
            told: dict[str, Any] = msgspec.json.decode(line)
            if "problem" in told:
                raise Problem(**told["problem"], exit=Exit.FAILED)
            yield told
    finally:
        child.stdin.close()
        child.terminate()
        child.wait()


def _say(told: dict[str, Any]) -> None:
    from tunewright.engine.text import plain, shorten

    for line in str(told["answer"]).splitlines() or [""]:
        say.line(plain(line))
    for cite in told["cites"]:
        say.line(f"  [{cite['number']}] {plain(cite['place'])}: {shorten(cite['text'], 90)}")
