"""Records that hold several rows, and rows of several records; places that are true."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.fixed_file import write_fixed
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.readers.block import RawRow
from tunewright.engine.data.sources import find_sources

QAS = [
    {"question": "who?", "id": "1", "answers": [{"text": "a {", "answer_start": 0}]},
    {"question": "when?", "id": "2", "answers": [{"text": "b", "answer_start": 4}]},
]
SQUAD = {
    "version": "1.1",
    "data": [
        {"title": "T", "paragraphs": [{"context": 'a { \\" b', "qas": QAS}]},
        {"title": "U", "paragraphs": [{"context": "c", "qas": QAS[:1]}]},
    ],
}
TREE = [
    {"message_id": "1", "parent_id": None, "role": "prompter", "text": "q", "lang": "en"},
    {"message_id": "2", "parent_id": "1", "role": "assistant", "text": "worse", "rank": 1},
    {"message_id": "3", "parent_id": "1", "role": "assistant", "text": "a", "rank": 0},
    {"message_id": "4", "parent_id": "3", "role": "prompter", "text": "and?"},
    {"message_id": "5", "parent_id": None, "role": "prompter", "text": "r"},
    {"message_id": "6", "parent_id": "5", "role": "assistant", "text": "b"},
]


def lines_of(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def raw(path: Path) -> list[RawRow]:
    return [row for s in find_sources(path) for block in s.blocks() for row in block.rows()]


def test_questions_of_paragraphs_are_rows_at_their_own_lines(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    text = json.dumps(SQUAD, indent=2)
    path.write_text(text)
    rows = raw(path)
    assert [row.value["question"] for row in rows] == ["who?", "when?", "who?"]
    assert rows[0].value["context"] == 'a { \\" b'
    at = text.split("\n")
    for row in rows:
        assert (at[row.line - 1].strip(), at[row.line].strip()[:10]) == ("{", '"question"')
    assert [row.row for row in rows] == [1, 2, 3]
    found = read_examples(path).examples
    assert found[1].messages[0].content == 'when?\n\na { \\" b'
    assert [e.messages[-1].content for e in found] == ["a {", "b", "a {"]


def test_on_one_line_the_row_tells(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(SQUAD))
    assert [str(e.place) for e in read_examples(path).examples] == [
        f"{path} row 1",
        f"{path}:1 row 2",
        f"{path}:1 row 3",
    ]


def test_an_article_a_line_is_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "squad.jsonl"
    path.write_text(lines_of(SQUAD["data"]))
    assert [(row.line, row.row) for row in raw(path)] == [(1, 1), (1, 2), (2, 3)]


def test_instances_of_an_instruction_are_rows(tmp_path: Path) -> None:
    rows = [{"instruction": "i", "instances": [{"input": x, "output": x + "!"} for x in "xy"]}] * 2
    path = tmp_path / "seed.jsonl"
    path.write_text(lines_of(rows))
    found = read_examples(path).examples
    assert [e.messages[0].content for e in found] == ["i\n\nx", "i\n\ny"] * 2
    report = check_data(path)
    assert [f.count for f in report.findings if f.id == "rows.nested"] == [4]


def test_messages_of_trees_are_joined_whatever_their_order(tmp_path: Path) -> None:
    path = tmp_path / "flat.jsonl"
    for order in (TREE, TREE[::-1]):
        path.write_text(lines_of(order))
        found = read_examples(path).examples
        said = [[message.content for message in e.messages] for e in found]
        assert sorted(said) == [["q", "a"], ["r", "b"]]
    circle = [{**TREE[0], "parent_id": "2"}, TREE[1], *TREE[4:]]
    path.write_text(lines_of(circle))
    assert [row.wrong and row.wrong.field for row in raw(path)] == [None, "parent_id", "parent_id"]


def test_rows_that_hold_lists_stay_rows(tmp_path: Path) -> None:
    row = {"question": "q", "answer": "a", "sources": [{"text": "t"}, {"text": "u"}]}
    path = tmp_path / "d.jsonl"
    path.write_text(lines_of([row]))
    assert [one.value for one in raw(path)] == [row]
    assert find_sources(path)[0].holds_rows


@pytest.mark.parametrize("indent", [None, 1])
def test_rows_of_an_array_stand_on_their_lines(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "d.json"
    rows = [{"prompt": f"q{n}", "completion": "two\nlines"} for n in range(3)]
    path.write_text(json.dumps(rows, indent=indent))
    assert [row.line for row in raw(path)] == ([1, 1, 1] if indent is None else [2, 6, 10])
    path.write_text("".join(json.dumps(row, indent=1) + "\n\n" for row in rows))
    assert [row.line for row in raw(path)] == [1, 6, 11]
    path.write_text(json.dumps({"about": "x", "rows": rows}, indent=1))
    assert [row.line for row in raw(path)] == [4, 8, 12]


def test_rows_that_are_equal_on_one_line_count_each(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps([{"prompt": "q", "completion": ""}] * 4))
    [empty] = [f for f in check_data(path).findings if f.id == "answer.empty"]
    assert empty.count == 4
    assert [(p.line, p.row) for p in empty.places] == [(1, 1), (1, 2), (1, 3), (1, 4)]


def test_a_table_has_rows_and_no_lines(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "d.parquet"
    rows = [{"prompt": "q", "completion": "" if n == 2 else "a"} for n in range(4)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    [empty] = [f for f in check_data(path).findings if f.id == "answer.empty"]
    assert (empty.places[0].line, str(empty.places[0])) == (3, f"{path} row 3:completion")


def test_turns_with_one_id_are_a_conversation(tmp_path: Path) -> None:
    said = [
        ("1", "user", "q"),
        ("2", "user", "r"),
        ("1", "assistant", "a"),
        ("2", "assistant", "b"),
    ]
    rows = [{"conversation_id": i, "role": role, "content": text} for i, role, text in said]
    path = tmp_path / "turns.jsonl"
    path.write_text(lines_of(rows))
    found = read_examples(path).examples
    assert [[m.content for m in e.messages] for e in found] == [["q", "a"], ["r", "b"]]
    assert [(e.place.line, e.place.row) for e in found] == [(1, 1), (2, 2)]
    table = tmp_path / "turns.csv"
    table.write_text("session_id,sender,message\n" + "".join(f"{i},{r},{t}\n" for i, r, t in said))
    assert len(read_examples(table).examples) == 2
    # Where each turn has an id of its own nothing holds them together.
    path.write_text(lines_of([{**row, "conversation_id": n} for n, row in enumerate(rows)]))
    assert [row.value["content"] for row in raw(path)] == ["q", "r", "a", "b"]


@pytest.mark.parametrize(
    ("field", "marks"),
    [
        ("turn", [0, 1, 2, 10]),
        ("turn_index", ["0", "1", "2", "10"]),
        ("created_at", [f"2024-05-0{day}T09:00:00Z" for day in (1, 2, 3, 4)]),
        ("timestamp", [1714000000.5, 1714000001, 1714000002, 1714000010]),
        ("date", ["2024-05-01T23:30+02:00", "2024-05-01T22:00", "2024-05-02", "2024-05-03"]),
    ],
)
def test_turns_are_joined_in_the_order_that_they_say(
    tmp_path: Path, field: str, marks: list[Any]
) -> None:
    said = [("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2")]
    turns = [
        {"conversation_id": "c", field: mark, "role": role, "content": text}
        for mark, (role, text) in zip(marks, said, strict=True)
    ]
    path = tmp_path / "turns.jsonl"
    for some in ([turns[i] for i in (2, 3, 0, 1)], turns[::-1]):
        path.write_text(lines_of(some))
        [example] = read_examples(path).examples
        assert [m.content for m in example.messages] == ["q1", "a1", "q2", "a2"]
        assert example.place.line == 1
        report = check_data(path)
        assert "field.unread" not in {f.id for f in report.findings if f"[].{field}" in str(f)}
    # One that does not say its place leaves those of the others without a meaning.
    turns[1][field] = None
    path.write_text(lines_of(turns))
    [row] = raw(path)
    assert [m["content"] for m in row.value["messages"]] == ["q1", "a1", "q2", "a2"]
    assert row.note is not None
    assert "in the order of the file" in row.note.found


def test_the_field_that_tells_the_turns_apart_says_their_order(tmp_path: Path) -> None:
    said = [("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2")]
    turns = [
        {
            "conversation_id": "c", "role": role, "content": text,
            "index": 7, "step": n // 2, "order": None, "time": f"2024-05-01 09:0{n}:00",
        }
        for n, (role, text) in enumerate(said)
    ]  # fmt: skip
    path = tmp_path / "turns.jsonl"
    path.write_text(lines_of(turns[::-1]))
    [row] = raw(path)
    assert [m["content"] for m in row.value["messages"]] == ["q1", "a1", "q2", "a2"]
    assert row.value["index"] == 7
    # The number of a pair, where a pair stands as it was said.
    for turn in turns:
        del turn["time"]
    path.write_text(lines_of([*turns[2:], *turns[:2]]))
    [row] = raw(path)
    assert [m["content"] for m in row.value["messages"]] == ["q1", "a1", "q2", "a2"]


def test_an_id_that_seldom_comes_twice_joins_nothing(tmp_path: Path) -> None:
    rows = [
        {"session_id": n - (n == 90), "sender": "s", "text": f"t {n}", "label": "x"}
        for n in range(100)
    ]
    path = tmp_path / "d.jsonl"
    path.write_text(lines_of(rows))
    assert [row.value for row in raw(path)] == rows


def test_turns_keep_their_calls_and_a_conversation_what_all_its_turns_say(tmp_path: Path) -> None:
    call = [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "warm?"},
        {"role": "assistant", "content": None, "tool_calls": call},
        {"role": "tool", "content": "3", "tool_call_id": "1", "name": "weather"},
        {"role": "assistant", "content": "No.", "weight": 0},
        {"role": "user", "content": "and now?"},
        {"role": "assistant", "content": "It is 3."},
    ]
    rows = [
        {"session_id": 7, "system": "be brief", "mood": n % 2, **t} for n, t in enumerate(turns)
    ]
    path = tmp_path / "turns.jsonl"
    path.write_text(lines_of(rows))
    [row] = raw(path)
    assert row.value["system"] == "be brief"
    assert {**row.value["messages"][1], "mood": 0} == {**turns[1], "mood": 0}
    [example] = read_examples(path).examples
    asked, called, result, first, _, _ = example.messages[1:]
    assert example.messages[0].content == "be brief"
    assert asked.content == "warm?"
    assert called.tool_calls[0].name == "weather"
    assert (result.name, result.tool_call_id) == ("weather", "1")
    assert not first.trained
    write_fixed(path, ["unify"], tmp_path / "out.jsonl")
    [again] = read_examples(tmp_path / "out.jsonl").examples
    assert again.messages[2].tool_calls == called.tool_calls
    # A table has the calls as text, and empty cells for all other turns.
    table = tmp_path / "turns.csv"
    with table.open("w", newline="") as file:
        out = csv.DictWriter(file, ["session_id", "role", "content", "tool_calls", "tool_call_id"])
        out.writeheader()
        for turn in turns:
            calls = json.dumps(call) if "tool_calls" in turn else None
            out.writerow(
                {"session_id": "s", "role": turn["role"], "content": turn["content"]}
                | {"tool_calls": calls, "tool_call_id": turn.get("tool_call_id")}
            )
    [listed] = read_examples(table).examples
    assert listed.messages[1].tool_calls[0].name == "weather"


def test_answers_that_follow_all_questions_find_theirs(tmp_path: Path) -> None:
    said = (("user", "q{}"), ("assistant", "a{}"))
    path = tmp_path / "turns.jsonl"
    path.write_text(
        lines_of(
            [
                {"chat_id": f"c{n}", "role": role, "content": text.format(n)}
                for role, text in said
                for n in range(2500)
            ]
            # Nobody's: they are no conversation.
            + [{"chat_id": None, "role": "user", "content": "?"}] * 2
        )
    )
    rows = raw(path)
    joined = [row for row in rows if "messages" in row.value]
    assert len(joined) == 2500
    assert len(rows) == 2502
    assert [m["content"] for m in joined[2400].value["messages"]] == ["q2400", "a2400"]
