"""Every container gives the same rows, streamed; what is broken is told, and nothing hangs."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.fingerprint import check_unchanged, fingerprint
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.read import has_sides, read_examples
from tunewright.engine.data.readers import json_array, jsonl
from tunewright.engine.data.readers.block import RawRow
from tunewright.engine.data.sources import find_sources
from tunewright.hardware.errors import Problem

ROWS = [{"prompt": f"qü {i}", "completion": f'a "{i}"\nmore'} for i in range(7)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def zstd(blob: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    packed: bytes = zstd.compress(blob)
    return packed


def csv_of(rows: list[dict[str, str]], delimiter: str) -> bytes:
    import csv
    import io

    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def raw(path: Path) -> list[RawRow]:
    return [
        row for source in find_sources(path) for block in source.blocks() for row in block.rows()
    ]


FILES: dict[str, Callable[[], bytes]] = {
    "d.jsonl": lambda: LINES,
    "d.json": lambda: json.dumps(ROWS, indent=2).encode(),
    "wrapped.json": lambda: json.dumps({"version": 1, "data": ROWS}).encode(),
    "pretty.json": lambda: "\n".join(json.dumps(row, indent=1) for row in ROWS).encode(),
    "lines.json": lambda: LINES,
    "d.csv": lambda: csv_of(ROWS, ","),
    "semicolons.csv": lambda: csv_of(ROWS, ";"),
    "d.tsv": lambda: csv_of(ROWS, "\t"),
    "d.jsonl.gz": lambda: gzip.compress(LINES),
    "d.jsonl.zst": lambda: zstd(LINES),
    "d.jsonl.bz2": lambda: bz2.compress(LINES),
    "d.csv.xz": lambda: lzma.compress(csv_of(ROWS, ",")),
    "lies.csv": lambda: LINES,
    "lies.jsonl": lambda: gzip.compress(json.dumps(ROWS).encode()),
    "nothing-said": lambda: LINES,
    "named.json": lambda: json.dumps({"meta": {"n": 7}, "records": ROWS}).encode(),
    "columns.json": lambda: json.dumps(columns()).encode(),
    "pandas.json": lambda: json.dumps(
        {
            name: {str(i): value for i, value in enumerate(column)}
            for name, column in columns().items()
        }
    ).encode(),
    "ids.json": lambda: json.dumps({f"id{i}": row for i, row in enumerate(ROWS)}).encode(),
    "server.jsonl": lambda: b"".join(
        json.dumps({"row_idx": i, "row": row, "truncated_cells": []}).encode() + b"\n"
        for i, row in enumerate(ROWS)
    ),
    "pairs.json": lambda: json.dumps([list(row.values()) for row in ROWS]).encode(),
    "commas.jsonl": lambda: LINES.replace(b"}\n", b"},\n"),
    "python.jsonl": lambda: "".join(f"{row!r}\n" for row in ROWS).encode(),
    "utf16.csv": lambda: csv_of(ROWS, ",").decode().encode("utf-16"),
    "utf16.jsonl": lambda: LINES.decode().encode("utf-16"),
    "excel.csv": lambda: b"sep=;\r\n" + csv_of(ROWS, ";"),
    "bom.csv": lambda: b"\xef\xbb\xbf" + csv_of(ROWS, ";"),
    "cp1252.csv": lambda: csv_of(ROWS, ";").decode().encode("cp1252"),
    "d.csv.gz": lambda: gzip.compress(csv_of(ROWS, ";")),
}


def columns() -> dict[str, list[str]]:
    return {name: [row[name] for row in ROWS] for name in ROWS[0]}


@pytest.mark.parametrize("name", FILES)
def test_every_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name]())
    assert [row.value for row in raw(tmp_path / name)] == ROWS


def test_what_was_odd_about_a_line_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"prompt": "q", "completion": "a"},\n{"prompt": "q", "completion": NaN}\n')
    rows = raw(path)
    assert [row.note.id if row.note else None for row in rows] == ["json.loose"] * 2
    assert rows[1].value == {"prompt": "q", "completion": None}
    (tmp_path / "d.csv").write_bytes(csv_of(ROWS, ";").decode().encode("cp1252"))
    noted = [row.note for row in raw(tmp_path / "d.csv")]
    assert all(note is not None and note.id == "encoding.other" for note in noted)


def test_a_broken_line_among_good_utf8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(csv_of(ROWS, ",") + b"caf\xe9,a\n" * 4)
    wrong = [row.wrong.id if row.wrong else None for row in raw(path)]
    assert wrong == [None] * 7 + ["encoding.broken"] * 4


def test_a_document_of_several_splits_loses_none(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"train": ROWS[:5], "test": ROWS[5:]}))
    assert [row.value for row in raw(path)] == ROWS
    assert has_sides(path)
    assert len(read_examples(path, side="train").examples) == 5
    assert [e.place.row for e in read_examples(path, side="eval").examples] == [6, 7]


def test_lists_of_turns_are_rows(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    (tmp_path / "d.jsonl").write_text(f"{json.dumps(turns)}\n" * 2)
    assert raw(tmp_path / "d.jsonl")[0].value == {"messages": turns}
    (tmp_path / "d.json").write_text(json.dumps({"messages": turns}))
    assert raw(tmp_path / "d.json")[0].value == {"messages": turns}
    (tmp_path / "d.csv").write_bytes(csv_of([{"messages": repr(turns)}], ","))
    assert raw(tmp_path / "d.csv")[0].value == {"messages": turns}


def test_tables_give_the_same_rows(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet
    from datasets import Dataset, DatasetDict

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "d.parquet")
    assert [row.value for row in raw(tmp_path / "d.parquet")] == ROWS
    DatasetDict(
        {"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:2])}
    ).save_to_disk(str(tmp_path / "saved"))
    sources = find_sources(tmp_path / "saved")
    assert sorted(source.side for source in sources) == ["eval", "train"]
    assert len(read_examples(tmp_path / "saved", side="train").examples) == 7
    assert len(read_examples(tmp_path / "saved", side="eval").examples) == 2
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "d.parquet").read_bytes()[:-20])
    with pytest.raises(Problem, match="cannot be read as a table"):
        raw(tmp_path / "cut.parquet")


def test_lines_of_quoted_cells_and_numbers_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('prompt,completion,tags\n"two\nlines",007,"[1, 2]"\nb,2,x\n')
    rows = raw(path)
    assert [(row.line, row.value["completion"]) for row in rows] == [(2, "007"), (4, "2")]
    assert rows[0].value["tags"] == [1, 2]


@pytest.mark.parametrize(
    ("text", "id"),
    [
        (b"prompt,completion\na\n", "csv.cells"),
        (b'prompt,completion\n"a"b,c\n', "csv.broken"),
        (b"prompt,completion\ncaf\xe9,b\n", "encoding.broken"),
        (b"prompt,completion\na\0,b\n", "encoding.broken"),
    ],
)
def test_broken_cells_are_told_by_line(tmp_path: Path, text: bytes, id: str) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(text + b"x,y\n")
    rows = raw(path)
    assert rows[0].line == 2
    assert rows[0].wrong is not None
    assert rows[0].wrong.id == id
    assert rows[-1].value == {"prompt": "x", "completion": "y"}


@pytest.mark.parametrize(
    "header",
    ["a,a\n", "a,,\n", ",".join(map(str, range(1_000_000))) + "\n"],
    ids=["twice", "none", "million"],
)
def test_a_header_that_is_none_is_one_problem(tmp_path: Path, header: str) -> None:
    (tmp_path / "d.csv").write_text(header + "1,2\n")
    with pytest.raises(Problem, match="no header"):
        raw(tmp_path / "d.csv")


def test_folders_and_globs_are_their_files_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl.gz", "deep/c.csv", ".hidden.jsonl", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / "b.jsonl").write_bytes(LINES)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(LINES))
    (tmp_path / "deep/c.csv").write_bytes(csv_of(ROWS, ","))
    (tmp_path / ".hidden.jsonl").write_text("broken")
    (tmp_path / "README.md").write_text("about")
    assert [s.path.name for s in find_sources(tmp_path)] == ["a.jsonl.gz", "b.jsonl", "c.csv"]
    assert [s.path.name for s in find_sources(tmp_path / "*.jsonl*")] == ["a.jsonl.gz", "b.jsonl"]
    assert len(read_examples(tmp_path).examples) == 21
    before = fingerprint(tmp_path)
    (tmp_path / "b.jsonl").write_bytes(LINES * 2)
    with pytest.raises(Problem, match="not the data"):
        check_unchanged(tmp_path, before)
    with pytest.raises(Problem, match="no file is like"):
        find_sources(tmp_path / "*.parquet")


def test_documents_of_a_folder_are_a_row_each_and_lines_of_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text("# One\n\ntext\n")
    (tmp_path / "two.txt").write_text("first\n\nsecond\n")
    assert [row.value["text"] for row in raw(tmp_path)] == ["# One\n\ntext", "first\n\nsecond"]
    assert [(row.line, row.value["text"]) for row in raw(tmp_path / "two.txt")] == [
        (1, "first"),
        (3, "second"),
    ]


@pytest.mark.parametrize("pack", [gzip.compress, zstd, bz2.compress, lzma.compress])
def test_a_truncated_archive_gives_its_rows_and_says_where_it_ends(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    import random

    draw = random.Random(1)
    lines = "".join(
        json.dumps({"prompt": "".join(draw.choices("abcdefgh", k=300)), "completion": "a"}) + "\n"
        for _ in range(4000)
    )
    whole = pack(lines.encode())
    (tmp_path / "d.jsonl").write_bytes(whole[: len(whole) - len(whole) // 5])
    rows = raw(tmp_path / "d.jsonl")
    assert rows[-1].wrong is not None
    assert rows[-1].wrong.id == "file.cut"
    assert pack is bz2.compress or rows[0].value["completion"] == "a"


def test_rows_of_any_size_pass_the_edges_of_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (jsonl, json_array):
        monkeypatch.setattr(module, "BLOCK_BYTES", 64)
        monkeypatch.setattr(module, "_FIRST_BYTES", 10)
    rows = [{"n": i, "x": "ü" * (i % 90)} for i in range(200)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = list(raw(tmp_path / "d.jsonl"))
    assert [(row.line, row.value) for row in found] == list(enumerate(rows, 1))
    (tmp_path / "d.json").write_text(json.dumps(rows, ensure_ascii=False))
    assert [row.value for row in raw(tmp_path / "d.json")] == rows


def test_a_line_that_is_too_long_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "MOST_ROW_BYTES", 1000)
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 300)
    monkeypatch.setattr(jsonl, "_FIRST_BYTES", 300)
    path = tmp_path / "d.jsonl"
    path.write_text('{"a": 1}\n{"a": "' + "x" * 5000 + '"}\n{"a": 3}\n')
    rows = raw(path)
    assert [row.line for row in rows] == [1, 2, 3]
    assert [row.value for row in rows] == [{"a": 1}, None, {"a": 3}]
    assert rows[1].wrong is not None
    assert rows[1].wrong.id == "row.huge"


@pytest.mark.parametrize("row", [[1], "text", 7, None, {}])
def test_values_that_are_no_rows_are_told(tmp_path: Path, row: Any) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n" + LINES.decode())
    with pytest.raises(Problem) as caught:
        read_examples(path)
    assert f"{path}:1:" in caught.value.why


def test_halves_of_characters_are_replaced_as_they_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text('[{"text": "a\\ud83d b \\ud83d\\ude00"}]')
    assert raw(path)[0].value == {"text": "a\ufffd b 😀"}
    lines = path.with_suffix(".jsonl")
    rows = ['{"text": "a\\ud83d b \\ud83d\\ude00"}', '{"text": "\\ud83d\\ude00", "n": NaN}']
    lines.write_text("\n".join(rows))
    half, whole = raw(lines)
    assert half.value == {"text": "a\ufffd b 😀"}
    assert whole.value == {"text": "😀", "n": None}
    assert [row.note and row.note.found for row in (half, whole)] == [
        "JSON with half a surrogate pair, read as \ufffd",
        "JSON with NaN, read as null",
    ]
    report = {finding.id: finding.severity for finding in check_data(lines).findings}
    assert (report["json.loose"], report["text.replaced"]) == ("warn", "warn")
    assert "json.broken" not in report


def test_a_table_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(f"{'a row of words ' * 9},answer one\n2nd,answer two\n")
    rows = raw(path)
    assert [list(row.value) for row in rows] == [["column_1", "column_2"]] * 2
    assert [row.note and row.note.id for row in rows] == ["csv.header"] * 2
    with pytest.raises(Problem) as caught:
        read_examples(path)
    asked = caught.value.cure.partition("--format ")[2]
    assert len(read_examples(path, asked).examples) == 2
    path.write_text("1,a film,5\n2,b,3\n")
    assert len(raw(path)) == 2
    # pandas names the columns of a frame without names by their numbers.
    path.write_text("0,1\nq,a\n")
    assert [row.value for row in raw(path)] == [{"0": "q", "1": "a"}]


def test_bytes_and_classes_of_tables_are_text(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet
    from datasets import ClassLabel, Dataset, Features, Value

    path = tmp_path / "d.parquet"
    table = pyarrow.table({"prompt": ["q"], "completion": pyarrow.array(["ü".encode()])})
    pyarrow.parquet.write_table(table.append_column("blob", pyarrow.array([b"\xff\x00"])), path)
    [row] = raw(path)
    assert (row.value["completion"], row.value["blob"]) == ("ü", "/wA=")
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    rows = Dataset.from_dict({"text": ["x", "y"], "label": [1, 0]}, features=features)
    rows.to_parquet(str(path))
    assert [row.value["label"] for row in raw(path)] == ["yes", "no"]
    assert read_examples(path).examples[0].messages[-1].content == "yes"


@pytest.mark.parametrize("name", ["d.arrow", "d.feather", "d.ipc"])
@pytest.mark.parametrize("form", ["stream", "file"])
def test_both_forms_of_arrow_are_read_whatever_their_name(
    tmp_path: Path, name: str, form: str
) -> None:
    import pyarrow

    table = pyarrow.Table.from_pylist(ROWS)
    open_new = pyarrow.ipc.new_stream if form == "stream" else pyarrow.ipc.new_file
    with open_new(str(tmp_path / name), table.schema) as writer:
        writer.write_table(table)
    assert [row.value for row in raw(tmp_path / name)] == ROWS
    assert [row.value for row in raw(tmp_path)] == ROWS


def test_objects_on_one_line_and_a_last_comma_are_read(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(map(json.dumps, ROWS)))
    assert [row.value for row in raw(path)] == ROWS
    path.write_text("[\n" + "".join(json.dumps(row) + ",\n" for row in ROWS) + "]\n")
    rows = raw(path)
    assert [row.value for row in rows] == ROWS
    assert [row.note and row.note.id for row in rows] == [None] * 6 + ["json.loose"]
    path.write_text(json.dumps(ROWS)[:-1] + ",,]")
    with pytest.raises(Problem, match="not whole JSON"):
        raw(path)


def test_what_markdown_tells_about_itself_is_no_text_to_learn(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: T\ntags:\n  - x\n---\n\n# Head\ntext\n")
    (tmp_path / "b.md").write_text("---\n\na line, and another\n\n---\n")
    rows = raw(tmp_path)
    assert rows[0].value == {"text": "# Head\ntext", "front_matter": "title: T\ntags:\n  - x\n"}
    assert rows[1].value["text"].startswith("---")


@pytest.mark.parametrize(
    ("name", "blob", "kind"),
    [
        ("posts.xml", b'\xef\xbb\xbf<?xml version="1.0"?><posts/>', "XML"),
        ("d.json", b"<!DOCTYPE html><p>sign in</p>", "a web page"),
        ("d.yaml", b"- prompt: a\n", "YAML"),
        ("d.npy", b"\x93NUMPY\x01\x00", "numpy"),
        ("d.xlsx", b"PK\x03\x04", "Excel"),
        ("d.tar", bytes(257) + b"ustar\0", "tar"),
    ],
)
def test_what_is_no_data_is_named(tmp_path: Path, name: str, blob: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(blob)
    with pytest.raises(Problem, match=kind):
        find_sources(tmp_path / name)


def test_a_text_may_begin_with_anything(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ORChestra\n<html is a word here\n")
    assert len(raw(tmp_path / "a.txt")) == 2


def test_files_of_a_folder_that_are_not_read_are_told(tmp_path: Path) -> None:
    from tunewright.engine.data.inspect import check_data

    (tmp_path / "a.jsonl").write_bytes(LINES)
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "README.md").write_text("about")
    [finding] = [f for f in check_data(tmp_path).findings if f.id == "file.left-out"]
    assert [Path(place.file).name for place in finding.places] == ["notes.txt"]


@pytest.mark.parametrize("name", ["d.txt", "d.csv", "d.json", "d.parquet", "d.arrow"])
def test_long_rows_are_held_a_few_at_a_time(tmp_path: Path, name: str) -> None:
    import pyarrow
    import pyarrow.parquet

    # 40 rows of a mebibyte: no block may hold them all.
    rows = [{"text": f"{n} " + "word " * 200_000} for n in range(40)]
    path = tmp_path / name
    table = pyarrow.Table.from_pylist(rows)
    if name == "d.parquet":
        pyarrow.parquet.write_table(table, path)
    elif name == "d.arrow":
        with pyarrow.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    else:
        made = {
            "d.txt": lambda: "".join(row["text"] + "\n" for row in rows).encode(),
            "d.csv": lambda: csv_of(rows, ","),
            "d.json": lambda: json.dumps(rows).encode(),
        }[name]()
        path.write_bytes(made)
    [source] = find_sources(path)
    counts = [len(list(block.rows())) for block in source.blocks()]
    assert sum(counts) == 40
    assert max(counts) <= 33


@pytest.mark.parametrize("name", ["d.txt", "d.csv", "d.jsonl"])
def test_a_line_that_never_ends_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from tunewright.engine.data.readers import delimited, documents

    for module in (jsonl, documents, delimited):
        monkeypatch.setattr(module, "MOST_ROW_BYTES", 1 << 16)
    for module in (jsonl, documents):
        monkeypatch.setattr(module, "MOST_PASSED", 1 << 18)
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(b'first line, of "x"\n' + bytes(64 << 20)))
    [source] = find_sources(path)
    wrong = [row.wrong for block in source.blocks() for row in block.rows() if row.wrong]
    assert wrong
    assert "nothing after it is read" in wrong[-1].found


def test_a_folder_that_may_not_be_read_is_not_left_out_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    (tmp_path / "a.jsonl").write_bytes(LINES)
    (tmp_path / "shut").mkdir()
    scandir = os.scandir

    def shut(path: object = ".") -> Any:
        # Root may read anything, so that rights alone prove nothing.
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", shut)
    with pytest.raises(Problem, match="shut") as caught:
        find_sources(tmp_path)
    assert caught.value.why == "Permission denied"


FORMS = ("cr", "crlf", "utf-32", "utf-16", "utf-16-le", "utf-16-be with a mark", "utf-8-sig")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (name, form)
        for name in ("d.jsonl", "d.csv", "d.json")
        for form in FORMS
        # Nothing in the first letters of a table says so without a mark.
        if (name, form) != ("d.csv", "utf-16-le")
    ],
)
def test_ends_of_lines_and_encodings_of_other_systems_are_read(
    tmp_path: Path, name: str, form: str
) -> None:
    from tunewright.engine.data.index import RowIndex

    rows = [{"prompt": f"qü {n}", "completion": f"a {n}"} for n in range(7)]
    text = {
        "d.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "d.csv": csv_of(rows, ",").decode().replace("\r\n", "\n"),
        "d.json": json.dumps(rows, indent=1, ensure_ascii=False),
    }[name]
    if form in ("cr", "crlf"):
        blob = text.replace("\n", "\r" if form == "cr" else "\r\n").encode()
    elif form.startswith("utf-16-be"):
        blob = b"\xfe\xff" + text.encode("utf-16-be")
    else:
        blob = text.encode(form)
    path = tmp_path / name
    path.write_bytes(blob)
    assert [row.value for row in raw(path)] == rows
    index = RowIndex(find_sources(path))
    index.build()
    assert [index.row(n)[1].value for n in range(7)] == rows
