"""Whether a recipe learns from what it is measured on: near-duplicate photos and equal captions, counted.

    python benchmarks/leaks.py --data FOLDER [--recipe pocket]

Every picture of every training set is compared with every photo of the withheld splits, straight and
mirrored, and every training text with every caption of theirs. As a check of the check, copies are planted:
withheld photos saved anew as small JPEGs, trimmed by a twentieth, mirrored; it says how many it finds.
"""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import Any

from PIL import ImageOps
from report import Arguments, as_text, machine, write

from searchkit.ingest.images import decode_bytes
from searchkit.training.data import load_pictures
from searchkit.training.leaks import (
    ALIKE,
    BITS,
    Guard,
    guard,
    near_duplicates,
    prints,
    read_sentences,
    same_words,
)
from searchkit.training.recipe import load_recipe

PLANTED = 200


def main() -> None:
    parser = Arguments(__doc__, result="leaks.json", data="the recipe's data")
    parser.add_argument("--recipe", default="pocket")
    options = parser.parsed()
    recipe = load_recipe(options.recipe)
    measured = guard(recipe.withheld, options.data)
    if measured is None:
        sys.exit(f"leaks: the recipe {options.recipe} withholds nothing")
    sets: dict[str, Any] = {}
    for spec in recipe.data:
        if not (options.data / spec.file).is_file():
            continue
        pictures = load_pictures(options.data, replace(spec, limit=None), recipe.templates)
        leaks = near_duplicates(prints(pictures.images), measured.near)
        texts = [text for some in pictures.texts for text in some]
        sets[spec.file] = {
            "pictures": len(pictures),
            "near-duplicates of withheld photos": len({leak.train for leak in leaks}),
            "texts": len(texts),
            "texts equal to a withheld caption": _equal(texts, measured),
            "the nearest": [
                {"row": one.train, "bits": one.bits, "alike": round(one.alike, 3)}
                for one in sorted(leaks, key=lambda leak: -leak.alike)[:5]
            ],
        }
        print(spec.file, sets[spec.file], flush=True)
    bank = read_sentences(recipe.bank_file, options.data, None)
    results = {
        "machine": machine(),
        "recipe": options.recipe,
        "withheld": {"photos": len(measured.images), "captions": len(measured.captions)},
        "near": {"bits at most": BITS, "correlation at least": ALIKE},
        "training": sets,
        "bank": {"sentences": len(bank), "equal to a withheld caption": _equal(bank, measured)},
        "planted copies found": planted(measured),
    }
    print(as_text(results))
    write(results, options.out)


def _equal(texts: list[str] | tuple[str, ...], measured: Guard) -> int:
    return sum(same_words(text) in measured.captions for text in texts)


def planted(measured: Guard) -> dict[str, float]:
    """Return the share of planted copies that is found, by how they were made."""
    shares = {}
    for how in ("saved anew, small", "trimmed", "mirrored"):
        copies = [copy_of(image, how) for image in measured.images[:PLANTED]]
        leaks = near_duplicates(prints(copies), measured.near)
        of_itself = {one.train for one in leaks if one.withheld % len(measured.images) == one.train}
        shares[how] = round(len(of_itself) / len(copies), 3)
    return shares


def copy_of(data: bytes, how: str) -> bytes:
    image = decode_bytes(data)
    if how == "saved anew, small":
        image = image.resize((120, 90))
    elif how == "trimmed":
        by = image.width // 40
        image = image.crop((by, by, image.width - by, image.height - by))
    else:
        image = ImageOps.mirror(image)
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=60)
    return file.getvalue()


if __name__ == "__main__":
    main()
