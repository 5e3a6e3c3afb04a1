"""data: check, fix, preview and split the rows to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json

if TYPE_CHECKING:
    import argparse

    from tunewright.engine.data.tokens import Renderer

_ACTIONS = {
    "check": "look at every row: what is wrong, at file:line:field, and a verdict",
    "fix": "apply chosen fixes and write a new file with a manifest; the source is only read",
    "preview": "rows as they are trained, token by token, and the preflight",
    "split": "hold rows out, with nothing alike on both sides",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", prog="tunewright data")
    for name, help_text in _ACTIONS.items():
        child = actions.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        child.add_argument(
            "path",
            metavar="PATH",
            nargs="?" if name == "fix" else None,
            help="a file, a folder, a glob in quotes, demo:orders, or the id of a data set",
        )
        child.add_argument(
            "--format",
            default="auto",
            metavar="SHAPE",
            help="the format of the rows, perhaps with its fields: "
            "prompt_completion:prompt=Q,completion=A",
        )
        add_json(child)
        _ARGUMENTS[name](child)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tokenizer", metavar="MODEL", help="count tokens as this model does")
    parser.add_argument("--max-length", type=int, metavar="N", help="tokens at which rows are cut")
    parser.add_argument("--eval-data", metavar="PATH", help="held-out rows, to look for leaks")
    parser.add_argument(
        "--skip", action="append", default=[], metavar="FAMILY", help="leave out a family of checks"
    )

    parser.add_argument(
        "--names", metavar="MODEL", help="a spaCy model (package or folder) that tells names"
    )
    parser.add_argument(
        "--details",
        action="store_true",
        help="with --json: the confidence, lengths, labels, examples and fixes too",
    )


def _fix_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fix", action="append", default=[], metavar="FIX", help="may be repeated; see --list"
    )
    parser.add_argument(
        "--names",
        metavar="MODEL",
        help="replace names of people too, as this spaCy model tells them: --fix names=MODEL",
    )
    parser.add_argument("--list", action="store_true", help="the fixes there are")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the new file")
    parser.add_argument(
        "--again", type=Path, metavar="MANIFEST", help="do once more what a manifest says"
    )


def _preview_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tokenizer", metavar="MODEL", required=True, help="the model that is to learn"
    )
    parser.add_argument("--rows", type=int, default=3, metavar="N", help="rows to show")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="from this row on")
    parser.add_argument(
        "--loss", choices=("completion", "assistant", "all"), help="what is trained of a row"
    )
    parser.add_argument("--template", metavar="NAME", help="a known template, e.g. chatml")


def _split_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ratio", default="90/10", metavar="A/B", help="training to held-out rows: 80/20"
    )
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--by", metavar="FIELD", help="share out its values equally")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the two files go")


_ARGUMENTS = {
    "check": _check_arguments,
    "fix": _fix_arguments,
    "preview": _preview_arguments,
    "split": _split_arguments,
}


def run(options: argparse.Namespace) -> int:
    if options.action is None:
        raise Problem(
            "data needs to know what to do",
            why="; ".join(f"{name}: {told}" for name, told in _ACTIONS.items()),
            cure="tunewright data check PATH",
        )
    return {"check": _check, "fix": _fix, "preview": _preview, "split": _split}[options.action](
        options
    )


def _resolved(spec: str) -> tuple[Path, Path | None]:
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import resolve_data
    from tunewright.engine.session import DataInput

    return resolve_data(DataInput(path=spec), Path(), cache_home())


def tokenizer_folder(spec: str) -> Path:
    """The folder of a model as far as its tokenizer goes: no weights are needed."""
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return folder
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import resolve_model

    return resolve_model(spec, Path(), cache_home())


def _check(options: argparse.Namespace) -> int:
    from tunewright.engine.data.checks.check import Options, families
    from tunewright.engine.data.inspect import check_data
    from tunewright.tui.data_text import details_value, report_lines, report_value

    path, held = _resolved(options.path)
    known = [family.name for family in families()]
    for name in options.skip:
        if name not in known:
            raise Problem(
                f"there is no family of checks {name!r}",
                why=f"there are {', '.join(known)}",
                cure=f"--skip {known[0]}",
            )
    if options.eval_data is not None:
        held = _resolved(options.eval_data)[0]
    folder = None if options.tokenizer is None else str(tokenizer_folder(options.tokenizer))
    if options.names is not None:
        from tunewright.engine.data.people import tagger

        tagger(options.names)
    report = check_data(
        path,
        Options(
            format=options.format,
            tokenizer=folder,
            max_length=options.max_length,
            skip=tuple(options.skip),
            names=options.names,
        ),
        eval_path=held,
    )
    if options.json:
        say.data(details_value(report) if options.details else report_value(report))
    else:
        for line in report_lines(report):
            say.line(line)
    return Exit.GATE_NOT_MET if report.verdict == "blocked" else Exit.DONE


def _fix(options: argparse.Namespace) -> int:
    from tunewright.engine.data.fixed_file import write_again, write_fixed
    from tunewright.engine.data.fixes.fix import fixes

    if options.list:
        known = fixes().values()
        if options.json:
            say.data([{"name": f.name, "usage": f.usage, "title": f.title} for f in known])
        else:
            say.table(["fix", "what it does"], [[f.usage, f.title] for f in known])
        return Exit.DONE
    if options.again is None and options.path is None:
        raise Problem(
            "there is nothing to fix",
            why="no file was named",
            cure="tunewright data fix PATH --fix dedupe",
        )
    if options.again is not None:
        output = options.out or options.again.with_name(f"{options.again.stem}.again.jsonl")
        outcome = write_again(options.again, output)
    else:
        path = _resolved(options.path)[0]
        output = options.out or Path(f"{path.name.split('.')[0] or 'data'}.fixed.jsonl")
        named = [] if options.names is None else [f"names={options.names}"]
        outcome = write_fixed(path, [*options.fix, *named], output, options.format)
    if options.json:
        say.data(outcome)
        return Exit.DONE
    from tunewright.engine.text import counted, plain

    say.line(
        f"{counted(outcome.rows_in, 'row')} read, {outcome.changed:,} changed, {outcome.dropped:,} "
        f"left out, {outcome.rows_out:,} written to {plain(outcome.output)}"
    )
    for name, count in outcome.by_fix.items():
        say.line(f"  {plain(name)}: {counted(count, 'row')}")
    say.line(f"what was done to which line: {plain(outcome.manifest)}")
    return Exit.DONE


def _preview(options: argparse.Namespace) -> int:
    from tunewright.engine.data.previewed import preview
    from tunewright.tui.data_text import preview_lines

    for name, value in (("--rows", options.rows), ("--first", options.first)):
        if value < 1:
            raise Problem(f"{name} {value} is not above 0", why="it counts rows", cure=f"{name} 1")
    seen = preview(
        _resolved(options.path)[0],
        _renderer(options.tokenizer),
        rows=options.rows,
        first=options.first,
        loss=options.loss,
        format=options.format,
        template=options.template,
    )
    if options.json:
        say.data(seen)
    else:
        for line in preview_lines(seen):
            say.line(line)
    failed = any(finding.severity == "error" for finding in seen.findings)
    return Exit.GATE_NOT_MET if failed else Exit.DONE


def _renderer(spec: str) -> Renderer:
    from tunewright.engine.data.tokens import Renderer

    return Renderer.open(tokenizer_folder(spec))


def _split(options: argparse.Namespace) -> int:
    from tunewright.engine.data.divided import write_split

    path = _resolved(options.path)[0]
    folder = options.out or Path(f"{path.name.split('.')[0] or 'data'}-split")
    division = write_split(
        path, folder, _fraction(options.ratio), options.seed, options.by, options.format
    )
    if options.json:
        say.data(division)
        return Exit.DONE
    from tunewright.engine.text import counted, plain

    say.line(f"{counted(division.train_rows, 'row')} for training: {plain(division.train)}")
    say.line(f"{counted(division.eval_rows, 'row')} held out:      {plain(division.eval)}")
    shared = f"; the values of {plain(division.by)} are on both sides" if division.by else ""
    say.line(
        f"{division.groups:,} groups of rows that are alike, each on one side; seed "
        f"{division.seed}{shared}"
    )
    return Exit.DONE


def _fraction(ratio: str) -> float:
    """80/20, 0.2 or 20% as a held-out share."""
    train, slash, held = ratio.partition("/")
    try:
        if slash:
            return float(held) / (float(train) + float(held))
        return float(ratio.rstrip("%")) / (100 if ratio.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        raise Problem(
            f"--ratio {ratio} is no ratio", why="it takes two numbers", cure="--ratio 90/10"
        ) from None
