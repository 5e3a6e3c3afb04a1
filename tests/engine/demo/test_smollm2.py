"""The embedded model arrives verified, once, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunewright.engine.demo import smollm2
from tunewright.engine.demo.smollm2 import WHEEL, FileHash, Source, ensure_demo_model
from tunewright.hardware.errors import Problem


def finished(cache: Path, conversion: int = smollm2.CONVERSION) -> Path:
    """A cache that holds a converted folder, as far as its manifest tells."""
    folder = cache / "models" / smollm2.NAME
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    source = Source(
        conversion=conversion,
        package=smollm2.REQUIREMENT,
        wheel=WHEEL,
        wheel_sha256=smollm2.WHEEL_SHA256,
        gguf=smollm2.GGUF,
        gguf_sha256="",
        license="Apache-2.0",
        converted_with={},
        files={"config.json": FileHash(2, hashlib.sha256(b"{}").hexdigest())},
    )
    (folder / "source.json").write_bytes(msgspec.json.encode(source))
    return folder


def wrong_wheel(cache: Path) -> Path:
    """What a broken proxy leaves: a zip of the right name with something else in it."""
    path = cache / "wheels" / WHEEL
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(smollm2.GGUF, "GGUF")
        archive.writestr(smollm2.LICENSE, "licence")
    return path


def leftovers(cache: Path) -> list[str]:
    return [p.name for p in (cache / "models").iterdir() if not p.name.endswith(".lock")]


def test_a_finished_folder_is_taken_at_once(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    said: list[str] = []
    assert ensure_demo_model(tmp_path, said.append) == folder
    assert said == []


def test_a_wheel_with_another_hash_is_refused_and_nothing_of_it_kept(tmp_path: Path) -> None:
    wheel = wrong_wheel(tmp_path)
    with pytest.raises(Problem) as caught:
        ensure_demo_model(tmp_path)
    assert smollm2.WHEEL_SHA256 in caught.value.why
    assert str(wheel) in caught.value.cure
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "missing", "no manifest", "older conversion"])
def test_a_damaged_or_outdated_folder_is_not_taken(tmp_path: Path, damage: str) -> None:
    wrong_wheel(tmp_path)
    folder = finished(tmp_path, smollm2.CONVERSION - (damage == "older conversion"))
    if damage == "cut":
        (folder / "config.json").write_text("{")
    elif damage == "missing":
        (folder / "config.json").unlink()
    elif damage == "no manifest":
        (folder / "source.json").unlink()
    with pytest.raises(Problem, match="not the expected package"):
        ensure_demo_model(tmp_path)
    assert folder.is_dir()


def test_what_a_killed_call_left_is_cleared_away(tmp_path: Path) -> None:
    wrong_wheel(tmp_path)
    stale = tmp_path / "models" / f".{smollm2.NAME}.1.partial"
    (stale / smollm2.NAME).mkdir(parents=True)
    with pytest.raises(Problem):
        ensure_demo_model(tmp_path)
    assert leftovers(tmp_path) == []


def test_while_a_converter_lives_nobody_else_starts(tmp_path: Path) -> None:
    """The lock goes with the converter's process, also when the one who started it was killed."""
    holder = (
        "import os, subprocess, sys; from pathlib import Path\n"
        "from tunewright.engine.demo.smollm2 import _locked\n"
        "with _locked(Path(sys.argv[1]), print) as fd:\n"
        "    subprocess.Popen([sys.executable, '-c', 'input()'], pass_fds=(fd,))\n"
        "    print('started', flush=True)\n"
        "    os._exit(9)\n"
    )
    lock = tmp_path / "lock"
    first = subprocess.Popen(
        [sys.executable, "-c", holder, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    assert first.stdin is not None
    assert first.stdout.readline() == "started\n"
    assert first.wait() == 9
    waits: list[str] = []

    def say(line: str) -> None:
        # The orphan reads to the end of its input: closing it ends the wait.
        waits.append(line)
        assert first.stdin is not None
        first.stdin.close()

    with smollm2._locked(lock, say):
        assert len(waits) == 1
    first.stdout.close()


def test_an_unwritable_cache_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem) as caught:
        ensure_demo_model(tmp_path / "file")
    assert "XDG_CACHE_HOME" in caught.value.cure


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The converted model: two processes ask for it at once, in a cache of their own."""
    cache = tmp_path_factory.mktemp("cache")
    ask = (
        "import sys; from pathlib import Path\n"
        "from tunewright.engine.demo.smollm2 import ensure_demo_model\n"
        "print(ensure_demo_model(Path(sys.argv[1]), lambda line: print(line, file=sys.stderr)))\n"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ask, str(cache)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=280) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    folders = {out.strip() for out, _ in told}
    assert len(folders) == 1
    assert sum("converting" in err for _, err in told) == 1
    return Path(folders.pop())


@pytest.mark.slow
def test_the_manifest_is_true_and_the_licence_is_there(real: Path) -> None:
    source = json.loads((real / "source.json").read_bytes())
    for name, stored in source["files"].items():
        with (real / name).open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == stored["sha256"]
    assert {"LICENSE", "README.md", "model.safetensors", "tokenizer.json"} <= set(source["files"])
    assert "Apache License" in (real / "LICENSE").read_text()
    assert leftovers(real.parent.parent) == [smollm2.NAME]


@pytest.mark.slow
def test_the_converted_model_answers_sanely_in_16_bit(real: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    stored: Any = AutoModelForCausalLM.from_pretrained(real, dtype="auto")
    assert stored.dtype == torch.bfloat16
    model = stored.to(torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(real)
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    ids = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    answer = model.generate(ids, do_sample=False, max_new_tokens=24)[0, ids.shape[1] :]
    text = tokenizer.decode(answer)
    assert "Paris" in text
    assert text.endswith("<|im_end|>")


@pytest.mark.slow
def test_our_tokens_are_those_of_transformers(real: Path) -> None:
    from transformers import AutoTokenizer

    from tunewright.engine.data.example import Example, Message, Place
    from tunewright.engine.data.tokens import Renderer

    ours, theirs = Renderer.open(real), AutoTokenizer.from_pretrained(real)
    # Numbers are cut digit by digit, so blanks before them stay together.
    assert ours.encode("\n\n1234") == theirs.encode("\n\n1234")
    pieces = [ours.tokenizer.id_to_token(i) for i in ours.encode("\n\n1234")]
    assert pieces == ["ĊĊ", "1", "2", "3", "4"]
    for turns in (
        (Message("user", "12 lamps"), Message("assistant", '{"qty": 12}')),
        (Message("system", "s"), Message("user", "ü 日本"), Message("assistant", "<|im_start|>")),
    ):
        chat = [{"role": m.role, "content": m.content} for m in turns]
        whole = theirs.apply_chat_template(chat, return_dict=False)
        row = Example(turns, Place("d.jsonl", 1))
        assert ours.tokenize(row, "completion").input_ids == list(whole)


@pytest.mark.slow
def test_the_demo_rows_are_those_that_trl_trains_on(real: Path, tmp_path: Path) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    from tunewright.engine.data.read import read_examples
    from tunewright.engine.data.tokens import Renderer
    from tunewright.engine.demo.orders import make_orders, write_orders

    tokenizer = AutoTokenizer.from_pretrained(real)
    # The trainer only has to prepare the rows: a small model will do.
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), num_attention_heads=2, **shape))
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, max_length=None),
        train_dataset=Dataset.from_list(make_orders()[0][:64]),
        processing_class=tokenizer,
    )
    theirs = [(list(r["input_ids"]), list(r["labels"])) for r in trainer.train_dataset]
    rows = read_examples(write_orders(tmp_path / "orders").train).examples[:64]
    assert [tuple(row) for row in Renderer.open(real).tokenize_all(rows, "completion")] == theirs
