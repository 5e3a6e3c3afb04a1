"""Steps in a row, played through the allocator: the peak, and what stands at it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tunewright.engine.trace.allocator import CachingAllocator
from tunewright.engine.trace.log import Block, Born, Family, Trace
from tunewright.engine.trace.setup import Held

# Of the second step on, all states exist; the third shows what the cache settles at.
STEPS = 3
_ONCE = ("start", "weights")
# What runs before the first backward pass.
_AHEAD = ("forward", "reference")


class Moment(msgspec.Struct, frozen=True):
    """One event of a run: `phase`, the storage by a number that is used once, and its birth (None:
    it is freed)."""

    phase: str
    id: int
    born: Born | None


class Peak(msgspec.Struct, frozen=True):
    """Highest `allocated` and `reserved` bytes, `phases` with the highest of each, and the storages
    `standing` at the peak, which is in `phase`."""

    allocated: int
    reserved: int
    phase: str
    phases: dict[str, int]
    standing: list[Born]


def whole_run(
    trace: Trace,
    first: list[Block],
    again: list[Block],
    gradient_names: Mapping[int, str],
    *,
    holds_output: bool,
) -> list[Moment]:
    """`STEPS` training steps from the log of one: weights once, then forward, backward and update.

    `first` and `again` are the optimizer's logs, which free gradients by `gradient_names`.
    `holds_output`: what the end of a step lets go is let go after the next forward pass.
    """
    run = _Run(trace, gradient_names)
    once = [b for b in trace.blocks if b.phase in _ONCE]
    step = [b for b in trace.blocks if b.phase not in _ONCE]
    forward = [b for b in step if b.phase in _AHEAD]
    after = [b for b in step if b.phase not in _AHEAD and not (holds_output and b.phase == "end")]
    end = [b for b in step if holds_output and b.phase == "end"]
    moments = list(run.play(once, 0))
    for number in range(1, STEPS + 1):
        moments += run.play(forward, number)
        if number > 1:
            moments += run.play(end, number - 1)
        moments += run.play(after, number)
        moments += run.update(first if number == 1 else again, number)
    return moments


class _Run:
    """Numbers storages anew for each step, and finds what a later event means."""

    def __init__(self, trace: Trace, gradient_names: Mapping[int, str]) -> None:
        self.trace = trace
        self.names = gradient_names
        self.gradients = set(trace.gradients.values())
        self._numbers: dict[tuple[str, int, int], int] = {}
        self._next = 0

    def _born(self, key: tuple[str, int, int]) -> int:
        self._numbers[key] = self._next
        self._next += 1
        return self._next - 1

    def play(self, blocks: Iterable[Block], step: int) -> Iterator[Moment]:
        for block in blocks:
            for event in block.events:
                if isinstance(event, Born):
                    if event.id in self.gradients:
                        event = Born(event.id, event.bytes, "gradients", event.name)
                    yield Moment(block.phase, self._born(("step", step, event.id)), event)
                    continue
                number = self._numbers.pop(("step", step, event.id), None)
                if number is None:
                    number = self._numbers.pop(("step", 0, event.id))
                yield Moment(block.phase, number, None)

    def update(self, blocks: Iterable[Block], step: int) -> Iterator[Moment]:
        for block in blocks:
            for event in block.events:
                if isinstance(event, Born):
                    yield Moment(block.phase, self._born(("update", 0, event.id)), event)
                    continue
                name = self.names.get(event.id)
                if name is None:
                    key = ("update", 0, event.id)
                else:
                    key = ("step", step, self.trace.gradients[name])
                number = self._numbers.pop(key, None)
                if number is not None:
                    yield Moment(block.phase, number, None)


def replay(moments: list[Moment], *, cached: bool, expandable_segments: bool = False) -> Peak:
    """Play a run. `cached`: through CUDA's caching allocator; else every byte counts as it is."""
    allocator = CachingAllocator(expandable_segments=expandable_segments)
    addresses: dict[int, tuple[int, int]] = {}
    phases: dict[str, int] = {}
    peak, at, exact = 0, -1, 0
    for index, moment in enumerate(moments):
        if moment.born is None:
            address, size = addresses.pop(moment.id)
            allocator.free(address)
            exact -= size
            continue
        size = moment.born.bytes
        addresses[moment.id] = (allocator.malloc(size), size)
        exact += size
        now = allocator.allocated if cached else exact
        if now > phases.get(moment.phase, 0):
            phases[moment.phase] = now
        if now > peak:
            peak, at = now, index
    return Peak(
        allocated=peak,
        reserved=allocator.peak_reserved,
        phase=moments[at].phase if moments else "",
        phases=phases,
        standing=_standing(moments[: at + 1]),
    )


def _standing(moments: list[Moment]) -> list[Born]:
    live: dict[int, Born] = {}
    for moment in moments:
        if moment.born is None:
            del live[moment.id]
        else:
            live[moment.id] = moment.born
    return list(live.values())


def by_family(standing: Iterable[Born], rounded: bool) -> dict[Family, int]:
    """Bytes of each family; `rounded` to the allocator's 512."""
    sums: dict[Family, int] = {}
    for born in standing:
        sums[born.family] = sums.get(born.family, 0) + _size(born, rounded)
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def by_name(standing: Iterable[Born], rounded: bool, most: int) -> tuple[Held, ...]:
    """The `most` largest groups of storages that differ in nothing but numbers in their names."""
    sums: dict[tuple[Family, str], tuple[int, int]] = {}
    for born in standing:
        key = (born.family, re.sub(r"(?<=\.)\d+(?=\.)|(?<=of )\d+", "*", born.name))
        size, count = sums.get(key, (0, 0))
        sums[key] = (size + _size(born, rounded), count + 1)
    groups = [Held(family, name, size, count) for (family, name), (size, count) in sums.items()]
    return tuple(sorted(groups, key=lambda held: -held.bytes)[:most])


def _size(born: Born, rounded: bool) -> int:
    return -(-born.bytes // 512) * 512 if rounded else born.bytes
