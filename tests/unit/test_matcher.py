"""Reranking by a BLIP, in a real collection."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from searchkit.collection import Collection
from searchkit.collection.previews import open_picture
from searchkit.encoders.blip import MATCHING
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput, ModelMissing
from searchkit.registry import load_matcher
from searchkit.rerankers.matcher import Matcher
from searchkit.search.trace import Trace
from searchkit.types import Kind, Part, Query, Runtime
from tests.tiny_blip import pictures, write

EXACT = Runtime(device="cpu", dtype="float32")
ASKED = "a red dog"


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blip") / "blip"
    write(folder, MATCHING)
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Collection]:
    """Four pictures and two texts."""
    folder = tmp_path / "files"
    folder.mkdir()
    for n, image in enumerate(pictures()):
        image.save(folder / f"{n}.png")
    (folder / "one.txt").write_text("A red dog runs on the beach.\n")
    (folder / "two.txt").write_text("Half of the picture is in blue.\n")
    with Collection.open(tmp_path / "library", encoder=Hashing()) as made:
        made.add(folder)
        yield made


def matcher_of(library: Collection, name: str) -> Matcher:
    return Matcher(load_matcher(name, EXACT), partial(open_picture, library))


def order(library: Collection, rerank: Matcher | None = None, **options: object) -> list[str]:
    return [Path(hit.path).stem for hit in library.search(ASKED, rerank=rerank, **options)]  # type: ignore[arg-type]


def wanted(matcher: Matcher) -> dict[str, float]:
    """What the network says of each picture, by the name of its file."""
    shown = [matcher.network.preprocess(image) for image in pictures()]
    judged = matcher.network(shown, [[ASKED]] * len(shown))
    return {str(n): float(one.scores[0]) for n, one in enumerate(judged)}


def test_pictures_come_in_the_order_of_the_matcher_and_passages_keep_their_places(
    library: Collection, blip: Path
) -> None:
    before, matcher, trace = order(library), matcher_of(library, str(blip)), Trace()
    scores = wanted(matcher)
    best = sorted(scores, key=lambda name: -scores[name])
    assert [name for name in before if name in scores] != best
    hits = library.search(ASKED, rerank=matcher, trace=trace)
    after = [Path(hit.path).stem for hit in hits]
    assert [name for name in after if name in scores] == best
    assert [after.index(name) for name in ("one", "two")] == [before.index(name) for name in ("one", "two")]
    for hit in hits:
        said = trace.of(hit.item.id).get("rerank")
        assert (said is None) == (hit.kind is Kind.PASSAGE)
        assert said is None or said[1] == pytest.approx(scores[Path(hit.path).stem], abs=1e-5)


def test_a_picture_that_is_gone_or_has_changed_keeps_its_place(
    library: Collection, blip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, matcher = order(library, kind="image"), matcher_of(library, str(blip))
    scores = wanted(matcher)
    gone, changed = before[0], before[2]
    (tmp_path / "files" / f"{gone}.png").unlink()
    Image.new("RGB", (9, 9)).save(tmp_path / "files" / f"{changed}.png")
    with caplog.at_level(logging.WARNING, "searchkit.rerankers.matcher"):
        after = order(library, matcher, kind="image")
    assert after[0] == gone and after[2] == changed
    assert after[1::2] == sorted(before[1::2], key=lambda name: -scores[name])
    assert {"cannot read" in record.message for record in caplog.records} == {True, False}
    assert len(caplog.records) == 2


def test_an_item_has_one_score_whatever_else_was_found(library: Collection, blip: Path) -> None:
    matcher = matcher_of(library, str(blip))
    items = [hit.item for hit in library.search(ASKED)]
    query = Query(positives=(Part(text=ASKED),))
    whole = matcher(query, items)
    alone = np.concatenate([matcher(query, [item]) for item in items[::-1]])[::-1]
    np.testing.assert_allclose(whole, alone, atol=1e-5)
    assert np.isnan(whole).tolist() == [item.kind is Kind.PASSAGE for item in items]
    assert matcher(query, []).shape == (0,)


def test_a_question_of_more_than_one_text_is_refused(library: Collection, blip: Path, tmp_path: Path) -> None:
    matcher = matcher_of(library, str(blip))
    picture = tmp_path / "files" / "0.png"
    for more in ({"image": picture}, {"negatives": ["a cat"]}, {"positives": [Part(text="snow")]}):
        with pytest.raises(BadInput, match="one text with each picture"):
            order(library, matcher, **more)
    with pytest.raises(BadInput, match="one text with each picture"):
        library.search(image=picture, rerank=matcher)
    with pytest.raises(BadInput, match="not at passages"):
        order(library, matcher, kind="passage")


def test_the_command_reranks_and_says_what_is_missing(
    library: Collection, blip: Path, tmp_path: Path
) -> None:
    from searchkit.cli.main import app

    words = ["search", ASKED, "-c", str(tmp_path / "library"), "-f", "--kind", "image", "--dtype", "float32"]
    said = [Path(line).stem for line in CliRunner().invoke(app, words).stdout.splitlines()]
    told = CliRunner().invoke(app, [*words, "--rerank", str(blip)])
    again = [Path(line).stem for line in told.stdout.splitlines()]
    assert again == order(library, matcher_of(library, str(blip)), kind="image") != said
    missing = CliRunner().invoke(app, [*words, "--rerank", "no/such-model", "--offline"])
    assert isinstance(missing.exception, ModelMissing) and missing.exception.exit_code == 5
    assert "models pull no/such-model" in missing.exception.hint
