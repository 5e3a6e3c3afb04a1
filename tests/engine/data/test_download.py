"""Data of the hub is really fetched, from a hub on the loopback: pinned, whole, and data alone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stub_hub import STRANGER, TOKEN, StubHub, stub_hub

ROWS = [{"prompt": f"what is {n}?", "completion": f"it is {n}"} for n in range(8)]
README = b"""---
configs:
- config_name: short
  data_files:
  - split: train
    path: short/train-*
  - split: test
    path: short/test-*
- config_name: long
  data_files: long/all.jsonl
---
# Talks
"""


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def table(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    blob = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), blob)
    return blob.getvalue()


@pytest.fixture
def hub() -> Iterator[StubHub]:
    with stub_hub() as running:
        yield running


class Asking:
    """The real program in a home of its own, and the hub that it knows."""

    def __init__(self, hub: StubHub, home: Path) -> None:
        self.home = home
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        self.environment = {
            **kept,
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "TUNEWRIGHT_HOME": str(home / "tw"),
            "OMP_NUM_THREADS": "1",
            "no_proxy": "*",
        }

    def __call__(
        self, *words: str, code: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("tunewright"))
        done = subprocess.run(
            [program, *words],
            env={**self.environment, **environment},
            cwd=self.home,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def rows(self, spec: str) -> int:
        """Rows that are checked of an id."""
        done = self("data", "check", spec, "--json", code=None)
        return int(json.loads(done.stdout)["rows"])


@pytest.fixture
def ask(hub: StubHub, tmp_path: Path) -> Asking:
    return Asking(hub, tmp_path)


def test_an_id_is_fetched_once_with_its_splits_and_no_script(hub: StubHub, ask: Asking) -> None:
    marker = ask.home / "ran"
    hub.commit(
        "acme/talks",
        {
            "data/train-00000-of-00001.parquet": table(ROWS),
            "data/test-00000-of-00001.jsonl": lines(ROWS[:2]),
            "talks.py": f"open({str(marker)!r}, 'w')".encode(),
            "weights.bin": b"\0" * 100,
            ".gitattributes": b"",
        },
    )
    done = ask("data", "check", "acme/talks", "--json", "--details", code=None)
    report = json.loads(done.stdout)
    assert (report["rows"], report["facts"]["eval_rows"]) == (10, 2)
    assert sorted(set(hub.fetched())) == [
        "test-00000-of-00001.jsonl",
        "train-00000-of-00001.parquet",
    ]
    assert not marker.exists()
    assert "\r" not in done.stderr
    before = len(hub.asked)
    assert ask.rows("acme/talks") == 10
    assert len(hub.asked) == before, "what is cached is asked for again"


def test_a_plan_records_the_commit_and_a_replay_takes_it(
    hub: StubHub, ask: Asking, tiny_model: Path
) -> None:
    first = hub.commit("acme/talks", {"talks.jsonl": lines(ROWS)})
    words = ("train", str(tiny_model), "acme/talks", "--method", "lora")
    session = ask.home / "session.json"
    ask(*words, "--dry-run", "--save", str(session))
    told = json.loads(session.read_text())["inputs"]["data"]
    assert (told["path"], told["revision"]) == ("acme/talks", first)
    hub.commit("acme/talks", {"talks.jsonl": lines(ROWS * 2)})
    # On another machine, where nothing is cached, the same rows come back.
    other = Asking(hub, ask.home / "other")
    other.home.mkdir()
    other("--replay", str(session), "--dry-run")
    assert other.rows(f"acme/talks@{first}") == 8
    assert other.rows("acme/talks@main") == 16


def test_a_configuration_is_asked_for_and_taken_alone(hub: StubHub, ask: Asking) -> None:
    hub.commit(
        "acme/talks",
        {
            "README.md": README,
            "short/train-0.jsonl": lines(ROWS[:3]),
            "short/test-0.jsonl": lines(ROWS[6:]),
            "long/all.jsonl": lines(ROWS),
        },
    )
    done = ask("data", "check", "acme/talks", code=2)
    assert "short, long" in done.stderr
    assert "acme/talks:short" in done.stderr
    report = json.loads(
        ask("data", "check", "acme/talks:short", "--json", "--details", code=None).stdout
    )
    assert (report["rows"], report["facts"]["eval_rows"]) == (5, 2)
    assert ask.rows("acme/talks:long") == 8
    done = ask("data", "check", "acme/talks:tall", code=2)
    assert "no configuration tall" in done.stderr


def test_gated_missing_and_offline_are_told_apart(hub: StubHub, ask: Asking) -> None:
    hub.commit("acme/secret", {"d.jsonl": lines(ROWS)})
    hub.gated.add("acme/secret")
    done = ask("data", "check", "acme/secret", code=2)
    assert "is gated" in done.stderr
    assert "hf auth login" in done.stderr
    done = ask("data", "check", "acme/nothing", code=2)
    assert "knows no data set of that name" in done.stderr
    done = ask("data", "check", "acme/secret@v9", code=2)
    assert "no revision v9" in done.stderr
    done = ask("data", "check", "acme/other", code=2, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in done.stderr
    done = ask("data", "check", "acme/other", code=2, HF_ENDPOINT="http://127.0.0.1:9")
    assert "could be fetched" in done.stderr


def test_a_token_opens_what_is_gated_and_is_written_nowhere(
    hub: StubHub, ask: Asking, tiny_model: Path
) -> None:
    hub.commit("acme/secret", {"d.jsonl": lines(ROWS)})
    hub.gated.add("acme/secret")
    done = ask("data", "check", "acme/secret", code=2, HF_TOKEN=STRANGER)
    assert "is gated" in done.stderr
    unknown = "hf_" + "Q5r6S7t8" * 4
    odd = ask("data", "check", "acme/secret", code=2, HF_TOKEN=unknown)
    assert "does not know the token" in odd.stderr
    session = ask.home / "session.json"
    words = (str(tiny_model), "acme/secret", "--save", str(session))
    said = ask("train", *words, "--dry-run", HF_TOKEN=TOKEN)
    assert f"Bearer {TOKEN}" in hub.tokens
    written = b"".join(path.read_bytes() for path in ask.home.rglob("*") if path.is_file())
    everything = written + "".join(one.stdout + one.stderr for one in (said, done, odd)).encode()
    for token in (TOKEN, STRANGER, unknown):
        assert token.encode() not in everything


def test_a_download_that_was_cut_off_is_no_data_set_and_goes_on(hub: StubHub, ask: Asking) -> None:
    hub.commit("acme/talks", {"a.jsonl": lines(ROWS[:2]), "b.jsonl": lines(ROWS * 200)})
    hub.broken.add("b.jsonl")
    done = ask("data", "check", "acme/talks", code=2)
    assert "once more" in done.stderr
    # What is there is a part: it is not taken for the whole.
    done = ask("data", "check", "acme/talks", code=2, HF_HUB_OFFLINE="1")
    assert "b.jsonl" in done.stderr
    hub.broken.clear()
    assert ask.rows("acme/talks") == 1602
