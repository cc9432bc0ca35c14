"""The project's own demo data: scenes repeat, captions are true, and what is committed is whole."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pypdfium2  # type: ignore[import-untyped]
import pytest
from PIL import Image, ImageChops

DATA = Path(__file__).parents[2] / "data"
MEGABYTE = 1_000_000

# Words for a subject, where its own name will not do: each caption of it must hold one of them.
NAMES = {
    "palm beach": ("palm",),
    "forest": ("forest", "trees"),
    "city": ("city", "skyline"),
    "bicycle": ("bicycle", "bike"),
    "car": ("car", "van", "taxi"),
    "butterfly": ("butterfly", "butterflies"),
    "snowman": ("snowman", "snowmen"),
    "flower vase": ("vase",),
    "fruit bowl": ("bowl",),
}


@pytest.fixture(scope="module")
def make_demo() -> Iterator[ModuleType]:
    """Yield the package's names in one module, found where `python data/make_demo.py` finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DATA)
        names = ModuleType("make_demo")
        for part in ("scenes", "files", "papers"):
            vars(names).update(vars(importlib.import_module(f"demo.{part}")))
        yield names


@pytest.fixture(scope="module")
def described() -> list[dict[str, object]]:
    return [json.loads(line) for line in (DATA / "captions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_one_seed_always_draws_the_same_scene(make_demo: ModuleType) -> None:
    for seed in range(1, 1 + len(make_demo.SUBJECTS)):
        first, first_captions = make_demo.draw_scene(seed, 96)
        again, again_captions = make_demo.draw_scene(seed, 96)
        assert first.tobytes() == again.tobytes()
        assert first_captions == again_captions


def test_two_seeds_of_one_subject_draw_different_scenes(make_demo: ModuleType) -> None:
    count = len(make_demo.SUBJECTS)
    for seed in range(1, 1 + count):
        one, one_captions = make_demo.draw_scene(seed, 96)
        other, other_captions = make_demo.draw_scene(seed + count, 96)
        assert make_demo.subject_of(seed) == make_demo.subject_of(seed + count)
        assert ImageChops.difference(one, other).getbbox() is not None
        assert set(one_captions) != set(other_captions)


def test_the_size_changes_neither_the_scene_nor_its_captions(make_demo: ModuleType) -> None:
    small, small_captions = make_demo.draw_scene(22, 64)
    large, large_captions = make_demo.draw_scene(22, 256)
    assert (small.size, large.size) == ((64, 64), (256, 256))
    assert small.mode == "RGB"
    assert small_captions == large_captions
    shrunk = large.resize((64, 64), Image.Resampling.BOX)
    differences = ImageChops.difference(small, shrunk).convert("L").tobytes()
    assert sum(differences) / len(differences) < 12


def test_each_caption_names_the_subject_and_no_two_are_alike(make_demo: ModuleType) -> None:
    for seed in range(1, 1 + 5 * len(make_demo.SUBJECTS)):
        _, captions = make_demo.draw_scene(seed, 16)
        subject = make_demo.subject_of(seed)
        names = NAMES.get(subject, (subject.rstrip("s"),))
        assert len(set(captions)) == 3
        for caption in captions:
            assert any(name in caption.lower() for name in names), (seed, subject, caption)
            assert caption[0].isupper() and caption.endswith(".") and ".." not in caption


def test_there_are_at_least_thirty_subjects(make_demo: ModuleType) -> None:
    assert len(set(make_demo.SUBJECTS)) == len(make_demo.SUBJECTS) >= 30


def test_the_committed_album_holds_every_described_picture_and_no_other(
    make_demo: ModuleType, described: list[dict[str, object]]
) -> None:
    pictures = sorted(path.name for path in (DATA / "album").iterdir())
    assert pictures == sorted(make_demo.album_name(seed) for seed in make_demo.ALBUM_SEEDS)
    assert pictures == sorted(str(line["file"]) for line in described)
    assert len(pictures) == 180
    for name in pictures:
        with Image.open(DATA / "album" / name) as picture:
            picture.load()
            assert picture.size == (320, 320), name


def test_the_committed_pictures_and_captions_are_what_their_seeds_draw(
    make_demo: ModuleType, described: list[dict[str, object]]
) -> None:
    for seed in (1, 5, 7, 10, 15, 180):  # JPEG, WebP, GIF, AVIF and PNG
        scene, captions = make_demo.draw_scene(seed, 320)
        assert described[seed - 1] == {"file": make_demo.album_name(seed), "captions": captions}
        with Image.open(DATA / "album" / make_demo.album_name(seed)) as picture:
            differences = ImageChops.difference(scene, picture.convert("RGB")).convert("L").tobytes()
        assert sum(differences) / len(differences) < 4, seed  # compression only


def test_the_album_holds_five_scenes_of_each_subject_in_five_formats(make_demo: ModuleType) -> None:
    subjects = [make_demo.subject_of(seed) for seed in make_demo.ALBUM_SEEDS]
    assert {subjects.count(subject) for subject in make_demo.SUBJECTS} == {5}
    suffixes = {make_demo.album_name(seed).rpartition(".")[2] for seed in make_demo.ALBUM_SEEDS}
    assert suffixes == {"jpg", "png", "gif", "webp", "avif"}


def test_a_training_set_has_pictures_captions_and_a_split(make_demo: ModuleType, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    make_demo.write_parquet(tmp_path / "scenes.parquet", count=4, first_seed=500, size=48)
    rows = parquet.read_table(tmp_path / "scenes.parquet").to_pylist()
    assert [row["split"] for row in rows] == ["train"] * 4
    for seed, row in enumerate(rows, start=500):
        assert (row["image"], row["captions"]) == make_demo.encode_scene(seed, 48)


def test_the_committed_papers_are_what_the_script_makes(make_demo: ModuleType, tmp_path: Path) -> None:
    make_demo.write_papers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(make_demo.PAPERS)
    assert sorted(path.name for path in (DATA / "papers").iterdir()) == sorted(make_demo.PAPERS)
    for name in make_demo.PAPERS:
        assert (tmp_path / name).read_bytes() == (DATA / "papers" / name).read_bytes(), name


def test_each_paper_has_between_1200_and_2500_words(make_demo: ModuleType) -> None:
    for source in make_demo.PAPERS.values():
        words = (DATA / source).read_text(encoding="utf-8").split()
        assert 1200 <= len(words) <= 2500, source


def test_every_word_of_the_diary_can_be_read_out_of_the_pdf(make_demo: ModuleType) -> None:
    with pypdfium2.PdfDocument(DATA / "papers" / "expedition-diary.pdf") as diary:
        pages = [page.get_textpage().get_text_range().split() for page in diary]
        title = diary.get_metadata_value("Title")
    assert title == "Diary of the Vellan Ice Cap Crossing"
    assert len(pages) >= 12
    assert [page[-1] for page in pages] == [str(number) for number in range(1, len(pages) + 1)]
    source = (DATA / "sources" / "expedition-diary.md").read_text(encoding="utf-8")
    assert [word for page in pages for word in page[:-1]] == [
        word for word in source.split() if word.strip("#")
    ]


def test_a_bracket_and_a_backslash_survive_the_pdf(make_demo: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "odd.pdf").write_bytes(make_demo.as_pdf("# A (small) title\n\nOne \\ two (three)."))
    with pypdfium2.PdfDocument(tmp_path / "odd.pdf") as odd:
        text = odd[0].get_textpage().get_text_range()
    assert text.split() == ["A", "(small)", "title", "One", "\\", "two", "(three).", "1"]


def test_a_text_too_long_for_its_pdf_page_is_refused(make_demo: ModuleType) -> None:
    with pytest.raises(ValueError, match="page 1 is too long"):
        make_demo.as_pdf("# Long\n\n" + "word " * 2000)


def test_the_html_paper_opens_and_closes_its_tags(make_demo: ModuleType) -> None:
    class Tags(HTMLParser):
        open: list[str] = []  # noqa: RUF012
        seen: set[str] = set()  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.add(tag)
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    tags = Tags()
    tags.feed((DATA / "papers" / "coffee-machine.html").read_text(encoding="utf-8"))
    assert tags.open == []
    assert {"title", "h1", "h2", "p", "ul", "ol", "li"} <= tags.seen


def test_all_data_together_stays_below_five_megabytes() -> None:
    files = [path for path in DATA.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 5 * MEGABYTE


def test_the_script_writes_the_committed_captions(tmp_path: Path) -> None:
    script = [sys.executable, str(DATA / "make_demo.py"), "album", str(tmp_path / "album")]
    subprocess.run(script, check=True, cwd=tmp_path)
    assert (tmp_path / "captions.jsonl").read_bytes() == (DATA / "captions.jsonl").read_bytes()
