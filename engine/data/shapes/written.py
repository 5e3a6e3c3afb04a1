"""What an answer is that is no text: one of a question set, turns, or an object to be written."""

from __future__ import annotations

from typing import Any

import msgspec

from tunewright.engine.data.shapes.calls import decoded
from tunewright.engine.data.shapes.items import ROLE_KEYS
from tunewright.engine.data.shapes.turns import role_of

# Columns that hold several answers to one question, each as right as the others.
_SEVERAL = ("answers", "answers_spans", "solutions", "targets", "outputs", "correct_answers")
# What question sets have in an answer beside its text.
_MARKS = (
    "answer_start", "aliases", "normalized_value", "normalized_aliases", "human_readable",
    "yes_no_answer", "free_form_answer", "spans", "span_start", "score", "tokens",
)  # fmt: skip
_SAID = ("text", "value", "input_text", "spans", "human_readable")
# Of a question that nothing answers, as SQuAD 2 has them on purpose.
NO_ANSWER = object()
# The findings that say what an answer was made of.
WRITTEN, FIRST = "answer.written", "answer.first"


def answer_of(value: Any, name: str, asked: str) -> tuple[Any, str | None]:
    """(the text of an answer, or what is none; the finding that says how it was made). `name` and
    `asked` are the fields of the answer and its question. What question sets have becomes its
    text: {"text": ["…"], "answer_start": …}, {"value": "…", "aliases": …}, the first of several.
    Any other object or list but turns is what the model is to write, as JSON."""
    if isinstance(value, (dict, list)) and not are_turns(value):
        if _is_of_question_set(value, name, asked):
            return _first(value)
        try:
            blob = msgspec.json.format(msgspec.json.encode(value), indent=0)
        except (RecursionError, TypeError, ValueError):
            return value, None
        return blob.decode(), WRITTEN
    return _plain(value), None


def _is_of_question_set(value: Any, name: str, asked: str) -> bool:
    low = name.lower()
    if isinstance(value, dict):
        return low in _SEVERAL or set(value) == {"text"} or not value.keys().isdisjoint(_MARKS)
    if low in _SEVERAL:
        return True
    # Natural Questions and others: one question, and all spellings of its answer.
    return (
        low == "answer"
        and asked.lower().startswith("question")
        and all(isinstance(one, str) or _is_marked(one) for one in value)
    )


def _is_marked(value: Any) -> bool:
    return isinstance(value, dict) and not value.keys().isdisjoint(_MARKS)


def _first(value: Any) -> tuple[Any, str | None]:
    note = None
    while isinstance(value, (dict, list)):
        if isinstance(value, list):
            if not value:
                return NO_ANSWER, None
            note = note if all(one == value[0] for one in value) else FIRST
            value = value[0]
            continue
        name = next((name for name in _SAID if name in value), None)
        if name is None:
            return value, None
        value = value[name]
    return _plain(value), note


def _plain(value: Any) -> Any:
    """Yes and no, and numbers, as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, (int, float)) else value


def are_turns(value: Any) -> bool:
    """Whether a list is one of turns, or an object a turn."""
    one = value[0] if isinstance(value, list) and value else value
    if not isinstance(one, dict):
        return False
    return ("from" in one and "value" in one) or any(
        isinstance(one.get(key), str) and not one.keys().isdisjoint(_TURN) for key in ROLE_KEYS
    )


_TURN = ("content", "text", "parts", "message", "value", "tool_calls", "function_call")


def turns_in(value: Any) -> Any:
    """Turns that a table or a database holds as JSON text; any other value as it is. All must have
    a role that is known: there are answers that are JSON with a field of that name."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    if '"role"' not in value and '"from"' not in value:
        return value
    inner = decoded(value)
    listed = inner if isinstance(inner, list) else [inner]
    roles = [_role(turn) for turn in listed]
    return (
        inner
        if roles and None not in roles and (listed is inner or roles[0] == "assistant")
        else value
    )


def answer_in(value: Any, prompt: Any) -> Any:
    """As `turns_in`, of an answer: what begins with a question is turns only after turns. After
    text it is a conversation that the model is to write."""
    inner = turns_in(value)
    if inner is value or isinstance(prompt, list):
        return inner
    first = inner[0] if isinstance(inner, list) else inner
    return inner if _role(first) == "assistant" else value


def _role(turn: Any) -> str | None:
    if not are_turns(turn) or not isinstance(turn, dict):
        return None
    return role_of(turn)


# Columns of tables whose text is what is said, though it may be JSON.
_TEXTS = frozenset((
    "prompt", "completion", "instruction", "input", "output", "response", "answer", "question",
    "query", "text", "target", "summary", "reply", "problem", "solution", "user", "assistant",
    "system", "chosen", "rejected", "expected_output", "expected", "ideal", "ground_truth",
    "reference", "final_answer", "output_text", "input_text", "target_text", "source_text",
    "generation", "generated_text", "model_output", "model_response", "assistant_response",
    "user_prompt", "user_message", "code", "sql", "label", "document", "content",
))  # fmt: skip


def is_said(name: str, value: Any) -> bool:
    """Whether a cell of a table is text to be read as it stands, of which `value` is what it holds
    as JSON: a list that was asked for, an object to be extracted. Turns, the answers of question
    sets, and what logs of calls hold are read as such."""
    low = name.strip().lower()
    if low not in _TEXTS or are_turns(value):
        return False
    if isinstance(value, dict):
        return not ({"messages", "choices", "replies"} & value.keys() or _is_marked(value))
    return not (low == "answer" and value and all(isinstance(one, str) for one in value))
