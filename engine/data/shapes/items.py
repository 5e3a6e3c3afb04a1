"""Turns that say by a `type` what they are: LangChain's messages, and the items of OpenAI's
Responses. Here they become turns with role and content, as all others are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Fields of a turn that say who speaks; `type` where it has none of them.
ROLE_KEYS = ("role", "sender", "speaker")
SPEAKERS = (*ROLE_KEYS, "from")
_CALL = ("function_call", "custom_tool_call")
_RESULT = ("function_call_output", "custom_tool_call_output")


def speaker_key(turn: Mapping[str, Any]) -> str:
    """The field of a turn that says who speaks."""
    found = next((key for key in SPEAKERS if key in turn), None)
    if found is not None:
        return found
    typed = isinstance(turn.get("type"), str) and {"content", "data", "kwargs"} & turn.keys()
    return "type" if typed else "from"


def as_turns(turns: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """(index, turn) of each; what was thought goes to the turn after it."""
    thought = ""
    for index, turn in enumerate(turns):
        if not isinstance(turn, dict) or "type" not in turn:
            yield index, turn
            continue
        if turn["type"] == "reasoning" and "role" not in turn:
            thought += _summary(turn)
            continue
        made = _made(turn)
        if thought:
            made, thought = {"reasoning_content": thought, **made}, ""
        yield index, made


def _made(turn: dict[str, Any]) -> dict[str, Any]:
    kind = turn["type"]
    if kind in _CALL and "name" in turn and "role" not in turn:
        function = {"name": turn["name"], "arguments": turn.get("arguments", turn.get("input"))}
        call = {"id": turn.get("call_id"), "function": function}
        return {"role": "assistant", "content": "", "tool_calls": [call]}
    if kind in _RESULT and "output" in turn:
        return {"role": "tool", "content": turn["output"], "tool_call_id": turn.get("call_id")}
    inner = turn.get("kwargs") if kind == "constructor" else turn.get("data")
    if not isinstance(inner, dict) or "content" not in inner or SPEAKERS[0] in turn:
        return turn
    if kind == "constructor" and isinstance(turn.get("id"), list) and turn["id"]:
        # langchain.schema.messages.HumanMessage, or its AIMessageChunk.
        kind = str(turn["id"][-1]).removesuffix("Chunk").removesuffix("Message").lower()
    return {**inner, "type": kind}


def _summary(turn: Mapping[str, Any]) -> str:
    texts: list[Any] = []
    for said in (turn.get("summary"), turn.get("content")):
        parts = said if isinstance(said, list) else [said]
        texts += (part.get("text") if isinstance(part, dict) else part for part in parts)
    return "\n\n".join(text for text in texts if isinstance(text, str) and text)
