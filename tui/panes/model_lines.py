"""What the Model screen says, as lines made from what was found: no Textual here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from tunewright.engine.models import Candidate
from tunewright.engine.plan import Plan
from tunewright.engine.text import place, shorten, size
from tunewright.engine.train.registry import method
from tunewright.hardware.errors import Problem
from tunewright.tui.fit_text import said_of
from tunewright.tui.labelled import labelled
from tunewright.tui.widgets.gauge import STYLES
from tunewright.tui.widgets.rows import Column, Row

Plans = Mapping[str, Plan | Problem]

_WHERE = {
    "session": "named by the session",
    "demo": "the demo's",
    "folder": "a folder here",
    "hub": "in the Hugging Face cache",
    "run": "made by a run",
}


def model_columns(width: int) -> list[Column]:
    """Columns for a list of `width` cells."""
    columns = [Column("  model"), Column("params", 6, True)]
    if width >= 70:
        columns += [Column("context", 7, True), Column("licence", 11), Column("on disk", 10, True)]
    return [*columns, Column("best fit", 11)]


def model_rows(found: Sequence[Candidate], plans: Plans, spec: str, width: int) -> list[Row]:
    """One row for each model; a dot marks the session's."""
    rows = []
    for candidate in found:
        mark = "•" if candidate.spec == spec else " "
        name = Text(
            f"{mark} {shorten(candidate.name, 60)}", "bold" if candidate.spec == spec else ""
        )
        shape = candidate.shape
        cells: list[str | Text] = [name, "" if shape is None else count(shape.parameters)]
        if width >= 70:
            context = shape.max_position_embeddings if shape else None
            cells += [
                f"{context:,}" if context else "",
                candidate.licence or ("" if shape is None else "not said"),
                size(candidate.bytes) if candidate.bytes is not None else "",
            ]
        rows.append(Row(candidate.spec, (*cells, _verdict(candidate, plans.get(candidate.spec)))))
    return rows


def _verdict(candidate: Candidate, plan: Plan | Problem | None) -> Text:
    if candidate.problem is not None:
        return Text("not usable", "dim")
    if candidate.shape is None:
        return Text("not here yet", "dim")
    if plan is None:
        return Text("sizing …", "dim")
    if isinstance(plan, Problem):
        return Text("no plan", "bold red")
    fit = plan.chosen()
    return Text(f"{fit.verdict} {fit.method}", f"bold {STYLES[fit.verdict]}")


def count(number: int) -> str:
    """A number of parameters as people say it: 135M, 8.03B."""
    for unit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number >= unit:
            value = number / unit
            return f"{value:.0f}{letter}" if value >= 100 else f"{value:.3g}{letter}"
    return str(number)


def model_lines(
    candidate: Candidate, plan: Plan | Problem | None, rows_said: str, width: int
) -> list[Text]:
    """The marked model: what it is, whether it fits and with which rows, what is wrong with it."""
    where = _WHERE[candidate.where]
    lines = labelled(f"{candidate.name}  ", f"{where}: {place(candidate.folder or candidate.spec)}",
                    width, 2, "bold")  # fmt: skip
    problem, shape = candidate.problem, candidate.shape
    if problem is not None:
        lines += labelled("! ", problem.what, width, 2, "bold red", "bold")
        lines += labelled("why   ", problem.why, width, 2, "dim")
        return lines + labelled("cure  ", problem.cure, width, 2, "dim")
    if shape is None:
        text = (
            "not here yet: a 93 MB download and about a minute of conversion, once; enter does it"
        )
        return lines + labelled("", text, width, 2)
    tied = "tied" if shape.tie_word_embeddings else "separate"
    lines += labelled(
        f"{shape.model_type}: ",
        f"{shape.num_hidden_layers} layers of {shape.hidden_size:,}, {shape.num_attention_heads} "
        f"heads ({shape.num_key_value_heads} for keys and values), vocabulary "
        f"{shape.vocab_size:,}, {tied} embeddings; {shape.parameters:,} parameters in "
        f"{shape.weights_dtype}",
        width,
        2,
        "bold",
    )
    template = (
        "its own"
        if candidate.has_template
        else "none: rows are joined as plain text, as suits a base model"
    )
    lines += labelled("chat template: ", template, width, 1, "bold")
    if candidate.pickles:
        files = ", ".join(candidate.pickles[:3])
        text = f"{files}: a pickle can run any code when it is loaded; the safetensors are taken"
        lines += labelled("not read: ", text, width, 2, "bold")
    return lines + _plan_lines(plan, rows_said, width)


def _plan_lines(plan: Plan | Problem | None, rows_said: str, width: int) -> list[Text]:
    if plan is None:
        return [Text("sizing …", "dim")]
    if isinstance(plan, Problem):
        return [
            *labelled("! ", plan.what, width, 1, "bold red", "bold"),
            *labelled("why   ", plan.why, width, 2, "dim"),
        ]
    fit = plan.chosen()
    text = f"{said_of(fit)}; expected {size(fit.estimate.expected_bytes)}. {rows_said}"
    return labelled(f"{method(fit.method).title}: ", text, width, 3, "bold")
