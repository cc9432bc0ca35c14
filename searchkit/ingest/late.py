"""Late chunking: the encoder reads a whole document, and a passage's vector is the mean of its tokens'.

    v = Σ tᵢ / ‖Σ tᵢ‖ over the tokens i of the passage, each of which has seen what is around it

Only for encoders whose vector of a text is that mean over all of it (Günther et al., arXiv 2409.04701).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from searchkit.ingest.chunk import TokenWindow
from searchkit.protocols import Encoder
from searchkit.types import Passage, TokenVectors, Vectors

SHARED = 4
"""Each window of a long text shares one token in this many with the one before."""
TOKENS_AT_ONCE = 8192
"""Tokens that go through the encoder in one call."""


def late_vectors(
    encoder: Encoder, text: str, passages: Iterable[Passage], *, room: int
) -> Iterator[tuple[Passage, Vectors]]:
    """Each passage, in order, with its (1, dim) unit vector.

    The text goes through the encoder in windows of at most `room` tokens; of the tokens that two windows
    share, each gives those that lie farther from its border. What no passage needs any more is let go.
    """
    stream = token_stream(encoder, text, room=room)
    starts, vectors = np.zeros(0, np.int64), np.zeros((0, encoder.space.dim), np.float32)
    read = 0
    for passage in passages:
        while read < passage.end and (more := next(stream, None)) is not None:
            keep = np.searchsorted(starts, passage.start)
            starts = np.concatenate([starts[keep:], more.spans[:, 0]])
            vectors = np.concatenate([vectors[keep:], more.vectors])
            read = int(more.spans[-1, 1]) if len(more.spans) else read
        first, last = np.searchsorted(starts, [passage.start, passage.end])
        if first == last:  # characters that are no tokens have no vectors
            yield passage, encoder.encode_text([encoder.record.as_passage(passage.text)])
        else:
            yield passage, unit_mean(vectors[first:last])


def token_stream(encoder: Encoder, text: str, *, room: int) -> Iterator[TokenVectors]:
    """The tokens of the whole text in order, none twice, special ones left out, with spans in the text."""
    window = TokenWindow(offsets=encoder.token_offsets, tokens=room, overlap=room // SHARED)
    spans = list(window.spans(text))
    prompt = len(encoder.record.as_passage(""))
    middles = [(before[1] + after[0]) // 2 for before, after in pairwise(spans)]
    borders = [0, *middles, len(text)]
    at_once = max(1, TOKENS_AT_ONCE // room)
    for first in range(0, len(spans), at_once):
        windows = spans[first : first + at_once]
        read = encoder.token_vectors([encoder.record.as_passage(text[a:b]) for a, b in windows])
        for number, (tokens, (start, _)) in enumerate(zip(read, windows, strict=True), start=first):
            places = tokens.spans - prompt + start
            kept = (places[:, 0] >= borders[number]) & (places[:, 0] < borders[number + 1])
            kept &= (tokens.spans[:, 0] >= prompt) & (tokens.spans[:, 1] > tokens.spans[:, 0])
            yield TokenVectors(tokens.vectors[kept], places[kept])


def unit_mean(vectors: np.ndarray) -> Vectors:
    """The mean of (n, dim) token vectors, as a (1, dim) float32 row of unit length."""
    mean = vectors.astype(np.float64).mean(axis=0, keepdims=True)
    unit: Vectors = (mean / np.linalg.norm(mean)).astype(np.float32)
    return unit
