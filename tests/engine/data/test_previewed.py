"""A preview shows the tokens that are trained; its preflight fails where training goes wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_checks import clean, write
from tiny import CHAT_TEMPLATE, TinyData

from tunewright.engine.data.known_templates import KNOWN
from tunewright.engine.data.previewed import Preview, preview
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.template import Template
from tunewright.engine.data.tokens import IGNORED, Renderer
from tunewright.hardware.errors import Problem
from tunewright.tui.data_text import preview_lines


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def under(renderer: Renderer, source: str | None) -> Renderer:
    template = Template(source, renderer.special_tokens) if source else None
    return Renderer(renderer.tokenizer, template, renderer.special_tokens, renderer.stop_ids)


def ids(seen: Preview) -> set[str]:
    return {f.id for f in seen.findings}


def test_tokens_are_those_that_are_trained(tiny_model: Path, tiny_data: TinyData) -> None:
    renderer = Renderer.open(tiny_model)
    seen = preview(tiny_data.train, renderer, rows=2)
    example = read_examples(tiny_data.train).examples[0]
    tokens = renderer.tokenize(example, "completion")
    (side,) = seen.rows[0].sides
    assert (side.tokens, side.trained) == (
        len(tokens.input_ids),
        sum(label != IGNORED for label in tokens.labels),
    )
    trained = "".join(piece.text for piece in side.pieces if piece.trained)
    assert trained == example.messages[-1].content + "<|im_end|>⏎"
    assert (side.ends_with, side.wrong, seen.template) == ("<|im_end|>", None, "model")
    lines = "\n".join(preview_lines(seen))
    assert "▶" in lines
    assert "⟦<|im_start|>⟧" in lines
    assert "preflight of 48 rows: passed" in lines


def test_both_answers_of_a_pair_are_shown(tiny_model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [{"prompt": "a lamp", "chosen": "yes", "rejected": "no"}])
    seen = preview(path, Renderer.open(tiny_model))
    assert [side.name for side in seen.rows[0].sides] == ["chosen", "rejected"]
    for side, answer in zip(seen.rows[0].sides, ("yes", "no"), strict=True):
        assert "".join(p.text for p in side.pieces if p.trained) == f"{answer}<|im_end|>⏎"


@pytest.mark.parametrize(
    ("source", "id"),
    [
        (CHAT_TEMPLATE.replace("+ '<|im_end|>' + '\\n'", "+ '\\n'"), "eos.missing"),
        ("<|im_start|><|im_start|>" + CHAT_TEMPLATE.removeprefix("x"), "bos.doubled"),
    ],
)
def test_the_preflight_fails_where_training_would_go_wrong(
    tiny_model: Path, tiny_data: TinyData, source: str, id: str
) -> None:
    seen = preview(tiny_data.train, under(Renderer.open(tiny_model), source))
    (failed,) = [f for f in seen.findings if f.severity == "error"]
    assert (failed.id, failed.count) == (id, 48)
    assert "preflight of 48 rows: failed" in "\n".join(preview_lines(seen))


def test_padding_that_is_the_end_of_a_turn_is_told(model: Path, tiny_data: TinyData) -> None:
    assert "pad.is-eos" not in ids(preview(tiny_data.train, Renderer.open(model)))
    path = model / "tokenizer_config.json"
    stored = json.loads(path.read_text())
    for pad, id in (("<|im_end|>", "pad.is-eos"), (None, "pad.missing")):
        path.write_text(json.dumps({**stored, "pad_token": pad}))
        assert id in ids(preview(tiny_data.train, Renderer.open(model)))


def test_marks_of_generation_are_looked_for(tiny_model: Path, tiny_data: TinyData) -> None:
    renderer = Renderer.open(tiny_model)
    assert "template.no-generation" in ids(preview(tiny_data.train, renderer))
    marked = preview(tiny_data.train, renderer, template="chatml")
    assert "template.no-generation" not in ids(marked)
    assert marked.template == "chatml"


def test_without_a_template_every_known_one_is_tried(model: Path, tiny_data: TinyData) -> None:
    (model / "chat_template.jinja").unlink()
    renderer = Renderer.open(model)
    seen = preview(tiny_data.train, renderer)
    assert "template.missing" in ids(seen)
    assert {trial.name for trial in seen.trials} == {template.name for template in KNOWN}
    fits = {trial.name: trial.wrong for trial in seen.trials}
    assert fits["chatml"] is None
    assert "lacks <|start_header_id|>" in str(fits["llama3"])
    # What fits is what the tiny model's own template writes.
    one = preview(tiny_data.train, renderer, template="chatml")
    own = preview(tiny_data.train, under(renderer, CHAT_TEMPLATE))
    assert one.rows == own.rows
    with pytest.raises(Problem, match="no template"):
        preview(tiny_data.train, renderer, template="nothing")


def test_known_templates_train_with_trls_assistant_masks(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_model)
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "one?"},
        {"role": "assistant", "content": "uno"},
    ]
    for template in KNOWN:
        made = tokenizer.apply_chat_template(
            turns,
            chat_template=template.source,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        marked = [
            id for id, on in zip(made["input_ids"], made["assistant_masks"], strict=True) if on
        ]
        assert tokenizer.decode(marked).startswith("uno"), template.name
        ours = Template(template.source, Renderer.open(tiny_model).special_tokens)
        from tunewright.engine.data.example import Message

        text = ours.render(
            [Message(t["role"], t["content"]) for t in turns],  # type: ignore[arg-type]
            add_generation_prompt=False,
        )
        assert text == tokenizer.apply_chat_template(
            turns, chat_template=template.source, tokenize=False
        )


def test_rows_that_cannot_be_shown_say_why(tiny_model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [*clean(2), {"prompt": "q", "completion": ""}])
    seen = preview(path, Renderer.open(tiny_model), first=3)
    assert "completion: found" in str(seen.rows[0].why_not)
    assert "row.unusable" in ids(seen)
    with pytest.raises(Problem, match="no row 9"):
        preview(path, Renderer.open(tiny_model), first=9)


def test_tool_calls_that_a_template_leaves_out_are_refused(
    tiny_model: Path, tmp_path: Path
) -> None:
    call = {"from": "function_call", "value": '{"name": "find_city", "arguments": {}}'}
    row = {"conversations": [{"from": "human", "value": "q"}, call]}
    path = write(tmp_path / "d.jsonl", [row])
    seen = preview(path, Renderer.open(tiny_model))
    assert "does not write tool calls" in str(seen.rows[0].why_not)
    knows = CHAT_TEMPLATE.replace(
        "message['content'] + '<|im_end|>'",
        "message['content'] + (message.tool_calls | tojson if message.tool_calls else '')"
        " + '<|im_end|>'",
    )
    seen = preview(path, under(Renderer.open(tiny_model), knows))
    (side,) = seen.rows[0].sides
    assert side.wrong is None
    assert "find_city" in "".join(p.text for p in side.pieces if p.trained).replace("|", "")
