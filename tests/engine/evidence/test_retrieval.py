"""Passages, the index that is kept, and the prompts that are made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.demo.handbook import MACHINES, write_documents
from tunewright.engine.evidence.arms import ArmPlan, Prompts, choose_fixed, commonest, fit
from tunewright.engine.evidence.index import Index
from tunewright.engine.evidence.passages import PASSAGE_WORDS, Passage, read_passages, row_passages
from tunewright.hardware.errors import Problem


def row(question: str, answer: str, system: str | None = None) -> Example:
    turns = [Message("user", question), Message("assistant", answer)]
    if system:
        turns.insert(0, Message("system", system))
    return Example(tuple(turns), Place("rows.jsonl", 1))


TRAIN = [
    row("Where is the red lamp?", "attic"),
    row("Where is the blue chair?", "cellar"),
    row("Who has the keys?", "Mona"),
    row("Where is the green mug?", "kitchen"),
]


def texts(example: Example) -> list[str]:
    return [f"{m.role}: {m.content}" for m in example.messages]


def test_documents_are_cut_at_paragraphs_and_keep_their_lines(tmp_path: Path) -> None:
    folder = write_documents(tmp_path)
    passages = read_passages(folder)
    assert len(passages) == MACHINES
    for passage in passages:
        name, _, line = passage.place.rpartition(":")
        first = passage.text.splitlines()[0]
        assert (folder / name).read_text().splitlines()[int(line) - 1] == first
        assert len(passage.text.split()) <= 2 * PASSAGE_WORDS


def test_long_text_is_cut_and_short_lines_are_joined(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one two\n\n" * 5 + "\n".join(["word " * 20] * 12))
    passages = read_passages(file)
    assert sum(len(p.text.split()) for p in passages) == 10 + 240
    assert all(len(p.text.split()) < PASSAGE_WORDS + 20 for p in passages)


@pytest.mark.parametrize("kind", ["empty folder", "no text", "binary", "blank"])
def test_documents_that_are_none_are_told(tmp_path: Path, kind: str) -> None:
    if kind == "no text":
        (tmp_path / "a.pdf").write_bytes(b"%PDF")
    if kind == "binary":
        (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    if kind == "blank":
        (tmp_path / "a.md").write_text("\n \n")
    with pytest.raises(Problem) as caught:
        read_passages(tmp_path)
    assert caught.value.cure


def test_the_index_finds_by_words_and_comes_back_from_disk(tmp_path: Path) -> None:
    passages = [Passage("the Velora pump", "a:1"), Passage("the Zorka pump", "b:2"),
                Passage("!!", "c:3")]  # fmt: skip
    index = Index.build(passages)
    assert index.find("Where is the zorka pump?", 2) == [1, 0]
    assert index.find("pump", 2, without=(0,)) == [1]
    assert index.find("nothing shared", 3) == []
    index.save(tmp_path / "index")
    again = Index.open(tmp_path / "index")
    assert again.passages == index.passages
    assert again.find("zorka pump", 2) == [1, 0]
    (tmp_path / "index" / "vocab.index.json").unlink()
    with pytest.raises(Problem, match="no whole index"):
        Index.open(tmp_path / "index")


def test_equal_scores_keep_their_order() -> None:
    index = Index.build([Passage("same words", str(n)) for n in range(5)])
    assert index.find("same words", 3) == [0, 1, 2]


def test_each_arm_makes_its_prompt() -> None:
    prompts = Prompts("Say the place.", TRAIN, (0, 2), plain=False)
    asked = row("Where is the blue lamp?", "garage", system="Be kind.")
    assert texts(prompts.as_is(asked, 0, 0).example) == texts(asked)
    assert prompts.instructed(asked, 0, 0).example.messages[0].content == "Be kind.\nSay the place."
    shown = texts(prompts.with_fixed(asked, 2, 0).example)
    assert shown[1:5] == ["user: Where is the red lamp?", "assistant: attic",
                          "user: Who has the keys?", "assistant: Mona"]  # fmt: skip
    assert shown[-1] == "assistant: garage"
    index = Index.build(row_passages(TRAIN), [e.messages[0].content for e in TRAIN])
    near = prompts.with_nearest(index)(asked, 2, 0)
    assert set(near.retrieved) == {0, 1}
    assert texts(near.example)[-2:] == ["user: Where is the blue lamp?", "assistant: garage"]


def test_where_nothing_is_near_the_fixed_examples_stand() -> None:
    prompts = Prompts("i", TRAIN, (0, 2), plain=False)
    index = Index.build(row_passages(TRAIN))
    near = prompts.with_nearest(index)(row("zzz", "x"), 2, 0)
    assert near.retrieved == (0, 2)


def test_an_example_never_finds_itself_among_the_rows() -> None:
    prompts = Prompts("i", TRAIN, (0,), plain=False)
    passages = row_passages(TRAIN)
    made = prompts.with_passages(Index.build(passages), passages, of_rows=True)(TRAIN[3], 1, 1)
    shown = texts(made.example)
    assert "attic" not in shown[1]
    assert shown[2] == "assistant: attic"
    assert shown[3].startswith("user: [1] ")
    assert "Where is the green mug?" in shown[3]


def test_without_a_template_turns_are_kept_apart() -> None:
    prompts = Prompts("Say it.", TRAIN, (0,), plain=True)
    rendered = "".join(m.content for m in prompts.with_fixed(TRAIN[1], 1, 0).example.messages)
    assert rendered == (
        "Say it.\n\nWhere is the red lamp?\n\nattic\n\nWhere is the blue chair?\n\ncellar"
    )
    assert texts(prompts.as_is(TRAIN[1], 0, 0).example) == texts(TRAIN[1])


def test_what_has_no_room_goes_examples_first() -> None:
    seen: list[tuple[int, int]] = []

    def build(example: Example, shots: int, passages: int):  # type: ignore[no-untyped-def]
        seen.append((shots, passages))
        return prompts.as_is(example, shots, passages)

    prompts = Prompts("i", TRAIN, (), plain=False)
    plan = ArmPlan("a", "a", "prompting", build, shots=2, passages=1)
    made = fit(plan, TRAIN[0], lambda _: seen[-1] == (0, 1))
    assert seen == [(2, 1), (1, 1), (0, 1)]
    assert made is not None
    assert not made.whole
    assert fit(plan, TRAIN[0], lambda _: False) is None


def test_fixed_examples_show_each_label_and_ask_no_held_out_row() -> None:
    train = [row(f"mail {n}", "ham" if n % 5 else "spam") for n in range(50)]
    fixed = choose_fixed(train, train[:3], 2, "labels", seed=1)
    assert {train[place].messages[-1].content for place in fixed} == {"ham", "spam"}
    every = choose_fixed(train, train[:3], 50, "labels", seed=1)
    assert set(every).isdisjoint({0, 1, 2})
    assert every == choose_fixed(train, train[:3], 50, "labels", seed=1)


def test_the_commonest_answer_is_what_never_looking_gives() -> None:
    assert commonest(["a", "b", "b", "c"]) == "b"
