"""Prompts with examples and passages are long: they are sized before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec
import pytest
from sizing_cases import gpu, inputs, recorded

from tunewright.engine.data.assumed import assumed_facts
from tunewright.engine.data.tokens import Renderer
from tunewright.engine.evidence.given import SENTENCE_TOKENS, EvidenceInput
from tunewright.engine.evidence.local import LocalAsker
from tunewright.engine.evidence.passages import PASSAGE_WORDS, read_passages
from tunewright.engine.evidence.plan import PASSAGE_TOKENS, longest_prompt
from tunewright.engine.plan import Plan
from tunewright.engine.planner import make_plan
from tunewright.hardware.memory.estimate import MemoryItem

ROWS = assumed_facts(None, 100)
WITH_DOCUMENTS = EvidenceInput(shots=4, passages=2, documents="handbook")


def test_the_longest_prompt_has_all_examples_each_with_its_passages() -> None:
    told = longest_prompt(EvidenceInput(shots=0, passages=0), ROWS, None, 16) - 100
    assert 0 < told < 400
    assert longest_prompt(EvidenceInput(shots=4, passages=0), ROWS, None, 16) == told + 500
    assert longest_prompt(EvidenceInput(shots=0, passages=2), ROWS, None, 16) == told + 300
    with_documents = longest_prompt(WITH_DOCUMENTS, ROWS, None, 16)
    assert with_documents == told + 5 * (100 + 2 * PASSAGE_TOKENS)
    instruction = msgspec.structs.replace(WITH_DOCUMENTS, instruction="x" * 3000)
    assert longest_prompt(instruction, ROWS, None, 16) == with_documents + 1500


def test_no_prompt_is_longer_than_the_context_leaves_room_for() -> None:
    assert longest_prompt(WITH_DOCUMENTS, ROWS, 2048, 48) == 2000
    assert longest_prompt(WITH_DOCUMENTS, ROWS, 100, 48) == ROWS.length_max


def planned(free: float, longest: int = 100) -> tuple[Plan, MemoryItem]:
    """A plan to measure Llama-3 8B with QLoRA, and the memory of its evidence."""
    known = recorded(gpus=(gpu(free, total=80),), longest=longest)
    plan = make_plan(inputs(evidence=WITH_DOCUMENTS, method="qlora"), known)
    estimate = next(fit.estimate for fit in plan.fits if fit.method == "qlora")
    return plan, next(item for item in estimate.stages if item.id == "evidence")


def test_fewer_prompts_are_asked_at_once_where_so_many_do_not_fit() -> None:
    roomy, peak = planned(78.0)
    tight, less = planned(9.0)
    evaluated = roomy.value("evaluation.batch_size")
    assert roomy.value("evidence.batch_size") == evaluated
    assert roomy.value("evidence.prompt_tokens") == longest_prompt(
        WITH_DOCUMENTS, assumed_facts(None, 100), 8192,
        roomy.value("evaluation.max_new_tokens") + SENTENCE_TOKENS,
    )  # fmt: skip
    assert tight.value("evidence.batch_size") < evaluated
    assert "do not fit" in tight.settings["evidence.batch_size"].because
    assert less.bytes < peak.bytes


def test_a_plan_without_evidence_has_none_of_it() -> None:
    plan = make_plan(inputs(), recorded(gpus=(gpu(21.4),)))
    assert not [key for key in plan.settings if key.startswith("evidence.")]
    assert "evidence" not in {i.id for fit in plan.fits for i in fit.estimate.stages}


@pytest.mark.parametrize(
    ("context", "longest", "room"),
    [(None, None, None), (100, None, 90), (None, 50, 50), (100, 50, 50), (40, 50, 30)],
)
def test_what_is_asked_keeps_within_context_and_memory(
    context: int | None, longest: int | None, room: int | None
) -> None:
    class Lengths:
        """A renderer whose prompts have as many tokens as they are asked to."""

        def prompt_ids(self, example: object) -> range:
            assert isinstance(example, int)
            return range(example)

    asker = LocalAsker(
        None, cast(Renderer, Lengths()), max_new_tokens=10, batch_size=1, context=context,
        longest=longest,
        threads=None, between=lambda: None,
    )  # fmt: skip
    if room is None:
        assert asker.fits(10**6)  # type: ignore[arg-type]
    else:
        assert asker.fits(room)  # type: ignore[arg-type]
        assert not asker.fits(room + 1)  # type: ignore[arg-type]


def test_a_paragraph_in_one_line_is_cut_behind_sentences(tmp_path: Path) -> None:
    file = tmp_path / "wiki.md"
    sentences = [f"Sentence {n} tells of thing {n} and of little else here." for n in range(60)]
    file.write_text(" ".join(sentences) + "\n" + "endless " * 500)
    passages = read_passages(file)
    assert all(len(p.text.split()) <= 1.5 * PASSAGE_WORDS for p in passages)
    assert sum(len(p.text.split()) for p in passages) == 60 * 11 + 500
    whole = [p.text for p in passages if "endless" not in p.text]
    assert len(whole) > 5
    assert all(text.startswith("Sentence") and text.endswith(".") for text in whole)
    assert {p.place for p in passages} == {"wiki.md:1", "wiki.md:2"}
