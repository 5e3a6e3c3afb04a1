"""A whole dialogue in one text, with the speakers named in it: Anthropic's HH, Guanaco."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, alias
from tunewright.engine.data.shapes.turns import Turns, parse_turns

# "\n\nHuman: …\n\nAssistant: …" and "### Human: …### Assistant: …".
_SPEAKER = re.compile(
    r"(?:\A\s*|\n\s*)(?:###\s*)?"
    r"(Human|Assistant|User|System|USER|ASSISTANT|SYSTEM|FUNCTION RESPONSE):"
    r"|###\s*(Human|Assistant):"
)
_STARTS = re.compile(r"\A\s*(?:###\s*)?(?:Human|User|System|USER|SYSTEM):")
# What other tools end a turn with; the model's own template writes its own mark.
_ENDED = re.compile(r"\s*(?:<\|endoftext\|>|</s>|<\|im_end\|>)\s*\Z")
# Glaive writes calls as JSON whose arguments stand in single quotes.
_CALL = re.compile(r"\A<functioncall>\s*(\{.*\})\s*\Z", re.DOTALL)
_QUOTED = re.compile(r"'(\{.*\})'", re.DOTALL)


DIALOGUES = ("text", "dialogue", "dialog", "conversation", "chat", "transcript")


def is_dialogue(text: Any) -> bool:
    """The text names a first speaker, and an assistant after it."""
    return (
        isinstance(text, str)
        and bool(_STARTS.match(text))
        and ("Assistant:" in text or "ASSISTANT:" in text)
    )


def dialogue_turns(text: str, field: str, ends: str) -> Turns | list[Wrong]:
    """The turns of a dialogue; all of them stand in `field`."""
    found = list(_SPEAKER.finditer(text))
    turns = []
    for at, match in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(text)
        said = text[match.end() : end].strip()
        if not said and at + 1 == len(found) and ends == "user":
            continue
        said = _ENDED.sub("", said)
        call = _CALL.match(said)
        if call is not None:
            turns.append({"role": "function_call", "content": _QUOTED.sub(r"\1", call[1])})
        else:
            turns.append({"role": match[1] or match[2], "content": said})
    parsed = parse_turns(turns, field, ends)
    if isinstance(parsed, list):
        return [wrong._replace(field=field) for wrong in parsed]
    return Turns(parsed.messages, (field,) * len(parsed.messages))


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    name = alias(row, DIALOGUES, (str,))
    if name is None or len([v for v in row.values() if isinstance(v, str)]) > 3:
        return None
    if not is_dialogue(row[name]):
        return None
    system = {"system": "system"} if isinstance(row.get("system"), str) else {}
    return {"text": name, **system}, 0.95


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    text = row.get(names["text"])
    if not is_dialogue(text):
        return [Wrong(names["text"], "no dialogue", "Human: … Assistant: …", "role.order")]
    turns = dialogue_turns(str(text), names["text"], "assistant")
    if isinstance(turns, list):
        return turns
    system = str(row.get("system") or "").strip() if "system" in names else ""
    if system and turns.messages[0].role != "system":
        said = system.removeprefix("SYSTEM:").strip()
        turns = Turns((Message("system", said), *turns.messages), ("system", *turns.fields))
    return Normal("conversation", *turns)


SHAPE = Shape(
    name="dialogue",
    kind="conversation",
    title="a dialogue in one text (Human: … Assistant: …)",
    needs=("text",),
    reads=("text", "system"),
    turns=(),
    bind=_bind,
    parse=_parse,
)
