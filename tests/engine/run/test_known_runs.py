"""One damaged, copied or vanished run stands in no other run's way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fake_worker import make_run
from live import Live

from tunewright.engine.homes import index_home
from tunewright.engine.run.client import list_runs
from tunewright.engine.run.rundir import (
    ExitRecord,
    RunDir,
    find_run,
    indexed_runs,
    known_runs,
    spoken,
    write_exit,
)
from tunewright.engine.run.view import view
from tunewright.engine.runs import delete_run
from tunewright.hardware.errors import Problem


@pytest.fixture
def runs(home: Path) -> Path:
    """The folder with runs healthy-1, healthy-2 (the newer one) and damaged-1, ended."""
    for number, id in enumerate(("healthy-1", "damaged-1", "healthy-2")):
        run = make_run(home / "runs" / id, id, created=1000.0 + number)
        write_exit(run, ExitRecord("done", 0, 0, 2000.0, "done"))
    (home / "runs" / "damaged-1" / "run.json").write_text('{"id": ')
    return home / "runs"


def test_healthy_runs_are_found_beside_a_damaged_one(runs: Path) -> None:
    assert find_run("healthy-1").path == runs / "healthy-1"
    assert find_run("last").path == runs / "healthy-2"
    # Only the healthy one counts for a start of an id, and the damaged one has its whole id.
    (runs / "healthy-1" / "run.json").write_text("")
    assert find_run("healthy").path == runs / "healthy-2"
    damaged = find_run("damaged-1")
    with pytest.raises(Problem, match="is damaged"):
        view(damaged)
    with pytest.raises(Problem, match="no run is called"):
        find_run("damaged")
    with pytest.raises(Problem, match="no run is called"):
        find_run("x" * 5000)


def test_a_whole_id_is_not_a_start_of_another(runs: Path) -> None:
    make_run(runs / "healthy-11", "healthy-11")
    assert find_run("healthy-1").path == runs / "healthy-1"
    with pytest.raises(Problem, match="the start of 3 runs"):
        find_run("healthy")


def test_the_verbs_list_a_damaged_run_as_one_and_go_on(runs: Path) -> None:
    live = Live(runs.parent, runs, runs, runs)
    listed = {one["id"]: one["state"] for one in json.loads(live("runs", "--json").stdout)}
    assert listed == {"healthy-1": "done", "healthy-2": "done", "damaged-1": "damaged"}
    (row,) = [line for line in live("runs").stdout.splitlines() if line.startswith("damaged-1")]
    assert row.split()[1] == "damaged"
    assert "Input data was truncated" in row
    live("wait", "healthy-1")
    assert "is damaged" in live("wait", "damaged-1", code=2).stderr


def test_a_damaged_ending_is_a_crash_that_can_be_resumed(runs: Path) -> None:
    run = RunDir(runs / "healthy-1")
    run.exit.write_text('{"state": "excellent"}')
    now = view(run)
    assert (now.state, now.alive) == ("crashed", False)
    assert now.ended is not None
    assert "exit.json is damaged" in now.ended.what
    assert now.ended.cure.endswith("tunewright resume healthy-1")
    assert view(RunDir(runs / "healthy-2")).state == "done"


def test_damaged_results_of_one_run_leave_the_others_their_reports(runs: Path) -> None:
    live = Live(runs.parent, runs, runs, runs)
    (runs / "healthy-1" / "results" / "train.json").write_text('{"steps": ')
    said = live("report", "healthy-1", code=None)
    assert said.returncode != 0
    assert "results/train.json cannot be read" in said.stderr
    assert len(json.loads(live("runs", "--json").stdout)) == 3


def test_a_run_that_vanishes_is_no_longer_listed(runs: Path) -> None:
    shutil.rmtree(runs / "damaged-1")
    (index_home() / "empty").write_text("")
    (index_home() / "folder").mkdir()
    assert [one.id for one in indexed_runs()] == ["healthy-1", "healthy-2"]
    assert [one.id for one in list_runs()] == ["healthy-1", "healthy-2"]
    assert len(known_runs()) == 2


def test_a_copy_is_called_by_its_path_and_its_deletion_leaves_the_first(runs: Path) -> None:
    copied = runs.parent / "a copy"
    shutil.copytree(runs / "healthy-1", copied)
    copy = find_run(str(copied))
    assert spoken(copy, "healthy-1") == f"'{copied}'"
    assert spoken(find_run("healthy-1"), "healthy-1") == "healthy-1"
    copy.exit.unlink()
    ended = view(copy).ended
    assert ended is not None
    assert ended.cure.endswith(f"tunewright resume '{copied}'")
    live = Live(runs.parent, runs, runs, runs)
    waited = live("wait", str(copied), code=None)
    assert f"'{copied}' crashed" in waited.stderr
    refused = live("runs", "delete", str(copied), code=2)
    assert f"tunewright runs delete '{copied}' --yes" in refused.stderr
    live("runs", "delete", str(copied), "--yes")
    assert not copied.exists()
    assert find_run("healthy-1").path == runs / "healthy-1"


def test_a_linked_run_is_deleted_where_it_lies_and_not_by_its_link(runs: Path) -> None:
    link = runs.parent / "link"
    link.symlink_to(runs / "healthy-1")
    live = Live(runs.parent, runs, runs, runs)
    refused = live("runs", "delete", str(link), "--yes", code=2)
    assert f"tunewright runs delete {runs / 'healthy-1'}" in refused.stderr
    assert (runs / "healthy-1").exists()
    delete_run(RunDir(runs / "healthy-1"))
    assert "healthy-1" not in [one.name for one in index_home().iterdir()]


def test_what_cannot_be_deleted_is_told_and_stays_listed(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("tunewright.engine.runs.shutil.rmtree", refuse)
    with pytest.raises(Problem, match="not wholly deleted") as refused:
        delete_run(RunDir(runs / "healthy-1"))
    assert "Permission denied" in refused.value.why
    assert "healthy-1" in [one.id for one in indexed_runs()]
