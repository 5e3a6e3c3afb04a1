"""Model folders of every age are read, and many rows give what one row gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import CHAT_TEMPLATE, TinyData

from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.template import Template
from tunewright.engine.data.tokens import IGNORED, Loss, Renderer
from tunewright.hardware.errors import Problem

HERE = Place("d.jsonl", 1)
MULTI = Example(
    (
        Message("user", "one?"),
        Message("assistant", "uno"),
        Message("user", "two?"),
        Message("assistant", "dos"),
    ),
    HERE,
)


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    stored = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in stored.items() if v is not None}))


@pytest.mark.parametrize("form", ["text", "list", "file over text"])
def test_the_template_is_found_where_transformers_finds_it(model: Path, form: str) -> None:
    file = model / "chat_template.jinja"
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": CHAT_TEMPLATE}]
    if form != "file over text":
        file.unlink()
    stored = {"text": CHAT_TEMPLATE, "list": named, "file over text": "ignored"}[form]
    edit(model / "tokenizer_config.json", chat_template=stored)
    from transformers import AutoTokenizer

    turns = [{"role": m.role, "content": m.content} for m in MULTI.messages]
    theirs = AutoTokenizer.from_pretrained(model).apply_chat_template(turns, return_dict=False)
    assert Renderer.open(model).tokenize(MULTI, "all").input_ids == list(theirs)


def test_special_tokens_of_older_folders_are_read(model: Path) -> None:
    edit(model / "tokenizer_config.json", eos_token=None, bos_token=None)
    (model / "generation_config.json").unlink()
    with pytest.raises(Problem, match="no token that ends an answer"):
        Renderer.open(model)
    tokens = {"eos_token": {"content": "<|im_end|>", "special": True}, "bos_token": "<|im_start|>"}
    (model / "special_tokens_map.json").write_text(json.dumps(tokens))
    opened = Renderer.open(model)
    assert (opened.bos_id, opened.stop_ids) == (1, frozenset({2}))


def test_truncation_stored_in_the_tokenizer_cuts_nothing(model: Path) -> None:
    cut = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    edit(model / "tokenizer.json", truncation=cut)
    assert len(Renderer.open(model).encode("one two three four five six seven")) > 4


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat_template.jinja", b"\xff\xfe{{ messages }}"),
        ("tokenizer_config.json", b"{"),
        ("generation_config.json", b"\xff"),
    ],
)
def test_damaged_files_are_named(model: Path, name: str, content: bytes) -> None:
    (model / name).write_bytes(content)
    with pytest.raises(Problem, match=name.replace(".", r"\.")):
        Renderer.open(model)


@pytest.mark.parametrize("loss", ["completion", "assistant", "all"])
def test_many_rows_give_what_each_gives_alone(
    tiny_model: Path, tiny_data: TinyData, loss: Loss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunewright.engine.data.tokens._BATCH", 7)
    renderer = Renderer.open(tiny_model)
    rows = [*read_examples(tiny_data.train).examples, MULTI]
    assert list(renderer.tokenize_all(rows, loss)) == [renderer.tokenize(e, loss) for e in rows]


def test_an_answer_that_merges_with_the_prompt_is_trained_from_the_merged_token(
    tiny_model: Path,
) -> None:
    opened = Renderer.open(tiny_model)
    # "assistant" is one token of this vocabulary: the prompt ends within it.
    source = (
        "{% for m in messages %}{{ m.content if m.role == 'user' else 'as' + m.content }}<|im_end|>"
        "{% endfor %}{% if add_generation_prompt %}as{% endif %}"
    )
    special = opened.special_tokens
    tight = Renderer(opened.tokenizer, Template(source, special), special, opened.stop_ids)
    row = Example((Message("user", "q"), Message("assistant", "sistant lamp")), HERE)
    ids, labels = tight.tokenize(row, "completion")
    trained = [token for token in labels if token != IGNORED]
    assert opened.tokenizer.decode(trained, skip_special_tokens=False) == "assistant lamp<|im_end|>"
    assert labels == [IGNORED] * (len(ids) - len(trained)) + trained


def test_without_a_template_rows_are_those_that_trl_trains_on(
    model: Path, tiny_data: TinyData, tmp_path: Path
) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    (model / "chat_template.jinja").unlink()
    rows = read_examples(tiny_data.train).examples[:8]
    texts = [{"prompt": e.messages[0].content, "completion": e.messages[1].content} for e in rows]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, max_length=None),
        train_dataset=Dataset.from_list(texts),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    theirs = [(list(r["input_ids"]), list(r["labels"])) for r in trainer.train_dataset]
    opened = Renderer.open(model)
    assert opened.rendering == "plain"
    assert [tuple(row) for row in opened.tokenize_all(rows, "completion")] == theirs
