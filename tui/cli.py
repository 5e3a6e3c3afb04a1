"""The composition root: parses the command line and hands it to one verb.

Nothing heavy is imported before the verb is known, and headless verbs never import Textual.
"""

from __future__ import annotations

import sys

# Not imported from typing: that import alone takes a third of the time of --version.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


# Verb -> (module in tunewright.tui.verbs, help). A verb that does not work yet is not here.
VERBS: dict[str, tuple[str, str]] = {
    "decide": ("decide", "prompting, RAG, tools or fine-tuning, with the reasons"),
    "data": ("data", "check, fix, preview and split the rows to learn from"),
    "ask": ("ask", "answer with the prompt or the index that an evidence run has left"),
    "train": ("train", "fine-tune a model on a data file, in a detached run"),
    "runs": ("runs", "list runs, compare two, delete one"),
    "attach": ("attach", "follow a run as text; Ctrl-C leaves it running"),
    "wait": ("wait", "wait until a run has ended; its exit code"),
    "stop": ("stop", "checkpoint a run and stop it"),
    "resume": ("resume", "go on with a run from its last good checkpoint"),
    "report": ("report", "what a run did and what it proved, as Markdown"),
    "eject": ("eject", "a train.py of plain transformers, trl and peft that gives the same losses"),
    "hardware": ("hardware", "what this machine has, now or watched; or what another would have"),
    "methods": ("methods", "the training methods and what each is for"),
    "size": ("size", "what fits: each method on a model, with its memory line by line"),
    "demo": ("demo", "prepare the embedded model and task, and run them"),
    "schema": ("schema", "the JSON Schema of session.json"),
}


def main() -> int:
    """Entry point of the console script; returns the exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        # Answered before argparse and importlib.metadata are imported: they cost more than Python.
        print(f"tunewright {_installed_version()}")
        return 0
    return run(arguments)


def run(arguments: list[str]) -> int:
    """Parse and run; every failure that a person can cause ends in what, why, cure."""
    import gc

    # What importing makes is no garbage, and looking for some there takes a tenth of a dry run.
    gc.set_threshold(50_000, 10, 10)

    from tunewright.hardware.errors import Exit, Problem

    options = None
    try:
        if not arguments:
            # Before argparse and all else: the first frame should stand within a tenth of a second.
            from tunewright.tui.opening import open_screens

            return open_screens()
        from importlib import import_module

        options = _parser(arguments).parse_args(arguments)
        if options.version:
            print(f"tunewright {_installed_version()}")
            return Exit.DONE
        if options.replay is not None:
            return int(import_module("tunewright.tui.verbs.replay").run(options))
        if options.verb is None:
            if options.plain:
                if options.json:
                    raise Problem(
                        "--plain and --json do not go together",
                        why="one asks a person line by line, the other answers a program",
                        cure="leave one out; tunewright size MODEL DATA --json gives a plan",
                    )
                from tunewright.tui.plain import walk

                return walk(options.session, options.hardware)
            from tunewright.tui.opening import open_screens

            return open_screens(
                session=options.session,
                mouse=options.mouse,
                plain_ascii=options.ascii,
                notify=options.notify,
                hardware=options.hardware,
            )
        module = VERBS[options.verb][0]
        return int(import_module(f"tunewright.tui.verbs.{module}").run(options))
    except Problem as problem:
        from tunewright.tui import say

        return say.problem(problem, as_json=getattr(options, "json", False))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe left (`| head`): Python would complain again while shutting down.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except OSError as error:
        from tunewright.tui import say
        from tunewright.tui.disk import of_disk

        return say.problem(of_disk(error), as_json=getattr(options, "json", False))


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser; only the arguments of the verb in `arguments` are built."""
    import argparse

    def formatter(prog: str) -> argparse.HelpFormatter:
        # With its width said, argparse need not import shutil, which takes 3 ms.
        return argparse.HelpFormatter(prog, width=_columns() - 2)

    parser = argparse.ArgumentParser(
        prog="tunewright",
        description="From a GPU box and some data to a served, proven model.",
        allow_abbrev=False,
        formatter_class=formatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    # A top-level option: a verb with the same flag sets its own value on the same name.
    replaying = any(word == "--replay" or word.startswith("--replay=") for word in arguments)
    parser.add_argument(
        "--replay",
        metavar="SESSION",
        help="run a session.json without a screen and compare it with what it recorded",
    )
    named = next((word for word in arguments if word in VERBS), None)
    if replaying or named is None:
        from tunewright.tui.verbs import replay

        replay.add_arguments(parser)
    if replaying:
        # A replay runs the session and nothing else: fourteen parsers for verbs cost 4 ms.
        return parser
    if named is None:
        from tunewright.tui.opening import add_arguments

        add_arguments(parser)
    # With its `prog` said, argparse need not format a usage line, for which it imports shutil.
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", prog="tunewright")
    for verb, (module, help_text) in VERBS.items():
        child = verbs.add_parser(
            verb,
            help=help_text,
            description=help_text,
            allow_abbrev=False,
            formatter_class=formatter,
        )
        if verb == named:
            from importlib import import_module

            import_module(f"tunewright.tui.verbs.{module}").add_arguments(child)
    return parser


def _columns() -> int:
    """The width of the terminal; COLUMNS says otherwise, and 80 stands for none."""
    import os

    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _installed_version() -> str:
    """The version that is installed, from the name of its metadata folder.

    The same fact that importlib.metadata reads, without the 60 ms that importing it costs.
    """
    import os

    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - pathlib takes 8 ms to import
        except OSError:
            continue
        for name in names:
            if name.startswith("tunewright-") and name.endswith(".dist-info"):
                return name.removeprefix("tunewright-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version("tunewright")


if __name__ == "__main__":
    sys.exit(main())
