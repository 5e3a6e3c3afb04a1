"""Prove: base against tuned on the same held-out rows, with intervals, and answers side by side."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget

from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.evaluate import Evaluation
from tunewright.engine.prove.markdown import figure_names
from tunewright.engine.prove.measure import Measured
from tunewright.engine.prove.statistics import Interval, p_text, percent
from tunewright.engine.results import Results, read_results
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.text import plain, shorten
from tunewright.tui.panes.pane import MOST_COPIED, Pane
from tunewright.tui.screens.text import LongText, box_width
from tunewright.tui.widgets.lines import Lines, wrapped
from tunewright.tui.widgets.rows import Column, Row, Rows

# Marks of an answer; they read without colour.
RIGHT, WRONG = "=", "≠"

# Characters of an answer that a box shows; a model that never ends one can write a million.
_MOST_SHOWN = 20_000
# The list of rows with its head and the empty line above it.
_ROWS_LINES = 5


class ProvePane(Pane):
    """The verdict, a bar for each measurement with its interval, and the rows behind it."""

    STEP: ClassVar[str] = "prove"

    DEFAULT_CSS = """
    ProvePane #answers { height: 1fr; margin-top: 1; min-height: 4; }
    ProvePane #answer { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        yield Lines(id="proof")
        yield Rows(
            [Column("row", 4, True), Column("base", 4), Column("tuned", 5), Column("wanted")],
            id="answers",
        )
        yield Lines(id="answer")

    _results: Results | None = None
    _of: RunDir | None = None
    # What `y` copies of which row: asked with every drawing of the frame.
    _copied: tuple[str, str] | None = None

    def show(self) -> None:
        run = self.tunewright.run_shown()
        if run is None:
            self._draw(None)
        elif self._of is None or run.path != self._of.path or not self._complete():
            self.in_thread(lambda: read_results(run), lambda results: self._read(run, results))
        else:
            self._draw(self._results)

    def _complete(self) -> bool:
        return self._results is not None and self._results.evaluation is not None

    def _read(self, run: RunDir, results: Results) -> None:
        if results != self._results:
            self._of, self._results, self._copied = run, results, None
        self._draw(self._results)
        self.tunewright.show_frame()

    def _draw(self, results: Results | None) -> None:
        width = max(20, self.size.width - 2)
        base = results.baseline if results else None
        tuned = results.evaluation if results else None
        proof = proof_lines(base, tuned, width)
        if foreign := foreign_lines(self.tunewright.attach, width):
            # It takes the room of the empty line: the answers need theirs.
            proof = [*foreign, *(line for line in proof if line.plain)]
        # The rows behind the figures and the marked one stay in sight.
        room = max(2, self.size.height - _ROWS_LINES - 3)
        if results is not None and len(proof) > room:
            proof = [*proof[: room - 1], Text("… w has all figures", "dim")]
        self.query_one("#proof", Lines).show(proof)
        answers = self.query_one("#answers", Rows)
        answers.display = base is not None or tuned is not None
        answers.show(answer_rows(base, tuned))
        self._draw_answer()

    def _draw_answer(self) -> None:
        width = max(20, self.size.width - 2)
        # A quarter of the pane: `v` has the rest.
        most = max(3, self.size.height // 4)
        told = self._told()
        for each in (2, 1):
            lines = [line for one in told for line in answer_lines(*one, width, each)]
            if len(lines) <= most:
                break
        self.query_one("#answer", Lines).show(lines)

    def _told(self) -> list[tuple[str, str]]:
        """Who said what to the marked row."""
        key = self.query_one("#answers", Rows).key
        if key is None or self._results is None:
            return []
        return answer_texts(self._results.baseline, self._results.evaluation, int(key))

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self._draw_answer()

    def first_focus(self) -> Widget | None:
        return self.query_one("#answers", Rows)

    def narrow(self, text: str) -> bool:
        rows = self.query_one("#answers", Rows)
        rows.narrow(text)
        return bool(self._results)

    def copied(self) -> str | None:
        key = self.query_one("#answers", Rows).key
        if key is None:
            return None
        if self._copied is None or self._copied[0] != key:
            told = (f"{who:<7}{plain(text[:MOST_COPIED])}" for who, text in self._told())
            self._copied = (key, "\n".join(told))
        return self._copied[1] or None

    def why_not(self, command: str) -> str | None:
        if command == "why" and not self._complete():
            return "the tuned model is not measured yet"
        if command == "answer_whole" and self.query_one("#answers", Rows).key is None:
            return "no row is measured yet"
        return None

    def do_answer_whole(self) -> None:
        width = box_width(self.app)
        lines = [line for one in self._told() for line in answer_lines(*one, width)]
        self.app.push_screen(LongText("the marked row", lines))

    def do_why(self) -> None:
        results, width = self._results, box_width(self.app)
        assert results is not None
        lines = [*proof_lines(results.baseline, results.evaluation, width), Text()]
        self.app.push_screen(LongText("why this verdict", [*lines, *why_lines(results, width)]))


def foreign_lines(run: RunDir | None, width: int) -> list[Text]:
    """Which run is shown, where it is not the one of the session on the bench."""
    if run is None:
        return []
    return wrapped(Text(f"of run {plain(run.path.name)}, not of this session", "dim"), width, 2)


def proof_lines(base: Baseline | None, tuned: Evaluation | None, width: int) -> list[Text]:
    """The verdict and a bar for each measurement, on a scale from 0 to 100 %."""
    proof = tuned or base
    if proof is None:
        return [
            Text("Nothing is measured yet.", "bold"),
            *wrapped(
                "The base model is measured before training and the tuned one after it, on the "
                "same held-out rows. 6 goes to Train.",
                width,
            ),
        ]
    lines = wrapped(Text(sentence(proof.verdict), "bold"), width)
    if tuned is None:
        lines += wrapped(Text("The tuned model is not measured yet.", "dim"), width)
    lines += [Text(), Text(f"{len(proof.rows)} held-out rows, 95 % intervals", "dim")]
    names = figure_names(proof)
    measured = _measurements(base, tuned)
    for label, one in measured:
        lines.append(_bar(names[proof.primary], label, getattr(one, proof.primary), width))
    for field, name in names.items():
        if field != proof.primary:
            told = [
                f"{label} {percent(interval)}"
                for label, one in measured
                if (interval := getattr(one, field)) is not None
            ]
            lines += _listed(f"{name:<10} ", told, width)
    perplexities = [
        f"{label} {one.likelihood.perplexity:.3g}"
        for label, one in (("base", base), ("tuned", tuned))
        if one is not None
    ]
    last = f"perplexity {', '.join(perplexities)} (of the wanted answers)"
    return [*lines, *wrapped(last, width, 11)]


def _listed(head: str, told: list[str], width: int) -> list[Text]:
    """Figures one after the other, in lines that break between them alone."""
    lines, line = [], head
    for at, one in enumerate(told):
        piece = one + ("," if at < len(told) - 1 else "")
        if len(line) + len(piece) > width and line.strip() and line != head:
            lines.append(line)
            line = " " * len(head)
        line += f"{piece} "
    return [part for text in (*lines, line) for part in wrapped(text.rstrip(), width, len(head))]


def _measurements(base: Baseline | None, tuned: Evaluation | None) -> list[tuple[str, Measured]]:
    found = []
    if base is not None:
        found.append(("base", base.zero_shot))
        if base.few_shot is not None:
            found.append((f"base, {base.few_shot.shots} examples", base.few_shot))
    if tuned is not None:
        found.append(("tuned", tuned.tuned))
    return found


def _bar(figure: str, label: str, interval: Interval, width: int) -> Text:
    """`figure label ···==|==···  12.3 % [4, 20]`: the mean is `|`, its interval `=`.

    Where there is no room for a bar the numbers stand alone.
    """
    style = "bold green" if label == "tuned" else ""
    head = f"{figure:<10} {label:<17} " if width >= 60 else f"{label:<17} "
    tail = f" {percent(interval)}"
    room = min(48, width - len(head) - len(" 100.0 % [100, 100]"))
    line = Text(head)
    if room >= 8:
        at = [round((room - 1) * value) for value in (interval.low, interval.mean, interval.high)]
        line.append(
            "".join(
                "|" if x == at[1] else "=" if at[0] <= x <= at[2] else "·" for x in range(room)
            ),
            style,
        )
    return line.append(tail, style)


def answer_rows(base: Baseline | None, tuned: Evaluation | None) -> list[Row]:
    """One row a held-out row: who was right, and what was wanted."""
    proof = tuned or base
    if proof is None:
        return []
    best = base.best() if base is not None else None

    def mark(measured: Measured | None, index: int) -> str:
        if measured is None or index >= len(measured.scores.exact):
            return ""
        return RIGHT if measured.scores.exact[index] else WRONG

    return [
        Row(
            str(index),
            (
                str(row + 1),
                mark(best, index),
                mark(tuned.tuned if tuned else None, index),
                plain(proof.wants[index][:400]),
            ),
        )
        # As many as there are both of: a directory may come from anywhere.
        for index, row in enumerate(proof.rows[: len(proof.wants)])
    ]


def answer_texts(
    base: Baseline | None, tuned: Evaluation | None, index: int
) -> list[tuple[str, str]]:
    """(who, what was said) for one held-out row: wanted, the base at its best, tuned."""
    proof = tuned or base
    if proof is None or index >= len(proof.wants):
        return []
    told = [("wanted", proof.wants[index])]
    asked = [("base", base.best())] if base is not None else []
    asked += [("tuned", tuned.tuned)] if tuned is not None else []
    return told + [(who, one.answers[index]) for who, one in asked if index < len(one.answers)]


def answer_lines(who: str, text: str, width: int, most: int = 0) -> list[Text]:
    """What somebody said, wrapped; at most so many lines (0: as many as there are)."""
    room = most * width if most else _MOST_SHOWN
    said = text[:room]
    lines = wrapped(Text().append(f"{who:<7}", "dim").append(plain(said)), width, 7)
    if most and (len(lines) > most or len(text) > room):
        lines = lines[:most]
        lines[-1] = lines[-1][: max(0, width - 1)] + Text("…")
    elif len(text) > room:
        lines.append(Text(f"       … {len(text) - room:,} more characters", "dim"))
    return lines


def sentence(text: str) -> str:
    """A verdict as a sentence, no longer than any of ours is."""
    return f"{shorten(text[:1].upper() + text[1:], 300)}."


def why_lines(results: Results, width: int) -> list[Text]:
    """What the verdict rests on: the paired tests and what limits them."""
    evaluation, baseline = results.evaluation, results.baseline
    lines: list[Text] = []
    if evaluation is not None and evaluation.comparison is not None:
        shots = evaluation.comparison.base_shots
        best = f"{shots} examples" if shots else "no examples"
        lines += wrapped(f"Row by row against the base at its best ({best}):", width)
        for field, name in figure_names(evaluation).items():
            test = getattr(evaluation.comparison, field)
            if test is not None:
                d = test.difference
                lines += wrapped(
                    f"  {name}: {100 * d.mean:+.1f} points [{100 * d.low:+.0f}, "
                    f"{100 * d.high:+.0f}]; {test.won} rows won, {test.lost} lost; "
                    f"{p_text(test.p_value)}, {shorten(test.test, 200)}",
                    width,
                    4,
                )
    lines.append(Text())
    for label, measured in _measurements(baseline, evaluation):
        if measured.cut:
            lines += wrapped(f"{measured.cut} answers of {label} reached the token limit.", width)
    proof = evaluation or baseline
    if proof is not None and proof.left_out:
        lines += wrapped(f"{proof.left_out} rows did not fit the context: left out.", width)
    return lines + wrapped(
        "Intervals: percentile bootstrap over rows, exact bounds where all rows are equal. "
        "Perplexity is that of the wanted answers, masked like training.",
        width,
    )
