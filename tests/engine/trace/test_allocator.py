"""The allocator's arithmetic is that of torch's CUDA caching allocator."""

from __future__ import annotations

import random

import pytest

from tunewright.engine.trace.allocator import CachingAllocator

KIB = 1 << 10
MIB = 1 << 20


@pytest.mark.parametrize(
    ("asked", "allocated", "reserved"),
    [
        (1, 512, 2 * MIB),
        (513, 1024, 2 * MIB),
        (MIB, MIB, 2 * MIB),  # the largest small request
        (MIB + 1, MIB + 512, 20 * MIB),  # the smallest medium one
        (10 * MIB - 512, 10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB, 10 * MIB),  # a segment of its own
        (100 * MIB + 1, 100 * MIB + 512, 102 * MIB),
        # What is left over is cut off when it is more than 1 MiB, and stays with the block else.
        (11 * MIB - 512, 11 * MIB - 512, 12 * MIB),
        (11 * MIB, 12 * MIB, 12 * MIB),
    ],
)
def test_a_request_is_rounded_and_takes_a_segment(
    asked: int, allocated: int, reserved: int
) -> None:
    allocator = CachingAllocator()
    allocator.malloc(asked)

    assert (allocator.allocated, allocator.reserved) == (allocated, reserved)


def test_small_and_large_requests_do_not_share_segments() -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.malloc(20 * MIB))
    allocator.malloc(KIB)

    assert allocator.reserved == 22 * MIB


def test_the_smallest_block_that_is_large_enough_is_taken() -> None:
    allocator = CachingAllocator()
    large, small = allocator.malloc(40 * MIB), allocator.malloc(30 * MIB)
    allocator.free(large)
    allocator.free(small)

    assert allocator.malloc(29 * MIB) == small
    assert allocator.malloc(40 * MIB) == large
    assert allocator.reserved == 70 * MIB


def test_what_a_block_is_too_large_by_serves_the_next_request() -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.malloc(40 * MIB))
    first, second = allocator.malloc(12 * MIB), allocator.malloc(28 * MIB)

    assert second == first + 12 * MIB
    assert allocator.reserved == 40 * MIB


def test_freed_neighbours_become_one_block() -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.malloc(40 * MIB))
    parts = [allocator.malloc(10 * MIB) for _ in range(4)]
    for part in (parts[0], parts[2], parts[1], parts[3]):
        allocator.free(part)

    assert allocator.malloc(40 * MIB) == parts[0]
    assert allocator.reserved == 40 * MIB


def test_a_hole_between_blocks_in_use_is_lost_to_larger_requests() -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.malloc(60 * MIB))
    parts = [allocator.malloc(20 * MIB) for _ in range(3)]
    allocator.free(parts[0])
    allocator.free(parts[2])
    allocator.malloc(30 * MIB)

    assert allocator.reserved == 90 * MIB
    assert allocator.peak_allocated == 60 * MIB


def test_expandable_segments_grow_at_their_end() -> None:
    allocator = CachingAllocator(expandable_segments=True)
    first = allocator.malloc(30 * MIB)
    assert allocator.reserved == 40 * MIB

    # 10 MiB are mapped already; the rest comes in steps of 20.
    second = allocator.malloc(25 * MIB)
    assert second == first + 30 * MIB
    assert allocator.reserved == 60 * MIB

    allocator.free(first)
    allocator.free(second)
    assert allocator.malloc(60 * MIB) == first
    assert allocator.reserved == 60 * MIB


def test_freeing_what_was_not_handed_out_is_an_error() -> None:
    allocator = CachingAllocator()
    address = allocator.malloc(KIB)
    allocator.free(address)

    with pytest.raises(KeyError):
        allocator.free(address)


@pytest.mark.parametrize("expandable", [False, True])
def test_nothing_is_lost_or_handed_out_twice(expandable: bool) -> None:
    draw = random.Random(0)
    allocator = CachingAllocator(expandable_segments=expandable)
    live: dict[int, int] = {}
    for _ in range(3000):
        if live and draw.random() < 0.5:
            address = draw.choice(list(live))
            allocator.free(address)
            del live[address]
            continue
        size = draw.choice([draw.randrange(1, MIB), draw.randrange(MIB, 64 * MIB)])
        address = allocator.malloc(size)
        assert all(
            address + size <= other or other + taken <= address for other, taken in live.items()
        )
        live[address] = size
        assert sum(live.values()) <= allocator.allocated <= allocator.reserved
    for address in live:
        allocator.free(address)

    assert allocator.allocated == 0
    assert allocator.reserved == allocator.peak_reserved
