"""Ship: what the run made, whether it was verified, and how to use it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget

from tunewright.engine.results import read_results
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.ship.merge import MergeResult, told
from tunewright.engine.text import duration, place, shorten, size
from tunewright.tui.panes.pane import Pane
from tunewright.tui.panes.prove import foreign_lines, sentence
from tunewright.tui.widgets.lines import Lines, wrapped
from tunewright.tui.widgets.rows import Column, Row, Rows

# What a run can make, in the order in which people want it.
MADE = {
    "merged": "base and adapter as one model, for any server",
    "model": "the fully fine-tuned model",
    "adapter": "the adapter alone; peft loads it on its base",
}


# Of a model card: what is read, and the lines of its code that are shown.
_CARD_BYTES, _CODE_LINES = 1 << 16, 40


class Made(NamedTuple):
    """One folder that the run made; `code` is how its card says that it is used."""

    kind: str
    path: Path
    bytes: int
    code: str = ""


class _Found(NamedTuple):
    made: tuple[Made, ...]
    merge: MergeResult | None


class ShipPane(Pane):
    """The folders of the run with their sizes, and the verification of the merge."""

    STEP: ClassVar[str] = "ship"

    DEFAULT_CSS = """
    ShipPane #made { height: auto; max-height: 6; margin: 1 0; }
    """

    def compose(self) -> ComposeResult:
        yield Lines(id="merge")
        yield Rows([Column("made", 8), Column("size", 10, True), Column("what it is")], id="made")
        yield Lines(id="use")

    _found: _Found | None = None
    _of: RunDir | None = None

    def show(self) -> None:
        run = self.tunewright.run_shown()
        if run is None:
            self._draw(None)
        else:
            self.in_thread(lambda: _find(run), lambda found: self._take(run, found))

    def _take(self, run: RunDir, found: _Found) -> None:
        self._of, self._found = run, found
        self._draw(found)
        self.tunewright.show_frame()

    def _draw(self, found: _Found | None) -> None:
        width = max(20, self.size.width - 2)
        merge = found.merge if found else None
        made = found.made if found else ()
        foreign = foreign_lines(self.tunewright.attach, width)
        self.query_one("#merge", Lines).show([*foreign, *merge_lines(merge, bool(made), width)])
        rows = self.query_one("#made", Rows)
        rows.display = bool(made)
        rows.show([Row(m.kind, (m.kind, size(m.bytes), MADE[m.kind])) for m in made])
        self._draw_use()

    def _draw_use(self) -> None:
        marked = self._marked()
        width = max(20, self.size.width - 2)
        lines = use_lines(marked, width) if marked else []
        if marked is not None:
            lines += code_lines(marked.code, width)
        self.query_one("#use", Lines).show(lines)

    def _marked(self) -> Made | None:
        key = self.query_one("#made", Rows).key
        found = self._found.made if self._found else ()
        return next((made for made in found if made.kind == key), None)

    def on_rows_moved(self) -> None:
        self._draw_use()

    def first_focus(self) -> Widget | None:
        return self.query_one("#made", Rows)

    def copied(self) -> str | None:
        marked = self._marked()
        return str(marked.path) if marked else None


def _find(run: RunDir) -> _Found:
    made = []
    for kind in MADE:
        folder = run.path / kind
        if folder.is_dir():
            files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
            made.append(Made(kind, folder, sum(files), _code(folder)))
    return _Found(tuple(made), read_results(run).merge)


def _code(folder: Path) -> str:
    """The code under "Use" in the model card that the run wrote."""
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            card = file.read(_CARD_BYTES)
    except OSError:
        return ""
    code = card.partition("\n## Use\n")[2].partition("```python\n")[2]
    return code.partition("\n```")[0]


def code_lines(code: str, width: int) -> list[Text]:
    """The code that uses the folder, a line a line."""
    lines = [Text(shorten(line, width), "cyan") for line in code.splitlines()[:_CODE_LINES]]
    return [Text(), *lines] if lines else []


def merge_lines(merge: MergeResult | None, made: bool, width: int) -> list[Text]:
    """What became of the merge, try by try."""
    if merge is None:
        if not made:
            return [
                Text("Nothing is made yet.", "bold"),
                *wrapped(
                    "A run makes an adapter, then merges and verifies it. 6 goes to Train.", width
                ),
            ]
        return wrapped(Text("The merge is not done, or was not asked for.", "bold"), width)
    lines = wrapped(Text(sentence(merge.verdict), "bold"), width)
    for one in merge.tries:
        line = Text(f"  {shorten(one.dtype, 20)}: {shorten(told(one), 600)}")
        if one.agreement is not None and one.agreement.agrees:
            line.append(
                f" on {one.agreement.rows} rows, largest logit difference "
                f"{one.agreement.max_logit_difference:.2g}"
            )
        lines += wrapped(line, width, 4)
    return [*lines, Text(f"  took {duration(merge.seconds)}", "dim")]


def use_lines(made: Made, width: int) -> list[Text]:
    """Where the folder is and where it says how it is used."""
    return [
        *wrapped(Text(place(made.path), "bold"), width, 2),
        *wrapped(
            Text(
                "y copies the path. README.md in it has the code, manifest.json the hashes.", "dim"
            ),
            width,
        ),
    ]
