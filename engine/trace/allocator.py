"""torch's CUDA caching allocator as arithmetic: what a stream of requests makes it hold.

After c10/cuda/CUDACachingAllocator.cpp of torch 2.13, one stream, nothing running out: requests are
rounded to 512 bytes; up to 1 MiB they share 2 MiB segments; from there to 10 MiB they share 20 MiB
ones; above, a segment is the request rounded to 2 MiB. The smallest free block that is large enough
is taken and split; freed neighbours melt. With expandable segments a pool is one range of addresses
that grows at its end, by 2 MiB (small) or 20 MiB (large). No segment is given back: that happens
only when the device is full.
"""

from __future__ import annotations

from bisect import bisect_left, insort

KIB = 1 << 10
MIB = 1 << 20

ROUND = 512  # kMinBlockSize
SMALL_REQUEST = MIB  # kSmallSize
SMALL_SEGMENT = 2 * MIB  # kSmallBuffer
MEDIUM_REQUEST = 10 * MIB  # kMinLargeAlloc
MEDIUM_SEGMENT = 20 * MIB  # kLargeBuffer
LARGE_ROUND = 2 * MIB  # kRoundLarge


class _Block:
    """A piece of a segment: `size` bytes from `address`, between the pieces before and after it."""

    __slots__ = ("address", "after", "before", "free", "size")

    def __init__(self, address: int, size: int, before: _Block | None) -> None:
        self.address = address
        self.size = size
        self.before = before
        self.after: _Block | None = None
        self.free = False


class _Pool:
    """Free blocks in the order in which they are tried: by size, then by address."""

    def __init__(self, grows_by: int) -> None:
        self.grows_by = grows_by
        self.order: list[tuple[int, int]] = []
        self.at: dict[int, _Block] = {}
        self.last: _Block | None = None  # of the one expandable segment

    def add(self, block: _Block) -> None:
        block.free = True
        insort(self.order, (block.size, block.address))
        self.at[block.address] = block

    def remove(self, block: _Block) -> None:
        block.free = False
        del self.order[bisect_left(self.order, (block.size, block.address))]
        del self.at[block.address]

    def best_fit(self, size: int) -> _Block | None:
        index = bisect_left(self.order, (size, 0))
        return self.at[self.order[index][1]] if index < len(self.order) else None


class CachingAllocator:
    """Bytes `allocated` (in blocks handed out) and `reserved` (in segments), with their peaks."""

    def __init__(self, *, expandable_segments: bool = False) -> None:
        self.allocated = self.reserved = 0
        self.peak_allocated = self.peak_reserved = 0
        self._expandable = expandable_segments
        self._pools = (_Pool(SMALL_SEGMENT), _Pool(MEDIUM_SEGMENT))
        self._live: dict[int, tuple[_Block, _Pool]] = {}
        self._top = 0

    def malloc(self, size: int) -> int:
        """Hand out `size` bytes (at least 1); the address to `free` them by."""
        size = max(ROUND, -(-size // ROUND) * ROUND)
        small = size <= SMALL_REQUEST
        pool = self._pools[0 if small else 1]
        block = pool.best_fit(size)
        if block is not None:
            pool.remove(block)
        elif self._expandable:
            block = self._grow(pool, size)
        else:
            block = self._segment(_segment_size(size))
        rest = block.size - size
        if rest >= ROUND if small or self._expandable else rest > SMALL_REQUEST:
            self._split(pool, block, size)
        self._live[block.address] = (block, pool)
        self.allocated += block.size
        self.peak_allocated = max(self.peak_allocated, self.allocated)
        return block.address

    def free(self, address: int) -> None:
        """Take back what `malloc` handed out at `address`; KeyError for anything else."""
        block, pool = self._live.pop(address)
        self.allocated -= block.size
        before, after = block.before, block.after
        if before is not None and before.free:
            pool.remove(before)
            block = self._melt(pool, before, block)
        if after is not None and after.free:
            pool.remove(after)
            block = self._melt(pool, block, after)
        pool.add(block)

    def _reserve(self, size: int) -> int:
        self.reserved += size
        self.peak_reserved = max(self.peak_reserved, self.reserved)
        address = self._top
        self._top += size
        return address

    def _segment(self, size: int) -> _Block:
        return _Block(self._reserve(size), size, None)

    def _grow(self, pool: _Pool, size: int) -> _Block:
        """Map more at the end of the pool's segment; a free block there is made longer."""
        last = pool.last
        if last is not None and last.free:
            pool.remove(last)
            more = -(-(size - last.size) // pool.grows_by) * pool.grows_by
            self._reserve(more)
            last.size += more
            return last
        mapped = -(-size // pool.grows_by) * pool.grows_by
        # Far apart, since each pool's addresses go on where they ended.
        self._reserve(mapped)
        start = last.address + last.size if last is not None else (pool is self._pools[1]) << 60
        block = _Block(start, mapped, last)
        if last is not None:
            last.after = block
        pool.last = block
        return block

    def _split(self, pool: _Pool, block: _Block, size: int) -> None:
        rest = _Block(block.address + size, block.size - size, block)
        rest.after = block.after
        if rest.after is not None:
            rest.after.before = rest
        block.after = rest
        block.size = size
        if pool.last is block:
            pool.last = rest
        pool.add(rest)

    def _melt(self, pool: _Pool, left: _Block, right: _Block) -> _Block:
        left.size += right.size
        left.after = right.after
        if right.after is not None:
            right.after.before = left
        if pool.last is right:
            pool.last = left
        return left


def _segment_size(size: int) -> int:
    """get_allocation_size: what is asked of the driver for a rounded request."""
    if size <= SMALL_REQUEST:
        return SMALL_SEGMENT
    if size < MEDIUM_REQUEST:
        return MEDIUM_SEGMENT
    return -(-size // LARGE_ROUND) * LARGE_ROUND
