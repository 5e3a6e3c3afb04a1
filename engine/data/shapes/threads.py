"""Conversations as other tools keep them: ChatGPT's export (a mapping of nodes), tickets with
comments (Zendesk), questions and answers about one story in two lists (CoQA)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, told
from tunewright.engine.data.shapes.turns import parse_turns

# Nodes of a mapping that say nothing to the person: the system's own, and what tools are told.
_HIDDEN = ("thoughts", "reasoning_recap", "model_editable_context", "code", "execution_output")


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    if isinstance(row.get("mapping"), dict) and "current_node" in row:
        return {"thread": "mapping"}, 0.9
    comments = row.get("comments")
    first = comments[0] if isinstance(comments, list) and comments else None
    if isinstance(first, dict) and "author_id" in first and "requester_id" in row:
        return {"thread": "comments", "asks": "requester_id"}, 0.8
    asked, answered = row.get("questions"), row.get("answers")
    if isinstance(row.get("story"), str) and isinstance(asked, list) and answered is not None:
        return {"thread": "questions", "answers": "answers", "about": "story"}, 0.8
    return None


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    at = names["thread"]
    if "asks" in names:
        turns = _comments(row.get(at), row.get(names["asks"]), at)
    elif "about" in names:
        turns = _asked(row, names)
    else:
        turns = _nodes(row.get(at), row.get("current_node"), at)
    if not turns:
        return [Wrong(at, told(row.get(at)), "turns that say something", "turns.empty")]
    while len(turns) > 1 and turns[-1][0]["role"] != "assistant":
        turns.pop()
    parsed = parse_turns([turn for turn, _ in turns], at)
    if isinstance(parsed, list):
        return parsed
    return Normal("conversation", parsed.messages, tuple(field for _, field in turns))


_Turns = list[tuple[dict[str, Any], str]]


def _joined(turns: _Turns, role: str, said: str, field: str) -> None:
    """Add what somebody says, to their last turn if nobody has spoken since."""
    if turns and turns[-1][0]["role"] == role:
        turns[-1][0]["content"] += "\n\n" + said
    else:
        turns.append(({"role": role, "content": said}, field))


def _comments(comments: Any, asks: Any, at: str) -> _Turns:
    """Who opened a ticket asks, everybody else answers; notes that are not public are left out."""
    turns: _Turns = []
    for index, one in enumerate(comments if isinstance(comments, list) else ()):
        if not isinstance(one, dict) or one.get("public") is False:
            continue
        key = next((k for k in ("plain_body", "body", "text") if isinstance(one.get(k), str)), None)
        if key is not None and one[key].strip():
            role = "user" if one.get("author_id") == asks else "assistant"
            _joined(turns, role, one[key].strip(), f"{at}[{index}].{key}")
    return turns


def _nodes(mapping: Any, last: Any, at: str) -> _Turns:
    """The path from the first node to the current one: what the person has seen last."""
    path: list[tuple[str, Mapping[str, Any]]] = []
    seen: set[str] = set()
    while isinstance(mapping, dict) and isinstance(last, str) and last not in seen:
        seen.add(last)
        node = mapping.get(last)
        if not isinstance(node, dict):
            break
        if isinstance(node.get("message"), dict):
            path.append((last, node["message"]))
        last = node.get("parent")
    turns: _Turns = []
    for name, message in reversed(path):
        author, content = message.get("author"), message.get("content")
        role = author.get("role") if isinstance(author, dict) else None
        if role not in ("user", "assistant") or not isinstance(content, dict):
            continue
        parts = content.get("parts")
        if content.get("content_type") in _HIDDEN or not isinstance(parts, list):
            continue
        said = "\n\n".join(part for part in parts if isinstance(part, str) and part.strip())
        if said:
            _joined(turns, role, said, f"{at}.{name}.message.content.parts")
    return turns


def _asked(row: Mapping[str, Any], names: Names) -> _Turns:
    """Questions and answers by turns, what they are about before the first."""
    questions, answers = row.get(names["thread"]), row.get(names["answers"])
    if isinstance(answers, dict):
        answers = answers.get("input_text", answers.get("text"))
    turns: _Turns = []
    if not (isinstance(questions, list) and isinstance(answers, list)):
        return turns
    about = str(row.get(names["about"]) or "").strip()
    for n, pair in enumerate(zip(questions, answers, strict=False)):
        asked, answered = (one.get("input_text") if isinstance(one, dict) else one for one in pair)
        if not isinstance(asked, str) or not isinstance(answered, str):
            return []
        said = f"{about}\n\n{asked}" if about and not n else asked
        turns.append(({"role": "user", "content": said}, f"{names['thread']}[{n}]"))
        turns.append(({"role": "assistant", "content": answered}, f"{names['answers']}[{n}]"))
    return turns


SHAPE = Shape(
    name="threads",
    kind="conversation",
    title="a conversation as another tool keeps it",
    needs=("thread",),
    reads=("thread", "mapping", "current_node", "comments", "requester_id"),
    turns=(),
    bind=_bind,
    parse=_parse,
)
