"""Every row of a data set through every check, in blocks, on several cores; and the verdict.

Memory is that of a few blocks, of the sketches by which near duplicates are known (about 300 bytes
a row), and of the row numbers of what was found.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Protocol

import msgspec

from tunewright.engine.apart import spawned
from tunewright.engine.data.block_checks import (
    Done,
    all_families,
    alone,
    look_at_block,
    look_at_first,
)
from tunewright.engine.data.checks.check import (
    Gatherer,
    Options,
    kinds,
)
from tunewright.engine.data.checks.total import MOST_ROWS, Total
from tunewright.engine.data.example import Finding, Place
from tunewright.engine.data.readers.block import Block, Side
from tunewright.engine.data.shapes.find import Bound, settle
from tunewright.engine.data.sources import Source, find_sources, left_out
from tunewright.engine.data.verdict import Report, judge, not_looked
from tunewright.engine.text import agreeing

# So many bytes are checked here before other processes are worth their start.
_ALONE_BYTES = 6 << 20
_WORKERS = 2


class Readable(Protocol):
    """What rows are read from: a file, or rows on their way."""

    @property
    def path(self) -> Path: ...
    @property
    def side(self) -> Side: ...
    @property
    def lies(self) -> bool: ...
    def blocks(self) -> Iterator[Block]:
        """The rows, a few megabytes at a time."""


class Inspection:
    """A check under way: `run` goes through the rows, `findings` says what there is so far."""

    def __init__(
        self,
        sources: Sequence[Source],
        options: Options,
        named: str,
        workers: int | None = None,
        most_rows: int = MOST_ROWS,
    ) -> None:
        self.sources = sources
        # Rows on their way are read instead of the files.
        self.instead: Readable | None = None
        self._most_rows = most_rows
        self.options = options
        self.named = named
        self.total = Total(kinds(all_families()), most_rows)
        self.stopped = False
        # Fixes and splits look at all rows alike, whatever split their file or document names.
        self.one_side = False
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._workers = min(_WORKERS, cores or 1) if workers is None else workers
        self._gatherers: dict[str, Gatherer] = {}
        self._shapes: Counter[str] = Counter()
        self._bounds: dict[str, Bound] = {}
        self._whole = 0
        self._seconds: dict[str, float] = {}

    def run(self, progress: Callable[[Inspection], None] | None = None) -> Report:
        """Check every row. `progress` is called after each block, in the calling thread."""
        options = self.options
        while True:
            for source, side, done in self._blocks(options):
                self._take(source, side, done)
                if progress is not None:
                    progress(self)
                if self.stopped:
                    break
            found = settle(self._shapes, self._bounds, self._whole, options.format)
            wanted = None if found is None else found.bound.shape.name
            if self.stopped or wanted is None or wanted == self._shape:
                return self._report()
            # Most rows have another shape than the first ones had: look again with that.
            again = msgspec.structs.replace(options, shape=wanted)
            one_side, instead = self.one_side, self.instead
            self.__init__(  # type: ignore[misc]
                self.sources, again, self.named, self._workers, self._most_rows
            )
            self.one_side, self.instead = one_side, instead
            options = again

    # -- blocks

    def side_of(self, source: Readable, block: Block) -> Side:
        """The side of a block: that of its file, or of its split in the document."""
        if self.one_side:
            return "train"
        return source.side if source.side == "eval" or block.side is None else block.side

    def _blocks(self, options: Options) -> Iterator[tuple[Readable, Side, Done]]:
        waiting: deque[tuple[Readable, Side, Future[Done]]] = deque()
        pool: ProcessPoolExecutor | None = None
        seen = 0
        self._shape = options.shape
        try:
            for source in self.sources if self.instead is None else (self.instead,):
                for block in source.blocks():
                    side = self.side_of(source, block)
                    seen += len(block.lines) or 600 * len(block.made)
                    if pool is None and seen > _ALONE_BYTES and self._workers > 1:
                        pool = spawned(self._workers, alone)
                    if self._shape is None:
                        # Elsewhere, and sent there once, where the first block is a row of 50 MB.
                        self._shape, done = (
                            look_at_first(block, options)
                            if pool is None
                            else pool.submit(look_at_first, block, options).result()
                        )
                        options = msgspec.structs.replace(options, shape=self._shape)
                        yield source, side, done
                        continue
                    if pool is None:
                        yield source, side, look_at_block(block, options)
                        continue
                    waiting.append((source, side, pool.submit(look_at_block, block, options)))
                    while len(waiting) > 2 * self._workers:
                        first, side, future = waiting.popleft()
                        yield first, side, future.result()
            while waiting:
                first, side, future = waiting.popleft()
                yield first, side, future.result()
        finally:
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, source: Readable, side: Side, done: Done) -> None:
        total = self.total
        named = done.numbers is not None
        start = total.add_block(str(source.path), side, done.lines, named)
        total.add_hits(done.hits, start, done.lines if done.numbers is None else done.numbers)
        facts = total.facts
        facts.rows += len(done.lines)
        facts.usable_rows += done.usable
        facts.eval_rows += len(done.lines) if side == "eval" else 0
        self._shapes.update(done.shapes)
        self._bounds = {**done.bounds, **self._bounds}
        self._whole += len(done.lines)
        for name, seconds in done.seconds.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        for family in all_families():
            part = done.parts.get(family.name)
            if part is None or family.gather is None:
                continue
            gatherer = self._gatherers.get(family.name)
            if gatherer is None:
                gatherer = self._gatherers[family.name] = family.gather(self.options)
            gatherer.add(part, side)

    # -- the end

    def _report(self) -> Report:
        total = self.total
        found = settle(self._shapes, self._bounds, self._whole, self.options.format)
        total.extra["kind"] = None if found is None else found.bound.shape.kind
        for late in (False, True):
            for family in all_families():
                if family.late is not late or family.gather is None:
                    continue
                if family.name in self.options.skip:
                    continue
                start = time.process_time()
                gatherer = self._gatherers.get(family.name)
                (gatherer or family.gather(self.options)).finish(total)
                spent = time.process_time() - start
                self._seconds[family.name] = self._seconds.get(family.name, 0.0) + spent
        findings = (*self._about_files(), *total.findings())
        verdict, advice = judge(findings, total.facts, self.named)
        return Report(
            files=tuple(total.files),
            rows=len(total.lines),
            format=None if found is None else found.bound.shape.name,
            confidence=0.0 if found is None else found.confidence,
            because="no row has a format that is known" if found is None else found.because,
            verdict=verdict,
            advice=advice,
            findings=findings,
            facts=total.facts,
            lengths=total.extra.get("lengths"),
            seconds={
                name: round(spent, 3)
                for name, spent in sorted(self._seconds.items(), key=lambda item: -item[1])
            },
            not_looked=not_looked(self.options),
        )

    def _about_files(self) -> Iterator[Finding]:
        others = left_out(Path(self.named), self.sources)
        if others:
            yield Finding(
                id="file.left-out",
                severity="info",
                message=agreeing(f"{len(others)} files of the folder are not read"),
                count=len(others),
                places=tuple(Place(str(path), 1) for path in others[:20]),
                fix="nothing, where they are not data; else name them, or a glob of them",
            )
        liars = [source for source in self.sources if source.lies]
        if liars:
            yield Finding(
                id="file.ending",
                severity="info",
                message=agreeing(
                    f"{len(liars)} files are of another kind than the name says, and read as that"
                ),
                count=len(liars),
                places=tuple(Place(str(source.path), 1) for source in liars[:20]),
                fix="rename them, so that other tools read them too",
                examples=tuple(f"it is {source.container}" for source in liars[:20]),
            )


def check_data(
    path: Path,
    options: Options | None = None,
    *,
    eval_path: Path | None = None,
    progress: Callable[[Inspection], None] | None = None,
    workers: int | None = None,
) -> Report:
    """Check a file, folder or glob, and with it the held-out rows of `eval_path`."""
    return open_inspection(path, options, eval_path=eval_path, workers=workers).run(progress)


def open_inspection(
    path: Path,
    options: Options | None = None,
    *,
    eval_path: Path | None = None,
    workers: int | None = None,
    most_rows: int = MOST_ROWS,
) -> Inspection:
    """The inspection of a path, before its first row is read."""
    sources = list(find_sources(path))
    if eval_path is not None:
        sources = [source._replace(side="train") for source in sources]
        sources += [source._replace(side="eval") for source in find_sources(eval_path)]
    elif {source.side for source in sources} == {"eval"}:
        # A file that is called test is all there is.
        sources = [source._replace(side="train") for source in sources]
    options = options or Options()
    if any(source.side == "eval" or source.container == "json" for source in sources):
        options = msgspec.structs.replace(options, two_sides=True)
    return Inspection(sources, options, str(path), workers, most_rows)
