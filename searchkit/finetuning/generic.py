"""Generic questions: a small fixed set that no collection is about, drawn scenes with three captions each.

Half of it is replayed while an adapter learns, with captions of everyday photos and phrases about nothing, so
that the adapter leaves such questions alone; the other half shows whether it did: what was found before
should still be found. Towers, which may learn by heart what is replayed, repeat a quarter; another quarter
decides how far they may go. `data/make_demo.py` draws the scenes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from searchkit.evaluation.compare import Retrieval
from searchkit.finetuning.everyday import everyday
from searchkit.finetuning.pairs import Direction, Pairs
from searchkit.finetuning.prepared import SideVectors, encode_again
from searchkit.finetuning.training_set import TrainingSet
from searchkit.ingest.images import decode_bytes
from searchkit.protocols import Encoder
from searchkit.search.confidence import neutral_queries
from searchkit.types import Kind, Vectors

FILE = "generic.parquet"
REPLAYED = 2000
"""The most texts, and the most pictures, of other pairs that are replayed: each is encoded."""
BOTH = ("text", "images")


class Generic:
    """The vectors of the set for one encoder, kept in `cache` if there is one."""

    def __init__(
        self,
        encoder: Encoder,
        cache: Path | None,
        *,
        before: Generic | None = None,
        moved: Collection[str] = BOTH,
    ) -> None:
        """Encode the set; given the vectors `before`, only what a tower that has `moved` reads."""
        if before is not None:
            kept = {"asked": before.asked, "found": before.found, "pictures": before.pictures}
            parts = kept | _encode(encoder, moved)
        else:
            parts = _encode(encoder) if cache is None else _cached(encoder, cache)
        self.asked: np.ndarray = parts["asked"]
        self.found: np.ndarray = parts["found"]
        self.pictures: np.ndarray = parts["pictures"]
        self._everyday: np.ndarray | None = parts.get("everyday")
        self._encoder = encoder
        self.more: dict[str, Vectors] = {}

    def replay(self, pairs: Pairs, encoder: Encoder) -> None:
        """Make the sides of some pairs, up to REPLAYED texts and pictures, bystanders too."""
        texts = [side.text is not None for side in pairs.sides]
        chosen = [i for kind in (True, False) for i in _spread([n for n, t in enumerate(texts) if t == kind])]
        empty = np.zeros((len(pairs.sides), encoder.space.dim), np.float32)
        vectors = encode_again(pairs, encoder, SideVectors(empty, empty), chosen, BOTH).asked
        for name, kind in (("text", True), ("image", False)):
            rows = [i for i in chosen if texts[i] == kind and vectors[i].any()]
            self.more[name] = vectors[rows]

    @property
    def everyday(self) -> Vectors:
        """The vectors of everyday captions, (e, dim); only an adapter asks for them."""
        if self._everyday is None:
            self._everyday = _encode_everyday(self._encoder)
        return self._everyday

    def bystanders(self, direction: Direction) -> Vectors:
        """The vectors of the replayed half, and of everyday captions, as questions: (g, dim)."""
        dim = self.asked.shape[-1]
        if direction.asked_with == "image":
            own = self.pictures[::2]
        else:
            own = np.concatenate([self.asked[::2].reshape(-1, dim), self.everyday])
        more = self.more.get(direction.asked_with, own[:0])
        return np.ascontiguousarray(np.concatenate([own, more]))

    def rehearsal(self, direction: Direction) -> Retrieval | None:
        """The replayed half as questions to the whole set; None where the set cannot ask that way."""
        return self._part(direction, 0, 2)

    def unseen(self, direction: Direction) -> Retrieval | None:
        """The part of that half that towers do not repeat, likewise."""
        return self._part(direction, 2, 4)

    def check(self, direction: Direction) -> Retrieval | None:
        """The other half, likewise."""
        return self._part(direction, 1, 2)

    def _part(self, direction: Direction, first: int, step: int) -> Retrieval | None:
        scenes, captions = self.asked.shape[:2]
        part = np.arange(first, scenes, step)
        dim = self.asked.shape[-1]
        match (direction.asked_with, direction.kind):
            case ("text", Kind.IMAGE) if len(self.pictures):
                asked = self.asked[part].reshape(-1, dim)
                return Retrieval(asked, self.pictures, [[int(s)] for s in part for _ in range(captions)])
            case ("image", Kind.PASSAGE) if len(self.pictures):
                right = [[int(s) * captions + n for n in range(captions)] for s in part]
                return Retrieval(self.pictures[part], self.found.reshape(-1, dim), right)
            case ("text", Kind.PASSAGE):  # the first caption finds the others
                right = [[int(s) * captions + n for n in range(1, captions)] for s in part]
                own = [int(s) * captions for s in part]
                return Retrieval(self.asked[part, 0], self.found.reshape(-1, dim), right, own)
        return None


def _spread(rows: list[int]) -> list[int]:
    return rows[:: -(-len(rows) // REPLAYED) or 1]


def replayed() -> list[TrainingSet]:
    """The quarter that towers repeat: captions with another of their scene, and captions with their
    picture."""
    with resources.as_file(resources.files("searchkit.finetuning") / FILE) as path:
        table = pq.read_table(path)
    scenes = list(zip(table["captions"].to_pylist(), table["image"].to_pylist(), strict=True))[::4]
    words = [(first, other) for (first, *others), _ in scenes for other in others]
    shown = [(caption, image) for captions, image in scenes for caption in captions]
    return [
        TrainingSet(f"generic {name}", [text for text, _ in rows], [answer for _, answer in rows])
        for name, rows in (("text", words), ("images", shown))
    ]


def _cached(encoder: Encoder, cache: Path) -> dict[str, np.ndarray]:
    data = (resources.files("searchkit.finetuning") / FILE).read_bytes() + "\n".join(_everyday()).encode()
    file = cache / f"{encoder.space.key}-generic-{hashlib.sha256(data).hexdigest()[:12]}.npz"
    try:
        with np.load(file) as kept:
            return {name: kept[name] for name in ("asked", "found", "pictures", "everyday")}
    except (OSError, EOFError, ValueError, KeyError):  # not there yet, or damaged
        parts = _encode(encoder) | {"everyday": _encode_everyday(encoder)}
        cache.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(".tmp.npz")
        np.savez(scratch, **parts)  # type: ignore[arg-type]
        scratch.replace(file)
        return parts


def _encode(encoder: Encoder, moved: Collection[str] = BOTH) -> dict[str, np.ndarray]:
    """The vectors that the towers that moved give: captions (scenes, captions, dim), as questions and as
    answers, and pictures (scenes, dim), or (0, dim) from an encoder without them."""
    with resources.as_file(resources.files("searchkit.finetuning") / FILE) as path:
        table = pq.read_table(path)
    texts = [caption for captions in table["captions"].to_pylist() for caption in captions]
    record, dim = encoder.record, encoder.space.dim
    shape = (table.num_rows, -1, dim)
    made = {}
    if "text" in moved:
        made["asked"] = encoder.encode_text([record.as_query(text) for text in texts]).reshape(shape)
        made["found"] = made["asked"]
        if record.query_prompt != record.passage_prompt:
            made["found"] = encoder.encode_text([record.as_passage(text) for text in texts]).reshape(shape)
    if "images" in moved:
        made["pictures"] = np.zeros((0, dim), np.float32)
        if record.pixels:
            pixels = [encoder.prepare_image(decode_bytes(data)) for data in table["image"].to_pylist()]
            made["pictures"] = encoder.encode_images(pixels)
    return made


def _encode_everyday(encoder: Encoder) -> Vectors:
    return encoder.encode_text([encoder.record.as_query(text) for text in _everyday()])


def _everyday() -> list[str]:
    return [*everyday(), *neutral_queries()]
