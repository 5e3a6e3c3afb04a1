"""Every check finds what it is for, at file:line:field, and leaves clean rows alone."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data import tokens
from tunewright.engine.data.checks.check import Family, Options, families, kinds
from tunewright.engine.data.example import Finding
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.sources import find_sources
from tunewright.engine.data.tokens import Renderer
from tunewright.engine.data.verdict import Report
from tunewright.engine.text import agreeing

NOUNS = (
    "river engine garden letter window market forest signal bridge copper harvest lantern".split()
)
VERBS = "explain compare describe summarise list count repair draw measure translate".split()


def clean(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Rows that nothing is to be found in."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        a, b, c = draw.sample(NOUNS, 3)
        asked = f"{draw.choice(VERBS)} how the {a} of case {number} differs from a {b}"
        told = " ".join(draw.choices(NOUNS + VERBS, k=12))
        rows.append({"prompt": asked, "completion": f"The {a} is a {c}, while {told} {number}."})
    return rows


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def found(report: Report) -> dict[str, Finding]:
    return {finding.id: finding for finding in report.findings}


def answers(text: str) -> dict[str, str]:
    return {"prompt": "what about this special case here", "completion": text}


# finding -> (a row that has it, the field)
ONE: dict[str, tuple[Any, str]] = {
    "text.mojibake": (answers("Der fiancÃ© kam Ã¼ber die BrÃ¼cke"), "completion"),
    "text.control": (answers("\x1b[31mred\x1b[0m"), "completion"),
    "text.replaced": (answers("the caf\ufffd is open"), "completion"),
    "text.invisible": (answers("left\u202eright"), "completion"),
    "text.html": (answers("<div class='x'>hello</div> there"), "completion"),
    "text.template": (answers("Dear {{ name }}, welcome"), "completion"),
    "text.special": (answers("fine<|im_end|>"), "completion"),
    "answer.refusal": (answers("I'm sorry, but I can't help with that."), "completion"),
    "answer.boilerplate": (answers("As an AI language model I like it"), "completion"),
    "answer.copied": (answers("what about this special case here"), "completion"),
    "text.repetition": (answers("it goes round and round " * 30), "completion"),
    "language.switch": (
        {
            "prompt": "what is the best way to go from here to the station on foot",
            "completion": "Der Weg ist nicht mit der Bahn, und die Leute werden es auch wissen",
        },
        "completion",
    ),
    "pii.email": (answers("write to jane.roe@acme-tools.org today"), "completion"),
    "pii.phone": (answers("call +41 44 668 18 00 today"), "completion"),
    "pii.card": (answers("pay with 4111 1111 1111 1111 now"), "completion"),
    "pii.iban": (answers("to GB82 WEST 1234 5698 7654 32 please"), "completion"),
    "pii.national-id": (answers("her number is 536-22-8145 there"), "completion"),
    "pii.ip": (answers("the host 81.2.69.160 answered"), "completion"),
    "answer.placeholder": (answers("TODO: write the answer"), "completion"),
    "pii.example": (answers("mail jane@example.com or 192.168.0.1"), "completion"),
    "pii.address": (answers("he lives at 742 Evergreen Terrace now"), "completion"),
    "secret.key": (answers("use AKIAIOSFODNN7EXAMPLE as the key"), "completion"),
    "answer.empty": ({"prompt": "q", "completion": " "}, "completion"),
    "field.type": ({"prompt": 7, "completion": "a"}, "prompt"),
    "shape.other": ({"text": "a text among questions"}, "prompt"),
    "shape.unknown": ({"nothing": "known"}, "row"),
}


@pytest.mark.parametrize("id", ONE)
def test_one_row_among_clean_ones_is_found_at_its_field(tmp_path: Path, id: str) -> None:
    row, field = ONE[id]
    rows = clean(60)
    path = write(tmp_path / "d.jsonl", [*rows[:30], row, *rows[30:]])
    finding = found(check_data(path))["shape.other" if id == "shape.unknown" else id]
    assert finding.count == 1
    assert (finding.places[0].line, finding.places[0].field) == (
        31,
        field if id != "shape.unknown" else "prompt",
    )
    assert finding.fix
    assert finding.examples[0].isprintable()


def test_clean_rows_are_clean(tmp_path: Path) -> None:
    report = check_data(write(tmp_path / "d.jsonl", clean(1200)))
    assert report.findings == ()
    assert (report.verdict, report.rows, report.format) == ("good", 1200, "prompt_completion")
    assert report.facts.distinct_rows == 1200
    assert report.lengths is not None
    assert report.lengths.unit == "characters"


def test_what_is_harmless_is_not_taken_for_personal(tmp_path: Path) -> None:
    harmless = [
        "version 1.2.3.4567 of 2024-11-24 has 1,234,567 lines",
        "the order 4111111111111112 came on 10.10.2020 at 10:30:45",
        "it is 3.14159265358979 and 2718281828 or 100 200 300",
        "mail user@localhost at 127.0.0.1 or ::1",
        "version 1.2.3.4 with a mask of 255.255.255.0",
        "In 2001, Alabama Supreme Court ruled, and the 1929 Wall Street crash came before",
        "the sum is 4212883012996 in all",
        "clone it from ftp://username:password@host.net/path",
        "in 1850 St James and the Drive to 20 percent",
    ]
    path = write(tmp_path / "d.jsonl", [*clean(60), *map(answers, harmless)])
    assert [id for id in found(check_data(path)) if id.startswith(("pii", "secret"))] == []


SPELLINGS = {
    "text.mojibake": ["Ð\u009fÑ€Ð¸Ð²ÐµÑ‚ Ð¼Ð¸Ñ€ it says", "donâ€™t do it"],
    "text.template": ["Dear {first_name}, welcome", "Hello %(name)s and bye", "Hi ${name}!"],
    "answer.refusal": [
        "I apologize, but I cannot provide this information.",
        "I'm not able to help with that.",
        "As a language model, I do not have personal opinions.",
    ],
    "text.repetition": ["ha" * 200],
    "pii.phone": ["my number is 415-555-2671", "Call 020 7946 0958", "c'est le 06 12 34 56 78"],
    "pii.address": ["lives at 221B Baker Street, London"],
    "secret.key": [
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "Authorization: Bearer abcdef0123456789abcdef0123456789",
    ],
    "language.switch": ["这是一个中文的回答，和问题的语言不同。"],
}


@pytest.mark.parametrize(
    ("id", "said"), [(id, said) for id, many in SPELLINGS.items() for said in many]
)
def test_what_is_found_is_found_in_every_spelling(tmp_path: Path, id: str, said: str) -> None:
    rows = clean(60)
    # A question long enough to tell its language, and that of the set.
    rows = [{**row, "prompt": f"What is the reason for this and of that: {row['prompt']}?"}
            for row in rows]  # fmt: skip
    rows[20]["completion"] = said
    path = write(tmp_path / "d.jsonl", rows)
    finding = found(check_data(path))[id]
    assert [(place.line, place.field) for place in finding.places] == [(21, "completion")]


def test_what_is_right_in_its_place_is_no_remains(tmp_path: Path) -> None:
    asked = [
        ("How do I center this in HTML?", "Write <div style='margin: auto'>it</div>."),
        ("How do I greet?", "Use this:\n```js\nlet a = `Hi ${name}`;\n```"),
        ("What is the fraction?", r"It is \frac{{a}}{{b}} and $x^{{2}}$ with \text{{b}}."),
        ("How do I name it?", "In BibTeX: title={{The Title}}, in a workflow ${{ github.ref }}"),
        ("What happens?", "[Enter FATHER and MOTHER] they speak [your legs are buns for sure now]"),
        ("Translate it to German: the sun is what it is and this is for you", "Das ist die Sonne "
         "und sie ist für dich, wie es ist und auch nicht mit der"),
    ]  # fmt: skip
    path = write(
        tmp_path / "d.jsonl", [*clean(60), *({"prompt": q, "completion": a} for q, a in asked)]
    )
    ids = set(found(check_data(path)))
    assert not ids & {"text.html", "text.template", "language.switch"}, ids


def test_repeated_rows_and_rows_with_a_changed_word_are_told_with_their_first(
    tmp_path: Path,
) -> None:
    rows = clean(200)
    long = "the quick survey of all the old harbours shows that most ships came from the far north"
    rows[10] = {
        "prompt": "tell me about ships",
        "completion": f"{long} and they carried {long[::-1]}",
    }
    changed = {**rows[10], "completion": rows[10]["completion"].replace("quick", "slow")}
    report = check_data(write(tmp_path / "d.jsonl", [*rows, rows[3], changed]))
    assert report.facts.distinct_rows == 200
    exact, near = found(report)["duplicate.exact"], found(report)["duplicate.near"]
    assert (exact.places[0].line, exact.examples[0]) == (201, f"like {tmp_path / 'd.jsonl'}:4")
    assert near.places[0].line == 202
    assert found(report)["prompt.conflict"].count == 2


def test_held_out_rows_that_were_trained_on_are_a_leak(tmp_path: Path) -> None:
    rows = clean(300)
    write(tmp_path / "train.jsonl", rows)
    write(tmp_path / "test.jsonl", [*clean(20, seed=9), rows[5]])
    report = check_data(tmp_path)
    leak = found(report)["duplicate.leak"]
    assert (leak.count, leak.severity) == (1, "warn")
    assert leak.places[0].file.endswith("test.jsonl") == (report.files[0].endswith("train.jsonl"))
    assert report.facts.eval_rows == 21
    named = check_data(tmp_path / "train.jsonl", eval_path=tmp_path / "test.jsonl")
    assert found(named)["duplicate.leak"].places[0].line == 21


def test_sets_that_teach_one_thing_are_told(tmp_path: Path) -> None:
    same = [{"prompt": f"is {n} even or odd today", "completion": "yes"} for n in range(600)]
    report = check_data(write(tmp_path / "same.jsonl", same))
    assert found(report)["answer.constant"].severity == "error"
    assert report.verdict == "blocked"
    skew = [{**row, "label": "spam" if n % 20 else "ham"} for n, row in enumerate(clean(600))]
    report = check_data(write(tmp_path / "skew.jsonl", skew))
    assert report.facts.labels["label"] == {"spam": 570, "ham": 30}
    assert "label.imbalance" in found(report)
    one = [{**row, "prompt": "tell me something nice"} for row in clean(300)]
    assert "diversity.prompts" in found(check_data(write(tmp_path / "one.jsonl", one)))


@pytest.mark.parametrize(
    ("count", "id", "verdict"),
    [(60, "rows.few", "blocked"), (300, "rows.thin", "look"), (1000, None, "good")],
)
def test_the_number_of_rows_is_judged_by_those_that_differ(
    tmp_path: Path, count: int, id: str | None, verdict: str
) -> None:
    rows = clean(count)
    report = check_data(write(tmp_path / "d.jsonl", rows))
    assert report.verdict == verdict
    assert {"rows.few", "rows.thin"} & set(found(report)) == ({id} if id else set())
    repeated = check_data(write(tmp_path / "r.jsonl", rows[:60] * 20))
    assert "rows.few" in found(repeated)


def test_rows_that_differ_in_kind_are_told(tmp_path: Path) -> None:
    rows = [{**row, "completion": json.dumps({"n": n})} for n, row in enumerate(clean(200))]
    rows[7]["completion"] = "no JSON at all"
    rows[8]["extra"] = "x"
    report = check_data(write(tmp_path / "d.jsonl", rows))
    assert found(report)["answer.not-json"].places[0].line == 8
    unread = found(report)["field.unread"]
    assert "extra (1 row)" in unread.message
    assert [(place.line, place.field) for place in unread.places] == [(9, "extra")]
    mixed = [
        *clean(300),
        *(
            {
                "prompt": "wie ist es mit dem und der",
                "completion": f"Das ist nicht die Frage, und wir werden es auch {n} sehen",
            }
            for n in range(60)
        ),
    ]
    report = check_data(write(tmp_path / "m.jsonl", mixed))
    assert found(report)["language.mix"].count == 60


def test_lengths_are_counted_in_tokens_and_what_is_cut_is_told(
    tmp_path: Path, tiny_model: Path
) -> None:
    rows = clean(120)
    rows[4]["completion"] = "word " * 300
    path = write(tmp_path / "d.jsonl", rows)
    report = check_data(path, Options(tokenizer=str(tiny_model), max_length=200))
    assert report.lengths is not None
    assert report.lengths.unit == "tokens"
    from tunewright.engine.data.read import read_examples
    from tunewright.engine.data.tokens import Renderer

    renderer = Renderer.open(tiny_model)
    lengths = [
        len(t.input_ids) for t in renderer.tokenize_all(read_examples(path).examples, "completion")
    ]
    assert (report.lengths.total, report.lengths.high) == (sum(lengths), max(lengths))
    cut = found(report)["length.cut"]
    assert (cut.count, cut.places[0].line, cut.severity) == (1, 5, "warn")
    assert report.lengths.lost == max(lengths) - 200
    assert sum(report.lengths.histogram) == 120


def test_the_shape_of_all_rows_counts_and_the_confidence_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [{"text": "x y z"}] * 3 + clean(97))
    report = check_data(path)
    assert (report.format, report.confidence) == ("prompt_completion", 0.97)
    assert found(report)["shape.other"].count == 3
    # The first block alone has another shape.
    many = [{"text": f"some text {n} " * 30} for n in range(900)] + clean(3000)
    assert check_data(write(tmp_path / "m.jsonl", many)).format == "prompt_completion"
    asked = check_data(path, Options(format="text"))
    assert asked.format == "text"
    assert found(asked)["shape.other"].count == 97


def test_several_processes_find_what_one_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clean(4000)
    for at in range(0, 4000, 40):
        rows[at] = {**rows[at], "completion": ONE["pii.email"][0]["completion"] + str(at // 80)}
    path = write(tmp_path / "d.jsonl", rows)
    alone = check_data(path, workers=1)
    monkeypatch.setattr("tunewright.engine.data.inspect._ALONE_BYTES", 0)
    shared = check_data(path, workers=2)
    assert alone.findings == shared.findings
    assert alone.facts == shared.facts


def test_pairs_labels_scores_and_texts_are_checked_too(tmp_path: Path) -> None:
    pairs = [
        {"prompt": r["prompt"], "chosen": r["completion"], "rejected": f"no {n}"}
        for n, r in enumerate(clean(120))
    ]
    pairs[5]["rejected"] = pairs[5]["chosen"]
    report = check_data(write(tmp_path / "p.jsonl", pairs))
    assert report.format == "preference"
    assert found(report)["pair.same"].places[0].line == 6
    kto = [{**r, "label": n % 2 == 0} for n, r in enumerate(clean(120))]
    report = check_data(write(tmp_path / "k.jsonl", kto))
    assert report.facts.labels["label"] == {"good": 60, "bad": 60}
    texts = [{"text": r["completion"]} for r in clean(120)]
    assert check_data(write(tmp_path / "t.jsonl", texts)).format == "text"


def test_messages_are_right_for_one_row_too() -> None:
    messages = [kind.message for kind in kinds(families()).values() if "{count}" in kind.message]
    assert len(messages) > 40
    for message in messages:
        said = agreeing(message.format(count="1", rows="9", share="11.1%"))
        assert not re.match(r"1 (\S+ )?\w+s (\(.*\) )?(are|have|hold|say|do)\b", said), said
    assert agreeing("2 rows hold it") == "2 rows hold it"
    assert agreeing("1 rows (0.1%) do not end") == "1 row (0.1%) does not end"


def test_every_finding_has_a_kind_and_every_family_a_file() -> None:
    all_families = families()
    assert {f.name for f in all_families} >= {"structure", "duplicates", "pii", "secrets"}
    assert all(isinstance(family, Family) for family in all_families)
    for id, kind in kinds(all_families).items():
        assert kind.fix, id
        kind.message.format(count=1, rows=2, share="50%")
        for fix in kind.fixes:
            from tunewright.engine.data.fixes.fix import parse_fix

            made, value = parse_fix(fix)
            if value or made.name in ("dedupe", "unify"):
                made.make(value)


HOSTILE: dict[str, bytes] = {
    "null bytes": b"\x00" * 100_000,
    "null bytes in a text": b'{"prompt": "a\\u0000b", "completion": "c"}\n' * 30,
    "a million columns": json.dumps({f"c{n}": n for n in range(300_000)}).encode() + b"\n",
    "deep nesting": b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b', "completion": "x"}\n',
    "deep but legal": b'{"prompt": ' + b"[" * 400 + b"]" * 400 + b', "completion": "x"}\n',
    "markup": b'{"prompt": "[bold red]x[/] [link=file:///x]", "completion": "[/]"}\n' * 9,
    "escapes": b'{"prompt": "\\u001b[2J\\u001b]0;owned\\u0007", "completion": "\\u009b31m"}\n',
    "no end": b'{"prompt": "a',
    "latin-1": '{"prompt": "é", "completion": "é"}\n'.encode("latin-1"),
    "a number": b"7\n",
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_give_a_finding_or_one_problem(tmp_path: Path, name: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(HOSTILE[name])
    report = check_data(path)
    assert report.verdict == "blocked"
    for finding in report.findings:
        for text in (finding.message, *finding.examples, *(str(p) for p in finding.places)):
            assert text.isprintable()


def test_a_row_of_fifty_megabytes_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    with path.open("w") as file:
        file.write(json.dumps({"prompt": "how long", "completion": "word and more " * 3_600_000}))
    report = check_data(path)
    assert report.rows == 1
    assert {"text.repetition", "row.long"} <= set(found(report))
    assert report.lengths is not None
    assert report.lengths.high > 50_000_000


def test_a_text_of_megabytes_is_counted_in_parts(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = Renderer.open(tiny_model)
    texts = ["a b", "word and more of it " * 400, "", "unbroken" * 300, "the end"]
    whole = [len(ids) for ids in renderer.encode_all(texts)]
    assert list(renderer.count_all(texts)) == whole
    monkeypatch.setattr(tokens, "_LONG", 500)
    monkeypatch.setattr(tokens, "_COUNTED_CHARACTERS", 900)
    counted = list(renderer.count_all(texts))
    assert counted[:3] == whole[:3]
    assert abs(counted[3] - whole[3]) <= 5
    assert counted[4] == whole[4]


def test_lying_names_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", clean(60))
    assert find_sources(path)[0].lies
    assert "file.ending" in found(check_data(path))
