"""Markdown whose untrusted parts stay text: escaped, fenced, and without terminal escapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tunewright.engine.prove.baseline import NAMES, Baseline
from tunewright.engine.prove.evaluate import Evaluation
from tunewright.engine.prove.measure import Measured
from tunewright.engine.prove.statistics import percent
from tunewright.engine.text import plain

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")
_TICKS = re.compile(r"`+")


def escaped(text: object) -> str:
    """`text` on one line, with everything that Markdown or HTML would obey made plain."""
    return _SPECIAL.sub(r"\\\1", plain(str(text)))


def fenced(text: str) -> str:
    """`text` as a code block that nothing inside can close: the fence is longer than any run of
    backticks in it."""
    lines = "\n".join(plain(line) for line in text.split("\n"))
    longest = max((len(run) for run in _TICKS.findall(lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{lines}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already (`escaped` where they are not ours)."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def proof_table(evaluation: Evaluation | None, baseline: Baseline | None) -> str:
    """Base and tuned model with 95 % intervals, a line for each measurement."""
    measured: list[tuple[str, Measured, float | None]] = []
    if baseline is not None:
        perplexity = baseline.likelihood.perplexity
        measured.append(("base, no examples", baseline.zero_shot, perplexity))
        if baseline.few_shot is not None:
            shots = baseline.few_shot.shots
            measured.append((f"base, {shots} examples", baseline.few_shot, None))
    if evaluation is not None:
        measured.append(("tuned, no examples", evaluation.tuned, evaluation.likelihood.perplexity))
    if not measured:
        return ""
    columns = figure_names(evaluation or baseline)
    return table(
        ["model", *columns.values(), "perplexity"],
        (
            [name, *(percent(getattr(m, c)) for c in columns), _perplexity(perplexity)]
            for name, m, perplexity in measured
        ),
    )


def figure_names(proof: Evaluation | Baseline | None) -> dict[str, str]:
    """The figures of these answers by field name, as people call them."""
    if proof is not None and proof.kind == "json":
        return {"valid": "valid JSON", "exact": NAMES["exact"], "f1": "field F1"}
    return dict(NAMES)


def sentence(text: str) -> str:
    """`text` with a capital and a full stop, escaped."""
    return escaped(f"{text[:1].upper()}{text[1:]}.")


def _perplexity(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"
