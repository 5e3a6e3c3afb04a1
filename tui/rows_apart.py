"""Looking at rows for a screen: of much data in a process of its own, which no row holds up."""

from __future__ import annotations

from pathlib import Path

from tunewright.engine.apart import Apart, Left
from tunewright.engine.session import DataInput, Inputs
from tunewright.hardware.errors import Problem
from tunewright.tui.disk import of_disk
from tunewright.tui.looking import DataFound, ModelFound, look_at_rows, rows_in

# Data of so many bytes is worth the start of a process.
_MUCH_BYTES = 4 << 20


class RowsApart:
    """`look_at_rows`; a later look ends the one before it."""

    def __init__(self) -> None:
        self._apart = Apart()

    def look(
        self, inputs: Inputs, base: Path, model: ModelFound | Problem
    ) -> DataFound | Problem | None:
        """What was found; None when it is not wanted any more."""
        try:
            self._apart.stop()
            if _bytes_of(inputs.data, base) < _MUCH_BYTES:
                return look_at_rows(inputs, base, model)
            folder = model if isinstance(model, Problem) else model.folder
            return self._apart.call(rows_in, inputs, base, folder)
        except Problem as problem:
            return problem
        except OSError as error:
            return of_disk(error)
        except Left:
            return None

    def stop(self) -> None:
        """Nobody is there any more to be told."""
        self._apart.stop()


def _bytes_of(data: DataInput, base: Path) -> int:
    from tunewright.engine.data.sources import find_sources
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import resolve_data

    paths = (path for path in resolve_data(data, base, cache_home()) if path is not None)
    return sum(source.path.stat().st_size for path in paths for source in find_sources(path))
