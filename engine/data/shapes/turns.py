"""Lists of turns, in every spelling, to messages in order. What cannot be is told by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tunewright.engine.data.example import Message, Role
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.calls import CALLS, call_turn, decoded, tool_calls_of
from tunewright.engine.data.shapes.items import SPEAKERS, as_turns, speaker_key
from tunewright.engine.data.shapes.shape import told

# What other tools call the four roles; a call is an assistant's turn.
ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user", "customer": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
    "chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "ai": "assistant",
    "chatbot": "assistant", "agent": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool",
    "tool_response": "tool", "function_response": "tool", "tool_result": "tool",
    "function response": "tool", "tool_outputs": "tool",
}  # fmt: skip
# Two turns in one object, as MOSS and some exports of chats have them.
PAIRS = (
    ("human", "assistant"), ("user", "assistant"), ("Human", "Assistant"), ("user", "bot"),
    ("prompt", "response"), ("question", "answer"), ("input", "output"), ("user", "model"),
)  # fmt: skip
# What says that nothing is to be learned from a turn: OpenAI and Mistral, axolotl, XTuner.
LEARNT = ("weight", "train", "trainable", "loss")
# Fields of a turn that are read.
TURN = (
    "role", "content", "from", "value", "tool_calls", "function_call", "reasoning_content",
    "reasoning", "thinking", "name", "tool_call_id", "text", "parts", "sender", "speaker",
    "message", "body", "utterance", "type",
    *LEARNT, *(name for pair in PAIRS for name in pair),
)  # fmt: skip
# What is said.
_SAID = ("content", "value", "text", "parts", "message", "body", "utterance")
_EXPECTED = "system, user, assistant or tool"


class Turns(NamedTuple):
    """Messages, and the field that each stands in."""

    messages: tuple[Message, ...]
    fields: tuple[str, ...]


def parse_turns(turns: Any, field: str, ends: str = "assistant") -> Turns | list[Wrong]:
    """Messages in order: perhaps a system turn, then user and assistant in turn, tool results after
    calls. `ends` "assistant": an answer last; "user": a prompt; "" anything."""
    turns = listed(turns)
    if not isinstance(turns, list) or not turns:
        id = "turns.empty" if turns in ([], None) else "field.type"
        return [Wrong(field, told(turns), "a list of turns with role and content", id)]
    wrong: list[Wrong] = []
    messages: list[Message] = []
    fields: list[str] = []
    for turn, at, where in _single(turns, field):
        if not isinstance(turn, dict):
            wrong.append(Wrong(at, told(turn), "an object with role and content"))
            continue
        message = _message(turn, at)
        if not isinstance(message, Message):
            wrong.append(message)
            continue
        before = messages[-1] if messages else None
        if (
            before
            and message.tool_calls
            and before.role == "assistant"
            and not (before.tool_calls and message.content)
        ):
            # Some tools write the words and the call of one turn as two.
            message = msgspec.structs.replace(
                before,
                content=before.content or message.content,
                tool_calls=(*before.tool_calls, *message.tool_calls),
                trained=before.trained and message.trained,
            )
            messages.pop()
            fields.pop()
        messages.append(message)
        fields.append(where)
    if wrong:
        return wrong
    if not messages:
        return [Wrong(field, "turns that say nothing", "an answer", "answer.missing")]
    return _in_order(messages, fields, _role_key(turns), ends)


def listed(turns: Any) -> Any:
    """The list of turns that JSON text or columns hold; anything else as it is."""
    if isinstance(turns, str) and turns.lstrip()[:1] == "[":
        turns = decoded(turns)
    return _by_columns(turns) if isinstance(turns, dict) else turns


def role_of(turn: Mapping[str, Any]) -> Role | None:
    """Who speaks, by our name; None for nobody that is known."""
    raw = turn.get(speaker_key(turn))
    low = raw.strip().lower() if isinstance(raw, str) else ""
    return "assistant" if low in CALLS else ROLES.get(low)


def _by_columns(turns: Mapping[str, Any]) -> Any:
    """Turns as `datasets` stores a sequence of objects: a list a field."""
    columns = [value for value in turns.values() if isinstance(value, list)]
    if len(columns) != len(turns) or len({len(column) for column in columns}) != 1:
        return turns
    return [dict(zip(turns, row, strict=True)) for row in zip(*columns, strict=True)]


def history_turns(history: Any, field: str) -> list[tuple[Message, str]] | Wrong:
    """Earlier turns as ChatGLM's and LLaMA-Factory's sets have them: pairs of question and answer;
    each message with its field."""
    if history is None:
        return []
    if not isinstance(history, list):
        return Wrong(field, told(history), "a list of [question, answer] pairs")
    turns: list[tuple[Message, str]] = []
    for index, pair in enumerate(history):
        at = f"{field}[{index}]"
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair):
            turns.append((Message("user", pair[0]), f"{at}[0]"))
            turns.append((Message("assistant", pair[1]), f"{at}[1]"))
        else:
            return Wrong(at, told(pair), "a [question, answer] pair")
    return turns


def is_pair(turn: Mapping[str, Any]) -> bool:
    """Whether an object is a question with its answer."""
    return not {"role", "from"} & turn.keys() and any(
        asked in turn and answered in turn for asked, answered in PAIRS
    )


def _role_key(turns: list[Any]) -> str:
    first = turns[0] if isinstance(turns[0], dict) else {}
    return speaker_key(first) if {*SPEAKERS, "type"} & first.keys() else "role"


def _single(turns: list[Any], field: str) -> Iterator[tuple[Any, str, str]]:
    """(turn, where it stands, where its text stands), one message each: texts by
    turns, pairs of question and answer, and the calls and results that Anthropic and Google have
    as parts of turns, are taken apart."""
    for index, turn in as_turns(turns):
        at = f"{field}[{index}]"
        if isinstance(turn, str):
            yield {"role": ("user", "assistant")[index % 2], "content": turn}, at, at
        elif not isinstance(turn, dict):
            yield turn, at, at
        elif is_pair(turn):
            asked, answered = next(pair for pair in PAIRS if pair[0] in turn and pair[1] in turn)
            yield {"role": "user", "content": turn[asked]}, at, f"{at}.{asked}"
            yield {"role": "assistant", "content": turn[answered]}, at, f"{at}.{answered}"
        else:
            key = said_key(turn)
            parts = turn.get(key) if key else None
            if isinstance(parts, list) and any(map(_is_call_part, parts)):
                yield from _parts_apart(turn, parts, str(key), at)
            else:
                yield turn, at, at if key is None else f"{at}.{key}"


def _is_call_part(part: Any) -> bool:
    return isinstance(part, dict) and (
        part.get("type") in ("tool_use", "tool_result", "tool_call")
        or bool({"functionCall", "functionResponse", "toolUse", "toolResult"} & part.keys())
    )


def _parts_apart(
    turn: Mapping[str, Any], parts: list[Any], key: str, at: str
) -> Iterator[tuple[dict[str, Any], str, str]]:
    """The results among the parts as tool turns, then the turn with its calls."""
    calls, rest = [], []
    for index, part in enumerate(parts):
        if not _is_call_part(part):
            rest.append(part)
            continue
        inner = next((part[k] for k in _INNER if isinstance(part.get(k), dict)), part)
        if part.get("type") == "tool_result" or {"functionResponse", "toolResult"} & part.keys():
            said = inner.get("content", inner.get("response"))
            result = {"role": "tool", "name": inner.get("name"), "content": _result_text(said)}
            result["tool_call_id"] = inner.get("tool_use_id", inner.get("toolUseId"))
            yield result, at, f"{at}.{key}[{index}].content"
        elif isinstance(part.get("value"), str):
            # LLaMA-Factory has the whole call as JSON text.
            calls.append(decoded(part["value"]))
        else:
            arguments = inner.get("input", inner.get("args", inner.get("arguments", {})))
            call = {"name": inner.get("name"), "arguments": arguments}
            calls.append({"function": call, "id": inner.get("id", inner.get("toolUseId"))})
    if calls or rest:
        whole = {**turn, key: rest, **({"tool_calls": calls} if calls else {})}
        yield whole, at, f"{at}.{key}"


_INNER = ("functionCall", "functionResponse", "toolUse", "toolResult")


def _result_text(said: Any) -> Any:
    """The text of a tool's result, which may stand in parts; anything else as JSON."""
    if isinstance(said, list) and all(isinstance(p, dict) and "text" in p for p in said):
        return "".join(str(part["text"]) for part in said)
    return said if isinstance(said, str) else msgspec.json.encode(said).decode()


def parse_turn(turn: Any, field: str) -> Message | Wrong:
    """One turn on its own."""
    if not isinstance(turn, dict):
        return Wrong(field, told(turn), "an object with role and content")
    return _message(turn, field)


def said_key(turn: Mapping[str, Any]) -> str | None:
    """The field of a turn that holds what is said."""
    keys = [key for key in _SAID if key in turn]
    # Some have an empty field beside the one that they fill.
    return next((key for key in keys if turn[key] not in (None, "", [])), next(iter(keys), None))


def _message(turn: Mapping[str, Any], at: str) -> Message | Wrong:
    role_key = speaker_key(turn)
    said = said_key(turn) or "content"
    raw_role, content = turn.get(role_key), turn.get(said)
    low = raw_role.strip().lower() if isinstance(raw_role, str) else None
    if low in CALLS:
        return call_turn(content, f"{at}.{said}")
    role = ROLES.get(low) if low else None
    if role is None:
        return Wrong(f"{at}.{role_key}", told(raw_role), _EXPECTED, "role.unknown")
    calls = tool_calls_of(turn, at)
    if isinstance(calls, Wrong):
        return calls
    reasoning = next(
        (
            turn[key]
            for key in ("reasoning_content", "reasoning", "thinking")
            if isinstance(turn.get(key), str) and turn[key].strip()
        ),
        None,
    )
    if content is None and (calls or role == "tool"):
        content = ""
    if isinstance(content, dict) and isinstance(content.get("text"), str) and len(content) == 1:
        content = content["text"]
    if isinstance(content, list):
        parts = _parts(content, f"{at}.{said}")
        if isinstance(parts, Wrong):
            return parts
        content, thought = parts
        reasoning = reasoning or thought
    if role == "tool" and isinstance(content, (dict, int, float)):
        content = msgspec.json.encode(content).decode()
    if not isinstance(content, str):
        id = "answer.empty" if content is None and role == "assistant" else "field.type"
        return Wrong(f"{at}.{said}", told(content), "text", id)
    if role == "assistant" and not calls and not content.strip():
        return Wrong(f"{at}.{said}", "empty text", "an answer", "answer.empty")
    if role == "user" and not content.strip():
        return Wrong(f"{at}.{said}", "empty text", "a question", "field.empty")
    trained = role != "assistant" or _is_learnt(turn, at)
    if isinstance(trained, Wrong):
        return trained
    name, id_of = turn.get("name"), turn.get("tool_call_id")
    return Message(
        role,
        content,
        reasoning if role == "assistant" else None,
        calls,
        name if role == "tool" and isinstance(name, str) else None,
        id_of if role == "tool" and isinstance(id_of, str) else None,
        trained,
    )


def _is_learnt(turn: Mapping[str, Any], at: str) -> bool | Wrong:
    """Whether a turn carries loss. A share of it cannot be had: the masks are on or off."""
    for name in LEARNT:
        value = turn.get(name)
        if value is None or (name == "loss" and not isinstance(value, bool)):
            continue
        if value not in (0, 1):
            return Wrong(f"{at}.{name}", told(value), "1 to learn from the turn, or 0")
        if not value:
            return False
    return True


def _parts(content: list[Any], at: str) -> tuple[str, str | None] | Wrong:
    """(text, reasoning) of content in several parts."""
    texts: list[str] = []
    thoughts: list[str] = []
    for index, part in enumerate(content):
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type", "text") if isinstance(part, dict) else None
        text = None
        if isinstance(part, dict):
            text = next(
                (
                    part[k]
                    for k in ("text", "thinking", "reasoning", "value")
                    if isinstance(part.get(k), str)
                ),
                None,
            )
        if kind in ("text", "input_text", "output_text") and text is not None:
            texts.append(text)
        elif kind in ("reasoning", "thinking") and text is not None:
            thoughts.append(text)
        else:
            what = told(part)
            if isinstance(part, dict):
                # Google's and Amazon's parts say what they are by their only field.
                named = kind if "type" in part else next(iter(part), "nothing")
                what = f"a part of type {str(named)[:20]!r}"
            return Wrong(f"{at}[{index}]", what, "text and reasoning parts", "content.not-text")
    return "".join(texts), "".join(thoughts) or None


def _in_order(
    messages: list[Message], fields: list[str], role: str, ends: str
) -> Turns | list[Wrong]:
    for index, message in enumerate(messages):
        before = messages[index - 1].role if index else None
        said = None
        if message.role == "system" and index:
            said = ("a system turn in the middle", "the system turn first")
        elif message.role == "assistant" and before not in ("user", "tool"):
            said = (f"assistant after {before or 'nothing'}", "a user turn before it")
        elif message.role == "user" and before == "user":
            said = ("user after user", "an answer between two user turns")
        elif message.role == "user" and before == "tool":
            said = ("user after a tool's result", "an answer to the result before it")
        elif message.role == "tool" and before not in ("assistant", "tool"):
            said = (f"a tool's result after {before or 'nothing'}", "a call before it")
        if said:
            return [Wrong(f"{_turn(fields[index])}.{role}", *said, "role.order")]
    if ends == "assistant" and messages[-1].role == "assistant" and not messages[-1].trained:
        # What follows the last turn that is learned from has no effect.
        learnt = [i for i, m in enumerate(messages) if m.role == "assistant" and m.trained]
        if not learnt:
            said = ("turns of the assistant that all have weight 0", "one to learn from")
            return [Wrong(_turn(fields[-1]), *said, "answer.untrained")]
        messages, fields = messages[: learnt[-1] + 1], fields[: learnt[-1] + 1]
    last = messages[-1].role
    at = f"{_turn(fields[-1])}.{role}"
    if ends == "assistant" and last != "assistant":
        answered = any(message.role == "assistant" for message in messages)
        return [
            Wrong(
                at,
                f"the last turn is the {last}'s",
                "an assistant turn last: there is nothing to learn without an answer",
                "answer.last" if answered else "answer.missing",
            )
        ]
    if ends == "user" and last not in ("user", "tool", "system"):
        return [
            Wrong(at, f"the prompt ends with the {last}'s turn", "a user turn last", "role.order")
        ]
    return Turns(tuple(messages), tuple(fields))


def _turn(field: str) -> str:
    """The turn that a field belongs to: `messages[1].content` -> `messages[1]`."""
    return field[: field.rindex("]") + 1] if "]" in field else field
