"""Make the project's own demo data: drawn scenes with captions, a training set, and long papers.

    python data/make_demo.py album data/album                # 180 pictures, data/captions.jsonl beside them
    python data/make_demo.py parquet scenes.parquet --count 6000 --first-seed 100000
    python data/make_demo.py papers data/papers              # six long documents

Everything is drawn or written by this project, so it may be shipped, trained on and changed freely.
A scene depends on its seed alone. It is drawn in a world of 100 x 100 with y pointing down, at any size.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from demo.files import write_album, write_parquet
from demo.papers import write_papers


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the project's own demo data.")
    commands = parser.add_subparsers(dest="command", required=True)
    album = commands.add_parser("album", help="180 pictures in OUT and captions.jsonl beside OUT")
    parquet = commands.add_parser("parquet", help="a training set of pictures and captions")
    parquet.add_argument("--count", type=int, default=6000, help="how many scenes")
    parquet.add_argument("--first-seed", type=int, default=100_000, help="the seed of the first scene")
    papers = commands.add_parser("papers", help="six long documents in OUT")
    for command in (album, parquet, papers):
        command.add_argument("out", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    if options.command == "album":
        write_album(options.out)
    elif options.command == "parquet":
        write_parquet(options.out, count=options.count, first_seed=options.first_seed)
    else:
        write_papers(options.out)


if __name__ == "__main__":
    main()
