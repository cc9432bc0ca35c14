"""The files that hold scenes: the album, and a training set."""

from __future__ import annotations

import io
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from demo.scenes import draw_scene

ALBUM_SEEDS = range(1, 181)  # five of each subject
ALBUM_SIZE = 320
FORMATS = {0: "png", 5: "webp", 7: "gif", 10: "avif"}  # by seed % 15; all others are JPEG
QUALITY = {"jpg": 82, "webp": 80, "avif": 70}


def album_name(seed: int) -> str:
    """The file name of a scene in the album: it tells nothing about the picture."""
    return f"scene-{seed:03d}.{FORMATS.get(seed % 15, 'jpg')}"


def write_album(folder: Path) -> None:
    """Draw the album into `folder`, and `captions.jsonl` next to it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for seed in ALBUM_SEEDS:
        scene, captions = draw_scene(seed, ALBUM_SIZE)
        name = album_name(seed)
        suffix = name.rpartition(".")[2]
        options = {"quality": QUALITY[suffix]} if suffix in QUALITY else {"optimize": True}
        scene.quantize(128).save(folder / name) if suffix == "gif" else scene.save(folder / name, **options)
        lines.append(json.dumps({"file": name, "captions": captions}, ensure_ascii=False))
    (folder.parent / "captions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def encode_scene(seed: int, size: int) -> tuple[bytes, list[str]]:
    """The scene of `seed` as WebP bytes, with its captions."""
    scene, captions = draw_scene(seed, size)
    buffer = io.BytesIO()
    scene.save(buffer, "WEBP", quality=QUALITY["webp"])
    return buffer.getvalue(), captions


def write_parquet(path: Path, *, count: int, first_seed: int, size: int = 192) -> None:
    """A training set: columns image (WebP bytes), captions (list of str) and split ("train" in all rows)."""
    import pyarrow as pa  # type: ignore[import-untyped]  # only this command needs it
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    with ProcessPoolExecutor(max_workers=2) as pool:
        seeds = range(first_seed, first_seed + count)
        rows = list(pool.map(partial(encode_scene, size=size), seeds, chunksize=100))
    table = pa.table(
        {
            "image": pa.array([image for image, _ in rows], pa.binary()),
            "captions": pa.array([captions for _, captions in rows], pa.list_(pa.string())),
            "split": pa.array(["train"] * count, pa.string()),
        }
    )
    pq.write_table(table, path)
