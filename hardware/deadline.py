"""Calls that may never return, each on a thread of its own and waited for only so long.

A driver call can sleep in the kernel, a stat on a dead network mount too, and neither can be
interrupted. Such a call keeps its (daemon) thread; until it comes back the same question is not
asked again, so a screen that asks every second piles up nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

V = TypeVar("V")

_stuck: dict[str, threading.Thread] = {}


class Overdue(Exception):
    """The call has not returned in time; `seconds` is how long it was waited for."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


class _Call(threading.Thread, Generic[V]):
    def __init__(self, name: str, call: Callable[[], V]) -> None:
        super().__init__(name=name, daemon=True)
        self._call = call
        self.result: V | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:  # noqa: BLE001 - carried to whoever asked, who raises it
            self.error = error


def all_within(
    seconds: float,
    calls: Mapping[str, Callable[[], V]],
    expected: type[Exception] | tuple[type[Exception], ...],
) -> tuple[dict[str, V], dict[str, Exception]]:
    """Make all calls at once: (what each returned, why others did not).

    The second holds `Overdue` and errors of type `expected`; any other error is raised here. The
    names are those of the questions over the life of the process.
    """
    began = time.monotonic()
    running: dict[str, _Call[V]] = {}
    errors: dict[str, Exception] = {}
    for name, call in calls.items():
        before = _stuck.get(name)
        if before is not None and before.is_alive():
            errors[name] = Overdue(seconds)
            continue
        _stuck.pop(name, None)
        running[name] = _Call(name, call)
        running[name].start()
    results: dict[str, V] = {}
    for name, thread in running.items():
        thread.join(max(0.0, began + seconds - time.monotonic()))
        if thread.is_alive():
            _stuck[name] = thread
            errors[name] = Overdue(seconds)
        elif isinstance(thread.error, expected):
            errors[name] = thread.error
        elif thread.error is not None:
            raise thread.error
        else:
            results[name] = thread.result  # type: ignore[assignment]
    return results, errors


def within(seconds: float, name: str, call: Callable[[], V]) -> V:
    """What `call` returns, or raises; `Overdue` when that takes longer than `seconds`."""
    results, errors = all_within(seconds, {name: call}, Exception)
    if name in errors:
        raise errors[name]
    return results[name]


def anything_stuck() -> bool:
    """Whether a call of this process has still not returned."""
    return any(thread.is_alive() for thread in _stuck.values())
