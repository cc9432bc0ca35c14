"""Text to the ids of a family's tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from searchkit.encoders.checkpoint import AGAIN, Checkpoint
from searchkit.errors import BadInput


@dataclass(frozen=True, slots=True)
class Tokens:
    """How a family turns text into ids."""

    tokenizer: Tokenizer
    """Without truncation and padding of its own: see `plain`."""
    window: int
    """Ids of one text at most, special ones included."""
    pad: int
    to_window: bool = False
    """Every text is padded to the whole window, as the model was trained (SigLIP)."""
    left: bool = False
    """Padding goes in front."""
    clean: Callable[[str], str] | None = None
    """What the family does to a text before the tokenizer sees it."""

    @property
    def special(self) -> tuple[list[int], list[int]]:
        """The ids that the tokenizer puts in front of a text and behind it."""
        encoded = self.tokenizer.encode("a", add_special_tokens=True)
        ids, mask = encoded.ids, encoded.special_tokens_mask
        first = mask.index(0)
        last = len(mask) - mask[::-1].index(0)
        return ids[:first], ids[last:]

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """(start, end) characters of every token of the whole text, special tokens left out."""
        found: Sequence[tuple[int, int]] = self.tokenizer.encode(text, add_special_tokens=False).offsets
        return found

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, cut to the window; the special ids are never cut."""
        front, behind = self.special
        room = self.window - len(front) - len(behind)
        cleaned = [self.clean(text) for text in texts] if self.clean else list(texts)
        encoded = self.tokenizer.encode_batch(cleaned, add_special_tokens=False)
        return [[*front, *e.ids[:room], *behind] for e in encoded]


def read_tokenizer(found: Checkpoint) -> Tokenizer:
    """The checkpoint's tokenizer.json, `plain`. Raises `ModelMissing`, and `BadInput` for a damaged one."""
    path = found.path("tokenizer.json")
    try:
        return plain(Tokenizer.from_file(str(path)))
    except Exception as error:  # the library raises nothing more particular
        raise BadInput(f"{path} is no tokenizer: {error}", hint=AGAIN) from error


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, which then neither cuts nor pads, whatever its file says."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
