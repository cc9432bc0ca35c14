"""A tokenizer: text to ids, and ids to padded batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from searchkit.encoders.checkpoint import AGAIN, Checkpoint
from searchkit.errors import BadInput

MOST_BYTES = 256 << 20
"""Bytes of the largest tokenizer.json; those of 250,000 tokens have some 35 MB."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenizer with its window and padding, and what a family does to a text before it."""

    tokenizer: Tokenizer
    """The tokenizer itself, which neither cuts nor pads: see `plain`."""
    window: int
    """The most ids of one text, special ones included."""
    pad: int
    """The id of the padding token."""
    to_window: bool = False
    """Whether every text is padded to the whole window, as the model was trained (SigLIP)."""
    left: bool = False
    """Whether padding stands in front."""
    clean: Callable[[str], str] | None = None
    """Cleans a text before the tokenizer reads it."""

    @property
    def special(self) -> tuple[list[int], list[int]]:
        """The ids that the tokenizer puts in front of a text and behind it."""
        encoded = self.tokenizer.encode("a", add_special_tokens=True)
        ids, mask = encoded.ids, encoded.special_tokens_mask
        first = mask.index(0)
        last = len(mask) - mask[::-1].index(0)
        return ids[:first], ids[last:]

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """The (start, end) characters of every token of the whole text, special tokens left out."""
        offsets: Sequence[tuple[int, int]] = self.tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, cut to the window; the special ids are never cut."""
        front, behind = self.special
        room = self.window - len(front) - len(behind)
        cleaned = [self.clean(text) for text in texts] if self.clean else list(texts)
        encoded = self.tokenizer.encode_batch(cleaned, add_special_tokens=False)
        return [[*front, *e.ids[:room], *behind] for e in encoded]

    def ids_and_spans(self, texts: Sequence[str]) -> tuple[list[list[int]], list[np.ndarray]]:
        """The ids of each text as `ids` cuts them, uncleaned, and the (start, end) characters of each id.

        The spans are (n, 2) int64; that of a special id is empty, at the text's start or end.
        """
        front, behind = self.special
        room = self.window - len(front) - len(behind)
        encoded = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ids = [[*front, *e.ids[:room], *behind] for e in encoded]
        spans = [
            np.array(
                [*([(0, 0)] * len(front)), *e.offsets[:room], *([(len(text),) * 2] * len(behind))], np.int64
            )
            for text, e in zip(texts, encoded, strict=True)
        ]
        return ids, spans

    def padded(self, ids: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of one or more texts as a batch: (b, n) ids and (b, n) mask of 0/1, both int64."""
        length = self.window if self.to_window else max(map(len, ids))
        batch = np.full((len(ids), length), self.pad, np.int64)
        mask = np.zeros((len(ids), length), np.int64)
        for row, line in enumerate(ids):
            place = slice(length - len(line), None) if self.left else slice(len(line))
            batch[row, place] = line
            mask[row, place] = 1
        return batch, mask


def read_tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    """The checkpoint's tokenizer.json, `plain`. Raises `ModelMissing`, and `BadInput` for a damaged one."""
    path = checkpoint.path("tokenizer.json")
    if path.stat().st_size > MOST_BYTES:
        raise BadInput(f"{path} is larger than {MOST_BYTES >> 20} MB", hint=AGAIN)
    try:
        tokenizer = plain(Tokenizer.from_file(str(path)))
        tokenizer.encode("a")  # some faults are met by the first text alone
        return tokenizer
    except Exception as error:  # the library raises nothing more particular
        raise BadInput(f"{path} is no tokenizer: {error}", hint=AGAIN) from error


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, made to neither cut nor pad, whatever its file says."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
