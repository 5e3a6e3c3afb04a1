"""Multiple choice: a question, its choices, and which of them is right, as an index, a letter or
the words. The answer to learn is the letter with the words, so that a wrong index can be seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote
from string import ascii_uppercase
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import (
    Names,
    Normal,
    Parsed,
    Shape,
    alias,
    text_wrong,
    told,
)

_ASKED = (
    "premise", "question", "question_stem", "query", "ctx", "goal", "problem", "prompt", "sentence",
    "stem", "startphrase", "instruction", "input",
)  # fmt: skip
_LISTED = ("choices", "options", "endings", "candidates", "answer_choices", "alternatives")
_RIGHT = (
    "answerkey", "answer_key", "answer", "label", "answer_index", "answer_idx", "cop", "correct",
    "correct_option", "correct_choice", "correct_answer", "correct_answer_index", "correct_index",
    "answer_id", "gold", "target", "labels", "answers", "correct_answers", "correct_options",
)  # fmt: skip
_GIVEN = ("context", "passage", "article", "story", "support", "input")
# Choices in columns of their own: MedMCQA, C-Eval, SocialIQA, PIQA, WinoGrande, COPA, SWAG.
_COLUMNS = re.compile(r"(?:op|answer|sol|option_?|choice_?|ending_?|)([a-j]|\d)", re.IGNORECASE)
# Of these the right one is told by a number from 1: WinoGrande's and SocialIQA's.
_FROM_1 = re.compile(r"option_?1|answera", re.IGNORECASE)
# A letter that stands before its choice, as AQuA writes "A)21".
_LETTERED = re.compile(r"\s*\(?([A-Ja-j])[).:]\s*(?=\S)")
# The letters of several that are right.
_LETTERS = re.compile(r"[A-J](?:\s*(?:,|;|&|and)\s*[A-J])+")


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    asked = alias(row, _ASKED, (str,))
    if asked is None:
        return None
    listed = alias(row, _LISTED, (list, dict))
    columns = [] if listed is not None else columns_of(row)
    if listed is None and len(columns) < 2:
        return None
    # None: the right one is kept back, as in held-out splits of benchmarks. Several may be right.
    right = alias(row, _RIGHT, (int, str, list, type(None)))
    if right is None or right == asked:
        return None
    several = row[right]
    if isinstance(several, list) and several and not isinstance(several[0], (str, int)):
        return None
    names = {"question": asked, "choices": listed or columns[0], "answer": right}
    names |= {f"choices.{n}": column for n, column in enumerate(columns)}
    if columns and _FROM_1.fullmatch(columns[0]):
        names["first"] = "1"
    given = alias(row, _GIVEN, (str, type(None)))
    return names | ({} if given is None or given == asked else {"given": given}), 0.9


def columns_of(row: Mapping[str, Any]) -> list[str]:
    """The columns that hold a choice each, in order: those of one kind of name, without a gap."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for key, value in row.items():
        name = str(key)
        found = _COLUMNS.fullmatch(name)
        if found is not None and isinstance(value, str):
            kinds.setdefault(name[: found.start(1)].lower(), []).append((found[1].lower(), name))
    for marked in kinds.values():
        marked.sort()
        firsts = ("a", "0", "1")
        marks = [ord(mark) for mark, _ in marked]
        if marked[0][0] in firsts and marks == list(range(marks[0], marks[0] + len(marks))):
            return [name for _, name in marked]
    return []


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    asked_at, at, right_at = names["question"], names["choices"], names["answer"]
    question, right = row.get(asked_at), row.get(right_at)
    columns = [name for key, name in names.items() if key.startswith("choices.")]
    choices, labels = _choices([row.get(name) for name in columns] or row.get(at))
    # The right one may be told by the name of its column.
    labels = labels or columns
    wrong = text_wrong(question, asked_at)
    if len(choices) < 2 or not all(isinstance(choice, str) and choice for choice in choices):
        wrong.append(Wrong(at, told(row.get(at)), "two choices or more, as texts"))
    if wrong:
        return wrong
    first = int(names.get("first") or 0)
    found = [_index(one, choices, labels, first) for one in _several(right, right_at, choices)]
    indices = sorted({index for index in found if index is not None})
    if not indices or None in found:
        expected = f"one of {len(choices)} choices: its words, its letter, or its number from 0"
        if "first" not in names and "choices.0" not in names and _counts_from_1(right, choices):
            # The number of the last one: then those of all other rows are one too high as well.
            return [Wrong(right_at, told(right), f"if from 1: {_from_1(names)}", "label.number")]
        return [Wrong(right_at, told(right), expected, "label.missing")]
    given_at = names.get("given", "")
    given = row.get(given_at) if given_at else None
    lettered = [
        f"{ascii_uppercase[n]}. {_LETTERED.sub('', text).strip()}" for n, text in enumerate(choices)
    ]
    # What an instruction is about follows it; a passage stands before its question.
    about = [question, given] if asked_at.lower() == "instruction" else [given, question]
    parts = [*about, "\n".join(lettered)]
    user = "\n\n".join(part for part in parts if isinstance(part, str) and part.strip())
    answer = "\n".join(lettered[index] for index in indices)
    messages = (Message("user", user), Message("assistant", answer))
    return Normal("conversation", messages, (asked_at, right_at))


def _several(right: Any, at: str, choices: list[Any]) -> list[Any]:
    """Which choices are right, each as the row tells it: "A, C", a list of them, or a list with 1
    for each that is right and 0 for each other."""
    if isinstance(right, str) and _LETTERS.fullmatch(right.strip()):
        # "A and B" may be what one of the choices says.
        said = right.strip().lower()
        words = (_LETTERED.sub("", str(choice)).strip().lower() for choice in choices)
        return [right] if said in words else re.findall(r"[A-J]", right)
    if not isinstance(right, list):
        return [right]
    marks = len(right) == len(choices) and all(type(one) is int and one in (0, 1) for one in right)
    if marks and (at.lower() in ("label", "labels") or len(set(right)) < len(right)):
        return [at for at, mark in enumerate(right) if mark]
    return right


def _counts_from_1(right: Any, choices: list[Any]) -> bool:
    given = right if isinstance(right, list) else [right]
    return any(str(one).strip() == str(len(choices)) for one in given if not isinstance(one, bool))


def _from_1(names: Names) -> str:
    fields = ",".join(
        f"{key}={names[key]}" for key in ("question", "choices", "answer", "given") if key in names
    )
    return f"--format {quote(f'choices:{fields},first=1')}"


def _choices(value: Any) -> tuple[list[Any], list[str]]:
    """(the choices, the labels that they bear) of a list of texts, of objects with text and label,
    of ARC's two lists, or of an object with a choice a letter."""
    if isinstance(value, dict):
        texts = value.get("text", value.get("choices"))
        if isinstance(texts, list):
            labels = value.get("label")
            return texts, [str(one) for one in labels] if isinstance(labels, list) else []
        # `datasets` fills up the keys that other rows have.
        given = {key: text for key, text in value.items() if text is not None}
        return list(given.values()), list(given)
    listed = value[: len(ascii_uppercase)] if isinstance(value, list) else []
    if listed and all(isinstance(one, dict) for one in listed):
        key = next((k for k in ("text", "content", "value") if k in listed[0]), "text")
        label = next((k for k in ("label", "key", "id", "letter") if k in listed[0]), "label")
        return [one.get(key) for one in listed], [str(one.get(label)) for one in listed]
    marks = [_LETTERED.match(one) if isinstance(one, str) else None for one in listed]
    if all(marks):
        return listed, [mark[1] for mark in marks if mark is not None]
    return listed, []


def _index(right: Any, choices: list[Any], labels: list[str], first: int) -> int | None:
    """Which choice is meant: by its label, its words, its letter, or its number from `first`."""
    if right is None or isinstance(right, bool):
        return None
    said = str(right).strip().rstrip(".)").lstrip("(")
    low = [label.strip().lower() for label in labels]
    if low.count(said.lower()) == 1:
        return low.index(said.lower())
    words = [str(choice).strip().lower() for choice in choices]
    if words.count(str(right).strip().lower()) == 1 and not isinstance(right, int):
        return words.index(str(right).strip().lower())
    if len(said) == 1 and said.upper() in ascii_uppercase:
        found = ascii_uppercase.index(said.upper())
    elif said.isdecimal():
        found = int(said) - first
    else:
        return None
    return found if 0 <= found < len(choices) else None


SHAPE = Shape(
    name="choices",
    kind="conversation",
    title="a question with choices",
    needs=("question", "choices", "answer"),
    reads=("question", "choices", "answer", "given", "first"),
    turns=(),
    bind=_bind,
    parse=_parse,
    otherwise=lambda names: (
        f"numbers count from 0; from 1: {_from_1(names)}" if "choices.0" not in names else ""
    ),
)
