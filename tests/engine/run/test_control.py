"""The spool takes commands of several clients, and survives what is no command."""

from __future__ import annotations

from pathlib import Path

from tunewright.engine.run import control


def test_commands_of_two_clients_are_taken_once_each_in_order(tmp_path: Path) -> None:
    ids = [control.send(tmp_path, "checkpoint", by="a"), control.send(tmp_path, "stop", by="b")]
    taken = control.take(tmp_path)
    assert [c.id for c in taken if isinstance(c, control.Command)] == ids
    assert control.take(tmp_path) == []


def test_what_is_no_command_is_named_and_removed(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text('{"id": "1", "verb": "explode"}')
    (tmp_path / "2.json").write_text("{")
    (tmp_path / ".half.json").write_text("{")
    names = [item[0] for item in control.take(tmp_path) if isinstance(item, tuple)]
    assert names == ["1", "2"]
    assert [p.name for p in tmp_path.iterdir()] == [".half.json"]
