"""Reasoning, the arguments of calls and the tools are trained too: they are looked through, and
redacted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_checks import found, write

from tunewright.engine.data.checks.beside import texts_beside
from tunewright.engine.data.fixed import fixed_rows
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.shapes.find import Finder, parse_row

KEY = "ghp_" + "a8Kd92mXq0Zt7Lw3Rv5Ny1Bc6Hf4Js8Pe2Ug"
MAIL = "bob.jones@corp-mail.org"
_HIDDEN = {"from": MAIL, "name": MAIL, "to": MAIL, "password": "Zk93mQpTr81vWx", "note": KEY}


def called(arguments: Any) -> dict[str, Any]:
    call = {"id": "1", "type": "function", "function": {"name": "send", "arguments": arguments}}
    return {
        "messages": [
            {"role": "user", "content": "mail"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "name": "send", "tool_call_id": "1", "content": "ok"},
            {"role": "assistant", "content": "Sent."},
        ]
    }


def said(**more: Any) -> dict[str, Any]:
    answer = {"role": "assistant", "content": "ok", **more}
    return {"messages": [{"role": "user", "content": "hi"}, answer]}


def tool(**more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **more}}


_ARGS = "messages[1].tool_calls[0].function.arguments"
_DESCRIBED = {"name": {"type": "string", "description": f"e.g. {KEY}, asks {MAIL}"}}
ROWS = {
    "arguments": (called(_HIDDEN), f"{_ARGS}.password"),
    "arguments as text": (called(json.dumps(_HIDDEN, indent=1)), f"{_ARGS}.password"),
    "arguments within": (called({"all": [{"id": KEY, "type": MAIL}]}), f"{_ARGS}.all[0].id"),
    "reasoning": (
        said(reasoning_content=f"use {KEY} of {MAIL}"),
        "messages[1].reasoning_content",
    ),
    "tools": (
        said() | {"tools": [tool(description=f"{KEY} {MAIL}")]},
        "tools[0].function.description",
    ),
    "schema": (
        said() | {"tools": [tool(parameters={"type": "object", "properties": _DESCRIBED})]},
        "tools[0].function.parameters.properties.name.description",
    ),
    "tools as text": (
        said() | {"tools": json.dumps([tool(description=f"{KEY} {MAIL}")])},
        "tools[0].function.description",
    ),
    "thought": (
        {"prompt": "q", "thinking": f"use {KEY} of {MAIL}", "completion": "a"},
        "thinking",
    ),
    "messages as text": (
        {"messages": json.dumps(called(json.dumps(_HIDDEN))["messages"])},
        f"{_ARGS}.password",
    ),
}


@pytest.mark.parametrize(("row", "field"), ROWS.values(), ids=ROWS.keys())
def test_what_is_hidden_there_is_found_and_redacted(
    tmp_path: Path, row: dict[str, Any], field: str
) -> None:
    path = write(tmp_path / "d.jsonl", [row])
    report = check_data(path)
    assert {"secret.key", "pii.email"} <= set(found(report))
    (finding,) = (f for f in report.findings if f.id == "secret.key")
    assert finding.places[0].field == field
    fixed = [done.value for done in fixed_rows(path, ["redact"])]
    left = json.dumps(fixed)
    for secret in (KEY[4:], MAIL, "Zk93mQpTr81vWx"):
        assert not any(secret[at : at + 8] in left for at in range(len(secret) - 7))
    again = set(found(check_data(write(tmp_path / "fixed.jsonl", fixed))))
    assert not {"secret.key", "pii.email", "call.broken", "tools.broken"} & again


def test_redacted_calls_keep_their_names_and_are_still_json(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [called(json.dumps(_HIDDEN))])
    (done,) = fixed_rows(path, ["redact"])
    call = done.value["messages"][1]["tool_calls"][0]
    arguments = json.loads(call["function"]["arguments"])
    assert arguments == {
        "from": "[EMAIL]",
        "name": "[EMAIL]",
        "to": "[EMAIL]",
        "password": "[SECRET]",
        "note": "[SECRET]",
    }
    assert (call["id"], call["function"]["name"]) == ("1", "send")
    assert done.value["messages"][2] == {
        "role": "tool",
        "name": "send",
        "tool_call_id": "1",
        "content": "ok",
    }


def test_numbers_and_names_of_arguments_are_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [called({"card": 4111111111111111, MAIL: 1, "n": 3})])
    assert {"pii.card", "pii.email"} <= set(found(check_data(path)))
    (done,) = fixed_rows(path, ["redact"])
    arguments = done.value["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert arguments == {"card": "[CARD]", "[EMAIL]": 1, "n": 3}


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
def test_json_text_stays_spaced_as_it_was(tmp_path: Path, separators: tuple[str, str]) -> None:
    path = write(tmp_path / "d.jsonl", [called(json.dumps({"to": MAIL}, separators=separators))])
    (done,) = fixed_rows(path, ["redact"])
    call = done.value["messages"][1]["tool_calls"][0]["function"]
    assert call["arguments"] == json.dumps({"to": "[EMAIL]"}, separators=separators)


def test_text_that_nothing_was_replaced_in_stays_as_it_was_written(tmp_path: Path) -> None:
    row = called('{"b":  1, "a": "x"}')
    path = write(tmp_path / "d.jsonl", [row])
    assert [done.value for done in fixed_rows(path, ["redact"])] == [row]


def test_rows_without_any_have_none(tmp_path: Path) -> None:
    row = said()
    bound = Finder().find(row)
    normal = parse_row(row, bound)
    assert not isinstance(normal, list)
    assert texts_beside(normal, bound) == []
