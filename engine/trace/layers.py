"""Equal layers need not all be traced: a log with few of them becomes the log of them all. Pure.

Four equal layers in a row are traced. The second and third must have done the same things to
memory, storage by storage, in every phase; then the second's blocks are repeated as often as the
model has more layers, each copy freeing what its own neighbours made.
"""

from __future__ import annotations

import re

from tunewright.engine.trace.log import Block, Born, Freed, Trace

TRACED = 4
_MIDDLE = 1

# (phase, layer, how often that pair occurred before, index of the birth inside): a storage by
# where it was born, so that copies can be told apart.
_Key = tuple[str, int | None, int, int]


class Unequal(Exception):
    """The middle layers did not behave alike, so all have to be traced."""


def repeat_layers(trace: Trace, prefix: str, more: int) -> Trace:
    """`trace` of a model whose layers 0 to 3 are equal, as if `more` layers followed its second.

    `prefix`: name of the list of layers, so that names of copies carry their own number. Unequal
    when that cannot be said from the trace.
    """
    births = _births(trace.blocks)
    _check_middle(trace.blocks, births)
    maker = _Maker(prefix, more, births)
    blocks: list[Block] = []
    for block in trace.blocks:
        if block.layer != _MIDDLE:
            blocks.append(maker.moved(block, 0))
            continue
        copies = range(more + 1)
        # In a backward pass the deeper copies come first.
        backward = _descends(trace.blocks, block.phase)
        blocks += [maker.moved(block, c) for c in (reversed(copies) if backward else copies)]
    gradients: dict[str, int] = {}
    for name, id in trace.gradients.items():
        for copied, key in maker.copies(births[id]):
            gradients[renumbered(name, prefix, copied)] = maker.id(key)
    return Trace(blocks, _in_layer_order(gradients, prefix))


def _births(blocks: list[Block]) -> dict[int, _Key]:
    seen: dict[tuple[str, int | None], int] = {}
    births: dict[int, _Key] = {}
    for block in blocks:
        place = (block.phase, block.layer)
        turn = seen[place] = seen.get(place, -1) + 1
        if turn and block.layer == _MIDDLE and block.phase != "weights":
            raise Unequal(f"layer {_MIDDLE} ran twice in {block.phase}")
        count = 0
        for event in block.events:
            if isinstance(event, Born):
                births[event.id] = (block.phase, block.layer, turn, count)
                count += 1
    return births


def _check_middle(blocks: list[Block], births: dict[int, _Key]) -> None:
    def told(layer: int) -> dict[str, list[object]]:
        phases: dict[str, list[object]] = {}
        for block in blocks:
            if block.layer == layer:
                phases.setdefault(block.phase, []).extend(
                    (event.bytes, event.family)
                    if isinstance(event, Born)
                    else _relative(births[event.id], layer)
                    for event in block.events
                )
        return phases

    if told(_MIDDLE) != told(_MIDDLE + 1):
        raise Unequal("two layers in the middle used memory differently")


def _relative(key: _Key, layer: int) -> tuple[object, ...]:
    phase, born, turn, index = key
    return ("freed", phase, None if born is None else born - layer, turn, index)


def _descends(blocks: list[Block], phase: str) -> bool:
    order = [b.layer for b in blocks if b.phase == phase and b.layer in (_MIDDLE, _MIDDLE + 1)]
    return bool(order) and order[0] == _MIDDLE + 1


class _Maker:
    """Blocks with every storage renumbered to its copy."""

    def __init__(self, prefix: str, more: int, births: dict[int, _Key]) -> None:
        self.prefix = prefix
        self.more = more
        self.births = births
        self._ids: dict[_Key, int] = {}

    def id(self, key: _Key) -> int:
        return self._ids.setdefault(key, len(self._ids))

    def layer(self, layer: int, copy: int = 0) -> int:
        """The new number of a traced layer; `copy` of the middle one."""
        return layer + copy if layer <= _MIDDLE else layer + self.more

    def copies(self, key: _Key) -> list[tuple[int | None, _Key]]:
        """(new layer, new key) of a storage and of its copies."""
        phase, layer, turn, index = key
        if layer is None:
            return [(None, key)]
        every = range(self.more + 1) if layer == _MIDDLE else range(1)
        return [
            (new, (phase, new, turn, index)) for new in (self.layer(layer, copy) for copy in every)
        ]

    def moved(self, block: Block, copy: int) -> Block:
        here = None if block.layer is None else self.layer(block.layer, copy)
        events: list[Born | Freed] = []
        for event in block.events:
            phase, layer, turn, place = self.births[event.id]
            if isinstance(event, Born):
                id = self.id((phase, here, turn, place))
                name = renumbered(event.name, self.prefix, here)
                events.append(Born(id, event.bytes, event.family, name))
            elif layer is None:
                events.append(Freed(self.id((phase, None, turn, place))))
            elif here is None or block.layer is None:
                events += [Freed(self.id(key)) for _, key in self.copies(self.births[event.id])]
            else:
                # Neighbours stay neighbours.
                events.append(Freed(self.id((phase, here + layer - block.layer, turn, place))))
        return Block(block.phase, here, events)


def renumbered(name: str, prefix: str, layer: int | None) -> str:
    if layer is None:
        return name
    return re.sub(rf"({re.escape(prefix)}\.)\d+\b", rf"\g<1>{layer}", name, count=1)


def _in_layer_order(gradients: dict[str, int], prefix: str) -> dict[str, int]:
    """Names in the order of a model's parameters: by layer, and before and after them as traced."""
    below = re.compile(rf"{re.escape(prefix)}\.(\d+)\.")
    inside = [name for name in gradients if below.match(name)]
    names = list(gradients)
    first = names.index(inside[0]) if inside else 0
    before = [n for n in names[:first] if n not in inside]
    after = [n for n in names[first:] if n not in set(inside)]
    inside.sort(key=lambda name: int(below.match(name)[1]))  # type: ignore[index]
    return {name: gradients[name] for name in (*before, *inside, *after)}
