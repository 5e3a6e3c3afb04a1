"""Rows in every spelling become one internal shape, that of TRL's conversational formats."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.example import Format
from tunewright.engine.data.fixes.unify import as_trl
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.shapes.find import SHAPES, Finder, parse_row, shape_named
from tunewright.engine.data.shapes.shape import Normal
from tunewright.hardware.errors import Problem

Q = {"role": "user", "content": "q"}
A = {"role": "assistant", "content": "a"}
B = {"role": "assistant", "content": "b"}
CALL = {"name": "find", "arguments": {"city": "Bern"}}
CALL_ARGUMENTS = CALL["arguments"]
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
    "glaive": (
        {
            "system": "SYSTEM: s",
            "chat": "USER: q\n\n\nASSISTANT: <functioncall> "
            '{"name": "find", "arguments": \'{"city": "Bern"}\'} <|endoftext|>\n\n\n'
            'FUNCTION RESPONSE: {"t": 3}\n\n\nASSISTANT: a <|endoftext|>\n\n\n',
        },
        "dialogue",
        "system user assistant tool assistant",
    ),
    "anthropic": (
        {
            "system": "s",
            "messages": [
                Q,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "wait"},
                        {"type": "tool_use", "id": "1", "name": "find", "input": CALL_ARGUMENTS},
                    ],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "1", "content": "3"}],
                },
                A,
            ],
        },
        "messages",
        "system user assistant tool assistant",
    ),
    "gemini": (
        {
            "systemInstruction": {"parts": [{"text": "s"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "q"}]},
                {
                    "role": "model",
                    "parts": [{"functionCall": {"name": "find", "args": CALL_ARGUMENTS}}],
                },
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "find", "response": {"t": 3}}}],
                },
                {"role": "model", "parts": [{"text": "a"}]},
            ],
        },
        "messages",
        "system user assistant tool assistant",
    ),
    "parts with values": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "value": "q"}]},
                {"role": "assistant", "content": [{"type": "text", "value": "a"}]},
            ]
        },
        "messages",
        "user assistant",
    ),
    "pairs of a chat": (
        {"conversation": [{"human": "x", "assistant": "y"}, {"human": "q", "assistant": "a"}]},
        "messages",
        "user assistant user assistant",
    ),
    "texts by turns": (
        {"id": "1", "data": ["x", "y", "q", "a"]},
        "messages",
        "user assistant user assistant",
    ),
    "turns as text": (
        {"messages": '[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]'},
        "messages",
        "user assistant",
    ),
    "a tree": (
        {
            "message_tree_id": "1",
            "prompt": {
                "role": "prompter",
                "text": "q",
                "replies": [
                    {"role": "assistant", "text": "worse", "rank": 1, "replies": []},
                    {
                        "role": "assistant",
                        "text": "a",
                        "rank": 0,
                        "replies": [{"role": "prompter", "text": "and?", "replies": []}],
                    },
                ],
            },
        },
        "messages",
        "user assistant",
    ),
    "names of an API": (
        {"input_text": "q", "output_text": "a"},
        "prompt_completion",
        "user assistant",
    ),
    "a text and its class": (
        {"text": "q", "label": "a"},
        "classes",
        "user assistant",
    ),
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


def test_what_a_question_is_about_and_what_was_thought_are_read() -> None:
    given = normal({"question": "q", "context": "about this", "answer": "a"})
    assert given.messages[0].content == "q\n\nabout this"
    dolly = normal({"instruction": "q", "context": "about this", "response": "a"})
    assert dolly.messages[0].content == "q\n\nabout this"
    thought = normal({"Question": "q", "Complex_CoT": "hm", "Response": "a"})
    assert (thought.messages[-1].content, thought.messages[-1].reasoning) == ("a", "hm")


def test_alpaca_is_read_with_what_stands_beside_it() -> None:
    row = {"instruction": "q", "output": "a", "system_prompt": "Be brief.", "reasoning": "hm"}
    parsed = normal(row)
    assert [m.content for m in parsed.messages] == ["Be brief.", "q", "a"]
    assert parsed.messages[-1].reasoning == "hm"
    assert parsed.fields == ("system_prompt", "instruction", "output")
    tools = [{"name": "find", "parameters": {}}]
    called = {"instruction": "q", "output": '[{"name": "find", "arguments": {}}]', "tools": tools}
    assert normal(called).messages[-1].tool_calls[0].name == "find"
    assert len(normal(called).tools) == 1
    bound = Finder().find(row)
    assert bound is not None
    assert bound.unread(row) == []


def test_the_way_to_an_answer_is_trained_and_not_its_last_number() -> None:
    for asked in ("question", "problem"):
        row = {asked: "q", "solution": "One and one is 2.", "answer": "2"}
        bound = Finder().find(row)
        assert bound is not None
        assert normal(row).answer == "One and one is 2."
        assert bound.unread(row) == ["answer"]
    assert normal({"question": "q", "answer": "2"}).answer == "2"


def test_a_system_text_that_the_turns_replace_is_told(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    for said, unread in (("Be kind.", True), ("Be brief.", False), ("", False)):
        turns = [{"role": "system", "content": "Be brief."}, Q, A]
        path.write_text(json.dumps({"system": said, "messages": turns}) + "\n")
        places = [p for f in check_data(path).findings if f.id == "field.unread" for p in f.places]
        assert [place.field for place in places] == (["system"] if unread else [])


def test_turns_that_say_by_a_type_who_speaks_are_read() -> None:
    asked = [
        {"type": "system", "content": "s"},
        {"type": "human", "content": "q"},
        {"type": "ai", "content": "", "tool_calls": [{"name": "f", "args": {"n": 1}, "id": "1"}]},
        {"type": "tool", "content": "3", "tool_call_id": "1"},
        {"type": "ai", "content": "a"},
    ]
    names = {"system": "System", "human": "Human", "ai": "AI", "tool": "Tool"}
    stored = [{"type": turn["type"], "data": turn} for turn in asked]
    dumped = [
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "messages", f"{names[str(turn['type'])]}Message"],
            "kwargs": {"content": turn["content"], "tool_calls": turn.get("tool_calls", [])},
        }
        for turn in asked
    ]
    for field in ("messages", "conversation", "conversations"):
        for turns in (asked, stored, dumped):
            found = normal({field: turns}).messages
            assert [m.role for m in found] == ["system", "user", "assistant", "tool", "assistant"]
            assert [m.content for m in found] == ["s", "q", "", "3", "a"]
            [call] = found[2].tool_calls
            assert (call.name, call.arguments) == ("f", {"n": 1})


def test_items_of_responses_are_turns() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "q"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"n": 1}'},
            {"type": "function_call_output", "call_id": "1", "output": "3"},
            {"type": "reasoning", "summary": []},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a"}],
            },
        ]
    }
    found = normal(row)
    _, called, result, last = found.messages
    assert called.tool_calls[0].arguments == {"n": 1}
    assert called.reasoning == "hm"
    assert (result.content, result.tool_call_id) == ("3", "1")
    assert last.content == "a"
    # Places are those of the file, whatever came before them.
    assert found.fields[-1] == "messages[5].content"


@pytest.mark.parametrize("arguments", ["", " ", None, {}, "{}"])
def test_a_call_without_arguments_is_one(arguments: Any) -> None:
    called = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "now", "arguments": arguments}}],
    }
    row = {"messages": [Q, called, {"role": "tool", "content": "3"}, A]}
    [call] = normal(row).messages[1].tool_calls
    assert (call.name, call.arguments) == ("now", {})


def test_an_answer_that_is_a_call_becomes_one_where_there_are_tools() -> None:
    row = {
        "query": "q",
        "answers": '[{"name": "find", "arguments": {"city": "Bern"}}]',
        "tools": '[{"name": "find", "parameters": {}}]',
    }
    last = normal(row).messages[-1]
    assert [(call.name, call.arguments) for call in last.tool_calls] == [("find", {"city": "Bern"})]
    assert normal({"query": "q", "answers": row["answers"]}).messages[-1].tool_calls == ()


def test_one_message_of_a_tree_a_row_is_no_text() -> None:
    row = {"message_id": "1", "parent_id": None, "role": "prompter", "text": "q"}
    parsed = parse_row(row, Finder().find(row))
    assert isinstance(parsed, list)
    assert (parsed[0].id, "parent_id" in parsed[0].expected) == ("shape.stranger", True)


def test_confidence_is_less_where_names_tell_less() -> None:
    def sure(row: dict[str, Any]) -> float:
        bound = Finder().find(row)
        assert bound is not None
        return bound.sure

    assert sure({"messages": [Q, A]}) == 1
    assert sure({"question": "q", "answer": "a"}) == 0.8
    assert sure({"data": ["q", "a"]}) == 0.7
    assert sure({"text": "q", "label": "a"}) == 0.6
    assert sure({"text": "q", "label": 3}) == 0.5


PAIRS: dict[str, dict[str, Any]] = {
    "text": {"prompt": "q", "chosen": "a", "rejected": "b"},
    "question": {"question": "q", "chosen": "a", "rejected": "b"},
    "messages, explicit prompt": {"prompt": [Q], "chosen": [A], "rejected": [B]},
    "messages, implicit prompt": {"chosen": [Q, A], "rejected": [Q, B]},
    "prompt as text, whole messages": {"prompt": "q", "chosen": [Q, A], "rejected": [Q, B]},
    "whole messages, said once more": {
        "prompt": "q",
        "messages": [Q, A],
        "chosen": [Q, A],
        "rejected": [Q, B],
    },
    "openai": {
        "input": {"messages": [Q], "tools": []},
        "preferred_output": [A],
        "non_preferred_output": [B],
    },
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
    # The cells of a table are text, and some sets have numbers.
    for said in ("False", "0", 0):
        told = normal({"prompt": "q", "completion": "a", "label": said})
        assert (told.kind, told.label) == ("labelled", False)
    assert normal({"prompt": "q", "response": "a", "score": "2.5"}).score == 2.5
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
        (
            {"conversations": [{"from": "gpt", "value": "x"}]},
            "role.order",
            "conversations[0].from",
        ),
        (
            {"prompt": [Q], "completion": [{"role": "assistant", "content": ""}]},
            "answer.empty",
            "completion[0].content",
        ),
        (
            {"prompt": [{"role": "x", "content": "q"}], "completion": "a"},
            "role.unknown",
            "prompt[0].role",
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


def test_a_turn_of_weight_0_is_not_learned_from() -> None:
    off, last = {"role": "assistant", "content": "x", "weight": 0}, {**A, "weight": 1}
    row = {"messages": [Q, off, Q, last]}
    assert [m.trained for m in normal(row).messages] == [True, False, True, True]
    bound = Finder().find(row)
    assert bound is not None
    assert not bound.unread(row)
    # axolotl's and XTuner's words for it.
    for word in ("train", "loss"):
        turn = {"role": "assistant", "content": "x", word: False}
        assert not normal({"messages": [Q, turn, Q, A]}).messages[1].trained
    # What follows the last turn that is learned from has no effect.
    assert [m.content for m in normal({"messages": [Q, A, Q, off]}).messages] == ["q", "a"]
    for turns, id, field in (
        ([Q, off], "answer.untrained", "messages[1]"),
        ([Q, {**A, "weight": 0.5}], "field.type", "messages[1].weight"),
    ):
        parsed = parse_row({"messages": turns}, Finder().find({"messages": turns}))
        assert isinstance(parsed, list)
        assert (parsed[0].id, parsed[0].field) == (id, field)
    unified = as_trl(normal(row))["messages"]
    assert [turn.get("weight") for turn in unified] == [None, 0, None, None]
    assert normal({"messages": unified}) == normal(row)
