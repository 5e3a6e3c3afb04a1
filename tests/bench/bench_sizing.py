"""make bench-sizing ROWS=file.jsonl [JSON=1]: predictions against published measurements.

Scores the rows of quality A and B whose configuration is clear, training and serving apart, over
all and by family; and beside them every peer that can be asked offline for such a row, each only
where it has a mode for it. Nothing here is fitted: `sizing_rows` maps a row to the estimator's
input.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

from sizing_peers import PEERS, Peer
from sizing_rows import GIB, Case, Unclear, case_of
from sizing_serving import ServingFigure, serving_figure

from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.training import estimate_training

OPEN_ROWS = Path(__file__).with_name("data") / "measured_open.jsonl"


class Scored(NamedTuple):
    """A row with what was predicted for it, bytes."""

    row: dict[str, Any]
    expected: int
    safe: int
    measured: int

    @property
    def error(self) -> float:
        return self.expected / self.measured - 1


def predict(case: Case) -> tuple[int, int]:
    """(expected, safe) bytes in the count that the row gives."""
    if case.setup is None:
        figure: ServingFigure = serving_figure(case)
        return figure.expected, figure.safe
    own = estimate_training(case.shape, case.setup).measured_as(case.measure)
    return own.expected_bytes, own.safe_bytes


def score(rows: list[dict[str, Any]]) -> tuple[list[Scored], list[Case], list[tuple[str, str]]]:
    """(predictions, their cases, what was left out with its reason)."""
    scored, cases, left = [], [], []
    for row in rows:
        if row.get("quality") == "C":
            left.append((str(row.get("id")), "quality C: the source leaves settings open"))
            continue
        try:
            case = case_of(row)
            expected, safe = predict(case)
        except (Unclear, Problem) as reason:
            left.append((str(row.get("id")), str(reason)))
            continue
        scored.append(Scored(case.row, expected, safe, case.measured))
        cases.append(case)
    return scored, cases, left


def summary(scored: list[Scored]) -> dict[str, Any]:
    """The figures of one group; None where it is empty."""
    if not scored:
        return {
            "rows": 0, "median_ape": None, "p90_ape": None, "bias": None, "under10_share": None,
            "safe_coverage": None, "safe_ratio_median": None,
        }  # fmt: skip
    errors = sorted(abs(one.error) for one in scored)
    ratios = [one.safe / one.measured for one in scored]
    count = len(scored)
    return {
        "rows": count,
        "median_ape": statistics.median(errors),
        "p90_ape": errors[min(count - 1, -(-9 * count // 10) - 1)],
        "bias": statistics.mean(one.error for one in scored),
        "under10_share": sum(one.error < -0.10 for one in scored) / count,
        "safe_coverage": sum(ratio >= 1 for ratio in ratios) / count,
        "safe_ratio_median": statistics.median(ratios),
    }


def peers(cases: list[Case], asked: tuple[Peer, ...]) -> dict[str, Any]:
    """What each peer says of the rows that it has a mode for, and ours on the same rows."""
    found: dict[str, Any] = {}
    for peer in asked:
        theirs, ours = [], []
        for case in cases:
            answer = peer.predict(case)
            if answer is None:
                continue
            theirs.append(abs(answer / case.measured - 1))
            ours.append(abs(predict(case)[0] / case.measured - 1))
        found[peer.name] = {
            "rows": len(theirs),
            "median_ape": statistics.median(theirs) if theirs else None,
            "ours_median_ape": statistics.median(ours) if ours else None,
            "mode": peer.mode,
        }
    return found


def result(
    rows: list[dict[str, Any]], packages: bool = True
) -> tuple[dict[str, Any], list[Scored], list[tuple[str, str]]]:
    """The whole answer as data, with the predictions and what was left out. `packages`: peers that
    are installed are asked too, which imports torch and builds each model on the meta device."""
    scored, cases, left = score(rows)
    kinds = {
        kind: [one for one in scored if one.row["kind"] == kind] for kind in ("train", "serve")
    }
    families = {
        family: summary([one for one in scored if one.row["family"] == family])
        for family in dict.fromkeys(one.row["family"] for one in scored)
    }
    answer = {kind: summary(ones) for kind, ones in kinds.items()}
    assumed: dict[str, int] = {}
    for case in cases:
        for words in case.assumed:
            assumed[words] = assumed.get(words, 0) + 1
    installed: tuple[Peer, ...] = ()
    missing: tuple[str, ...] = ()
    if packages:
        from sizing_packages import installed_peers

        installed, missing = installed_peers()
    told = {
        "families": families,
        "peers": peers(cases, (*installed, *PEERS)),
        "peers_missing": missing,
        "assumed": assumed,
    }
    return answer | told, scored, left


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, one JSON object a line; OSError, or ValueError with the line's number."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no object")
        found.append(row)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=Path, default=OPEN_ROWS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="the N largest errors")
    parser.add_argument(
        "--rules", action="store_true", help="of the peers only the rules, no installed package"
    )
    options = parser.parse_args()
    try:
        rows = read_rows(options.rows)
    except (OSError, ValueError) as error:
        print(f"{options.rows} cannot be read: {error}", file=sys.stderr)
        return 2
    answer, scored, left = result(rows, not options.rules)
    if options.json:
        print(json.dumps(answer, indent=1))
        return 0
    _print(answer, left)
    for one in sorted(scored, key=lambda one: -abs(one.error))[: options.worst]:
        print(
            f"{one.error:+7.1%}  {one.row['id'] or '':<16} {one.row['model']} {one.row['method']}: "
            f"{one.expected / GIB:.2f} GiB, measured {one.measured / GIB:.2f}"
        )
    return 0


def _print(answer: dict[str, Any], left: list[tuple[str, str]]) -> None:
    print(
        f"{'':<16}{'rows':>5} {'median':>7} {'p90':>7} {'bias':>7} {'<-10%':>6} {'safe >=':>8} "
        f"{'safe/measured':>14}"
    )
    groups = {"train": answer["train"], "serve": answer["serve"], **answer["families"]}
    for name, group in groups.items():
        if group["rows"]:
            print(
                f"{name:<16}{group['rows']:>5} {group['median_ape']:>7.1%} "
                f"{group['p90_ape']:>7.1%} "
                f"{group['bias']:>+7.1%} {group['under10_share']:>6.0%} "
                f"{group['safe_coverage']:>8.0%} {group['safe_ratio_median']:>14.2f}"
            )
    print("\npeers, on the rows that they have a mode for")
    for name, peer in answer["peers"].items():
        if peer["rows"]:
            print(
                f"{name:<34}{peer['rows']:>5} rows, median {peer['median_ape']:.1%}; ours "
                f"{peer['ours_median_ape']:.1%}  ({peer['mode']})"
            )
    for words in answer["peers_missing"]:
        print(words)
    reasons: dict[str, int] = {}
    for _, reason in left:
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        print(f"left out: {count} row(s): {reason}")
    for words, count in answer["assumed"].items():
        print(f"taken for: {count} row(s): {words}")


if __name__ == "__main__":
    sys.exit(main())
