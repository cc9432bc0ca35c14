"""How the documents of a collection are cut: the sizes, and the chunker that goes with them."""

from __future__ import annotations

from searchkit.errors import BadInput
from searchkit.ingest.chunk import SentenceWindow, TokenWindow
from searchkit.ingest.sections import HeadingWindow
from searchkit.protocols import Chunker, Encoder
from searchkit.types import Chunking

METHODS = ("window", "heading", "sentence", "late")
KINDS: dict[str, type[TokenWindow | HeadingWindow]] = {"heading": HeadingWindow, "sentence": SentenceWindow}
"""The chunkers of those methods that do not cut as "window" does."""
METHOD = "window"
TOKENS = 128
"""Tokens of a passage. Longer ones mix subjects: in 254 tokens the answer to a question drowned."""
OVERLAP = 24
"""Tokens that two neighbouring passages share: a sentence on the border is whole in one of them."""
SPECIAL_TOKENS = 2


def room(encoder: Encoder) -> int:
    """Tokens of a passage that the encoder reads at most, beside its prompt and special tokens."""
    prompt = len(encoder.token_offsets(encoder.record.passage_prompt))
    return encoder.record.text_window - SPECIAL_TOKENS - prompt


def settled(asked: Chunking, encoder: Encoder) -> Chunking:
    """Fill in every default of a chunking; settling twice changes nothing.

    Raises `BadInput` for a method that the encoder cannot do, and for sizes that do not fit it or each other.
    """
    longest = room(encoder)
    method = asked.method or METHOD
    tokens = min(TOKENS, longest) if asked.tokens is None else asked.tokens
    usual = 0 if method == "sentence" else min(OVERLAP, max(0, tokens) // 4)
    overlap = usual if asked.overlap is None else asked.overlap
    if method not in METHODS:
        raise BadInput(f"chunking is {method!r}", hint=f"one of: {', '.join(METHODS)}")
    if not 0 < tokens <= longest:
        raise BadInput(
            f"passages of {tokens} tokens do not fit {encoder.record.name}",
            hint=f"choose 1 to {longest} tokens",
        )
    if method == "late":
        encoder.token_vectors([])  # raises where it cannot
    chunking = Chunking(method, tokens, overlap)
    chunker(chunking, encoder)  # raises for an overlap that cannot be
    return chunking


def chunker(chunking: Chunking, encoder: Encoder) -> Chunker:
    """The chunker of a settled chunking. Late chunking cuts as "window" does; only its vectors differ."""
    assert chunking.tokens is not None and chunking.overlap is not None
    kind = KINDS.get(chunking.method or METHOD, TokenWindow)
    return kind(offsets=encoder.token_offsets, tokens=chunking.tokens, overlap=chunking.overlap)
