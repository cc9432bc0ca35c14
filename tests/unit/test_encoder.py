"""An encoder that bends to a collection: trained, proved, kept as a folder, put in use by a new space."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from searchkit.cli.main import app
from searchkit.collection import Collection
from searchkit.collection.manifest import read_manifest
from searchkit.collection.spaces import refill
from searchkit.errors import BadInput
from searchkit.evaluation.compare import Difference
from searchkit.finetuning import encoders as encoder
from searchkit.finetuning.encoders import ENCODERS, adapt_encoder
from searchkit.finetuning.gate import FORGET, DirectionScores, accept_encoder, retrieval
from searchkit.finetuning.pairs import Direction, Pair
from searchkit.finetuning.plan import load_plan
from searchkit.finetuning.prepared import SideVectors, prepare
from searchkit.finetuning.towers import CARD
from searchkit.finetuning.trial import needed
from searchkit.registry import load_encoder
from searchkit.types import Kind, Runtime
from tests.tiny import COLOURS, SHAPES, picture, tiny_encoder

FLOAT = Runtime(device="cpu", dtype="float32")
EACH = 12
SURE = "lit-text"
"""A way that is accepted here whatever the seed, since texts find texts as before: nine of nine times, where
"full" forgets more than it may about every other time."""
ALL = 1.1
"""An encoder that knows nothing takes all texts for nearly the same: none is left out for that."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with names, a note, pairs, and a collection with an encoder that knows nothing."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("shop")
    tiny_encoder(root / "parent")
    (root / "goods").mkdir()
    rows = []
    for colour in COLOURS:
        for side in SHAPES:
            for number in range(EACH):
                name = f"goods/{len(rows):03d}.png"
                seed = 1000 * number + 10 * SHAPES.index(side) + len(colour)
                (root / name).write_bytes(picture(colour, side, seed))
                rows.append({"text": f"{colour} on the {side}, {number}", "image": name})
    (root / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    order = np.random.default_rng(5).permutation(len(rows))
    mixed = [{"text": row["text"], "image": rows[at]["image"]} for row, at in zip(rows, order, strict=True)]
    (root / "shuffled.jsonl").write_text("\n".join(map(json.dumps, mixed)))
    (root / "goods" / "note.txt").write_text("Red comes from the left, blue from the top.")
    with Collection.open(root / "library", encoder=load_encoder(str(root / "parent"), FLOAT)) as library:
        library.add(root / "goods")
    return root


def opened(shop: Path) -> Collection:
    return Collection.open(shop / "library", create=False, runtime=FLOAT)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that know nothing have a longer way to go than a recipe's rate would take them."""
    monkeypatch.setattr(
        encoder, "load_plan", lambda recipe, **some: load_plan(recipe, **some | {"rate": 1e-2})
    )


@pytest.mark.slow
def test_a_run_is_measured_and_its_encoder_is_a_folder_that_says_what_it_came_from(shop: Path) -> None:
    with opened(shop) as library:
        before = read_manifest(library.root)
        report = adapt_encoder(library, shop / "pairs.jsonl", "full", steps=20, near=ALL, seed=1, force=True)
        assert read_manifest(library.root) == before
    assert {str(one.direction) for one in report.verdicts} == {"text-image", "image-passage"}
    assert set(report.trial.dev) == {0.1, 0.25, 0.5, 0.75, 1.0} and report.folder is not None
    assert report.trial.strength == max(report.trial.dev, key=lambda one: (report.trial.dev[one], -one))
    card = json.loads((report.folder / CARD).read_text())
    assert card["plan"]["learns"] == ["text", "images"] and card["parent"] == str(shop / "parent")
    assert len(card["data"]["sha256"]) == 64 and card["strength"] == report.trial.strength
    assert len((report.folder / "log.jsonl").read_text().splitlines()) == 20
    assert not list((shop / "library" / ENCODERS).glob("*.work"))
    assert load_encoder(str(report.folder), FLOAT).space.dim == 24


def test_an_encoder_that_learned_is_kept_and_a_new_space_puts_it_in_use(shop: Path) -> None:
    with opened(shop) as library:
        report = adapt_encoder(library, shop / "pairs.jsonl", SURE, steps=160, near=ALL)
        assert report.folder is not None and report.trial.accepted
        by_way = {str(one.direction): one for one in report.verdicts}
        assert by_way["text-image"].found["ndcg@10"].low > 0
        new, old = load_encoder(str(report.folder), FLOAT), load_encoder(str(shop / "parent"), FLOAT)
        refill(library, new)
        assert read_manifest(library.root).encoder == str(report.folder)
        found = library.current.search("yellow on the bottom", k=4, kind="image")
        yellow = {f"{n:03d}.png" for n in range(3 * 4 * EACH, 4 * 4 * EACH)}
        assert sum(Path(hit.path).name in yellow for hit in found) >= 2
        refill(library, old)


@pytest.mark.slow
def test_an_equal_run_leaves_what_a_space_may_be_filled_with(shop: Path) -> None:
    with opened(shop) as library:
        reports = [adapt_encoder(library, shop / "pairs.jsonl", SURE, steps=80, near=ALL) for _ in range(3)]
    first, *more = [one.folder for one in reports]
    assert first is not None and [one and one.name for one in more] == [f"{first.name}-{n}" for n in (2, 3)]
    for one in (first, *more):
        assert one is not None and load_encoder(str(one), FLOAT).space.dim == 24
        assert (one / "log.jsonl").is_file()


@pytest.mark.slow
def test_a_run_that_was_stopped_while_it_was_kept_leaves_no_half_and_goes_on(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: object) -> None:
        raise KeyboardInterrupt

    before = set((shop / "library" / ENCODERS).glob("*"))
    with opened(shop) as library:
        with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
            during.setattr("searchkit.finetuning.towers._save", save)
            adapt_encoder(library, shop / "pairs.jsonl", SURE, steps=90, near=ALL)
        (work,) = set((shop / "library" / ENCODERS).glob("*")) - before
        assert work.suffix == ".work"
        report = adapt_encoder(library, shop / "pairs.jsonl", SURE, steps=90, near=ALL)
    assert report.folder is not None and report.folder.name == work.stem and not work.exists()
    assert len((report.folder / "log.jsonl").read_text().splitlines()) == 90
    assert load_encoder(str(report.folder), FLOAT).space.dim == 24


@pytest.mark.slow
def test_what_decides_a_run_is_in_its_name(shop: Path) -> None:
    class Begun(Exception): ...

    def begin(what: str, done: int, total: int) -> None:
        if what == "learn":
            raise Begun

    def begun(library: Collection, **asked: Any) -> set[str]:
        """The folders in which work was begun."""
        with pytest.raises(Begun):
            adapt_encoder(library, shop / "pairs.jsonl", SURE, near=ALL, on_progress=begin, **asked)
        return {work.name for work in (library.root / ENCODERS).glob("*.work")}

    with opened(shop) as library:
        before = begun(library, steps=7)
        assert begun(library, steps=7) == before
        assert len(begun(library, steps=8)) == len(before) + 1
        assert len(begun(library, steps=7, replay=shop / "shuffled.jsonl")) == len(before) + 2
        for work in before | begun(library, steps=7):
            shutil.rmtree(library.root / ENCODERS / work)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["lit-image", "lit-text", "lora"])
def test_every_way_moves_what_it_says(shop: Path, how: str) -> None:
    with opened(shop) as library:
        report = adapt_encoder(library, shop / "pairs.jsonl", how, steps=60, force=True, near=ALL)
    assert report.folder is not None, report.trial.why
    new, old = load_encoder(str(report.folder), FLOAT), load_encoder(str(shop / "parent"), FLOAT)
    pixels = [np.full((16, 16, 3), 90, np.uint8)]
    assert np.array_equal(new.encode_text(["red"]), old.encode_text(["red"])) == (how == "lit-text")
    assert np.array_equal(new.encode_images(pixels), old.encode_images(pixels)) == (how == "lit-image")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_an_encoder_from_shuffled_pairs_is_rejected(shop: Path, seed: int) -> None:
    with opened(shop) as library:
        report = adapt_encoder(library, shop / "shuffled.jsonl", "full", steps=40, seed=seed, near=ALL)
    assert report.folder is None and not report.trial.accepted and report.trial.why


def test_what_cannot_be_done_is_said(shop: Path) -> None:
    few = shop / "few.jsonl"
    few.write_text("\n".join((shop / "pairs.jsonl").read_text().splitlines()[:0:-40]))
    with opened(shop) as library:
        with pytest.raises(BadInput, match="no way to adapt") as wrong:
            adapt_encoder(library, few, "magic")
        assert "lit-text" in wrong.value.hint
        with pytest.raises(BadInput, match="too few"):
            adapt_encoder(library, few, "lora", near=ALL)


def test_the_command_needs_a_way_for_steps(shop: Path) -> None:
    args = ["adapt", "-c", str(shop / "library"), "--pairs", str(shop / "pairs.jsonl"), "--steps", "3"]
    assert isinstance(CliRunner().invoke(app, args).exception, BadInput)


@pytest.mark.slow
def test_the_command_prints_the_table_and_how_to_use_it(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        encoder, "prepare", lambda *args, **options: prepare(*args, **options | {"near": ALL})
    )
    args = ["adapt", "-c", str(shop / "library"), "--pairs", str(shop / "pairs.jsonl"), "--how", SURE]
    result = CliRunner().invoke(app, [*args, "--steps", "160", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "text-image" in result.stdout and "index -c" in result.stderr and "images" in result.stderr


def test_only_answers_that_questions_are_put_to_are_encoded_again() -> None:
    rng = np.random.default_rng(2)
    vectors = SideVectors(*rng.normal(size=(2, 60, 4)).astype(np.float32))
    pairs = [Pair(int(a), int(b)) for a, b in zip(rng.permutation(60), rng.integers(0, 60, 60), strict=True)]
    own, others, nothing = pairs[:10], pairs[10:], np.zeros((0, 4), np.float32)
    for most in (5, 20, 100):
        kept = needed(own, others, max(most, len(own)))
        whole, part = (retrieval(own, o, vectors, nothing, most=max(most, 10)) for o in (others, kept))
        assert len(kept) < len(others) and np.array_equal(whole.items, part.items)
        assert (whole.right, list(whole.own)) == (part.right, list(part.own))


def difference(low: float, high: float) -> Difference:
    return Difference(0.5, 0.5 + (low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("strength", "ways", "generic", "accepted"),
    [
        (1.0, [(0.1, 0.2), (-0.01, 0.02)], (-0.01, 0.01), True),
        (0.0, [(0.1, 0.2)], (0.0, 0.0), False),
        (1.0, [(-0.01, 0.2)], (0.0, 0.0), False),
        (1.0, [(0.0002, 0.0036)], (0.0, 0.0), False),
        (1.0, [(0.1, 0.2), (-0.2, -0.1)], (0.0, 0.0), False),
        (1.0, [(0.1, 0.2)], (-FORGET - 0.01, 0.0), False),
    ],
)
def test_an_encoder_is_used_only_if_it_is_better_nowhere_worse_and_forgets_nothing(
    strength: float, ways: list[tuple[float, float]], generic: tuple[float, float], accepted: bool
) -> None:
    verdicts = [
        DirectionScores(Direction("text", Kind.IMAGE), 1, 1, {"ndcg@10": difference(*one)}) for one in ways
    ]
    found, why = accept_encoder(strength, verdicts, {"text-image": difference(*generic)})
    assert found == accepted and why
