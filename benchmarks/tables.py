"""Write docs/benchmarks.md from the results in benchmarks/results.

    python benchmarks/tables.py

A test compares the page with what this script makes of the results, so the page is never edited by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from report import RESULTS

PAGE = RESULTS.parents[1] / "docs" / "benchmarks.md"
INTRODUCTION = """\
# Benchmarks

This page is made by `python benchmarks/tables.py` from the results in `benchmarks/results`; a test holds the
two equal. The figures are those of the bundled encoder `pocket` unless a row names another. A command that
names a data set needs that data set: none comes with searchkit, and each benchmark's `--help` says what it
reads. Quality is measured on test splits that nothing was learned from or chosen by.
"""
LIMITS = """\
## Limits

`pocket`, the encoder that comes along, is small: its image tower has 3.5 million parameters and sees
144 × 144 pixels. The [model card](../searchkit/weights/pocket/README.md) says what it learned from.

- It finds plain subjects and scenes (a dog on grass, surfing, snow, food, flowers), drawings like the
  demo's, and English text at the level of all-MiniLM-L6-v2.
- It does not count. It does not tell left from right, recognise faces or places, see the colour of small
  things, or read text inside pictures. In `make demo`, "two sailing boats on the sea" finds sailing boats,
  and some of them are alone; "a lighthouse in a storm" finds lighthouses, and none is in a storm.
- A published CLIP ViT-B/32 reaches text → image recall@5 0.805 on Flickr8k, about twice as much. Where
  there is a network, [a large published model](models.md) takes its place with one flag.
- A search from the command line takes two to four seconds, nearly all of it imports. The page and a Python
  program pay that once.
"""

Row = tuple[str, str, str]


def results(name: str) -> dict[str, Any]:
    """Return the results of one benchmark."""
    loaded: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return loaded


def measured(part: Mapping[str, Any]) -> str:
    """Return when and on what a part was measured."""
    machine = part["machine"]
    if isinstance(machine, str):
        return f"Measured on {part['date']} ({machine})."
    instructions = "".join(f", {name}" for name in machine.get("instructions", ()))
    return (
        f"Measured on {machine['date']} ({machine['cores']} cores of {machine['processor']}{instructions}; "
        f"torch {machine['torch']})."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table, and an empty line after it."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)] + [""]


def section(title: str, note: str, rows: Sequence[Row]) -> list[str]:
    """Return a section with a table of what was measured, the figure, and the command that measures it."""
    return [f"## {title}", "", *table(("on", "figure", "command"), rows), note, ""]


def retrieval() -> list[str]:
    main = results("main_job")
    flickr, scifact = main["flickr8k"]["metrics"], main["scifact"]["metrics"]
    there, back = flickr["text_to_image"], flickr["image_to_text"]
    passages = results("passages")
    claims, meetings = passages["scifact"]["test"], passages["qmsum"]["test"]
    rows = [
        (
            "SciFact, 300 test queries among 5,183 abstracts",
            f"nDCG@10 **{scifact['ndcg@10']:.3f}**, recall@100 {scifact['recall@100']:.3f}",
            "`searchkit evaluate scifact`",
        ),
        (
            "SciFact with exact words too",
            f"nDCG@10 **{claims['meaning and stems, convex']:.3f}** by scores (`convex`), "
            f"{claims['meaning and stems, reciprocal']:.3f} by ranks; without stems "
            f"{claims['meaning and words, convex']:.3f} and {claims['meaning and words, reciprocal']:.3f}",
            "`searchkit evaluate scifact --hybrid convex`, `benchmarks/passages.py`",
        ),
        (
            "QMSum test, 244 questions; each finds its meeting among 35 of 10,000 words",
            f"nDCG@10 {meetings['whole, truncated']['ndcg@10']:.3f} by its first 256 tokens, "
            f"{meetings['window']['ndcg@10']:.3f} by passages, "
            f"**{meetings['window and stems']['ndcg@10']:.3f}** with exact words",
            "`benchmarks/passages.py`",
        ),
        (
            "Flickr8k test, 5,000 captions that find 1,000 photos",
            f"recall@1/5/10 {there['recall@1']:.3f} / {there['recall@5']:.3f} / **{there['recall@10']:.3f}** "
            "(chance 0.010)",
            "`searchkit evaluate flickr8k.parquet`",
        ),
        (
            "the same, photos that find captions",
            f"recall@1/5/10 {back['recall@1']:.3f} / {back['recall@5']:.3f} / {back['recall@10']:.3f}",
            "the same",
        ),
        *large(),
    ]
    return section("How well it finds", measured(main["flickr8k"]), rows)


def large() -> list[Row]:
    """Return what `pocket-large` finds, and what it takes."""
    both = results("transfer")
    found, small = both["pocket-large"], both["pocket"]
    there, back = found["flickr8k"]["text_to_image"], found["flickr8k"]["image_to_text"]
    caltech, flowers = (found["held out"][name]["ensemble"]["top1"] for name in ("caltech-101", "tf-flowers"))
    return [
        (
            "Flickr8k test with `--model pocket-large`, captions that find photos",
            f"recall@1/5/10 {there['recall@1']:.3f} / {there['recall@5']:.3f} / **{there['recall@10']:.3f}**"
            f", {found['speed']['cpu ms a picture']} ms CPU a picture (`pocket` "
            f"{small['speed']['cpu ms a picture']}, one thread, AVX-512, float32)",
            "`benchmarks/transfer.py`",
        ),
        (
            "the same, photos that find captions",
            f"recall@1/5/10 {back['recall@1']:.3f} / {back['recall@5']:.3f} / {back['recall@10']:.3f}",
            "the same",
        ),
        (
            "photos held out, by prompts alone, with `--model pocket-large`",
            f"Caltech-101 **{caltech:.3f}** right, flowers {flowers:.3f}",
            "the same",
        ),
    ]


def labels() -> list[str]:
    zeroshot = results("main_job")["zeroshot"]
    caltech, flowers = (
        zeroshot[name]["metrics"]["ensemble"]["top1"] for name in ("caltech-101", "tf-flowers")
    )
    confidence = results("confidence")
    nonsense, right = confidence["nonsense below 0.5"], confidence["right photos at rank 1 above 0.5"]
    copies = results("copies")
    rows = [
        (
            "what a photo shows, by prompts alone; the photos were held out of training",
            f"Caltech-101 **{caltech:.3f}** right, flowers {flowers:.3f}",
            "`searchkit evaluate photos.parquet --source caltech-101 --held-out 10`",
        ),
        (
            f"{nonsense['of']} nonsense queries to 1,000 photos and 35 meetings",
            f"{nonsense['both']:.1%} stay below confidence 0.5",
            "`benchmarks/confidence.py`",
        ),
        (
            "right photos that come first",
            f"{right['share']:.1%} are above confidence 0.5",
            "the same",
        ),
        (
            f"{copies['copied']} photos, saved again as JPEG of quality 40",
            f"{copies['taken for the photo']['saved as JPEG of quality 40']:.1%} count as near-copies; "
            f"{copies['photos with a stranger as near']:.1%} of photos have a stranger that near",
            "`benchmarks/copies.py`",
        ),
    ]
    return section("Labels, confidence and copies", measured(confidence), rows)


def indexing() -> list[str]:
    main, rivals = results("main_job"), results("encoders")
    collection = main["collection"]
    rows = [
        (
            "1,000 photos (192 px) and 35 meetings of 10,000 words",
            f"first run {collection['first run']['seconds']:.0f} s, "
            f"second run {collection['second run']['seconds']:.1f} s, after moving all photos "
            f"{collection['after moving 1000 files']['seconds']:.0f} s and nothing encoded",
            "`make bench DATA=FOLDER`",
        ),
        ("the 1,000 photos alone", f"{main['photos']['seconds']:.0f} s", "the same"),
        (
            "`searchkit --help`, median",
            f"{main['startup']['help seconds, median']:.2f} s",
            "the same",
        ),
        *(
            (
                f"CLIP ViT-B/32 at 256 pixels, JPEGs of {size}, the same weights in all three programs",
                f"**{cost['searchkit']:.0f} ms** CPU a photo; rclip {cost['rclip']:.0f}, "
                f"sentence-transformers {cost['sentence-transformers']:.0f}",
                "`benchmarks/encoders.py`",
            )
            for size, cost in rivals["pictures"]["cpu ms a picture"].items()
        ),
        (
            "memory of a run, from its 1,000th to its 20,000th photo",
            f"{rivals['memory']['MB after 1000']:.0f} MB became {rivals['memory']['MB after 20000']:.0f}",
            "the same",
        ),
    ]
    return section("How fast it indexes", measured(rivals["pictures"]), rows)


def _search(figures: Mapping[str, Any]) -> str:
    """Return the figures of a search among many vectors."""
    ours = figures["searchkit"]
    return (
        f"recall@10 {ours['alike']['recall']:.3f} for questions like the items, "
        f"{ours['across']['recall']:.3f} for texts that ask for pictures; "
        f"**{ours['alike']['p50_ms']:.2f} ms** ({figures['ratio_to_raw_faiss']:.1f} × raw FAISS, "
        f"{figures['times_faster_than_lancedb']:.0f} × faster than LanceDB's best index), "
        f"{ours['resident_mb'] / 1000:.2f} GB"
    )


def searching() -> list[str]:
    million, page = results("million"), results("page")
    kept = million["filtered"]["alike"]
    few, many = page["10000 items"], page["100000 items"]
    rows = [
        (
            "1,000,000 vectors of 512 dimensions, a search with its hits",
            f"{_search(million)}; a filter that keeps 1 %: recall {kept['recall']:.1f} "
            f"in {kept['p50_ms']:.0f} ms",
            "`benchmarks/million.py`",
        ),
        ("100,000 of them", _search(results("hundred_thousand")), "the same with `--rows 100000`"),
        (
            "the page, from Enter until a thumbnail is drawn, 10,000 and 100,000 pictures",
            " s and ".join(f"{part['later questions, seconds, median']:.2f}" for part in (few, many)) + " s",
            "`benchmarks/page.py`",
        ),
    ]
    return section("How fast it searches", measured(million), rows)


def learning() -> list[str]:
    adapting = results("adapting")
    fashion = adapting["fashion"]["text-image"]
    recall = fashion["test"]["recall@10"]
    rows = [
        (
            "fashion, 2,000 test names that find their pictures, after `searchkit adapt` on 20,000 pairs",
            f"recall@10 {recall['before']:.3f} → **{recall['after']:.3f}**, "
            f"{fashion['of processor seconds']:.0f} s of CPU, nothing encoded again",
            "`benchmarks/adapting.py`",
        )
    ]
    more = "More is on the pages about [adapting](adapting.md) and about [how `pocket` is made](pocket.md)."
    return section("What it learns", f"{measured(adapting)} {more}", rows)


def lasting() -> list[str]:
    kills, watching = results("kills"), results("watching")
    switching, workers = results("switching"), results("workers")
    after = watching["searchable after, seconds"]
    rows = [
        (
            "kill -9 at random moments of index, queue, worker, model change, removal, compaction and doctor",
            f"{kills['kills']} kills on SQLite and PostgreSQL; of the runs, "
            f"{kills['scenarios that differ from one undisturbed']} ended otherwise than one undisturbed",
            "`benchmarks/kills.py --out FILE`",
        ),
        (
            f"watching {watching['files']:,} files",
            f"{watching['idle CPU, percent']:.1f} % of a core while idle; a change is searchable after "
            f"{after['median']:.1f} s (median) and {after['longest']:.1f} s (slowest of {after['changes']})",
            "`benchmarks/watching.py`",
        ),
        (
            "changing the model while searches run",
            f"{switching['searches']:,} searches, {switching['failed']} failed, {switching['wrong']} wrong; "
            f"rollback in {max(switching['rollback, seconds']):.2f} s at most",
            "`benchmarks/switching.py`",
        ),
        (
            f"two workers instead of one, with an encoder that takes {workers['seconds a file']} s a file",
            f"{workers['one worker, files per second']:.0f} → "
            f"{workers['two workers, files per second']:.0f} files a second",
            "`benchmarks/workers.py`",
        ),
    ]
    return section("What it withstands", measured(kills), rows)


def page() -> str:
    """Return docs/benchmarks.md as the committed results make it."""
    parts = (retrieval, labels, indexing, searching, learning, lasting)
    return "\n".join([INTRODUCTION, *(line for part in parts for line in part()), LIMITS])


def main() -> None:
    PAGE.write_text(page(), "utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
