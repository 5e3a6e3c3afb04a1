"""What makes rows equal, or nearly so: hashes of texts, and MinHash sketches of their words.

Sketch: 128 MinHash values (rensa) of the set of three-word runs; rows are compared when one of 16
bands of 8 values is equal, and called near when at least 0.8 of the sketches' values agree, which
estimates the Jaccard similarity of the sets (Broder 1997) with a standard error of 0.035.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b

NEAR = 0.8
PERMUTATIONS = 128
BANDS = 16
_ROWS = PERMUTATIONS // BANDS
_SEED = 42
# Shorter texts are the same or not: a run of three words says too little of them.
_FEWEST_WORDS = 8
# Rows of groups are looked at in so many parts, so that one table holds a part of all keys.
_PARTS = 8


def key_of(text: str) -> int:
    """64 bits of a hash that is the same in every process."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def shingles(words: Sequence[str], text: str) -> list[str]:
    """Runs of three words; of letters where a text has no spaces (Chinese, Japanese, Thai)."""
    if len(words) * 12 < len(text):
        return [text[at : at + 5] for at in range(0, max(1, len(text) - 4), 2)]
    if len(words) < _FEWEST_WORDS:
        return [text]
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


class Sketches:
    """Sketches of many rows, 256 bytes each: a hash for each band, and a byte of each value."""

    def __init__(self) -> None:
        self.bands: list[array[int]] = [array("q") for _ in range(BANDS)]
        self.values = bytearray()

    def __len__(self) -> int:
        return len(self.bands[0])

    def add(self, sets: Sequence[Sequence[str]]) -> None:
        """Sketch the shingles of some rows."""
        from rensa import RMinHash

        try:
            digests = RMinHash.digests_from_token_sets(sets, PERMUTATIONS, _SEED)
        except UnicodeEncodeError:
            # Half a surrogate pair is in no text of another language than Python.
            whole = [[word.encode("utf-8", "replace").decode() for word in some] for some in sets]
            digests = RMinHash.digests_from_token_sets(whole, PERMUTATIONS, _SEED)
        for digest in digests:
            for band, values in enumerate(self.bands):
                # Hashes of tuples of ints are the same in every process, unlike those of text.
                values.append(hash(tuple(digest[band * _ROWS : band * _ROWS + _ROWS])))
            self.values += array("I", digest).tobytes()[::4]

    def extend(self, other: Sketches) -> None:
        for mine, theirs in zip(self.bands, other.bands, strict=True):
            mine.extend(theirs)
        self.values += other.values

    def near(self, a: int, b: int) -> bool:
        """Whether the sketches of two rows agree in `NEAR` of their values (up to one byte each:
        others agree by chance once in 256)."""
        first = self.values[a * PERMUTATIONS : a * PERMUTATIONS + PERMUTATIONS]
        second = self.values[b * PERMUTATIONS : b * PERMUTATIONS + PERMUTATIONS]
        same = sum(map(int.__eq__, first, second))
        return same >= NEAR * PERMUTATIONS


class Groups:
    """Rows that belong together; the first of each group stands for it (union-find)."""

    def __init__(self, rows: int) -> None:
        self._head = array("I", range(rows))

    def copy(self) -> Groups:
        """The same groups, to be joined further."""
        other = Groups(0)
        other._head = self._head[:]
        return other

    def head(self, row: int) -> int:
        heads = self._head
        while heads[row] != row:
            heads[row] = heads[heads[row]]
            row = heads[row]
        return row

    def join(self, a: int, b: int) -> None:
        a, b = self.head(a), self.head(b)
        if a != b:
            self._head[max(a, b)] = min(a, b)

    def __len__(self) -> int:
        return len(self._head)


def equal_pairs(keys: array[int]) -> Iterator[tuple[int, int]]:
    """(first row, later row) for every row whose key an earlier one has."""
    for part in range(_PARTS):
        first: dict[int, int] = {}
        for row, key in enumerate(keys):
            if key % _PARTS == part:
                seen = first.setdefault(key, row)
                if seen != row:
                    yield seen, row


def join_near(sketches: Sketches, groups: Groups) -> None:
    """Join the rows whose sketches are near that of a row before them."""
    for keys in sketches.bands:
        for first, row in equal_pairs(keys):
            if groups.head(first) != groups.head(row) and sketches.near(first, row):
                groups.join(first, row)
