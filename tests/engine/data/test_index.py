"""Any row of any file is there by its number, as the checks number it."""

from __future__ import annotations

import errno
import gzip
import json
from pathlib import Path

import pytest
from test_checks import ONE, clean, write
from test_containers import FILES, ROWS

import tunewright.engine.data.index as index_module
from tunewright.engine.data.index import RowIndex
from tunewright.engine.data.inspect import open_inspection
from tunewright.engine.data.sources import find_sources
from tunewright.hardware.errors import Problem


def index(path: Path) -> RowIndex:
    made = RowIndex(find_sources(path))
    made.build()
    return made


@pytest.mark.parametrize("name", FILES)
def test_rows_of_every_container_are_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name]())
    rows = index(tmp_path / name)
    assert [rows.row(n)[1].value for n in range(len(rows))] == ROWS
    with pytest.raises(IndexError):
        rows.row(len(ROWS))


def test_numbers_and_lines_are_those_of_the_checks(tmp_path: Path) -> None:
    rows = clean(300)
    lines = [json.dumps(row) for row in rows]
    lines[100] = "{broken"
    lines[200] = json.dumps(ONE["pii.email"][0])
    text = "\ufeff" + "\n\n".join(lines[:150]) + "\n   \n" + "\r\n".join(lines[150:])
    (tmp_path / "a.jsonl").write_bytes(text.encode())
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    inspection = open_inspection(tmp_path)
    inspection.run()
    made = RowIndex(inspection.sources)
    made.build()
    assert len(made) == len(inspection.total.lines) == 600
    for number in range(600):
        place, _ = made.row(number)
        assert place == inspection.total.place(number)
    (first, second) = inspection.total.rows["pii.email"]
    for number in (first, second):
        assert made.row(number)[1].value == ONE["pii.email"][0]
    broken = made.row(inspection.total.rows["json.broken"][1])[1]
    assert broken.wrong is not None
    assert broken.wrong.id == "json.broken"


def test_texts_are_found_whatever_their_case_and_escapes(tmp_path: Path) -> None:
    rows = [*clean(50), {"prompt": "Ärger", "completion": "x"}]
    path = write(tmp_path / "d.jsonl", rows)
    assert index(path).search("ärger", 10) == [50]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert index(path).search("case 7 ", 10) == [7]
    assert index(path).search("the", 10) == list(range(10))
    assert index(path).search("nowhere", 10) == []


def test_what_is_indexed_is_there_while_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunewright.engine.data.index._TELL", 100)
    made = RowIndex(find_sources(write(tmp_path / "d.jsonl", clean(1000))))
    seen: list[int] = []

    def grown() -> None:
        seen.append(len(made))
        assert made.row(len(made) - 1)[1].value is not None
        if len(made) == 500:
            made.stopped = True

    made.build(grown)
    assert seen == [100, 200, 300, 400, 500]
    assert not made.built


def test_a_full_disk_is_told_as_one_and_not_as_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "arr.json"
    path.write_text(json.dumps(clean(50)))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # Every write fails there, as on a disk without room.
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(index_module, "unnamed_file", lambda prefix: full)
        with pytest.raises(Problem) as caught:
            index(path)
    assert "cannot be written" in caught.value.what
    assert "arr.json" not in caught.value.what
    assert "No space left" in caught.value.why
    assert "TMPDIR" in caught.value.cure

    def none(prefix: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(index_module, "unnamed_file", none)
    with pytest.raises(Problem, match="cannot be written"):
        index(path)
