"""What stands at the peak adds up to it, and steps follow one another as in a run."""

from __future__ import annotations

from tunewright.engine.trace.log import Block, Born, Freed, Trace
from tunewright.engine.trace.replay import by_family, by_name, replay, whole_run

MIB = 1 << 20


def a_step() -> Trace:
    return Trace(
        [
            Block("weights", None, [Born(0, 4 * MIB, "weights", "model.layers.0.w")]),
            Block("weights", None, [Born(1, 4 * MIB, "weights", "model.layers.1.w")]),
            Block("forward", None, [Born(2, 8 * MIB, "loss", "logits")]),
            Block("backward", None, [Born(3, 4 * MIB, "activations", "x"), Freed(2)]),
            Block("end", None, []),
        ],
        {"w": 3},
    )


FIRST = [Block("optimizer", None, [Born(9, 6 * MIB, "optimizer", "state"), Freed(7)])]
AGAIN = [Block("optimizer", None, [Freed(8)])]


def test_optimizer_states_of_the_first_step_stand_at_the_peak_of_the_second() -> None:
    run = whole_run(a_step(), FIRST, AGAIN, {7: "w", 8: "w"}, holds_output=False)
    peak = replay(run, cached=False)

    assert peak.phase == "backward"
    # Two weights, logits, a gradient and the state; the first step's backward lacked the state.
    assert peak.allocated == (8 + 8 + 4 + 6) * MIB
    assert by_family(peak.standing, rounded=False) == {
        "weights": 8 * MIB,
        "loss": 8 * MIB,
        "optimizer": 6 * MIB,
        "gradients": 4 * MIB,
    }
    assert peak.phases["optimizer"] == (8 + 4 + 6) * MIB


def test_equal_parts_of_layers_are_one_group() -> None:
    run = whole_run(a_step(), FIRST, AGAIN, {7: "w", 8: "w"}, holds_output=False)
    held = by_name(replay(run, cached=False).standing, rounded=False, most=1)

    assert [(h.name, h.count, h.bytes) for h in held] == [("model.layers.*.w", 2, 8 * MIB)]


def test_outputs_that_a_script_holds_are_there_in_the_next_forward_pass() -> None:
    def peak(holds: bool) -> int:
        trace = Trace(
            [
                Block("forward", None, [Born(0, 8 * MIB, "loss", "logits")]),
                Block("backward", None, [Born(1, MIB, "activations", "x"), Freed(1)]),
                Block("end", None, [Freed(0)]),
            ],
            {},
        )
        return replay(whole_run(trace, [], [], {}, holds_output=holds), cached=False).allocated

    assert peak(holds=False) == 9 * MIB
    assert peak(holds=True) == 16 * MIB


def test_on_a_cpu_every_byte_counts_as_it_is() -> None:
    trace = Trace([Block("weights", None, [Born(0, 3, "weights", "w")])], {})
    run = whole_run(trace, [], [], {}, holds_output=False)

    assert replay(run, cached=False).allocated == 3
    assert replay(run, cached=True).allocated == 512
