"""The encoders known by name: what each is, before anything of it is here. Facts from their model cards."""

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
"""What a licence is called that allows less than Apache-2.0 or MIT."""
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


def licence(found: Checkpoint, default: str = "unknown: see its page") -> tuple[str, bool]:
    """What its model card says, and whether that allows less than Apache-2.0 or MIT."""
    card = found.card()
    name = card.get("license_name") or card.get("license") or default
    return name, RESTRICTED.search(name.lower()) is not None


def described(
    found: Checkpoint, record: EncoderRecord | None, family: str, *, dim: int, text_window: int, pixels: int
) -> EncoderRecord:
    """The record of a checkpoint that is here: the table's, if it has one, with what the files say."""
    if record is None:
        name, restricted = licence(found)
        languages = {"en": ENGLISH}.get(found.card().get("language", ""), "unknown")
        where = str(found.folder)
        record = EncoderRecord(
            found.name, dim, name, languages, text_window, pixels, 0, family, where, restricted=restricted
        )
    return replace(
        record,
        name=found.name,
        dim=dim,
        text_window=text_window,
        pixels=pixels,
        megabytes=found.megabytes,
    )
