"""Masks found by the added tokens of a row are those of encoding each beginning for itself."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tunewright.engine.data.bounds import Bound
from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.data.known_templates import KNOWN
from tunewright.engine.data.template import Template
from tunewright.engine.data.tokens import IGNORED, Renderer

PIECES = (
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|", "|>", "\n", "\n\n", "  ", "assistant\n"),
    *("hello", " world", "é", "日本", "1234", "'s", ""),
)


def conversations(count: int) -> list[Example]:
    """Turns of words and of what templates write, which no person should be able to confuse."""
    draw = random.Random(5)

    def said() -> str:
        return "".join(draw.choices(PIECES, k=draw.randint(0, 12)))

    found = []
    for line in range(count):
        turns = [Message("system", said())] if draw.random() < 0.3 else []
        for _ in range(draw.randint(1, 4)):
            turns += [Message("user", said()), Message("assistant", said())]
        found.append(Example(tuple(turns), Place("d", line + 1)))
    return found


def trained_by_prefixes(example: Example, renderer: Renderer) -> list[int]:
    """Labels of the last answer: what of the row is not the encoded prompt."""
    ids = renderer.encode(renderer.whole_text(example))
    prompt = renderer.encode(renderer.prompt_text(example.messages[:-1]))
    same = 0
    while same < min(len(ids), len(prompt)) and ids[same] == prompt[same]:
        same += 1
    return [IGNORED] * same + ids[same:]


@pytest.mark.parametrize("template", ["model", *(t.name for t in KNOWN)])
def test_masks_are_those_of_encoded_prompts(tiny_model: Path, template: str) -> None:
    renderer = Renderer.open(tiny_model)
    if template != "model":
        source = next(t.source for t in KNOWN if t.name == template)
        renderer.template = Template(source, renderer.special_tokens)
    rows = conversations(60)
    for example, tokens in renderer.tokenized(rows, "completion"):
        assert tokens.input_ids == renderer.encode(renderer.whole_text(example))
        assert tokens.labels == trained_by_prefixes(example, renderer)


def test_only_what_follows_the_last_added_token_is_encoded_again(tiny_model: Path) -> None:
    renderer = Renderer.open(tiny_model)
    example = Example((Message("user", "q"), Message("assistant", "a")), Place("d", 1))
    whole, prompt = renderer.whole_text(example), renderer.prompt_text(example.messages[:1])
    ids = renderer.encode(whole)
    bound = renderer._ends.bound(prompt, whole, ids)
    assert bound.tail == prompt[prompt.rindex("<|im_start|>") :]
    assert ids[bound.base] == renderer.tokenizer.token_to_id("<|im_start|>")
    # Where text and ids do not agree on it, the whole beginning is.
    assert renderer._ends.bound(prompt, whole, ids[1:]) == Bound(0, prompt)
