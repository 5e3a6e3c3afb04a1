"""What the Data pane says, as lines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from tunewright.engine.data.example import DataFacts, Finding, Message
from tunewright.engine.data.view import Piece, bars_of, histogram
from tunewright.engine.decide.case import ENOUGH, FEW
from tunewright.engine.plan import Plan
from tunewright.engine.text import counted, plain, shorten
from tunewright.hardware.errors import Problem
from tunewright.tui.looking import DataFound
from tunewright.tui.panes.data_look import DataLook
from tunewright.tui.panes.data_seen import Seen
from tunewright.tui.widgets.lines import wrapped
from tunewright.tui.workbench import Workbench

GOOD = 1000


def found_lines(bench: Workbench, width: int) -> list[Text]:
    """The file, what is in it, how long its rows are, and what to think of it."""
    data = bench.data
    lines = wrapped(Text(plain(bench.inputs.data.path), "bold"), width, 2)
    if data is None:
        return [*lines, Text("reading and checking every row")]
    if isinstance(data, Problem):
        return [*lines, *_trouble(data, width)]
    lines += wrapped(f"{data.format}: {plain(data.because)}", width, 2)
    facts = data.facts
    if isinstance(facts, Problem):
        lines.append(Text(f"{counted(len(data.train), 'row')}, {len(data.held):,} held out"))
        return [*lines, *_trouble(facts, width)]
    lines += wrapped(
        f"{counted(facts.rows, 'row')}, {facts.eval_rows:,} held out; {facts.train_tokens:,} "
        f"tokens an epoch, {facts.trained_tokens:,} of them trained; answers are {_kind(facts)}",
        width,
        2,
    )
    lines.append(length_line(data, bench.plan, width))
    verdict, style = rows_verdict(facts)
    lines += wrapped(Text(verdict, style), width, 2)
    return lines


def _kind(facts: DataFacts) -> str:
    return {"json": "JSON", "short": "short", "text": "free text"}[facts.answers]


def _trouble(problem: Problem, width: int) -> list[Text]:
    first, *more = problem.why.splitlines() or [""]
    lines = wrapped(Text(f"! {plain(problem.what)}", "bold red"), width, 2)
    lines += wrapped(f"  {plain(first)}", width, 4)
    if more:
        lines.append(Text(f"  {len(more)} more lines: p", "dim"))
    return [*lines, *wrapped(Text(f"  cure: {plain(problem.cure)}", "dim"), width, 4)]


def length_line(data: DataFound, plan: Plan | Problem | None, width: int) -> Text:
    """A histogram of lengths in one line, with what the chosen length cuts."""
    facts = data.facts
    assert isinstance(facts, DataFacts)
    told = f"p50 {facts.length_p50:,}, p95 {facts.length_p95:,}"
    if isinstance(plan, Plan):
        most = plan.value("training.max_length")
        cut = sum(rows for length, rows in data.spread.items() if length > most)
        told += (
            f"; {counted(cut, 'row')} over {most:,} {'is' if cut == 1 else 'are'} cut"
            if cut
            else f"; none over {most:,}"
        )
    shape = histogram(data.spread, max(8, min(40, width - len(told) - 26)))
    line = Text(f"tokens {shape.low:,} ")
    return line.append(bars_of(shape.counts)).append(f" {shape.high:,}  {told}")


def rows_verdict(facts: DataFacts) -> tuple[str, str]:
    """(what to think of the number of rows, style): the steps of the expert checklist."""
    distinct = facts.rows - facts.duplicate_rows
    repeated = f" ({facts.duplicate_rows:,} more repeat one)" if facts.duplicate_rows else ""
    if distinct < FEW:
        return (
            f"too few: {distinct:,} distinct rows{repeated}; under {FEW} a model learns them by "
            "heart",
            "bold red",
        )
    if distinct < ENOUGH:
        return f"thin: {distinct:,} distinct rows{repeated}; {ENOUGH} or more are advised", "yellow"
    if distinct < GOOD:
        return f"enough: {distinct:,} distinct rows{repeated}; {GOOD:,} are better", "green"
    return f"good: {distinct:,} distinct rows{repeated}", "green"


SEVERITY_STYLES = {"error": "bold red", "warn": "yellow", "info": ""}
_WORDS = {"error": ("error", "errors"), "warn": ("warning", "warnings"), "info": ("note", "notes")}


def look_lines(look: DataLook | None, shown: Finding | None, found: int, width: int) -> list[Text]:
    """How far the checks are, what they have found, and which rows are listed."""
    if look is None:
        return []
    if look.problem is not None:
        return []
    findings = look.findings()
    counts = Counter(finding.severity for finding in findings)
    told = ", ".join(
        f"{count} {_WORDS[severity][count > 1]}"
        for severity in ("error", "warn", "info")
        if (count := counts[severity])
    )
    state = "" if look.finished else f"checking, {counted(look.checked, 'row')} so far: "
    lines = [Text(shorten(f"{state}{told or 'nothing found'}", width))]
    if shown is not None:
        style = SEVERITY_STYLES[shown.severity]
        said = f"only {shown.id}, {counted(found, 'row')}: {plain(shown.message)}"
        lines.append(Text(shorten(said, width), style))
    elif findings:
        first = findings[0]
        said = f"{first.severity}: {plain(first.message)}"
        lines.append(Text(shorten(said, width), SEVERITY_STYLES[first.severity]))
    return lines


def finding_lines(finding: Finding, width: int) -> list[Text]:
    """One finding in full."""
    head = Text(f"{finding.severity} {finding.id}: ", SEVERITY_STYLES[finding.severity])
    lines = wrapped(head.append(plain(finding.message), "default"), width, 2)
    examples = (*finding.examples, *[""] * len(finding.places))
    for place, example in list(zip(finding.places, examples, strict=False))[:5]:
        lines += wrapped(f"  {plain(str(place))}  {plain(example)}".rstrip(), width, 4)
    return [*lines, *wrapped(f"  fix: {plain(finding.fix)}", width, 4)]


def problem_lines(bench: Workbench, width: int, look: DataLook | None = None) -> list[Text]:
    """Everything that was found, at file:line:field, in full."""
    data = bench.data
    found = [] if look is None else [x for f in look.findings() for x in finding_lines(f, width)]
    if look is not None and look.finished is not None:
        found += wrapped(Text(f"verdict: {plain(look.finished.advice)}", "bold"), width, 2)
    if data is None:
        return found or [Text("still reading")]
    problem = data if isinstance(data, Problem) else data.facts
    lines: list[Text] = []
    if isinstance(problem, Problem):
        lines += wrapped(Text(plain(problem.what), "bold"), width, 2)
        for line in problem.why.splitlines():
            lines += wrapped(f"  {plain(line)}", width, 4)
        lines += wrapped(f"cure: {plain(problem.cure)}", width, 6)
    if isinstance(bench.plan, Plan):
        for warning in bench.plan.warnings:
            lines += wrapped(f"- {plain(warning)}", width, 2)
    if isinstance(data, DataFound):
        for name, count in data.unused_fields.items():
            told = f"- the field {plain(name)!r} of {counted(count, 'row')} is not read"
            if not isinstance(bench.plan, Plan):
                lines += wrapped(told, width, 2)
    return [*lines, *found] or [Text("nothing is wrong with any row")]


def turn_lines(seen: Seen, width: int) -> list[Text]:
    """A row in words: each turn in two lines, both answers of a pair; or what is wrong with it."""
    where = Text(plain(str(seen.place)), "dim")
    if seen.normal is None:
        return [where, *wrapped(Text(f"! {plain(seen.wrong)}", "bold red"), width, 2)]
    normal = seen.normal
    if normal.text is not None:
        return [where, *wrapped(plain(normal.text[:2000]), width, 0)[:8]]
    turns: list[tuple[str, Message]] = [(m.role, m) for m in normal.messages]
    turns += [("chosen", message) for message in normal.chosen]
    turns += [("rejected", message) for message in normal.rejected]
    lines: list[Text] = []
    for name, message in turns:
        said = message.content[:2000]
        if message.tool_calls:
            said += " ".join(f"{c.name}({str(c.arguments)[:200]})" for c in message.tool_calls)
        text = Text().append(f"{name:<10}", "dim").append(plain(said))
        lines += wrapped(text, width, 10)[:2]
    return lines


def token_lines(pieces: Sequence[Piece], words: str, width: int, most: int) -> list[Text]:
    """The first `most` lines of a row token by token: trained ones bold and underlined between ▶
    and ◀, masked ones dim, `|` after each."""
    lines = wrapped(Text(f"{words}: ▶ to ◀  (t text)", "dim"), width, 2)
    line = Text()
    trained = False
    for piece in pieces:
        token = Text()
        if piece.trained != trained:
            trained = piece.trained
            token.append("▶" if trained else "◀", "bold")
        style = "bold underline" if piece.trained else "dim"
        token.append(piece.text, style + (" italic" if piece.special else "")).append("|", "dim")
        if line.cell_len and line.cell_len + token.cell_len > width:
            lines.append(line)
            line = Text()
            if len(lines) >= most:
                break
        line.append_text(token)
    else:
        line.append("◀" if trained else "", "bold")
    lines.append(line)
    return [part for one in lines for part in wrapped(one, width)]
