"""What is wrong with the build of single rows: types, roles, answers, broken JSON and bytes."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.engine.data.checks.check import (
    EXAMPLE,
    MOST_TEXT,
    Family,
    Hits,
    Kind,
    Looked,
    Options,
)
from tunewright.engine.data.shapes.find import Bound
from tunewright.engine.data.shapes.written import FIRST, WRITTEN, answer_of

_DROP = "remove these rows: --fix drop={id}; or repair them at the source"


# What is wrong with every row is rather a field that was taken for another.
_NAMED = (
    "nearly every row has it, so a field may be taken for what it is not: say which are which, "
    "--format prompt_completion:prompt=NAME,completion=NAME; or repair them at the source"
)


def _kind(
    id: str, message: str, fix: str = "", fixes: tuple[str, ...] = (), whole: str = ""
) -> Kind:
    fix, fixes = fix or _DROP.format(id=id), fixes or (f"drop={id}",)
    return Kind(id, "error", message, fix, fixes, whole=whole)


KINDS = (
    _kind("json.broken", "{count} lines are no JSON"),
    Kind(
        "json.loose",
        "warn",
        "{count} lines are not strict JSON (a comma after the object, NaN, half a character, "
        "Python's quotes), and read as meant",
        "other tools will refuse the file; write it anew: --fix unify",
        ("unify",),
    ),
    Kind(
        "csv.header",
        "warn",
        "{count} rows stand in a table that names no columns: they are column_1, column_2 …",
        "say which is which: --format prompt_completion:prompt=column_1,completion=column_2; or "
        "write the names into the first row",
    ),
    Kind(
        "rows.nested",
        "info",
        "{count} rows are parts of larger records, or joined from smaller ones",
        "tunewright data preview shows them; --fix unify writes them one a line",
        ("unify",),
    ),
    Kind(
        "encoding.other",
        "warn",
        "{count} rows are in Windows-1252, not in UTF-8, and read as that",
        "look at their letters; write the file anew as UTF-8: --fix unify",
        ("unify",),
    ),
    _kind("csv.broken", "{count} table rows are quoted wrongly"),
    _kind("csv.cells", "{count} rows have more or fewer cells than the first row names"),
    _kind("encoding.broken", "{count} rows are not UTF-8"),
    _kind(
        "file.cut",
        "{count} compressed files are cut off: rows are missing",
        "fetch the file again, or pack it anew; the rows before the cut can be used",
    ),
    _kind("row.huge", "{count} rows are longer than any text to learn from"),
    Kind(
        "row.long",
        "warn",
        "{count} rows have over a million characters, and only the first million are looked at",
        "split them into rows of a document's part; to remove them: --fix drop=row.long",
        ("drop=row.long",),
    ),
    _kind(
        "shape.unknown",
        "{count} rows have no format that is known",
        "say which fields are which: --format prompt_completion:prompt=NAME,completion=NAME",
        whole="say which fields are which: --format prompt_completion:prompt=NAME,completion=NAME",
    ),
    _kind(
        "shape.stranger",
        "{count} rows are of a kind that no language model is tuned on as they are",
        "each finding says what they are, and what they have to be made into",
        whole="each finding says what they are, and what they have to be made into",
    ),
    _kind(
        "shape.other",
        "{count} rows have another format than the rest",
        "write all rows in one format: --fix unify; or remove these: --fix drop=shape.other",
        ("unify", "drop=shape.other"),
    ),
    _kind("field.type", "{count} rows have a value of the wrong type", whole=_NAMED),
    _kind("field.empty", "{count} rows have an empty field that is needed", whole=_NAMED),
    _kind("turns.empty", "{count} rows have no turns"),
    _kind("answer.empty", "{count} rows have an empty answer", whole=_NAMED),
    _kind(
        "answer.none",
        "{count} rows ask what nothing answers, on purpose (SQuAD 2)",
        "leave them out: --fix drop=answer.none; or write what the model is to say where nothing "
        "answers a question",
        ("drop=answer.none",),
    ),
    Kind(
        WRITTEN,
        "info",
        "{count} rows have an object or a list as their answer, which is trained as JSON",
        "right where the model is to answer with JSON: tunewright data preview shows it; else name "
        "the text in it: --format prompt_completion:prompt=NAME,completion=NAME.INNER",
    ),
    Kind(
        FIRST,
        "info",
        "{count} rows have several answers, of which the first is trained",
        "right where they all say the same; else make them one text at the source",
    ),
    _kind("pair.tie", "{count} pairs have no better answer"),
    _kind("answer.missing", "{count} rows have no assistant turn", whole=_NAMED),
    _kind("answer.untrained", "{count} rows have no turn that may be learned from (weight 0)"),
    _kind(
        "answer.last",
        "{count} conversations do not end with the assistant",
        "cut what follows the last answer: --fix trim=turns",
        ("trim=turns", "drop=answer.last"),
    ),
    _kind(
        "role.unknown",
        "{count} rows have a role that is not known",
        "rename it: --fix role=THEIRS:assistant; or remove the rows: --fix drop=role.unknown",
        ("role", "drop=role.unknown"),
        whole="say who is who: --fix role=THEIRS:user --fix role=THEIRS:assistant",
    ),
    _kind(
        "role.order",
        "{count} conversations have turns out of order",
        "join turns of one speaker and cut what has no answer: --fix trim=turns",
        ("trim=turns", "drop=role.order"),
    ),
    _kind(
        "content.not-text",
        "{count} rows have parts that are no text (images, audio)",
        "models of text are tuned here, which would learn to answer what they cannot see: leave "
        "the rows out, --fix drop=content.not-text",
        ("drop=content.not-text",),
    ),
    _kind("call.broken", "{count} rows have a tool call that cannot be read"),
    _kind("tools.broken", "{count} rows have tools that cannot be read"),
    _kind("prompt.missing", "{count} pairs have no prompt in common", whole=_NAMED),
    _kind("label.missing", "{count} rows have no label or score", whole=_NAMED),
    Kind(
        "label.number",
        "error",
        "{count} rows have a number for a label that names none of the answers: these numbers may "
        "count from another one, and then all rows are read wrongly",
        "say from what they count: --format, as each finding spells it; or repair these rows",
    ),
)
# Fields beside the turns that hold what is no text; in the turns only <image> stands for it.
_MEDIA = ("images", "image", "videos", "video", "audios", "audio")
# Letters of an example that spells a command, or what rows have to be made into.
_WHOLE = 400
_KNOWN = {kind.id for kind in KINDS}


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> None:
    for row in rows:
        if row.normal is not None:
            if row.bound is not None and row.bound.shape.name in _ANSWERED:
                _look_at_answer(row, row.bound, hits)
            for name in _MEDIA:
                if row.value.get(name):
                    hits.add("content.not-text", row.number, name, f"a field of {name}")
                    break
        if row.length > MOST_TEXT:
            hits.add("row.long", row.number, row.texts[0][0], f"{row.length:,} characters")
        for wrong in row.wrong:
            id = wrong.id if wrong.id in _KNOWN else "field.type"
            # A cure is told whole, and without what else there is.
            command = "--format " in wrong.expected
            expected = wrong.expected.partition(", or one of ")[0] if command else wrong.expected
            said = f"found {wrong.found}; expected {expected}"
            whole = command or id == "shape.stranger"
            hits.add(id, row.number, wrong.field, said, _WHOLE if whole else EXAMPLE)


# Shapes of a question and an answer, and what they call them.
_ANSWERED = {"prompt_completion": ("prompt", "completion"), "alpaca": ("instruction", "output")}


def _look_at_answer(row: Looked, bound: Bound, hits: Hits) -> None:
    asked, answered = (bound.names.get(name, name) for name in _ANSWERED[bound.shape.name])
    value = row.value.get(answered)
    if isinstance(value, (dict, list)):
        text, note = answer_of(value, answered, asked)
        if note is not None and isinstance(text, str):
            hits.add(note, row.number, answered, text)


FAMILY = Family("structure", "types, roles, answers, JSON and encoding", KINDS, look)
