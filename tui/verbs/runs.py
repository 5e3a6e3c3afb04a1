"""runs: what is running, finished, crashed; compare two; delete one."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json, add_run, summary

if TYPE_CHECKING:
    import argparse

    from tunewright.engine.run.client import ListedRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    compare = actions.add_parser("compare", help="losses and figures of two runs")
    compare.add_argument("first", metavar="A")
    compare.add_argument("second", metavar="B")
    add_json(compare)
    delete = actions.add_parser("delete", help="remove a run that has ended, with all its files")
    add_run(delete)
    delete.add_argument("--yes", action="store_true", help="do not ask")
    add_json(delete)


def run(options: argparse.Namespace) -> int:
    if options.action == "compare":
        return _compare(options)
    if options.action == "delete":
        return _delete(options)
    return _list(options.json)


def _list(as_json: bool) -> int:
    from tunewright.engine.run.client import list_runs

    runs = list_runs()
    if as_json:
        say.data([_as_data(one) for one in runs])
        return Exit.DONE
    if not runs:
        say.line("no runs yet; start one: tunewright demo, or tunewright train MODEL DATA")
        return Exit.DONE
    say.table(["run", "state", "started", "attempts", ""], [_row(one) for one in runs])
    return Exit.DONE


def _as_data(one: ListedRun) -> dict[str, Any]:
    if one.view is not None:
        return summary(one.run, one.view)
    why = one.damaged.why if one.damaged else ""
    return {"id": one.id, "path": str(one.run.path), "state": "damaged", "why": why}


def _row(one: ListedRun) -> list[str]:
    now = one.view
    if now is None:
        return [one.id, "damaged", "", "", one.damaged.why if one.damaged else ""]
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(now.record.created))
    why = now.ended.what if now.ended and now.state not in ("done", "stopped") else ""
    return [now.record.id, now.state, created, str(len(now.record.attempts)), why]


def _compare(options: argparse.Namespace) -> int:
    from tunewright.engine.run.rundir import find_run
    from tunewright.engine.runs import compare_runs

    compared = compare_runs(find_run(options.first), find_run(options.second))
    plans, comparison = compared.plan_differences, compared.comparison
    if options.json:
        say.data({"plan_differences": plans, "comparison": comparison})
        return Exit.DONE
    from tunewright.engine.text import shorten

    say.line(f"{len(plans)} differences in the plan")
    for difference in (*plans, *comparison.differences)[:40]:
        was, now = shorten(str(difference.recorded), 40), shorten(str(difference.now), 40)
        say.line(f"  {difference.where}: {was} -> {now}")
    verdict = "equal" if comparison.equal else f"{len(comparison.differences)} differ"
    say.line(f"{comparison.compared}: {verdict}")
    for cause in comparison.causes:
        say.line(f"  around it: {cause}")
    return Exit.DONE


def _delete(options: argparse.Namespace) -> int:
    from tunewright.engine.run.rundir import find_run, spoken
    from tunewright.engine.runs import check_deletable, delete_run

    run_dir = find_run(options.run)
    id = spoken(run_dir, run_dir.read_record().id)
    check_deletable(run_dir)
    if not options.yes:
        if not sys.stdin.isatty():
            raise Problem(
                "delete asks before it removes anything",
                why="there is no terminal to ask on",
                cure=f"tunewright runs delete {id} --yes",
            )
        if input(f"delete {run_dir.path} with all its files? [y/N] ").strip().lower() != "y":
            say.note("kept")
            return Exit.DONE
    delete_run(run_dir)
    if options.json:
        say.data({"deleted": id})
    else:
        say.line(f"{id} deleted")
    return Exit.DONE
