"""From pairs to an adapter in use: learned where there is something to learn, refused where there is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from searchkit.cli.main import app
from searchkit.collection import Collection
from searchkit.collection.lock import writing
from searchkit.collection.manifest import read_manifest
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput, CollectionError, CollectionLocked, NothingIndexed, SpaceMismatch
from searchkit.evaluation.compare import Difference
from searchkit.finetuning.adapt import adapt, adapters, learning, use
from searchkit.finetuning.comparison import compare_on_pairs
from searchkit.finetuning.gate import accept_map
from searchkit.finetuning.query_map import Fitted
from searchkit.search.adapter import WEIGHTS, QueryMap, load_adapter

COLOURS = {
    "crimson": (200, 20, 40),
    "navy": (10, 20, 110),
    "olive": (120, 120, 10),
    "snow": (245, 245, 250),
    "coal": (25, 25, 25),
    "amber": (250, 190, 10),
}
GOODS = ("shirt", "scarf", "boots", "jacket", "hat")
EACH = 8


def picture(colour: str, goods: str, number: int) -> Image.Image:
    """A corner says what it is, the rest its colour: what a projection of a thumbnail keeps."""
    rng = np.random.default_rng([list(COLOURS).index(colour), GOODS.index(goods), number])
    light = rng.normal(0, 45, (4, 4, 3)).repeat(8, 0).repeat(8, 1)  # each in a light of its own
    pixels = np.clip(np.array(COLOURS[colour]) + light, 0, 255)
    row, column = divmod(GOODS.index(goods), 4)
    pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255 - pixels[0, 0]
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of goods with names that tell the encoder nothing, some documents, and pairs of both."""
    root = tmp_path_factory.mktemp("shop")
    (root / "goods").mkdir()
    rng = np.random.default_rng(3)
    rows = []
    for colour in COLOURS:
        for goods in GOODS:
            for number in range(EACH):
                name = f"{len(rows):04d}.png"
                picture(colour, goods, number).save(root / "goods" / name)
                rows.append(
                    {"text": f"{colour} {goods} {rng.integers(1000, 9999)}", "image": f"goods/{name}"}
                )
    (root / "notes").mkdir()
    for name, text in (("care", "Wash a navy shirt cold."), ("returns", "Send it back in thirty days.")):
        (root / "notes" / f"{name}.txt").write_text(text)
    (root / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    with Collection.open(root / "library", encoder=Hashing()) as library:
        library.add(root / "goods", root / "notes")
    return root


@pytest.fixture
def library(shop: Path) -> Iterator[Collection]:
    with Collection.open(shop / "library", encoder=Hashing(), create=False) as found:
        use(found, None)
        yield found
        use(found, None)


def first(library: Collection, text: str, kind: str = "image") -> list[tuple[str, float]]:
    return [(hit.path, hit.score) for hit in library.search(text, k=5, kind=kind)]


def test_real_pairs_are_accepted_and_found_better(shop: Path, library: Collection) -> None:
    passages, plain = first(library, "navy shirt", "passage"), first(library, "navy shirt")
    seen: list[bool] = []

    def noted(what: str, done: int, total: int) -> None:
        known = learning(library)
        seen.append(known is not None and known.goes_on and known.pairs == "pairs.jsonl")

    report = adapt(library, shop / "pairs.jsonl", on_progress=noted)
    assert all(seen)
    curves = learning(library)
    assert curves is not None and curves.ended == "in use" and not curves.goes_on
    looks = [look for _, look in curves.looks["text-image"]]
    assert max(look.score for look in looks) > looks[0].before + 0.05
    assert [look.done for look in looks] == sorted(look.done for look in looks)
    one_try = [look.loss for look in looks if look.attempt == looks[-1].attempt]
    assert one_try[-1] < one_try[0]
    by_direction = {str(one.direction): one for one in report.verdicts}
    found = by_direction["text-image"]
    assert found.accepted and report.in_use
    assert found.found["ndcg@10"].low > 0.05
    assert read_manifest(library.root).adapter == report.name

    blue = {f"{n:04d}.png" for n in range(EACH * len(GOODS), 2 * EACH * len(GOODS))}
    right = [Path(path).name in blue for path, _ in first(library, "navy shirt")]
    assert sum(right) >= 4 and first(library, "navy shirt") != plain
    assert first(library, "navy shirt", "passage") == passages  # it was not asked about passages

    use(library, None)
    assert first(library, "navy shirt") == plain


def shuffled(shop: Path, seed: int) -> Path:
    """The same texts and pictures, thrown together."""
    rows = [json.loads(line) for line in (shop / "pairs.jsonl").read_text().splitlines()]
    order = np.random.default_rng(seed).permutation(len(rows))
    path = shop / f"shuffled-{seed}.jsonl"
    mixed = [{"text": row["text"], "image": rows[at]["image"]} for row, at in zip(rows, order, strict=True)]
    path.write_text("\n".join(map(json.dumps, mixed)) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_shuffled_pairs_are_rejected_and_nothing_changes(shop: Path, library: Collection, seed: int) -> None:
    before, known = read_manifest(library.root), list(adapters(library))
    report = adapt(library, shuffled(shop, seed), seed=seed)
    assert not report.accepted and not report.in_use and not report.name
    assert report.verdicts and not any(one.accepted for one in report.verdicts)
    assert read_manifest(library.root) == before and list(adapters(library)) == known


@pytest.mark.parametrize(
    ("low", "high", "accepted"), [(0.0002, 0.0036, False), (0.005, 0.025, True), (-0.01, 0.2, False)]
)
def test_a_gain_that_is_sure_but_tiny_is_not_worth_a_change(low: float, high: float, accepted: bool) -> None:
    one = QueryMap(*(np.zeros(0, np.float32) for _ in range(6)))
    found = Difference(0.0025, 0.0025 + (low + high) / 2, low, high)
    assert accept_map(Fitted(one, 50, 0.1, 0.0), found, None)[0] == accepted


@pytest.mark.slow
def test_force_uses_what_is_not_better_and_off_is_the_way_back(shop: Path, library: Collection) -> None:
    plain = first(library, "navy shirt")
    report = adapt(library, shuffled(shop, 0), force=True)
    if not report.in_use:  # no map was better on the development pairs either: nothing to force
        assert all(one.fitted.map is None for one in report.verdicts)
        return
    assert not report.accepted and first(library, "navy shirt") != plain
    use(library, None)
    assert first(library, "navy shirt") == plain


@pytest.fixture(scope="module")
def adapted(shop: Path) -> str:
    with Collection.open(shop / "library", encoder=Hashing(), create=False) as library:
        return adapt(library, shop / "pairs.jsonl").name


@pytest.mark.slow
def test_another_process_searches_on_and_sees_the_switch(
    shop: Path, library: Collection, adapted: str
) -> None:
    with Collection.open(shop / "library", encoder=Hashing(), create=False) as reader:
        plain = first(reader, "olive boots")
        with writing(library.root):
            assert first(reader, "olive boots") == plain
            with pytest.raises(CollectionLocked):
                use(library, adapted)
        use(library, adapted)
        assert first(reader, "olive boots") != plain
        use(library, None)
        assert first(reader, "olive boots") == plain


def test_confidence_is_measured_through_the_adapter(library: Collection, adapted: str) -> None:
    key = library.manifest.space
    plain = library.catalog.references(key)
    use(library, adapted)
    adapter = library.adapter
    assert adapter is not None
    moved = library.catalog.references(adapter.key)
    assert library.catalog.references(key) == plain and set(moved) == set(plain)
    way = ("text", "image")
    assert way in adapter.maps and moved[way] != plain[way]
    assert moved["text", "passage"] == plain["text", "passage"]  # no map for it
    (hit,) = library.search("navy shirt", k=1, kind="image")
    level, deviation = moved[way].level, moved[way].deviation
    assert (hit.confidence >= 0.5) == (hit.score >= level)
    assert abs(hit.score - level) < 10 * deviation


def test_a_run_of_the_index_keeps_both_references_true(shop: Path, library: Collection, adapted: str) -> None:
    use(library, adapted)
    assert library.adapter is not None
    before = library.catalog.references(library.adapter.key)
    extra = shop / "goods" / "extra.png"
    Image.effect_noise((32, 32), 90).convert("RGB").save(extra)
    library.add()
    after = library.catalog.references(library.adapter.key)
    extra.unlink()
    library.add()
    assert after != before
    assert library.catalog.references(library.adapter.key) == before


def test_what_cannot_be_used_is_said_and_leaves_the_way_back(library: Collection, adapted: str) -> None:
    with pytest.raises(BadInput, match="no adapter 'x'"):
        use(library, "x")
    with pytest.raises(SpaceMismatch):
        load_adapter(library.root / "adapters" / adapted, "another space")
    use(library, adapted)
    weights = library.root / "adapters" / adapted / WEIGHTS
    kept = weights.read_bytes()
    weights.write_bytes(kept[: len(kept) // 2])
    with Collection.open(library.root, encoder=Hashing(), create=False) as reader:
        with pytest.raises(CollectionError, match="cannot be used") as raised:
            reader.search("navy shirt")
        assert "--off" in raised.value.hint
        use(reader, None)
        assert reader.search("navy shirt")
    weights.write_bytes(kept)


def test_the_card_says_what_the_adapter_came_from(shop: Path, library: Collection, adapted: str) -> None:
    (card,) = [card for name, card in adapters(library) if name == adapted]
    assert card["data"]["file"] == "pairs.jsonl" and len(card["data"]["sha256"]) == 64
    assert card["encoder"] == "hashing" and card["space"] == library.manifest.space
    found = {one["direction"]: one["metrics"]["ndcg@10"] for one in card["directions"]}
    assert found["text-image"]["after"] > found["text-image"]["before"]


def test_few_pairs_and_an_empty_collection_are_refused(
    shop: Path, library: Collection, tmp_path: Path
) -> None:
    lines = (shop / "pairs.jsonl").read_text().splitlines()[:30]
    few = shop / "few.jsonl"
    few.write_text("\n".join(lines) + "\n")
    with pytest.raises(BadInput, match="too few pairs"):
        adapt(library, few)
    with Collection.open(tmp_path / "empty", encoder=Hashing()) as empty, pytest.raises(NothingIndexed):
        adapt(empty, shop / "pairs.jsonl")


def test_the_command_prints_the_table_and_leaves_with_what_it_decided(shop: Path, adapted: str) -> None:
    where = ["-c", str(shop / "library")]
    done = CliRunner().invoke(app, ["adapt", *where, "--use", adapted, "--json"])
    assert done.exit_code == 0
    assert [card["name"] for card in map(json.loads, done.stdout.splitlines()) if card["in_use"]] == [adapted]
    listed = CliRunner().invoke(app, ["adapt", *where, "--list"]).stdout.splitlines()
    assert [line.split()[0] for line in listed if line.endswith("in use")] == [adapted]

    again = CliRunner().invoke(app, ["adapt", *where, "--pairs", str(shop / "pairs.jsonl")])
    assert again.exit_code == 1  # the same pairs teach what is in use already
    lines = [line.split() for line in again.stdout.splitlines()]
    assert {"searching", "metric", "before", "after", "difference"} <= set(lines[0])
    assert ["text-image", "ndcg@10"] in [line[:2] for line in lines]
    assert "rejected" in again.stderr

    off = CliRunner().invoke(app, ["adapt", *where, "--off", "--json"])
    assert off.exit_code == 0 and not any(json.loads(line)["in_use"] for line in off.stdout.splitlines())
    wrong = CliRunner().invoke(app, ["adapt", *where, "--off", "--use", adapted])
    assert isinstance(wrong.exception, BadInput)


def test_an_encoder_and_its_adapter_are_compared_on_the_same_pairs(shop: Path, adapted: str) -> None:
    folder = shop / "library" / "adapters" / adapted
    names = ["--compare", "hashing", str(folder)]
    done = CliRunner().invoke(app, ["evaluate", str(shop / "pairs.jsonl"), *names, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["metrics"]["text-image"]["ndcg@10"]
    assert found["after"] > found["before"] and found["low"] > 0
    same = compare_on_pairs(shop / "pairs.jsonl", "hashing", "hashing")["text-image"]["ndcg@10"]
    assert (same.before, same.low, same.high) == (pytest.approx(found["before"], abs=1e-6), 0, 0)
