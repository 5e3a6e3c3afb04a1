"""A log with four layers, repeated, is the log with many."""

from __future__ import annotations

from itertools import count

import pytest

from tunewright.engine.trace.layers import Unequal, repeat_layers
from tunewright.engine.trace.log import Block, Born, Freed, Trace
from tunewright.engine.trace.replay import replay, whole_run


def step_of(layers: int, odd: int | None = None) -> Trace:
    """A step by hand: each layer has a weight, keeps an activation for its backward, hands its
    output to the next, and leaves a gradient. The layer `odd` keeps more."""
    ids = count()
    blocks = [
        Block("weights", layer, [Born(next(ids), 1000, "weights", f"h.{layer}.w")])
        for layer in range(layers)
    ]
    hidden = Born(next(ids), 100, "activations", "embed")
    blocks.append(Block("forward", None, [hidden]))
    kept: list[Born] = []
    for layer in range(layers):
        size = 700 if layer == odd else 300
        saved = Born(next(ids), size, "activations", f"h.{layer} saved")
        out = Born(next(ids), 100, "activations", f"h.{layer} out")
        kept.append(saved)
        blocks.append(Block("forward", layer, [saved, out, Freed(hidden.id)]))
        hidden = out
    loss = Born(next(ids), 5000, "loss", "head")
    blocks.append(Block("forward", None, [loss, Freed(hidden.id)]))
    incoming = Born(next(ids), 50, "activations", "backward of head")
    blocks.append(Block("backward", None, [incoming, Freed(loss.id)]))
    gradients: dict[str, int] = {}
    for layer in reversed(range(layers)):
        gradient = Born(next(ids), 1000, "activations", f"backward of {layer}")
        outgoing = Born(next(ids), 50, "activations", f"backward of {layer} out")
        gradients[f"h.{layer}.w"] = gradient.id
        events = [gradient, outgoing, Freed(kept[layer].id), Freed(incoming.id)]
        blocks.append(Block("backward", layer, events))
        incoming = outgoing
    blocks.append(Block("end", None, [Freed(incoming.id)]))
    named = dict(sorted(gradients.items(), key=lambda item: int(item[0].split(".")[1])))
    return Trace(blocks, named)


def run(trace: Trace) -> object:
    update = [Block("optimizer", None, [Freed(n) for n in range(len(trace.gradients))])]
    names = dict(enumerate(trace.gradients))
    moments = whole_run(trace, update, update, names, holds_output=False)
    return replay(moments, cached=True)


def told(trace: Trace) -> list[tuple[object, ...]]:
    """The log by sizes and by the names of what is born and freed, without its numbering."""
    names = {e.id: e.name for b in trace.blocks for e in b.events if isinstance(e, Born)}
    return [
        (block.phase, block.layer, type(event).__name__, names[event.id])
        for block in trace.blocks
        for event in block.events
    ]


@pytest.mark.parametrize("layers", [5, 6, 40])
def test_repeated_layers_are_the_layers_themselves(layers: int) -> None:
    repeated = repeat_layers(step_of(4), "h", layers - 4)
    whole = step_of(layers)

    # "backward of N" is no path below "h.": its number is not part of the comparison.
    def plain(trace: Trace) -> list[tuple[object, ...]]:
        return [entry if "backward" not in str(entry[3]) else entry[:3] for entry in told(trace)]

    assert plain(repeated) == plain(whole)
    assert list(repeated.gradients) == list(whole.gradients)


def test_the_peak_of_repeated_layers_is_that_of_all() -> None:
    repeated, whole = run(repeat_layers(step_of(4), "h", 28)), run(step_of(32))

    assert [getattr(repeated, f) for f in ("allocated", "reserved", "phase", "phases")] == [
        getattr(whole, f) for f in ("allocated", "reserved", "phase", "phases")
    ]


def test_layers_that_are_not_alike_are_refused() -> None:
    with pytest.raises(Unequal):
        repeat_layers(step_of(4, odd=1), "h", 3)
    with pytest.raises(Unequal):
        repeat_layers(step_of(4, odd=2), "h", 3)


def test_first_and_last_layer_may_differ() -> None:
    repeated = repeat_layers(step_of(4, odd=3), "h", 3)

    assert (
        sum(e.bytes == 700 for b in repeated.blocks for e in b.events if isinstance(e, Born)) == 1
    )
