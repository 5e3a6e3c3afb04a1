"""What checks of a whole data set come to: the report, and a verdict to act on."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import Literal

import msgspec

from tunewright.engine.data.checks.check import AT_SOURCE, NEARLY_ALL, Options
from tunewright.engine.data.checks.lengths import Lengths
from tunewright.engine.data.checks.total import SetFacts
from tunewright.engine.data.example import Finding

Verdict = Literal["good", "look", "blocked"]


class Report(msgspec.Struct, frozen=True):
    """What was found in a data set. `format` is the shape of most rows (None: no row has one),
    `confidence` how sure that is, and `because` by what.

    `verdict`: "good", "look" (train if the warnings are wanted) or "blocked"; `advice` says what to
    do next. `seconds` of CPU by family; `not_looked` is what no check looked for, and why.
    """

    files: tuple[str, ...]
    rows: int
    format: str | None
    confidence: float
    because: str
    verdict: Verdict
    advice: str
    findings: tuple[Finding, ...]
    facts: SetFacts
    lengths: Lengths | None
    seconds: dict[str, float]
    not_looked: tuple[str, ...]


def not_looked(options: Options) -> tuple[str, ...]:
    told = []
    if options.names is None:
        told.append("names of people, which only a model tells: --names MODEL (of spaCy)")
    if options.tokenizer is None:
        told.append("lengths in tokens and the chat template: --tokenizer MODEL")
    told += [f"{name}: asked to be left out" for name in options.skip]
    return tuple(told)


def judge(findings: Sequence[Finding], facts: SetFacts, named: str) -> tuple[Verdict, str]:
    """The verdict on a set, and what to do next in one sentence."""
    errors = [f for f in findings if f.severity == "error"]
    warnings = [f for f in findings if f.severity == "warn"]
    if not facts.rows:
        return "blocked", "there are no rows: name a file that has some"
    if errors:
        # Fixes that need a name from the person cannot be copied as they are.
        ready = [[fix for fix in f.fixes if fix not in ("role", "rename")][:1] for f in errors]
        removed = sum(f.count for f, some in zip(errors, ready, strict=True) if _removes(some))
        if removed >= NEARLY_ALL * facts.rows:
            ready = [[] if _removes(some) else some for some in ready]
        fixes = list(dict.fromkeys(fix for some in ready for fix in some))
        cure = f"tunewright data fix {quote(named)} " + " ".join(f"--fix {fix}" for fix in fixes)
        first, otherwise = errors[0], errors[0].fix
        if _removes(first.fixes[:1]):
            # It alone leaves enough rows, and all of them together do not.
            otherwise = AT_SOURCE
        return "blocked", (
            f"do not train on it yet: {first.message}; " + (cure if ready[0] else otherwise)
        )
    if warnings:
        return "look", f"it can be trained on; look first at: {warnings[0].message}"
    return "good", f"{facts.distinct_rows:,} distinct rows and nothing of weight against them"


def _removes(fixes: Sequence[str]) -> bool:
    return any(fix.startswith("drop=") for fix in fixes)
