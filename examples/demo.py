"""The main job on the project's own samples: index pictures and documents, then ask in every direction."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from searchkit import Collection, Hit
from searchkit.collection.spaces import refill
from searchkit.errors import SpaceMismatch
from searchkit.registry import load_encoder
from searchkit.types import IndexReport

DATA = Path(__file__).resolve().parent.parent / "data"
ALBUM, PAPERS = DATA / "album", DATA / "papers"
INDENT = 14 * " "


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=".demo/library", help="of the collection")
    where = parser.parse_args().folder
    with Collection.open(where) as library:
        print(f"Indexing {ALBUM} and {PAPERS} into {where} …")
        report = indexed(library)
        print(
            f"  {report.indexed} files encoded, {report.unchanged} unchanged, {report.failed} failed"
            f" in {report.seconds:.1f} s\n"
        )
        for question in (
            "a red car on a road in the snow",
            "two sailing boats on the sea",
            "a birthday cake",
        ):
            show(f'text → image      "{question}"', library.search(question, kind="image", k=3))
        for question in ("How is syrup for the bees mixed?", "How warm should bread dough be?"):
            show(f'text → passage    "{question}"', library.search(question, kind="passage", k=1))
        picture = ALBUM / "scene-002.jpg"
        show(f"image → image     {picture.name}", library.similar(picture, kind="image", k=3))
        show(f"image → passage   {picture.name}", library.similar(picture, kind="passage", k=1))
        show('text → anything   "a lighthouse in a storm"', library.search("a lighthouse in a storm", k=3))
    print(f"""Ask it yourself:
  .venv/bin/searchkit search -c {where} "a castle at sunset"
  .venv/bin/searchkit search -c {where} --image {picture}
  .venv/bin/searchkit ui -c {where}                     the same in a browser
And with your own folders:
  .venv/bin/searchkit index ~/Pictures ~/Documents
  .venv/bin/searchkit search "two dogs running on a beach\"""")


def indexed(library: Collection) -> IndexReport:
    """Index the samples, and encode all anew where an earlier version of the encoder made the library."""
    try:
        return library.add(ALBUM, PAPERS)
    except SpaceMismatch:
        return refill(library, load_encoder(library.manifest.encoder), ALBUM, PAPERS)


def show(title: str, hits: list[Hit]) -> None:
    """Print a line for each hit: confidence, score, file (and page), and the passage below."""
    print(title)
    for hit in hits:
        place = Path(hit.path).name + (f", page {hit.page}" if hit.page else "")
        print(f"  {hit.confidence:.2f}  {hit.score:.2f}  {place}")
        if hit.text:
            print(
                textwrap.fill(
                    " ".join(hit.text.split()), 104, initial_indent=INDENT, subsequent_indent=INDENT
                )
            )
    print()


if __name__ == "__main__":
    main()
