"""The speed of an encoder: what is counted, on which pictures and texts, and what is remembered of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from searchkit.cli.main import app
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.speed import bench
from searchkit.speed.bench import Figures, load_speeds, measure, remember
from searchkit.speed.records import speeds_file
from searchkit.speed.workload import HEIGHT, WIDTH, link_pictures, passages, picture, queries, write_pictures
from searchkit.types import Progress, Vectors


def work(seconds: float) -> None:
    """Spend that much of this thread's CPU time."""
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        sum(range(100))


class Slow(Hashing):
    """Costs what it is told to, in CPU seconds a picture."""

    def __init__(self, *, prepare: float = 0.0, encode: float = 0.0) -> None:
        super().__init__()
        self.cost = {"prepare": prepare, "encode": encode}
        self.batches: list[int] = []
        self.threads: list[int] = []

    def prepare_image(self, image: Image.Image) -> np.ndarray:
        work(self.cost["prepare"])
        self.threads.append(threading.get_ident())
        return super().prepare_image(image)

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        work(self.cost["encode"] * len(pixels))
        self.batches.append(len(pixels))
        return super().encode_images(pixels)


class TextOnly(Hashing):
    def __init__(self) -> None:
        super().__init__()
        self.record = self.record.__class__("words", 64, "Apache-2.0", "any", 40, 0, 0.0, "hashing", "test")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SETTLED", 0.05)
    monkeypatch.setattr(bench, "QUERIES", 16)
    monkeypatch.setattr(bench, "PASSAGES", 4)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small pictures, and a file that only looks like one."""
    folder = tmp_path_factory.mktemp("photos") / "all"
    write_pictures(folder, 12, size=(64, 48))
    (folder / "notes.txt").write_text("no picture")
    (folder / "torn.jpg").write_bytes((folder / "000000.jpg").read_bytes()[:200])
    return folder


def speed(name: str, space: str, images: float | None, date: str = "2026-01-01T00:00:00+00:00") -> Figures:
    pictures = (images, 10.0, 2.0, 8.0, 0.8) if images else (None,) * 5
    return Figures(name, space, "a processor", "cpu", "float32", date, 2, 12, *pictures, 99.0, 9.0, 128, 1.0)


def test_the_cost_of_decoding_and_that_of_encoding_are_told_apart(photos: Path) -> None:
    costly_decoding = measure(Slow(prepare=0.02), [photos], threads=2)
    costly_encoding = measure(Slow(encode=0.02), [photos], threads=2)
    for found in (costly_decoding, costly_encoding):
        assert found.decode_cpu_ms and found.encode_cpu_ms is not None and found.cpu_ms_per_image
        assert found.decode_cpu_ms + found.encode_cpu_ms <= found.cpu_ms_per_image * 1.1
    assert costly_decoding.decode_cpu_ms and costly_decoding.decode_cpu_ms > 20
    assert costly_decoding.encode_cpu_ms is not None and costly_decoding.encode_cpu_ms < 5
    assert costly_encoding.decode_cpu_ms and costly_encoding.decode_cpu_ms < 15
    assert costly_encoding.encode_cpu_ms == pytest.approx(20, abs=4)
    assert costly_encoding.encoder_share and costly_decoding.encoder_share is not None
    assert costly_encoding.encoder_share > 0.4 > costly_decoding.encoder_share


def test_pictures_go_through_the_threads_and_batches_of_indexing(photos: Path) -> None:
    encoder = Slow(prepare=0.005)
    found = measure(encoder, [photos], threads=3, batch_size=5)
    assert found.images == 12 and found.threads == 3
    assert encoder.batches[:5] == [1, 4, 5, 5, 2]  # the space's own picture, the warm-up, then the twelve
    assert encoder.threads.count(threading.get_ident()) == 1  # the space's own picture
    assert found.images_per_second and found.images_per_second < 3 / 0.005


def test_no_more_pictures_are_taken_than_were_asked_for(photos: Path) -> None:
    seen: list[Progress] = []
    assert measure(Hashing(), [photos], images=7, on_progress=seen.append).images == 7
    assert [(p.done, p.total) for p in seen if p.stage == "encode"][-1] == (7, 7)


def test_a_slow_encoder_is_measured_on_what_it_gets_through_in_time(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(Slow):
        def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
            vectors = super().encode_images(pixels)
            if len(self.batches) > 3:  # the space's own picture, the warm-up of four, and two more
                monkeypatch.setattr(bench, "PATIENCE", 0.0)
            return vectors

    found = measure(Late(encode=0.1), [photos], batch_size=2)
    assert 2 <= found.images < 12
    assert found.encode_cpu_ms == pytest.approx(100, abs=15)


def test_pictures_are_made_when_none_are_named() -> None:
    found = measure(Hashing(), images=3)
    assert found.images == 3
    assert found.peak_mb and found.peak_mb > 10


def test_the_folder_and_its_files_are_left_as_they_were(photos: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in photos.iterdir()}
    measure(Hashing(), [photos])
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in photos.iterdir()} == before


def test_an_encoder_of_text_alone_has_no_figures_of_pictures() -> None:
    found = measure(TextOnly())
    assert (found.images, found.images_per_second, found.encoder_share) == (0, None, None)
    assert found.texts_per_second > 0 and found.passages_per_second > 0
    assert found.passage_tokens == 38


def test_a_path_that_is_not_there_and_a_folder_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere does not exist"):
        measure(Hashing(), [tmp_path / "nowhere"])
    with pytest.raises(BadInput, match="there is no picture"):
        measure(Hashing(), [tmp_path])
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(BadInput, match="no picture could be read"):
        measure(Hashing(), [tmp_path])


def test_several_paths_are_taken_in_turn_and_links_need_not_work(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = tmp_path / "one.JPG"
    shutil.copy(photos / "000003.jpg", single)
    link_pictures([single, photos], tmp_path / "links", 4)
    assert [p.resolve().name for p in sorted((tmp_path / "links").iterdir())] == [
        "one.JPG", "000000.jpg", "000001.jpg", "000002.jpg"
    ]  # fmt: skip

    def refuse(*_: object) -> None:
        raise OSError("not allowed")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    link_pictures([photos], tmp_path / "copies", 2)
    copied = sorted((tmp_path / "copies").iterdir())
    assert [p.is_symlink() for p in copied] == [False, False]
    assert copied[0].read_bytes() == (photos / "000000.jpg").read_bytes()


def test_made_pictures_all_differ_and_come_out_the_same_again(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a", 5, size=(80, 60), distinct=2)
    write_pictures(tmp_path / "b", 5, size=(80, 60), distinct=2)
    a, b = ([path.read_bytes() for path in sorted((tmp_path / x).iterdir())] for x in "ab")
    assert len(set(a)) == 5
    assert a == b
    assert Image.open(io.BytesIO(a[0])).size == (80, 60)


def test_a_made_picture_has_the_spectrum_and_the_file_size_of_a_photograph() -> None:
    pixels = picture(np.random.default_rng(0), WIDTH, HEIGHT)
    assert pixels.shape == (HEIGHT, WIDTH, 3) and pixels.dtype == np.uint8
    power = np.abs(np.fft.fft2(pixels[..., 1].astype(float))) ** 2
    row = power[0, 4 : WIDTH // 4]
    slope = np.polyfit(np.log(np.arange(4, WIDTH // 4)), np.log(row), 1)[0]
    assert -3.4 < slope < -2.2  # photographs: power falls as f**-2 to f**-3; noise would be at 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    assert 120_000 < file.tell() < 350_000


def test_queries_are_short_and_differ_and_passages_fill_the_window() -> None:
    encoder = Hashing()
    asked = queries(encoder, 200)
    assert len(set(asked)) == 200 and max(map(len, asked)) < 80
    texts, tokens = passages(encoder, 6)
    assert tokens == 126  # the window of 128, less the two special tokens
    assert [len(encoder.token_offsets(text)) for text in texts] == [126] * 6
    assert len(set(texts)) == 6


def test_what_was_measured_is_remembered_by_space_and_looked_up_by_name() -> None:
    assert load_speeds() == {}
    remember(speed("someone/tower@" + "a" * 40, "tower-a-d64", 50.0, "2026-01-01T00:00:00+00:00"))
    remember(speed("someone/tower@" + "b" * 40, "tower-b-d64", 70.0, "2026-01-02T00:00:00+00:00"))
    remember(speed("words", "words-d64", None))
    assert set(json.loads(speeds_file().read_text())) == {"tower-a-d64", "tower-b-d64", "words-d64"}
    found = load_speeds()
    assert found["someone/tower"].images_per_second == 70.0
    assert found["words"].images_per_second is None
    assert found["words"].texts_per_second == 99.0 and found["words"].processor == "a processor"
    remember(speed("someone/tower@" + "a" * 40, "tower-a-d64", 90.0, "2026-01-03T00:00:00+00:00"))
    assert load_speeds()["someone/tower"].images_per_second == 90.0
    assert os.listdir(speeds_file().parent) == [speeds_file().name]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"x": 3}', '{"x": {"encoder": "words"}}', "\x00\xff"])
def test_damaged_memories_are_none_and_are_written_over(damage: str) -> None:
    speeds_file().parent.mkdir(parents=True)
    speeds_file().write_text(damage, "latin-1")
    assert load_speeds() == {}
    remember(speed("words", "words-d64", None))
    assert load_speeds().keys() == {"words"}


def test_a_damaged_entry_does_not_spoil_the_others() -> None:
    remember(speed("words", "words-d64", None))
    whole = json.loads(speeds_file().read_text())
    whole["broken"] = {**whole["words-d64"], "encoder": "broken", "texts_per_second": "fast"}
    speeds_file().write_text(json.dumps(whole))
    assert load_speeds().keys() == {"words"}


def test_a_cache_that_cannot_be_written_costs_the_memory_alone(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "cache").write_text("a file where the folder should be")
    remember(speed("words", "words-d64", None))
    assert load_speeds() == {}
    assert "is not kept" in caplog.text


def test_the_command_prints_json_and_remembers(photos: Path) -> None:
    result = CliRunner().invoke(app, ["bench", str(photos), "--model", "hashing", "--images", "5", "--json"])
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert said["schema"] == 1 and said["encoder"] == "hashing" and said["images"] == 5
    assert said["space"] == Hashing().space.key
    assert load_speeds()["hashing"].images_per_second == said["images_per_second"]


def test_the_command_prints_a_table_for_a_person(photos: Path) -> None:
    result = CliRunner().invoke(app, ["bench", str(photos), "--model", "hashing", "--images", "5"])
    assert result.exit_code == 0
    said = result.stdout
    assert "hashing" in said and "images" in said and "of 5" in said and "of 126 tokens" in said
