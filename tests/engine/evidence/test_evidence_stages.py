"""The stages of an evidence run on the tiny model: measured, decided, and left ready to be run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jobs import FACTS, GivenOrders, build_job, start_run
from server import ChatServer
from tiny import TinyData

from tunewright.engine.data.read import read_examples
from tunewright.engine.data.tokens import Renderer
from tunewright.engine.evidence import decision, pilot, stage
from tunewright.engine.evidence.decision import Decided
from tunewright.engine.evidence.given import EvidenceInput
from tunewright.engine.evidence.kit import write_kit
from tunewright.engine.evidence.measure import scored
from tunewright.engine.evidence.pilot import more_rows
from tunewright.engine.evidence.plan import evidence_settings, pilot_steps
from tunewright.engine.evidence.result import Evidence, Pilot, PilotPoint
from tunewright.engine.plan import Decision
from tunewright.engine.prove.likelihood import reference_likelihood
from tunewright.engine.run.events import Event, Progress, Sample
from tunewright.engine.run.job import Job, Stopped
from tunewright.hardware.errors import Problem

GIVEN = EvidenceInput(rows=6, shots=2, passages=1, pilot="always")


def job_for(
    run_dir: Path,
    model: Path,
    data: TinyData,
    given: EvidenceInput = GIVEN,
    events: list[Event] | None = None,
    orders: GivenOrders | None = None,
) -> Job:
    """A job whose plan has what an evidence run plans, and trainings of two or three steps."""
    settings: dict[str, Any] = {
        key: found.value for key, found in evidence_settings(given, FACTS, 8, 10**6, "cpu").items()
    }
    settings |= {"pilot.rows": [4, 8], **_training()}
    settings |= {"evidence.batch_size": 4, "evidence.prompt_tokens": 2000}
    job = build_job(
        run_dir, model, data, settings=settings, events=events, orders=orders,
        threads={"decode": 1, "prefill": 1, "train": 1},
    )  # fmt: skip
    inputs = msgspec.structs.replace(job.session.inputs, evidence=given)
    job = msgspec.structs.replace(job, session=msgspec.structs.replace(job.session, inputs=inputs))
    (run_dir / "results").mkdir(exist_ok=True)
    return job


def _training() -> dict[str, Any]:
    return {
        "training.per_device_train_batch_size": 4,
        "training.gradient_accumulation_steps": 1,
        "training.packing": False,
        "training.eval_strategy": "no",
        "training.num_train_epochs": 1,
        "training.lr_scheduler_type": "linear",
        "training.load_best_model_at_end": False,
        "training.save_steps": 100,
        "training.logging_steps": 1,
        "training.bf16": False,
        "training.seed": 42,
        "lora.r": 4,
        "lora.lora_alpha": 8,
        "lora.target_modules": "all-linear",
    }


@pytest.fixture(scope="module")
def ran(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: TinyData
) -> tuple[Job, list[Event]]:
    """All three stages done, with documents and an embedding model (the tiny one, mean-pooled)."""
    run_dir = tmp_path_factory.mktemp("evidence")
    documents = tmp_path_factory.mktemp("documents")
    rows = [json.loads(line) for line in tiny_data.train.read_text().splitlines()]
    (documents / "orders.md").write_text("\n\n".join(r["prompt"] for r in rows) + "\n")
    given = msgspec.structs.replace(GIVEN, documents=str(documents), embedder=str(tiny_model))
    events: list[Event] = []
    job = job_for(run_dir, tiny_model, tiny_data, given, events)
    start_run(run_dir, job)
    stage.run(job)
    pilot.run(job)
    decision.run(job)
    return job, events


@pytest.fixture
def evidence(ran: tuple[Job, list[Event]]) -> Evidence:
    found = ran[0].load_result("evidence", Evidence)
    assert found is not None
    return found


@pytest.fixture
def decided(ran: tuple[Job, list[Event]]) -> Decided:
    found = ran[0].load_result("decision", Decided)
    assert found is not None
    return found


def test_every_arm_answers_the_same_rows_and_says_what_it_costs(evidence: Evidence) -> None:
    ids = [arm.id for arm in evidence.arms]
    assert ids == [
        "same", "zero_shot", "instruction", "few_shot", "nearest", "retrieve_rows",
        "retrieve_rows_dense", "retrieve_documents", "retrieve_documents_shown",
        "retrieve_documents_dense", "retrieve_documents_dense_shown",
    ]  # fmt: skip
    asked = [arm for arm in evidence.arms if arm.group != "floor"]
    for arm in asked:
        assert len(arm.answers) == len(evidence.rows) == 6
        assert set(arm.scores) == {"exact", "f1", "valid"}
        assert arm.latency_seconds is not None
        assert arm.likelihood is not None
        assert arm.likelihood.row_tokens == asked[0].likelihood.row_tokens  # type: ignore[union-attr]
    tokens = {arm.id: arm.prompt_tokens or 0 for arm in asked}
    assert tokens["zero_shot"] < tokens["instruction"] < tokens["few_shot"]
    assert tokens["retrieve_rows"] > tokens["instruction"]
    shown = evidence.arm("retrieve_rows")
    assert shown is not None
    assert all(len(places) == 1 for places in shown.retrieved)
    assert evidence.examples_help is not None
    assert evidence.examples_help.rows == 6


def test_the_interval_says_what_six_rows_can_show(evidence: Evidence) -> None:
    best = evidence.best("prompting")
    assert best is not None
    figure = best.figures[evidence.primary]
    assert (figure.mean, figure.rows) == (0.0, 6)
    assert figure.high > 0.3
    assert "exact match: prompting 0.00 [0.00, 0.46]" in evidence.verdict


def test_progress_reaches_its_end_and_answers_are_shown(ran: tuple[Job, list[Event]]) -> None:
    _, events = ran
    progress = [e for e in events if isinstance(e, Progress) and e.stage == "evidence"]
    assert progress[-1].done == progress[-1].total == 6 * 10 * 2
    assert len([e for e in events if isinstance(e, Sample)]) == 6


def test_the_pilot_has_a_curve_on_the_same_rows(
    ran: tuple[Job, list[Event]], evidence: Evidence
) -> None:
    found = ran[0].load_result("pilot", Pilot)
    assert found is not None
    assert [point.rows for point in found.points] == [4, 8]
    first, last = found.points
    assert first.steps == pilot_steps(4)
    assert first.arm.likelihood is not None
    assert last.arm.likelihood is not None
    base = evidence.arm("zero_shot")
    assert base is not None
    assert base.likelihood is not None
    assert last.arm.likelihood.nats_per_token < base.likelihood.nats_per_token
    assert found.expected_rows == 16
    assert found.nats_doubling == pytest.approx(
        last.arm.likelihood.nats_per_token - first.arm.likelihood.nats_per_token
    )
    folder = ran[0].run_dir / "pilot"
    slices = [p.name for p in sorted(folder.iterdir())]
    assert slices == ["4-rows.jsonl", "8-rows.jsonl"], "checkpoints of a pilot are not kept"
    assert read_examples(folder / "8-rows.jsonl").format == "messages"


def test_the_decision_is_made_of_the_figures_and_kept(decided: Decided) -> None:
    assert decided.decision.measured
    assert decided.facts.measured is not None
    assert decided.decision.measurement == decided.facts.measured.headline()
    assert decided.figures == {
        "verdict": decided.decision.verdict, "spoke": decided.decision.spoke,
    }  # fmt: skip
    assert decided.decision.answered_by_facts["prompting"] == "fails"


def test_figures_for_replays_are_plain_values(ran: tuple[Job, list[Event]]) -> None:
    from tunewright.engine.replay import expectation_of
    from tunewright.engine.run.rundir import RunDir

    figures = expectation_of(RunDir(ran[0].run_dir)).figures
    assert set(figures) == {"evidence", "pilot", "decision"}
    assert "few_shot_nats" in figures["evidence"]
    assert "tuned_8_exact" in figures["pilot"]


def test_a_second_run_gives_the_same_figures(
    ran: tuple[Job, list[Event]], evidence: Evidence, tmp_path: Path
) -> None:
    given = ran[0].session.inputs.evidence
    job = msgspec.structs.replace(ran[0], run_dir=tmp_path)
    assert given is not None
    stage.run(job)
    again = job.load_result("evidence", Evidence)
    assert again is not None
    assert again.figures == evidence.figures


def test_sharing_a_prefix_changes_no_likelihood_worth_naming(
    tiny_model: Path, tiny_data: TinyData
) -> None:
    from tunewright.engine.train.loading import load_base

    model = load_base(tiny_model, "cpu", dtype="float32", attention="sdpa", quantization={}).eval()
    renderer = Renderer.open(tiny_model)
    rows = list(renderer.tokenize_all(read_examples(tiny_data.eval).examples, "completion"))
    alone = reference_likelihood(model, rows, batch_size=4)
    shared = reference_likelihood(model, rows, batch_size=4, share_prefix=True)
    assert shared.row_tokens == alone.row_tokens
    assert shared.row_nats == pytest.approx(alone.row_nats, rel=1e-4)


@pytest.mark.parametrize(
    ("verdict", "files"),
    [
        ("prompting", {"prompt.json", "serve.sh"}),
        ("rag", {"prompt.json", "serve.sh", "index"}),
        ("fine_tune_rag", {"prompt.json", "serve.sh", "index", "train.jsonl", "eval.jsonl"}),
        ("collect_data", {"prompt.json", "serve.sh", "missing.md", "template.jsonl"}),
        ("fine_tune", {"prompt.json", "serve.sh"}),
        ("tools", {"prompt.json", "serve.sh"}),
    ],
)
def test_the_kit_of_each_verdict_has_what_it_needs(
    ran: tuple[Job, list[Event]], evidence: Evidence, tmp_path: Path, verdict: Any, files: set[str]
) -> None:
    kit = tmp_path / "kit"
    told = write_kit(ran[0], evidence, verdict, kit)
    assert files <= set(told) <= files | {"index"}
    assert {path.name for path in kit.iterdir()} == set(told)
    script = (kit / "serve.sh").read_text()
    assert f"vllm serve {ran[0].model_dir} " in script
    assert "--host 127.0.0.1" in script
    if verdict == "fine_tune_rag":
        rows = read_examples(kit / "train.jsonl").examples
        assert len(rows) == 48
        assert all(row.messages[-2].content.startswith("[1] ") for row in rows)
        assert len(read_examples(kit / "eval.jsonl").examples) == 12
    if verdict == "collect_data":
        assert "at least 452 more are needed" in (kit / "missing.md").read_text()
        template = [json.loads(x) for x in (kit / "template.jsonl").read_text().splitlines()]
        assert template[0]["messages"][-1]["role"] == "assistant"
        assert len(template) > 1


def test_the_kit_answers_a_question_and_cites(
    ran: tuple[Job, list[Event]], evidence: Evidence, tmp_path: Path
) -> None:
    from tunewright.engine.evidence.answer import open_answerer

    copy = tmp_path / "run"
    shutil.copytree(ran[0].run_dir, copy)
    shutil.rmtree(copy / "kit")
    write_kit(msgspec.structs.replace(ran[0], run_dir=copy), evidence, "rag", copy / "kit")
    answered = open_answerer(copy).answer("Ana orders 3 lamp")
    assert answered.question == "Ana orders 3 lamp"
    assert len(answered.cites) == 1
    assert answered.cites[0].number == 1
    assert answered.cites[0].place
    assert answered.prompt_tokens
    with ChatServer(lambda messages: messages[-1]["content"].splitlines()[-1]) as server:
        served = open_answerer(copy, server.url).answer("Ana orders 3 lamp")
    assert served.answer == "Ana orders 3 lamp"
    assert served.cites == answered.cites
    (asked,) = server.seen
    assert asked["messages"][0]["role"] == "system"
    assert asked["messages"][-1]["content"].startswith("[1] ")


def test_held_out_rows_in_training_are_left_out_of_the_measurement(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    train = tiny_data.train.read_text().splitlines()
    held = tmp_path / "held.jsonl"
    held.write_text("\n".join([*train[:5], *tiny_data.eval.read_text().splitlines()]) + "\n")
    job = job_for(tmp_path / "run", tiny_model, TinyData(tiny_data.train, held))
    drawn = stage.draw(job)
    assert drawn.leaked == 5
    assert len(drawn.held) == 6
    assert min(drawn.numbers) >= 5
    held.write_text("\n".join(train[:5]) + "\n")
    from tunewright.engine.data.prepared import read_split

    read_split.cache_clear()
    with pytest.raises(Problem, match="no held-out row to measure on"):
        stage.draw(job)
    read_split.cache_clear()


@pytest.mark.parametrize("looks", [0, 30])
def test_it_leaves_when_asked_to(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, looks: int
) -> None:
    job = job_for(tmp_path, tiny_model, tiny_data, orders=GivenOrders(looks))
    with pytest.raises(Stopped):
        stage.run(job)
    assert not (tmp_path / "results" / "evidence.json").exists()


@pytest.mark.parametrize(
    ("wanted", "told"), [("never", "it was not wanted"), ("auto", "without any training")]
)
def test_a_pilot_that_is_not_needed_is_not_run(
    ran: tuple[Job, list[Event]],
    evidence: Evidence,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: TinyData,
    wanted: Any,
    told: str,
) -> None:
    given = msgspec.structs.replace(GIVEN, pilot=wanted)
    job = job_for(tmp_path, tiny_model, tiny_data, given)
    right = scored(
        "few_shot", "all right", "prompting", evidence.wants, evidence.wants, "json", seed=1
    )
    job.save_result("evidence", msgspec.structs.replace(evidence, arms=(right,)))
    pilot.run(job)
    found = job.load_result("pilot", Pilot)
    assert found is not None
    assert found.points == ()
    assert told in found.verdict


def test_the_curve_tells_what_twice_the_rows_would_bring() -> None:
    wants = [str(n) for n in range(20)]

    def point(rows: int, right: int) -> PilotPoint:
        answers = [w if n < right else "no" for n, w in enumerate(wants)]
        return PilotPoint(
            rows, 1, 4, 1.0, scored("t", "t", "training", wants, answers, "short", seed=1)
        )

    doubling, _, expected = more_rows([point(10, 4), point(20, 12), point(40, 16)], "exact", 1)
    assert doubling is not None
    assert doubling.mean == pytest.approx(0.2)
    assert expected == pytest.approx(0.8 + 0.2 * 0.5)
    _, _, flat = more_rows([point(10, 4), point(20, 8), point(40, 7)], "exact", 1)
    assert flat == pytest.approx(0.35)
    assert more_rows([point(10, 4)], "exact", 1) == (None, None, None)
    assert more_rows([point(10, 18), point(20, 19), point(40, 20)], "exact", 1)[2] == 1.0


def test_sizes_of_the_pilot_are_halves_within_the_budget() -> None:
    def sizes(**more: Any) -> Decision:
        facts = msgspec.structs.replace(FACTS, **more)
        return evidence_settings(GIVEN, facts, 8, 135_000_000, "cpu")["pilot.rows"]

    assert sizes(rows=48).value == [12, 24, 48]
    large = sizes(rows=5000, train_tokens=5000 * 100).value
    assert large[0] == large[2] // 4
    assert 50 < large[2] < 400
    tokens = sum(pilot_steps(rows) * 4 * 100 for rows in large)
    assert tokens <= 50_000
