"""Rows in every spelling become one internal shape, that of TRL's conversational formats."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.example import Format
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.shapes.find import SHAPES, Finder, parse_row, shape_named
from tunewright.engine.data.shapes.shape import Normal
from tunewright.hardware.errors import Problem

Q = {"role": "user", "content": "q"}
A = {"role": "assistant", "content": "a"}
B = {"role": "assistant", "content": "b"}
CALL = {"name": "find", "arguments": {"city": "Bern"}}
HH = "\n\nHuman: q\n\nAssistant: x\n\nHuman: r\n\nAssistant: "

# (row, shape, kind, roles of the prompt and the answers)
ROWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "alpaca": ({"instruction": "q", "input": "", "output": "a"}, "alpaca", "user assistant"),
    "dolly": (
        {"instruction": "q", "context": "", "response": "a", "category": "qa"},
        "alpaca",
        "user assistant",
    ),
    "messages": ({"messages": [Q, A]}, "messages", "user assistant"),
    "developer and human": (
        {"messages": [{"role": "developer", "content": "s"}, {"role": "human", "content": "q"}, A]},
        "messages",
        "system user assistant",
    ),
    "parts": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm"},
                        {"type": "text", "text": "a"},
                    ],
                },
            ]
        },
        "messages",
        "user assistant",
    ),
    "question and answer": (
        {"question": "q", "answer": "a"},
        "prompt_completion",
        "user assistant",
    ),
    "turns as prompt": (
        {"prompt": [Q], "completion": [A]},
        "prompt_completion",
        "user assistant",
    ),
    "text to summarise": ({"document": "q", "summary": "a"}, "prompt_completion", "user assistant"),
    "squad": (
        {"question": "q", "answers": 1, "answer": {"text": ["a"], "answer_start": [3]}},
        "prompt_completion",
        "user assistant",
    ),
    "openai tool calls": (
        {
            "messages": [
                Q,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "find", "arguments": '{"city": "Bern"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "{}"},
                A,
            ],
            "tools": [{"type": "function", "function": {"name": "find"}}],
        },
        "messages",
        "user assistant tool assistant",
    ),
    "sharegpt calls": (
        {
            "conversations": [
                {"from": "human", "value": "q"},
                {
                    "from": "function_call",
                    "value": '{"name": "find", "arguments": {"city": "Bern"}}',
                },
                {"from": "observation", "value": "{}"},
                {"from": "gpt", "value": "a"},
            ],
            "tools": '[{"name": "find"}]',
            "system": "s",
        },
        "sharegpt",
        "system user assistant tool assistant",
    ),
    "guanaco": ({"text": "### Human: q### Assistant: a"}, "dialogue", "user assistant"),
}


def normal(row: dict[str, Any], asked: str = "auto") -> Normal:
    bound = Finder(asked).find(row)
    parsed = parse_row(row, bound)
    assert isinstance(parsed, Normal), parsed
    return parsed


@pytest.mark.parametrize(("row", "shape", "roles"), ROWS.values(), ids=ROWS.keys())
def test_conversations_of_every_spelling(row: dict[str, Any], shape: str, roles: str) -> None:
    bound = Finder().find(row)
    assert bound is not None
    assert bound.shape.name == shape
    parsed = normal(row)
    assert " ".join(m.role for m in parsed.messages) == roles
    assert parsed.messages[-1].content == "a"
    assert len(parsed.fields) == len(parsed.messages)
    for message in parsed.messages:
        for call in message.tool_calls:
            assert (call.name, call.arguments) == ("find", {"city": "Bern"})


def test_reasoning_and_tools_are_kept() -> None:
    parts = normal(ROWS["parts"][0])
    assert parts.messages[-1].reasoning == "hm"
    assert parts.messages[-1].turn()["reasoning_content"] == "hm"
    for name in ("openai tool calls", "sharegpt calls"):
        tools = normal(ROWS[name][0]).tools
        assert [tool["function"]["name"] for tool in tools] == ["find"]


PAIRS: dict[str, dict[str, Any]] = {
    "text": {"prompt": "q", "chosen": "a", "rejected": "b"},
    "question": {"question": "q", "chosen": "a", "rejected": "b"},
    "messages, explicit prompt": {"prompt": [Q], "chosen": [A], "rejected": [B]},
    "messages, implicit prompt": {"chosen": [Q, A], "rejected": [Q, B]},
    "prompt as text, whole messages": {"prompt": "q", "chosen": [Q, A], "rejected": [Q, B]},
    "last turn": {
        "conversations": [{"from": "human", "value": "q"}],
        "chosen": {"from": "gpt", "value": "a"},
        "rejected": {"from": "gpt", "value": "b"},
    },
}


@pytest.mark.parametrize("row", PAIRS.values(), ids=PAIRS.keys())
def test_preferences_of_every_spelling(row: dict[str, Any]) -> None:
    parsed = normal(row)
    assert parsed.kind == "preference"
    assert [(m.role, m.content) for m in parsed.messages] == [("user", "q")]
    assert [m.content for m in parsed.chosen] == ["a"]
    assert [m.content for m in parsed.rejected] == ["b"]


def test_dialogues_of_hh_share_their_beginning() -> None:
    parsed = normal({"chosen": HH + "a", "rejected": HH + "b"})
    assert [m.content for m in parsed.messages] == ["q", "x", "r"]
    assert (parsed.chosen[0].content, parsed.rejected[0].content) == ("a", "b")


def test_labels_and_scores() -> None:
    kto = normal({"prompt": "q", "completion": "a", "label": False})
    assert (kto.kind, kto.label) == ("labelled", False)
    tagged = normal({"messages": [Q, A], "kto_tag": True})
    assert (tagged.kind, tagged.label, tagged.messages[-1].content) == ("labelled", True, "a")
    scored = normal({"prompt": "q", "response": "a", "helpfulness": 3})
    assert (scored.kind, scored.score) == ("scored", 3.0)
    assert normal({"text": "just text"}).kind == "text"


def test_a_shape_may_be_asked_for_with_its_fields() -> None:
    row = {"q_text": "q", "a_text": "a", "chosen": 1, "rejected": 2}
    parsed = normal(row, "prompt_completion:prompt=q_text,completion=a_text")
    assert [m.content for m in parsed.messages] == ["q", "a"]
    for asked in ("nothing", "alpaca:a=b", "alpaca:output"):
        with pytest.raises(Problem):
            Finder(asked)
    assert shape_named("kto").kind == "labelled"


@pytest.mark.parametrize(
    ("row", "id", "field"),
    [
        (
            {"messages": [{"role": "narrator", "content": "x"}, A]},
            "role.unknown",
            "messages[0].role",
        ),
        ({"messages": [Q]}, "answer.missing", "messages[0].role"),
        ({"messages": [Q, A, Q]}, "answer.last", "messages[2].role"),
        (
            {"messages": [Q, {"role": "assistant", "content": ""}]},
            "answer.empty",
            "messages[1].content",
        ),
        ({"messages": []}, "turns.empty", "messages"),
        ({"messages": [{"role": "tool", "content": "x"}, A]}, "role.order", "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}, A]},
            "content.not-text",
            "messages[0].content[0]",
        ),
        (
            {
                "conversations": [
                    {"from": "human", "value": "q"},
                    {"from": "function_call", "value": "{"},
                ]
            },
            "call.broken",
            "conversations[1].value",
        ),
        ({"instruction": "q", "output": ""}, "answer.empty", "output"),
        ({"prompt": "q", "chosen": "a", "rejected": ""}, "answer.empty", "rejected"),
        ({"chosen": "a", "rejected": "b"}, "prompt.missing", "chosen"),
        ({"text": 7}, "shape.unknown", "row"),
    ],
)
def test_what_is_wrong_is_named(row: dict[str, Any], id: str, field: str) -> None:
    parsed = parse_row(row, Finder().find(row))
    assert isinstance(parsed, list)
    assert (parsed[0].id, parsed[0].field) == (id, field)


def test_the_format_of_a_set_is_one_of_the_shapes() -> None:
    assert {shape.name for shape in SHAPES} == set(typing.get_args(Format))


def test_the_shape_of_most_rows_counts_though_the_first_has_another(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "x"}\n' + '{"prompt": "q", "completion": "a"}\n' * 3)
    with pytest.raises(Problem) as caught:
        read_examples(path)
    assert caught.value.what.startswith("1 row of")
    assert f"{path}:1:prompt: found only text" in caught.value.why


@pytest.mark.parametrize("row", [*PAIRS.values(), {"text": "x"}], ids=[*PAIRS.keys(), "text"])
def test_rows_of_another_training_are_told_which(tmp_path: Path, row: dict[str, Any]) -> None:
    import json

    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(Problem, match="another kind of training"):
        read_examples(path)
