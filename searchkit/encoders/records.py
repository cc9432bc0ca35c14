"""The encoders known by name, described by the facts of their model cards before a file is fetched."""

from __future__ import annotations

import re
from dataclasses import replace

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.types import EncoderRecord

HUB = "Hugging Face hub"
TEXT = "sentence-transformers"
MANY = "109 languages"
APPLE = "Apple ML Research"
PARAPHRASE = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"

KNOWN: tuple[tuple[str, str, int, int, int, float, str, str], ...] = (
    # name, family, dimension, text window, pixels, megabytes, licence, languages
    ("jinaai/jina-clip-v1", "jina-clip", 768, 8192, 224, 890, "Apache-2.0", "English"),
    ("jinaai/jina-clip-v2", "jina-clip-v2", 1024, 8192, 512, 1730, "CC-BY-NC-4.0", "89 languages"),
    ("google/siglip2-base-patch16-224", "siglip", 768, 64, 224, 1500, "Apache-2.0", MANY),
    ("google/siglip2-base-patch16-256", "siglip", 768, 64, 256, 1500, "Apache-2.0", MANY),
    ("google/siglip2-large-patch16-256", "siglip", 1024, 64, 256, 3530, "Apache-2.0", MANY),
    ("google/siglip2-so400m-patch14-384", "siglip", 1152, 64, 384, 4540, "Apache-2.0", MANY),
    ("google/siglip-base-patch16-224", "siglip", 768, 64, 224, 813, "Apache-2.0", "English"),
    ("openai/clip-vit-base-patch32", "clip", 512, 77, 224, 605, "MIT", "English"),
    ("openai/clip-vit-base-patch16", "clip", 512, 77, 224, 599, "MIT", "English"),
    ("openai/clip-vit-large-patch14", "clip", 768, 77, 224, 1710, "MIT", "English"),
    ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "clip", 512, 77, 224, 605, "MIT", "English"),
    ("timm/MobileCLIP2-S0-OpenCLIP", "open_clip", 512, 77, 256, 300, APPLE, "English"),
    ("timm/MobileCLIP2-S2-OpenCLIP", "open_clip", 512, 77, 256, 400, APPLE, "English"),
    ("sentence-transformers/all-MiniLM-L6-v2", TEXT, 384, 256, 0, 91, "Apache-2.0", "English"),
    (PARAPHRASE, TEXT, 384, 128, 0, 471, "Apache-2.0", "50 languages"),
    ("intfloat/multilingual-e5-small", TEXT, 384, 512, 0, 471, "MIT", "94 languages"),
)  # fmt: skip
PROMPTS = {
    "jinaai/jina-clip-v2": ("Represent the query for retrieving evidence documents: ", ""),
    "intfloat/multilingual-e5-small": ("query: ", "passage: "),
}
ENGLISH = "English"
RESTRICTED = re.compile(r"\bnc\b|other|research|non-?commercial|community|gemma|llama|apple")
"""Matches the names of licences that allow less than Apache-2.0 or MIT."""
PERMISSIVE = ("Apache-2.0", "MIT")


def _record(row: tuple[str, str, int, int, int, float, str, str]) -> EncoderRecord:
    name, family, dim, window, pixels, megabytes, licence, languages = row
    return EncoderRecord(
        name,
        dim,
        licence,
        languages,
        window,
        pixels,
        megabytes,
        family,
        HUB,
        *PROMPTS.get(name, ("", "")),
        restricted=licence not in PERMISSIVE,
    )


RECORDS: dict[str, EncoderRecord] = {row[0]: _record(row) for row in KNOWN}


def licence(checkpoint: Checkpoint, default: str = "unknown: see its page") -> tuple[str, bool]:
    """The licence on the model card, and whether it allows less than Apache-2.0 or MIT."""
    card = checkpoint.card()
    name = card.get("license_name") or card.get("license") or default
    return name, RESTRICTED.search(name.lower()) is not None


def described(
    checkpoint: Checkpoint,
    record: EncoderRecord | None,
    family: str,
    *,
    dim: int,
    text_window: int,
    pixels: int,
) -> EncoderRecord:
    """The record of a checkpoint whose files are here, corrected by what they say.

    `record` is the row of the table; None makes one from the model card.
    """
    if record is None:
        name, restricted = licence(checkpoint)
        languages = {"en": ENGLISH}.get(checkpoint.card().get("language", ""), "unknown")
        record = EncoderRecord(
            name=checkpoint.name,
            dim=dim,
            licence=name,
            languages=languages,
            text_window=text_window,
            pixels=pixels,
            megabytes=0,
            family=family,
            source=str(checkpoint.folder),
            restricted=restricted,
        )
    return replace(
        record,
        name=checkpoint.name,
        dim=dim,
        text_window=text_window,
        pixels=pixels,
        megabytes=checkpoint.megabytes,
    )
