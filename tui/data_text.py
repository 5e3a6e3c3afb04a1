"""What data check and data preview say, as text and as the value that --json prints. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from tunewright.engine.text import counted, plain

if TYPE_CHECKING:
    from tunewright.engine.data.example import Finding
    from tunewright.engine.data.previewed import Preview, Side
    from tunewright.engine.data.verdict import Report

# Places of a finding that are printed; --json has more.
_SHOWN = 3
_WIDTH = 96
_VERDICTS = {"good": "good", "look": "look before you train", "blocked": "not ready"}


def report_value(report: Report) -> dict[str, Any]:
    """The report as --json prints it: what a program needs to act on it."""
    return {
        "rows": report.rows,
        "format": report.format,
        "verdict": report.verdict,
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity,
                "count": finding.count,
                "message": finding.message,
                "rows": [
                    {"file": place.file, "line": place.line, "field": place.field}
                    | ({} if place.row is None else {"row": place.row})
                    for place in finding.places
                ],
            }
            for finding in report.findings
        ],
    }


def details_value(report: Report) -> dict[str, Any]:
    """All of a report, as --json --details prints it."""
    value: dict[str, Any] = msgspec.to_builtins(report)
    for told, finding in zip(value["findings"], report.findings, strict=True):
        told |= {"fix": finding.fix, "fixes": list(finding.fixes)}
    return value


def report_lines(report: Report) -> Iterator[str]:
    """The report for people: what it is, how long, what was found, and the verdict last."""
    from tunewright.engine.data.view import bars_of

    for file in report.files[:5]:
        yield plain(file)
    if len(report.files) > 5:
        yield f"and {len(report.files) - 5:,} more files"
    yield (
        f"{counted(report.rows, 'row')}; {report.format or 'no known format'} "
        f"({report.confidence:.0%} sure): {plain(report.because)}"
    )
    facts = report.facts
    yield (
        f"{facts.distinct_rows:,} distinct rows, {facts.duplicate_rows:,} repeated exactly, "
        f"{facts.near_duplicate_rows:,} nearly"
    )
    if facts.languages:
        known = sum(facts.languages.values())
        told = ", ".join(f"{n} {c / known:.0%}" for n, c in list(facts.languages.items())[:5])
        yield f"languages: {told}"
    for name, counts in list(facts.labels.items())[:4]:
        told = ", ".join(f"{plain(v[:24])} {n:,}" for v, n in list(counts.items())[:6])
        yield f"labels in {plain(name[:30])}: {told}"
    if report.lengths is not None:
        lengths = report.lengths
        yield (
            f"{lengths.unit}: {lengths.low:,} {bars_of(lengths.histogram)} {lengths.high:,}; "
            f"p50 {lengths.p50:,}, p95 {lengths.p95:,}, p99 {lengths.p99:,}"
        )
    yield ""
    for finding in report.findings:
        yield from finding_lines(finding)
    for told in report.not_looked:
        yield f"not looked for: {told}"
    yield f"verdict: {_VERDICTS[report.verdict]}: {plain(report.advice)}"


def finding_lines(finding: Finding) -> Iterator[str]:
    """One finding: what, where, and what to do."""
    yield f"{finding.severity:<5} {finding.id}: {plain(finding.message)}"
    for place, example in list(
        zip(finding.places, (*finding.examples, *[""] * len(finding.places)), strict=False)
    )[:_SHOWN]:
        yield f"        {plain(str(place))}" + (f"  {plain(example)}" if example else "")
    yield f"      fix: {plain(finding.fix)}"


def preview_lines(seen: Preview) -> Iterator[str]:
    """Rows token by token: trained tokens stand between ▶ and ◀, special ones in ⟦ ⟧, `|` after
    each."""
    yield (
        f"template: {seen.template or 'none'}; loss on {seen.loss}; trained tokens stand between "
        "▶ and ◀, special ones in ⟦ ⟧"
    )
    for row in seen.rows:
        yield ""
        yield plain(str(row.place))
        if row.why_not is not None:
            yield f"  cannot be shown: {plain(row.why_not)}"
        for side in row.sides:
            yield from _side_lines(side)
    yield ""
    for trial in seen.trials:
        yield f"template {trial.name}: {trial.title}" + (
            f"; {plain(trial.wrong)}" if trial.wrong else "; fits"
        )
        if trial.text is not None:
            yield f"  {trial.text}"
    errors = [finding for finding in seen.findings if finding.severity == "error"]
    for finding in seen.findings:
        yield from finding_lines(finding)
    yield f"preflight of {counted(seen.looked_at, 'row')}: " + ("failed" if errors else "passed")


def _side_lines(side: Side) -> Iterator[str]:
    ends = f"ends with {plain(side.ends_with)}" if side.ends_with else "the turn is NOT ended"
    yield f"  {side.name}: {side.tokens:,} tokens, {side.trained:,} trained; {ends}"
    line, trained = "", False
    for piece in side.pieces:
        mark = ("▶" if piece.trained else "◀") if piece.trained != trained else ""
        trained = piece.trained
        text = f"⟦{piece.text}⟧" if piece.special else piece.text
        if len(line) + len(text) > _WIDTH:
            yield f"    {line}"
            line = ""
        line += f"{mark}{text}|"
    yield f"    {line}" + ("◀" if trained else "")
    if side.tokens > len(side.pieces):
        yield f"    … the row has {side.tokens:,} tokens"
