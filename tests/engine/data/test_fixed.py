"""Fixes do what they say to the rows they name, into a new file, and the manifest tells all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_checks import ONE, clean, found, write

from tunewright.engine.data.fixed import fixed_rows
from tunewright.engine.data.fixed_file import write_again, write_fixed
from tunewright.engine.data.fixes.fix import fixes, parse_fix
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.prepared import read_split
from tunewright.engine.data.read import read_examples
from tunewright.engine.session import DataInput
from tunewright.hardware.errors import Problem


def apply(path: Path, *names: str) -> list[Any]:
    return [done.value for done in fixed_rows(path, names)]


def answers(path: Path, *names: str) -> list[str]:
    return [value["completion"] for value in apply(path, *names) if value is not None]


def one(tmp_path: Path, text: str) -> Path:
    return write(tmp_path / "one.jsonl", [{"prompt": "q", "completion": text, "id": text}])


@pytest.mark.parametrize(
    ("fix", "text", "fixed"),
    [
        ("redact", "to jane@acme.org or +41 44 668 18 00", "to [EMAIL] or [PHONE]"),
        ("redact=email", "jane@acme.org at 8.8.8.8", "[EMAIL] at 8.8.8.8"),
        ("redact=card", "4111 1111 1111 1111.", "[CARD]."),
        ("redact=secret", "key AKIAIOSFODNN7EXAMPLE!", "key [SECRET]!"),
        ("redact", "nothing in 2024", "nothing in 2024"),
        ("trim", "  a b \n", "a b"),
        ("trim=control", "\x1b[31mred\x1b[0m\x07 \u202eok", "red ok"),
        ("repair=mojibake", "fiancÃ© über BrÃ¼cke â€œq", "fiancé über Brücke “q"),
    ],
)
def test_texts_are_changed_and_fields_that_nobody_reads_are_not(
    tmp_path: Path, fix: str, text: str, fixed: str
) -> None:
    (value,) = apply(one(tmp_path, text), fix)
    assert value == {"prompt": "q", "completion": fixed, "id": text}


def test_what_was_redacted_is_found_no_more(tmp_path: Path) -> None:
    ids = [id for id in ONE if id.startswith(("pii.", "secret."))]
    path = write(tmp_path / "d.jsonl", [*clean(30), *(ONE[id][0] for id in ids)])
    assert set(ids) <= set(found(check_data(path)))
    write_fixed(path, ["redact", "redact=example"], tmp_path / "out.jsonl")
    assert not set(ids) & set(found(check_data(tmp_path / "out.jsonl")))


def test_rows_with_a_finding_are_dropped_and_only_those(tmp_path: Path) -> None:
    rows = clean(40)
    path = write(tmp_path / "d.jsonl", [rows[0], ONE["answer.refusal"][0], *rows[1:]])
    assert answers(path, "drop=answer.refusal") == [row["completion"] for row in rows]
    doubled = write(tmp_path / "two.jsonl", [*rows, *rows[:5]])
    assert answers(doubled, "dedupe") == [row["completion"] for row in rows]
    asked = write(tmp_path / "asked.jsonl", [*rows, {**rows[2], "completion": "another"}])
    assert answers(asked, "dedupe=prompt") == [row["completion"] for row in rows]
    assert len(answers(asked, "dedupe")) == 41
    assert len(answers(asked, "drop=prompt.conflict")) == 39


def test_near_repetitions_go_when_asked_for(tmp_path: Path) -> None:
    rows = clean(30)
    long = " ".join(row["completion"] for row in rows[:6])
    two = [
        {"prompt": "sum it up", "completion": long},
        {"prompt": "sum it up", "completion": long + " x"},
    ]
    path = write(tmp_path / "d.jsonl", [*rows, *two])
    assert len(answers(path, "dedupe")) == 32
    assert len(answers(path, "dedupe=near")) == 31


def test_fields_and_speakers_are_renamed(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [{"q": "one", "a": "two"}])
    assert apply(path, "rename=q:prompt", "rename=a:completion") == [
        {"prompt": "one", "completion": "two"}
    ]
    with pytest.raises(Problem, match="already"):
        apply(path, "rename=q:a")
    turns = [{"role": "narrator", "content": "q"}, {"role": "assistant", "content": "a"}]
    path = write(tmp_path / "m.jsonl", [{"messages": turns}])
    (value,) = apply(path, "role=narrator:user")
    assert [turn["role"] for turn in value["messages"]] == ["user", "assistant"]
    pair = {"prompt": turns[:1], "chosen": turns[1:], "rejected": turns[1:]}
    (value,) = apply(write(tmp_path / "p.jsonl", [pair]), "role=narrator:user")
    assert value["prompt"][0]["role"] == "user"


def test_turns_are_put_in_order(tmp_path: Path) -> None:
    def turn(role: str, content: str) -> dict[str, str]:
        return {"role": role, "content": content}

    crooked = [
        turn("assistant", "hello"), turn("user", "a"), turn("user", "b"),
        turn("assistant", "c"), turn("user", "thanks"),
    ]  # fmt: skip
    path = write(tmp_path / "d.jsonl", [{"messages": crooked}, {"messages": crooked[1:3]}])
    kept, dropped = fixed_rows(path, ["trim=turns"])
    assert kept.value == {"messages": [turn("user", "a\n\nb"), turn("assistant", "c")]}
    assert dropped.value is None
    write_fixed(path, ["trim=turns"], tmp_path / "out.jsonl")
    assert len(read_examples(tmp_path / "out.jsonl").examples) == 1


CALLED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {}}}],
}
RESULT = {"role": "tool", "content": "3", "tool_call_id": "1"}


@pytest.mark.parametrize(
    ("field", "turns", "kept"),
    [
        pytest.param(
            "chat_messages",
            [
                {"sender": "human", "text": "q"},
                {"sender": "human", "text": "more"},
                {"sender": "assistant", "text": "a"},
            ],
            [{"sender": "human", "text": "q\n\nmore"}, {"sender": "assistant", "text": "a"}],
            id="a sender",
        ),
        pytest.param(
            "messages",
            [
                {"type": "human", "content": "q"},
                {"type": "human", "content": [{"type": "text", "text": "more"}], "tool_calls": []},
                {"type": "ai", "content": "a"},
                {"type": "human", "content": "thanks"},
            ],
            [
                {
                    "type": "human",
                    "content": [
                        {"type": "text", "text": "q"},
                        {"type": "text", "text": "\n\n"},
                        {"type": "text", "text": "more"},
                    ],
                },
                {"type": "ai", "content": "a"},
            ],
            id="a type, and parts",
        ),
        pytest.param(
            "messages",
            [
                {"role": "system", "content": "s"},
                {"role": "developer", "content": "d"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a"},
            ],
            [
                {"role": "system", "content": "s\n\nd"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a"},
            ],
            id="system and developer",
        ),
        pytest.param(
            "messages",
            [
                {"role": "user", "content": "q"}, CALLED, RESULT,
                {"role": "user", "content": "never mind"}, {"role": "assistant", "content": "ok"},
            ],
            [{"role": "user", "content": "q"}, CALLED],
            id="a result that nobody answered",
        ),
        pytest.param(
            "messages",
            [{"role": "user", "content": "q"}, RESULT, {"role": "assistant", "content": "a"}],
            [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            id="a result that nobody asked for",
        ),
    ],
)  # fmt: skip
def test_turns_are_put_in_order_whatever_they_are_called(
    tmp_path: Path, field: str, turns: list[Any], kept: list[Any]
) -> None:
    # A table has them as text.
    for number, row in enumerate(({field: turns}, {"messages": json.dumps(turns)})):
        path = write(tmp_path / "d.jsonl", [row])
        assert found(check_data(path))["role.order"].fixes[0] == "trim=turns"
        assert [list(value.values()) for value in apply(path, "trim=turns")] == [[kept]]
        out = tmp_path / f"out{number}.jsonl"
        write_fixed(path, ["trim=turns"], out)
        assert len(read_examples(out).examples) == 1


def test_turns_of_nobody_that_is_known_stay_as_they_are(tmp_path: Path) -> None:
    pairs = [{"human": "q", "assistant": "a"}, {"human": "r", "assistant": "b"}]
    strange = [{"role": "narrator", "content": "q"}, {"role": "assistant", "content": "a"}]
    rows = [{"conversation": pairs}, {"messages": strange}]
    for row in rows:
        assert apply(write(tmp_path / "d.jsonl", [row]), "trim=turns") == [row]


@pytest.mark.parametrize("key", ["role", "from", "speaker", "sender", "type"])
def test_a_speaker_is_renamed_whatever_field_names_it(tmp_path: Path, key: str) -> None:
    said = "value" if key == "from" else "content"
    turns = [{key: "Patient", said: "it hurts"}, {key: "Doctor ", said: "where?"}]
    for row in ({"dialog": turns}, {"messages": json.dumps(turns)}):
        path = write(tmp_path / "d.jsonl", [row])
        report = check_data(path)
        assert found(report)["role.unknown"].fixes == ("role",)
        assert "role=THEIRS:user" in report.advice
        out = tmp_path / f"{next(iter(row))}.jsonl"
        write_fixed(path, ["role=patient:user", "role=doctor:assistant"], out)
        [example] = read_examples(out).examples
        assert [(m.role, m.content) for m in example.messages] == [
            ("user", "it hurts"),
            ("assistant", "where?"),
        ]


def test_a_cure_that_leaves_no_rows_is_no_cure(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [{"nothing": n} for n in range(30)])
    report = check_data(path)
    assert found(report)["shape.unknown"].fixes == ()
    assert "drop=" not in report.advice
    assert "--format prompt_completion:prompt=NAME,completion=NAME" in report.advice
    asked = [[{"role": "user", "content": f"q {n}"}] for n in range(15)]
    empty = [[*turns, {"role": "assistant", "content": ""}] for turns in asked]
    broken = [[*turns, {**CALLED, "tool_calls": [{}]}] for turns in asked]
    path = write(tmp_path / "two.jsonl", [{"messages": turns} for turns in (*empty, *broken)])
    # Each of two cures leaves half of the rows, and both of them none.
    report = check_data(path)
    assert "drop=" not in report.advice
    assert "hardly a row would be left" in report.advice
    # A few of many are removed as ever.
    few = [{"prompt": "q", "completion": ""}, {"prompt": "r", "completion": ""}]
    report = check_data(write(tmp_path / "few.jsonl", [*clean(150), *few]))
    assert found(report)["answer.empty"].fixes == ("drop=answer.empty",)
    assert "--fix drop=answer.empty" in report.advice


def test_rows_of_several_formats_become_one(tmp_path: Path) -> None:
    rows = [
        {"instruction": "q", "input": "", "output": "a"},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {"question": "q", "answer": "a"},
    ]
    path = write(tmp_path / "d.jsonl", rows)
    with pytest.raises(Problem):
        read_examples(path)
    write_fixed(path, ["unify"], tmp_path / "out.jsonl")
    examples = read_examples(tmp_path / "out.jsonl").examples
    assert len({example.messages for example in examples}) == 1


def test_the_manifest_says_what_was_done_to_which_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "d.jsonl",
        [*clean(20), ONE["answer.empty"][0], ONE["pii.email"][0], clean(20)[0]],
    )
    before = path.read_bytes()
    chosen = ["drop=answer.empty", "redact=email", "dedupe"]
    outcome = write_fixed(path, chosen, tmp_path / "out.jsonl")
    assert path.read_bytes() == before
    assert (outcome.rows_in, outcome.rows_out, outcome.changed, outcome.dropped) == (23, 21, 1, 2)
    told = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    assert [(c["line"], c["to"], c["fix"], c["field"]) for c in told["changes"]] == [
        (21, None, "drop=answer.empty", "row"),
        (22, 21, "redact=email", "completion"),
        (23, None, "dedupe", "row"),
    ]
    assert told["changes"][2]["what"] == "dropped: duplicate.exact of row 1"
    assert told["fixes"] == chosen
    again = write_again(tmp_path / "out.jsonl.manifest.json", tmp_path / "again.jsonl")
    assert again.fingerprint == outcome.fingerprint
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()
    path.write_bytes(before + b"{}\n")
    with pytest.raises(Problem, match="has changed"):
        write_again(tmp_path / "out.jsonl.manifest.json", tmp_path / "third.jsonl")


def test_a_held_out_row_goes_not_the_training_row_that_it_repeats(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    rows = clean(20)
    write(tmp_path / "set/test.jsonl", [rows[3], *clean(2, seed=5)])
    write(tmp_path / "set/train.jsonl", rows)
    dropped = [d.place for d in fixed_rows(tmp_path / "set", ["dedupe"]) if d.value is None]
    assert [(Path(place.file).name, place.line) for place in dropped] == [("test.jsonl", 1)]


def test_a_session_makes_the_fixes_as_the_rows_are_read(tmp_path: Path) -> None:
    rows = [{"question": r["prompt"], "completion": r["completion"]} for r in clean(40)]
    path = write(tmp_path / "d.jsonl", [*rows, rows[0], {"question": "x", "completion": ""}])
    chosen = ("rename=question:prompt", "dedupe", "drop=answer.empty")
    data = DataInput(path=str(path), fixes=chosen)
    with pytest.raises(Problem):
        read_split(msgspec.structs.replace(data, fixes=()), tmp_path, 1)
    fixed = read_split(data, tmp_path, 1)
    assert len(fixed.train) + len(fixed.held) == 40
    assert fixed.reading.confidence == 1.0
    write_fixed(path, chosen, tmp_path / "out.jsonl")
    assert [e.messages for e in read_examples(tmp_path / "out.jsonl").examples] == [
        e.messages for e in read_examples(path, fixes=chosen).examples
    ]


def test_rows_are_judged_as_the_fixes_before_have_left_them(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [{"q": "one", "a": "two"}, {"q": "three", "a": " "}])
    named = ["rename=q:prompt", "rename=a:completion"]
    assert apply(path, *named, "drop=answer.empty") == [
        {"prompt": "one", "completion": "two"},
        None,
    ]
    addressed = write(tmp_path / "e.jsonl", [answers_row("mail jane@acme.org")])
    assert apply(addressed, "redact", "drop=pii.email") == [answers_row("mail [EMAIL]")]


def answers_row(text: str) -> dict[str, str]:
    return {"prompt": "q", "completion": text}


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", clean(3))
    for output in (path, tmp_path / "no/such/out.jsonl"):
        with pytest.raises(Problem):
            write_fixed(path, ["dedupe"], output)
    with pytest.raises(Problem, match="no fix"):
        write_fixed(path, [], tmp_path / "out.jsonl")
    path.write_bytes(path.read_bytes() + b"{broken\n")
    with pytest.raises(Problem, match=r"drop=json\.broken") as caught:
        write_fixed(path, ["dedupe"], tmp_path / "out.jsonl")
    assert "d.jsonl:4" in caught.value.what
    assert [p.name for p in tmp_path.iterdir()] == ["d.jsonl"]
    assert write_fixed(path, ["drop=json.broken"], tmp_path / "out.jsonl").rows_out == 3


@pytest.mark.parametrize(
    "name",
    "nothing drop drop=x dedupe=x redact=x trim=x rename=x role=x:y repair=x unify=x".split(),
)
def test_a_fix_that_makes_no_sense_is_a_problem(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem) as caught:
        write_fixed(write(tmp_path / "d.jsonl", clean(2)), [name], tmp_path / "out.jsonl")
    assert caught.value.cure
    assert not (tmp_path / "out.jsonl").exists()


def test_every_fix_is_a_file_that_says_how_it_is_named() -> None:
    known = fixes()
    assert set(known) == set("drop dedupe redact names trim rename role repair unify".split())
    for name, fix in known.items():
        assert fix.usage.startswith(name)
        assert parse_fix(f"{name}=x")[0] is fix


def test_a_fix_sees_the_whole_set_as_those_before_it_have_left_it(tmp_path: Path) -> None:
    rows = [
        {"q_text": f"what is {n % 40} of the list", "a_text": f"item {n % 40}"} for n in range(60)
    ]
    path = write(tmp_path / "d.jsonl", rows)
    renames = ["rename=q_text:prompt", "rename=a_text:completion"]
    # Under names that nobody knows, no row says the same as another one.
    assert sum(value is not None for value in apply(path, "dedupe", *renames)) == 60
    kept = [value for value in apply(path, *renames, "dedupe") if value is not None]
    assert kept == [
        {"prompt": f"what is {n} of the list", "completion": f"item {n}"} for n in range(40)
    ]
    spaced = write(tmp_path / "s.jsonl", [
        {"prompt": "q", "completion": "the answer"}, {"prompt": "q", "completion": " the answer "},
    ])  # fmt: skip
    assert len([v for v in apply(spaced, "trim", "dedupe") if v is not None]) == 1
    (tmp_path / "b.jsonl").write_bytes(b"broken\n" + spaced.read_bytes())
    mended = apply(tmp_path / "b.jsonl", "trim", "drop=json.broken", "dedupe")
    assert mended == [None, {"prompt": "q", "completion": "the answer"}, None]
