"""The spool takes commands of several clients, and survives what is no command."""

from __future__ import annotations

from pathlib import Path

from tunewright.engine.run import control


def test_commands_of_two_clients_are_taken_once_each_in_order(tmp_path: Path) -> None:
    ids = [control.send(tmp_path, "checkpoint", by="a"), control.send(tmp_path, "stop", by="b")]
    spool = control.Spool(tmp_path)
    taken = spool.take()
    assert [c.id for c in taken if isinstance(c, control.Command)] == ids
    assert spool.take() == []


def test_what_is_no_command_is_named_and_removed(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text('{"id": "1", "verb": "explode"}')
    (tmp_path / "2.json").write_text("{")
    (tmp_path / ".half.json").write_text("{")
    (tmp_path / "3.json").mkdir()
    spool = control.Spool(tmp_path)
    names = [item.name for item in spool.take() if isinstance(item, control.NoCommand)]
    assert names == ["1", "2", "3"]
    # A folder cannot be removed like a file: it stays, and is not told of again.
    assert sorted(p.name for p in tmp_path.iterdir()) == [".half.json", "3.json"]
    assert spool.take() == []


def test_only_what_is_named_is_taken(tmp_path: Path) -> None:
    spool = control.Spool(tmp_path)
    early = control.send(tmp_path, "stop")
    waiting = spool.waiting()
    late = control.send(tmp_path, "stop")
    taken = spool.take(waiting)
    assert [c.id for c in taken if isinstance(c, control.Command)] == [early]
    assert [c.id for c in spool.take() if isinstance(c, control.Command)] == [late]
