"""The marked row token by token: made in a thread, shown where it is still the marked one. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tunewright.engine.data.tokens import IGNORED, Loss, Renderer
from tunewright.engine.data.view import Piece, cut_for_view, ends_turn, token_pieces
from tunewright.tui.panes.data_seen import MOST_LETTERS, Seen

MOST_TOKENS = 4_000


class RowTokens(NamedTuple):
    """For each side of a row the pieces, and what is said of them."""

    number: int
    sides: tuple[tuple[tuple[Piece, ...], str], ...]


def tokens_of(number: int, seen: Seen, renderer: Renderer, loss: Loss) -> RowTokens:
    """The tokens of a row, of a long one those of its beginning; a `Problem` when the template
    refuses it. A pair is trained on its answers, whatever is asked for."""
    sides = []
    for name, whole in seen.examples():
        on: Loss = loss if name == "row" else "completion"
        example, cut = cut_for_view(whole, MOST_LETTERS)
        if seen.letters is not None:
            cut = f"; of the beginnings of its turns, the row has {seen.letters:,} letters"
        tokens = renderer.tokenize(example, on)
        trained = len(tokens.labels) - tokens.labels.count(IGNORED)
        stop = ends_turn(tokens, renderer)
        ends = f"the turn ends with {stop}" if stop else "the turn is NOT ended"
        words = (
            f"{'' if name == 'row' else name + ': '}{len(tokens.input_ids):,} tokens, "
            f"{trained:,} trained (loss on {on}); {ends}{cut}"
        )
        sides.append((tuple(token_pieces(tokens, renderer, MOST_TOKENS)), words))
    return RowTokens(number, tuple(sides))
