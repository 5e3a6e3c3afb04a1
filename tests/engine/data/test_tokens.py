"""What is shown is what is trained: ids and labels as transformers and TRL make them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import TinyData

from tunewright.engine.data.example import Example, Message, Place, ToolCall
from tunewright.engine.data.preflight import MOST_LETTERS, check_row, checked_rows, measure
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.split import prompt_key, split
from tunewright.engine.data.template import Template
from tunewright.engine.data.tokens import IGNORED, Renderer, Tokens
from tunewright.hardware.errors import Problem

HERE = Place("d.jsonl", 1)
MULTI = Example(
    (
        Message("system", "Be brief."),
        Message("user", "one?"),
        Message("assistant", "uno"),
        Message("user", "two?"),
        Message("assistant", "dos"),
    ),
    HERE,
)


@pytest.fixture(scope="module")
def renderer(tiny_model: Path) -> Renderer:
    return Renderer.open(tiny_model)


def trained_text(renderer: Renderer, tokens: Tokens) -> str:
    ids = [label for label in tokens.labels if label != IGNORED]
    return str(renderer.tokenizer.decode(ids, skip_special_tokens=False))


def test_ids_are_those_of_apply_chat_template(tiny_model: Path, renderer: Renderer) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    turns = [{"role": m.role, "content": m.content} for m in MULTI.messages]
    whole = tokenizer.apply_chat_template(turns, return_dict=False)
    assert renderer.tokenize(MULTI, "completion").input_ids == list(whole)
    asked = tokenizer.apply_chat_template(turns[:-1], add_generation_prompt=True, return_dict=False)
    assert renderer.prompt_ids(MULTI) == list(asked)


def test_ids_and_labels_are_those_that_trl_trains_on(
    tiny_model: Path, tiny_data: TinyData, renderer: Renderer, tmp_path: Path
) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    examples = read_examples(tiny_data.train).examples[:8]
    rows = [
        {
            "prompt": [{"role": m.role, "content": m.content} for m in e.messages[:-1]],
            "completion": [{"role": "assistant", "content": e.messages[-1].content}],
        }
        for e in examples
    ]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny_model),
        args=SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, max_length=None),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(tiny_model),
    )
    theirs = [(list(r["input_ids"]), list(r["labels"])) for r in trainer.train_dataset]
    ours = [tuple(renderer.tokenize(e, "completion")) for e in examples]
    assert theirs == ours


def test_the_mask_covers_the_answers_that_were_asked_for(renderer: Renderer) -> None:
    end = "<|im_end|>\n"
    completion = renderer.tokenize(MULTI, "completion")
    assert trained_text(renderer, completion) == "dos" + end
    every = trained_text(renderer, renderer.tokenize(MULTI, "assistant"))
    assert every == "uno" + end + "dos" + end
    whole = renderer.tokenize(MULTI, "all")
    assert whole.labels == whole.input_ids


def test_a_turn_of_weight_0_carries_no_loss(renderer: Renderer) -> None:
    turns = list(MULTI.messages)
    turns[2] = Message("assistant", "uno", trained=False)
    row = Example(tuple(turns), HERE)
    assert "uno" not in trained_text(renderer, renderer.tokenize(row, "assistant"))
    assert "dos" in trained_text(renderer, renderer.tokenize(row, "assistant"))
    whole = trained_text(renderer, renderer.tokenize(row, "all"))
    assert [word in whole for word in ("uno", "one?", "dos")] == [False, True, True]


def test_without_a_template_eos_ends_the_completion(renderer: Renderer) -> None:
    plain = Renderer(renderer.tokenizer, None, renderer.special_tokens, renderer.stop_ids)
    tokens = plain.tokenize(
        Example((Message("user", "q:"), Message("assistant", "a")), HERE), "completion"
    )
    assert trained_text(plain, tokens) == "a<|im_end|>"


def test_a_template_that_rewrites_earlier_turns_is_refused(renderer: Renderer) -> None:
    # Like templates that drop reasoning from all but the last answer.
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' and not loop.last %}[cut]"
        "{% else %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
    )
    special = renderer.special_tokens
    odd = Renderer(renderer.tokenizer, Template(source, special), special, renderer.stop_ids)
    odd.tokenize(MULTI, "completion")
    with pytest.raises(Problem, match="mask of turn 3"):
        odd.tokenize(MULTI, "assistant")


@pytest.mark.parametrize(
    "source",
    ["{{ ''.__class__.__mro__ }}", "{{ raise_exception('no system') }}", "{{ messages[99].role }}"],
)
def test_a_hostile_or_refusing_template_is_a_problem(source: str) -> None:
    with pytest.raises(Problem, match="refuses"):
        Template(source, {}).render(MULTI.messages, add_generation_prompt=False)


def test_a_template_that_does_not_compile_is_a_problem() -> None:
    with pytest.raises(Problem, match="does not compile"):
        Template("{% for %}", {})


def test_generation_marks_change_nothing() -> None:
    marked = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    text = Template(marked, {}).render(MULTI.messages, add_generation_prompt=False)
    assert text == "Be brief.one?unotwo?dos"


def test_preflight_fails_when_the_last_trained_token_does_not_end_the_turn(
    renderer: Renderer,
) -> None:
    source = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}" + (
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    special = renderer.special_tokens
    endless = Renderer(renderer.tokenizer, Template(source, special), special, renderer.stop_ids)
    with pytest.raises(Problem, match="does not end the turn"):
        list(checked_rows([MULTI], endless, "completion"))


_ENDLESS = "l" * (MOST_LETTERS // 2 + 1)


@pytest.mark.parametrize(
    "example",
    [
        Example((Message("user", _ENDLESS), Message("assistant", _ENDLESS)), HERE),
        Example((Message("user", _ENDLESS), Message("assistant", "a", _ENDLESS)), HERE),
        Example(
            (
                Message("user", _ENDLESS),
                Message("assistant", "", None, (ToolCall("f", {"a": [_ENDLESS]}),)),
            ),
            HERE,
        ),
        Example(
            (Message("user", _ENDLESS), Message("assistant", "a")),
            HERE,
            ({"type": "function", "function": {"name": "f", "description": _ENDLESS}},),
        ),
    ],
    ids=["content", "reasoning", "arguments", "tools"],
)
def test_a_row_longer_than_any_context_is_refused_before_it_is_tokenized(
    renderer: Renderer, example: Example
) -> None:
    with pytest.raises(Problem, match="longer than any context"):
        next(checked_rows([example], renderer, "completion"))


def test_preflight_fails_when_nothing_is_trained_or_bos_is_doubled(renderer: Renderer) -> None:
    assert check_row(Tokens([1, 2], [IGNORED, IGNORED]), renderer) == "nothing is trained"
    bos, end = renderer.bos_id, min(renderer.stop_ids)
    assert bos is not None
    assert check_row(Tokens([bos, bos, end], [IGNORED, IGNORED, end]), renderer) is not None
    assert check_row(Tokens([bos, 9, end], [IGNORED, 9, end]), renderer) is None


def test_facts_count_what_is_there(tiny_data: TinyData, renderer: Renderer) -> None:
    reading = read_examples(tiny_data.train)
    train = reading.examples
    held = read_examples(tiny_data.eval).examples
    facts, lengths = measure((*train, train[0]), held, renderer, "completion", reading)
    assert len(lengths) == facts.rows + facts.eval_rows
    assert max(lengths) == facts.length_max
    assert (facts.rows, facts.eval_rows) == (len(train) + 1, len(held))
    assert facts.duplicate_rows == 1
    assert facts.answers == "json"
    assert 0 < facts.trained_tokens < facts.train_tokens
    assert facts.length_p50 <= facts.length_p95 <= facts.length_max


def test_a_split_is_seeded_and_keeps_equal_prompts_together() -> None:
    rows = [
        Example((Message("user", f"q{i % 30}"), Message("assistant", f"a{i}")), HERE)
        for i in range(90)
    ]
    train, held = split(rows, 0.2, 1)
    assert (train, held) == split(rows, 0.2, 1)
    assert (train, held) != split(rows, 0.2, 2)
    assert not {prompt_key(rows[n]) for n in train} & {prompt_key(rows[n]) for n in held}
    assert len(train) + len(held) == 90
    assert 18 <= len(held) <= 20


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, 2.0])
def test_a_share_that_makes_no_sense_is_refused(fraction: float) -> None:
    with pytest.raises(Problem):
        split([MULTI] * 4, fraction, 1)


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"tokenizer\.json"):
        Renderer.open(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(Problem, match="damaged"):
        Renderer.open(tmp_path)
