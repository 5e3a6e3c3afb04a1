"""A whole conversation in one text, with the marks of a chat template around its turns. They are
taken off: the model's own template writes its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, alias
from tunewright.engine.data.shapes.turns import parse_turns


class _Marks(NamedTuple):
    """A template's marks: how a text of it begins, and a turn with its role (the first group that
    is one) and what is said (the last group)."""

    begins: re.Pattern[str]
    turn: re.Pattern[str]


def _marks(begins: str, turn: str) -> _Marks:
    before = r"\s*(?:<s>|<bos>|<\|begin_of_text\|>)?\s*"
    return _Marks(re.compile(before + begins), re.compile(turn, re.S))


_ROLE = r"(system|user|assistant|tool|ipython|human|model)"
_MARKS = (
    # ChatML; Llama 3; Gemma; Zephyr and Phi; Llama 2 and Mistral; Alpaca.
    _marks(rf"<\|im_start\|>{_ROLE}\n", rf"<\|im_start\|>{_ROLE}\n(.*?)(?:<\|im_end\|>|\Z)"),
    _marks(
        r"<\|start_header_id\|>",
        rf"<\|start_header_id\|>{_ROLE}<\|end_header_id\|>(.*?)(?:<\|eot_id\|>|<\|eom_id\|>|\Z)",
    ),
    _marks(
        r"<start_of_turn>(?:user|model)\n",
        rf"<start_of_turn>{_ROLE}\n(.*?)(?:<end_of_turn>|\Z)",
    ),
    _marks(
        r"<\|(?:system|user)\|>",
        rf"<\|{_ROLE}\|>(.*?)"
        r"(?:</s>|<\|end\|>|<\|endoftext\|>|(?=<\|(?:user|assistant)\|>)|\Z)",
    ),
)
_INST = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?:</s>|(?=\[INST\])|\Z)", re.S)
_SYS = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>", re.S)
_HEADING = re.compile(
    r"(?:\A|\n)### ?(?:((Instruction|Instruct)|Input|Context)|Response|Output|Answer):?"
    r"[ \t]*(?=\n|\Z)"
)
_ENDS = ("</s>", "<|endoftext|>", "### End", "###End")
RENDERED = ("text", "prompt", "formatted", "formatted_text", "chat", "conversation", "content")
# Marks stand at the beginning; an alpaca preamble is a sentence or two.
_HEAD = 2000


def is_rendered(text: Any) -> bool:
    """Whether a text begins as a template writes it, and has an answer."""
    if not isinstance(text, str):
        return False
    head = text[:_HEAD]
    if "<" not in head and "[INST]" not in head and "### " not in head:
        return False
    if any(marks.begins.match(head) for marks in _MARKS):
        return "assistant" in text or "model" in text
    if re.match(r"\s*(?:<s>)?\s*\[INST\]", head):
        return "[/INST]" in text
    first = _HEADING.search(head)
    if first is None or first[2] is None:
        return False
    return any(heading[1] is None for heading in _HEADING.finditer(text, first.end()))


def rendered_turns(text: str) -> list[dict[str, str]]:
    """The turns of such a text; none where its marks do not close."""
    for marks in _MARKS:
        if marks.begins.match(text[:_HEAD]):
            found = marks.turn.findall(text)
            return [{"role": role, "content": said.strip()} for role, said in found]
    turns: list[dict[str, str]] = []
    if "[/INST]" in text:
        for asked, answered in _INST.findall(text):
            system = _SYS.match(asked)
            if system is not None and not turns:
                turns.append({"role": "system", "content": system[1].strip()})
            asked = asked[system.end() :] if system is not None else asked
            turns.append({"role": "user", "content": asked.strip()})
            turns.append({"role": "assistant", "content": answered.strip()})
        return turns
    headings = list(_HEADING.finditer(text))
    for at, heading in enumerate(headings):
        end = headings[at + 1].start() if at + 1 < len(headings) else len(text)
        said = text[heading.end() : end].strip()
        for mark in _ENDS:
            said = said.removesuffix(mark).rstrip()
        role = "user" if heading[1] else "assistant"
        if turns and turns[-1]["role"] == role == "user":
            # What an instruction is about stands under a heading of its own, perhaps empty.
            turns[-1]["content"] = f"{turns[-1]['content']}\n\n{said}".strip()
        else:
            turns.append({"role": role, "content": said})
    return turns


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    name = alias(row, RENDERED, (str,))
    return ({"text": name}, 0.85) if name is not None and is_rendered(row[name]) else None


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    at = names["text"]
    text = row.get(at)
    turns = rendered_turns(text) if is_rendered(text) and isinstance(text, str) else []
    # What a template was asked to go on with is an empty turn.
    if turns and not turns[-1]["content"] and len(turns) > 2:
        turns.pop()
    if not turns:
        return [Wrong(at, "no turns between a template's marks", "turns", "role.order")]
    parsed = parse_turns(turns, at)
    if isinstance(parsed, list):
        return [wrong._replace(field=at) for wrong in parsed]
    return Normal("conversation", parsed.messages, (at,) * len(parsed.messages))


SHAPE = Shape(
    name="rendered",
    kind="conversation",
    title="a conversation with a template's marks in one text",
    needs=("text",),
    reads=("text",),
    turns=(),
    bind=_bind,
    parse=_parse,
    otherwise=lambda names: f"as it stands, marks included: --format text:text={names['text']}",
)
