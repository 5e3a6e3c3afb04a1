"""A whole dialogue in one text, with the speakers named in it: Anthropic's HH, Guanaco."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, alias
from tunewright.engine.data.shapes.turns import Turns, parse_turns

# "\n\nHuman: …\n\nAssistant: …" and "### Human: …### Assistant: …".
_SPEAKER = re.compile(
    r"(?:\A\s*|\n\s*)(?:###\s*)?(Human|Assistant|User|System):|###\s*(Human|Assistant):"
)
_STARTS = re.compile(r"\A\s*(?:###\s*)?(?:Human|User|System):")


def is_dialogue(text: Any) -> bool:
    """The text names a first speaker, and an assistant after it."""
    return isinstance(text, str) and bool(_STARTS.match(text)) and "Assistant:" in text


def dialogue_turns(text: str, field: str, ends: str) -> Turns | list[Wrong]:
    """The turns of a dialogue; all of them stand in `field`."""
    found = list(_SPEAKER.finditer(text))
    turns = []
    for at, match in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(text)
        said = text[match.end() : end].strip()
        if not said and at + 1 == len(found) and ends == "user":
            continue
        turns.append({"role": match[1] or match[2], "content": said})
    parsed = parse_turns(turns, field, ends)
    if isinstance(parsed, list):
        return [wrong._replace(field=field) for wrong in parsed]
    return Turns(parsed.messages, (field,) * len(parsed.messages))


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    name = alias(row, ("text", "dialogue", "dialog", "conversation"), (str,))
    if name is None or len([v for v in row.values() if isinstance(v, str)]) > 3:
        return None
    return ({"text": name}, 0.95) if is_dialogue(row[name]) else None


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    text = row.get(names["text"])
    if not is_dialogue(text):
        return [Wrong(names["text"], "no dialogue", "Human: … Assistant: …", "role.order")]
    turns = dialogue_turns(str(text), names["text"], "assistant")
    return turns if isinstance(turns, list) else Normal("conversation", *turns)


SHAPE = Shape(
    name="dialogue",
    kind="conversation",
    title="a dialogue in one text (Human: … Assistant: …)",
    needs=("text",),
    reads=("text",),
    turns=(),
    bind=_bind,
    parse=_parse,
)
