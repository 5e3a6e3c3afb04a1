"""The report tells what happened, at any time, and no text in it is obeyed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from jobs import build_job, finish_run, start_run
from tiny import TinyData

from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.chart import loss_chart
from tunewright.engine.prove.evaluate import Evaluation
from tunewright.engine.prove.markdown import escaped, fenced
from tunewright.engine.report import report_markdown
from tunewright.engine.run.curves import Curves
from tunewright.engine.run.events import EventWriter, Sample
from tunewright.engine.run.rundir import ExitRecord, write_exit
from tunewright.hardware.errors import Problem

NASTY = "a\x1b[31mred\x1b[0m\r| `code` **b** <script>\n``````\n# not a heading\n\u202etxt"


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: TinyData
) -> Path:
    return finish_run(tmp_path_factory.mktemp("report"), tiny_model, tiny_data)


def test_a_finished_run_tells_figures_reasons_memory_and_use(finished: Path) -> None:
    text = report_markdown(finished)
    for part in (
        "# tiny\n",
        "**Tuned 0.0 % \\[0, 46\\] exact against base",
        "| base, 2 examples | 0.0 % [0, 46] |",
        "| exact | +0.0 points [-46, +46] | 0 | 0 | p = 1.000, exact McNemar |",
        "### Held-out row ",
        "Loss: 2.9500 at step 1, 1.0000 at step 40, lowest 1.0000 at step 40",
        "4,000 tokens in 20 s (200 tokens/s, 2 threads)",
        "The weights of step 30 were kept",
        "| measured | 1 MiB (host rss, +10%) |",
        "| training.learning\\_rate | 0.0002 | the test says so |",
        "- `adapter/`: LoRA adapter",
        "- `merged/`: adapter and base as one model",
        "Merged in float32: 3 of 3 held-out rows",
        "| torch | 2.13.0 |",
    ):
        assert part in text
    assert text.count("\n## ") == 9


def test_answers_that_changed_in_training_stand_in_their_order_and_fenced(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = start_run(tmp_path, build_job(tmp_path, tiny_model, tiny_data))
    said = [NASTY, "same", *["same"] * 20, *(f"answer {n}" for n in range(20)), "wanted"]
    with EventWriter(run.events / "1-worker0.jsonl") as events:
        for step, got in enumerate(said):
            events.write(
                Sample(stage="train", row=3, want="wanted", got=got, step=step, asked=NASTY)
            )
    text = report_markdown(tmp_path)
    section = text.partition("## How answers changed in training")[2].partition("\n## ")[0]
    names = re.findall(r"^(Asked last|Wanted|Base|Step \d+.*):$", section, re.MULTILINE)
    assert names[:3] == ["Asked last", "Wanted", "Base"]
    assert names[-1] == "Step 42, as wanted"
    assert 5 <= len(names) - 2 <= 6
    assert "\x1b" not in section
    assert "# not a heading" in section
    unfenced = re.sub(r"^(`{3,})text$.*?^\1$", "", section, flags=re.DOTALL | re.MULTILINE)
    assert "not a heading" not in unfenced


def test_a_run_that_has_just_begun_says_so(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    start_run(tmp_path, build_job(tmp_path, tiny_model, tiny_data))
    text = report_markdown(tmp_path)
    assert "Nothing is measured yet." in text
    assert "baseline (not done), train (not done)" in text
    assert "## Training" not in text
    assert "## Use" not in text


def test_a_failed_run_tells_what_why_and_cure(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = start_run(tmp_path, build_job(tmp_path, tiny_model, tiny_data))
    write_exit(run, ExitRecord("failed", 1, 1, 2.0, "out of memory", "too *big*", "halve it"))
    text = report_markdown(tmp_path)
    assert "It ended: out of memory. Why: too \\*big\\*. Cure: halve it." in text


def test_hostile_answers_stay_inside_their_fences_and_send_nothing_to_the_terminal(
    finished: Path, tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    job = build_job(tmp_path, tiny_model, tiny_data)
    source = build_job(finished, tiny_model, tiny_data)
    start_run(tmp_path, job)
    before = source.load_result("baseline", Baseline)
    after = source.load_result("evaluate", Evaluation)
    assert before is not None
    assert after is not None
    tuned = msgspec.structs.replace(after.tuned, answers=(NASTY,) * 6)
    job.save_result("baseline", before)
    job.save_result("evaluate", msgspec.structs.replace(after, tuned=tuned, wants=(NASTY,) * 6))
    text = report_markdown(tmp_path)
    assert "not a heading" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028\u2029]", text)
    outside, fence = [], ""
    for line in text.splitlines():
        ticks = re.match(r"`{3,}", line)
        if fence:
            fence = "" if line == fence else fence
        elif ticks:
            fence = ticks.group()
        else:
            outside.append(line)
    assert not fence, "every fence is closed"
    assert not any("not a heading" in line or "script" in line for line in outside)


def test_escaped_text_is_no_markup_and_one_line() -> None:
    assert escaped("a|b\n<i> `x` [l](u)") == "a\\|b⏎\\<i\\> \\`x\\` \\[l\\](u)"
    assert fenced("````").startswith("`````text\n````\n")


def test_a_damaged_result_is_named(tmp_path: Path, tiny_model: Path, tiny_data: TinyData) -> None:
    run = start_run(tmp_path, build_job(tmp_path, tiny_model, tiny_data))
    (run.results / "evaluate.json").write_text('{"figures": 1}')
    with pytest.raises(Problem, match=r"evaluate\.json cannot be read"):
        report_markdown(tmp_path)
    with pytest.raises(Problem, match="is not a run directory"):
        report_markdown(tmp_path / "elsewhere")


def test_the_chart_falls_as_the_loss_does_and_skips_what_is_not_finite() -> None:
    curves = Curves()
    for step in range(1, 201):
        curves.step.append(step)
        curves.loss.append(float("nan") if step == 100 else 4.0 / step)
    rows = [line.partition("|")[2] for line in loss_chart(curves).splitlines()[:8]]
    assert rows[0].startswith("*")
    assert rows[-1].endswith("*")
    assert max(map(len, rows)) == 60
    assert loss_chart(Curves()) == ""


def test_reporting_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, tunewright.engine.report\n"
        "print([m for m in ('torch', 'transformers', 'textual') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
