"""What the docs say is what the code does and what was measured."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from searchkit import errors
from searchkit.cli.main import COMMANDS
from searchkit.collection import Collection
from searchkit.encoders.records import RECORDS
from searchkit.registry import load_encoder
from searchkit.settings import KEYS
from searchkit.stores.lance_table import COLUMNS
from searchkit.types import Hit, Item, Kind

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
FIGURES = (ROOT / "docs" / "benchmarks.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "data" / "README.md"]


def test_the_readme_lists_every_command_and_no_other() -> None:
    section = README.split("## Commands")[1].split("each has an")[0]
    assert set(re.findall(r"`(\w+)`", section)) == {command.__name__ for command, _ in COMMANDS}


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    assert len(README.splitlines()) <= 120
    assert [line.partition("#")[0].strip() for line in README.splitlines()[3:5]] == ["make demo", "make test"]


def test_the_readme_describes_encoders_as_the_registry_does() -> None:
    rows = re.findall(r"^\| .*? \| `([^`]+)`.*? \| (\S+) \| ([\d,]+) \|$", README, re.MULTILINE)
    assert len(rows) == 7
    for name, licence, megabytes in rows:
        record = RECORDS[name] if name in RECORDS else load_encoder(name).record
        assert record.licence.partition(" (")[0] == licence
        assert round(record.megabytes) == int(megabytes.replace(",", ""))


def test_the_reference_explains_every_exit_code_of_an_error() -> None:
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.SearchkitError)
    }
    assert codes <= {int(code) for code in re.findall(r"^\| (\d+) \|", REFERENCE, re.MULTILINE)}


def keys_of(section: str) -> set[str]:
    """What stands in the first column of a table of the reference."""
    text = REFERENCE.split(f"\n## {section}")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`(\w+)`", " ".join(cells)))


def test_the_reference_has_every_setting() -> None:
    assert keys_of("Settings") == set(KEYS)


def test_the_reference_has_every_column_of_a_filter() -> None:
    assert keys_of("Filters") == set(COLUMNS) - {"id", "path_bytes"}


def test_the_reference_has_every_key_of_a_result() -> None:
    item = Item("0", Kind.IMAGE, "/a\udcff.png", "/", "0", 0, 0.0)
    said = set(Hit(1, 0.5, 0.5, item, "space").to_json())
    assert keys_of("Results") == said | {"context", "explain"}


@pytest.mark.parametrize(
    ("part", "path", "form"),
    [
        ("scifact", "metrics ndcg@10", "{:.3f}"),
        ("scifact", "metrics recall@100", "{:.3f}"),
        ("flickr8k", "metrics text_to_image recall@1", "{:.3f}"),
        ("flickr8k", "metrics text_to_image recall@5", "{:.3f}"),
        ("flickr8k", "metrics text_to_image recall@10", "{:.3f}"),
        ("flickr8k", "metrics image_to_text recall@1", "{:.3f}"),
        ("flickr8k", "metrics image_to_text recall@5", "{:.3f}"),
        ("flickr8k", "metrics image_to_text recall@10", "{:.3f}"),
        ("collection", "first run|seconds", "{:.0f} s"),
        ("collection", "second run|seconds", "{:.1f} s"),
        ("collection", "after moving 1000 files|seconds", "{:.0f} s"),
        ("photos", "seconds", "{:.0f} s"),
        ("startup", "help seconds, median", "{:.2f} s"),
    ],
)
def test_the_page_of_figures_quotes_the_measured_ones(part: str, path: str, form: str) -> None:
    value = json.loads((ROOT / "benchmarks" / "results" / "main_job.json").read_text())[part]
    for key in path.split("|") if part == "collection" else [path] if part == "startup" else path.split():
        value = value[key]
    assert form.format(value) in FIGURES


@pytest.mark.parametrize(
    ("row", "source"), [("Caltech-101", "caltech-101"), ("flowers", "tf-flowers")], ids=lambda name: name
)
def test_the_card_quotes_the_measured_zero_shot_figures(row: str, source: str) -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "main_job.json").read_text())
    found = results["zeroshot"][source]["metrics"]
    card = (ROOT / "searchkit" / "weights" / "pocket" / "README.md").read_text()
    asked = [found["single"]["top1"], found["ensemble"]["top1"], found["ensemble"]["top5"]]
    assert f"| {row} | {' | '.join(f'{value:.3f}' for value in asked)} |" in card


@pytest.mark.parametrize(
    ("part", "run", "form"),
    [
        ("scifact", "meaning and stems, convex", "nDCG@10 **{:.3f}** by scores"),
        ("scifact", "meaning and stems, reciprocal", "{:.3f} by ranks"),
        ("scifact", "meaning and words, convex", "without stems {:.3f}"),
        ("qmsum", "whole, truncated", "nDCG@10 {:.3f} by its first 256 tokens"),
        ("qmsum", "window", "{:.3f} by passages"),
        ("qmsum", "window and stems", "**{:.3f}** with exact words"),
    ],
)
def test_the_page_of_figures_quotes_what_passages_are_worth(part: str, run: str, form: str) -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "passages.json").read_text())[part]["test"][run]
    assert form.format(found if isinstance(found, float) else found["ndcg@10"]) in FIGURES


@pytest.mark.parametrize("size", ["1024x768", "12 megapixels"])
def test_the_page_of_figures_quotes_those_beside_the_rivals(size: str) -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "encoders.json").read_text())["pictures"]
    ours, rclip, other = (
        found["cpu ms a picture"][size][name] for name in ("searchkit", "rclip", "sentence-transformers")
    )
    assert f"**{ours:.0f} ms** CPU a photo; rclip {rclip:.0f}, sentence-transformers {other:.0f} " in FIGURES


def a_search(found: dict[str, Any]) -> str:
    """Return what `benchmarks/million.py` found, in the words of the page of figures."""
    ours = found["searchkit"]
    said = f"recall@10 {ours['alike']['recall']:.3f} for questions like the items, "
    said += f"{ours['across']['recall']:.3f} for texts that ask for pictures; "
    said += f"**{ours['alike']['p50_ms']:.2f} ms** ({found['ratio_to_raw_faiss']:.1f} × raw FAISS, "
    said += f"{found['times_faster_than_lancedb']:.0f} × faster than LanceDB's best index), "
    return f"{said}{ours['resident_mb'] / 1000:.2f} GB"


def test_the_page_of_figures_quotes_a_search_among_a_million() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "million.json").read_text())
    kept = found["filtered"]["alike"]
    said = f"a filter that keeps 1 %: recall {kept['recall']:.1f} in {kept['p50_ms']:.0f} ms"
    assert f"{a_search(found)}; {said}" in FIGURES
    assert f"takes **{found['searchkit']['alike']['p50_ms']:.2f} ms**" in README


def test_the_page_of_figures_quotes_a_search_among_a_hundred_thousand() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "hundred_thousand.json").read_text())
    assert a_search(found) in FIGURES


def test_the_page_on_operations_quotes_how_memory_grows() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "encoders.json").read_text())["memory"]
    first, last = found["MB after 1000"], found["MB after 20000"]
    most = first * found["highest of the whole run / first"]
    said = f"{first:.0f} MB became {last:.0f} ({100 * found['growth']:.0f} %)"
    page = (ROOT / "docs" / "operations.md").read_text()
    assert said in page
    assert f"took {most:.0f}; " in page
    free = json.loads((ROOT / "benchmarks" / "results" / "encoders.json").read_text())["memory of a library"]
    assert f"{free['MB after 1000']:.0f} became {free['MB after 20000']:.0f} (" in page


@pytest.mark.parametrize(
    ("path", "metric"),
    [
        ("fashion text-image", "recall@10"),
        ("fashion image-passage", "recall@10"),
        ("scifact|as it is split|as adapt does", "ndcg@10"),
        ("scifact|nothing shared|as adapt does", "ndcg@10"),
        ("qmsum|as adapt does", "ndcg@10"),
    ],
)
def test_the_page_on_adapting_quotes_the_measured_figures(path: str, metric: str) -> None:
    value = json.loads((ROOT / "benchmarks" / "results" / "adapting.json").read_text())
    for key in path.split("|") if "|" in path else path.split():
        value = value[key]
    found = value["test"][metric]
    said = f"| {metric} | {found['before']:.3f} | **{found['after']:.3f}** | "
    said += f"{found['low']:+.3f} … {found['high']:+.3f} |"
    verdict = "accepted" if value["accepted"] else "rejected"
    lines = (ROOT / "docs" / "adapting.md").read_text().splitlines()
    assert [line.rstrip(" |").endswith(verdict) for line in lines if said in line] == [True]


def test_the_page_on_adapting_quotes_what_the_gate_said_of_shuffled_pairs() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "adapting.json").read_text())["shuffled"]
    page = (ROOT / "docs" / "adapting.md").read_text()
    for name, one in found.items():
        assert one["rejected"] == sum(not run["accepted"] for run in one["each"])
        assert f"{one['rejected']} of {one['runs']} with {name}" in page


def test_the_page_on_adapting_quotes_every_way_that_was_measured() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "adapting.json").read_text())
    page = (ROOT / "docs" / "adapting.md").read_text()
    maps = [found["fashion"][way] for way in ("text-image", "image-passage")]
    cells = " | ".join(
        f"{one['test']['recall@10']['before']:.3f} → **{one['test']['recall@10']['after']:.3f}**"
        for one in maps
    )
    photos = [maps[0]["everyday photos"][when]["recall@10"] for when in ("before", "after")]
    took = sum(one["of processor seconds"] for one in maps)
    row = f"| `adapter` | {took:.0f} s | nothing | {cells} | {photos[0]:.3f} → {photos[1]:.3f} | accepted |"
    assert row in page
    assert f"recall@10 {photos[0]:.3f} before, {photos[1]:.3f} after" in page
    for how, one in found["ways"].items():
        recall = {way["direction"]: way["metrics"]["recall@10"] for way in one["directions"]}
        both = (recall[way] for way in ("text-image", "image-passage"))
        cells = " | ".join(f"{way['before']:.3f} → **{way['after']:.3f}**" for way in both)
        photos = " → ".join(
            f"{one['everyday photos'][when]['recall@10']:.3f}" for when in ("before", "after")
        )
        verdict = "accepted" if one["accepted"] else "rejected"
        time = f"{one['of processor seconds']:.0f} s, {one['steps']} steps"
        row = next(line for line in page.splitlines() if line.startswith(f"| `{how}` | {time}"))
        assert row.endswith(f"| {cells} | {photos} | {verdict} |")


def test_the_page_on_adapting_quotes_what_the_stages_did() -> None:
    stages = json.loads((ROOT / "benchmarks" / "results" / "stages.json").read_text())["stages"]
    page = (ROOT / "docs" / "adapting.md").read_text()
    for name, one in stages.items():
        cells = " | ".join(f"{value:.3f}" for key, value in one.items() if "@10" in key)
        assert f"| {name} | {one.get('steps', '')} | {cells} |" in page


TIMES = "times the rival's images"


def test_the_page_on_pocket_quotes_the_measured_figures() -> None:
    page = (ROOT / "docs" / "pocket.md").read_text()
    results = ROOT / "benchmarks" / "results"
    for name, row in json.loads((results / "towers.json").read_text())["speed"]["towers"].items():
        speed = f"{row['cpu ms a picture']:.1f} | {row[TIMES]:.1f} |"
        assert f"| {name} | {row['million parameters']:.1f} M | {speed}" in page
    for name, row in json.loads((results / "leaks.json").read_text())["training"].items():
        pictures, near, texts, equal = list(row.values())[:4]
        assert f"| {name} | {pictures:,} | {near:,} | {texts:,} | {equal} |" in page


def test_the_page_on_pocket_quotes_what_each_part_of_the_training_is_worth() -> None:
    page = (ROOT / "docs" / "pocket.md").read_text()
    rows = json.loads((ROOT / "benchmarks" / "results" / "ablation.json").read_text())["rows"]
    assert len(rows) == 8
    for name, row in rows.items():
        cells = [row["text_to_image"][key] for key in ("recall@1", "recall@5", "recall@10")]
        cells.append(row["image_to_text"]["recall@10"])
        assert f"| {name} | {' | '.join(f'{value:.3f}' for value in cells)} |" in page


def test_the_page_on_pocket_quotes_what_each_tower_learned() -> None:
    page = (ROOT / "docs" / "pocket.md").read_text()
    found = json.loads((ROOT / "benchmarks" / "results" / "towers.json").read_text())
    for name, row in found["accuracy"]["towers"].items():
        tower = found["speed"]["towers"][name.split(", half")[0]]
        cost = f"{tower['cpu ms a picture']:.1f} | {row['cpu minutes of this run']:.0f}"
        both = [row[f"{way} recall@10"] for way in ("text to image", "image to text")]
        assert f"| {name} | {cost} | {both[0]:.3f} | {both[1]:.3f} |" in page


@pytest.mark.parametrize("count", [5, 20, 100])
def test_the_page_on_photos_quotes_how_often_labels_are_right(count: int) -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "labels.json").read_text())[f"{count} labels"]
    least = inspect.signature(Collection.label).parameters["min_confidence"].default
    given = found[f"from {least}"]
    strange = [found[f"from {one}"]["of strangers labelled"] for one in (least, 0.5, 0.0)]
    row = f"| {count} | {given['of theirs labelled']:.3f} | {given['of these right']:.3f} | "
    row += f"{strange[0]:.3f}; {strange[1]:.3f}, {strange[2]:.3f} |"
    assert row in (ROOT / "docs" / "photos.md").read_text()


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in PAGES:
        for target, _, section in (
            link.partition("#") for link in re.findall(r"\]\(([^):]+)\)", page.read_text())
        ):
            place = page.parent / target if target else page
            assert place.exists(), f"{page.name} links to {target}"
            if section:
                assert section in anchors(place), f"{page.name} links to {target}#{section}"


def anchors(page: Path) -> set[str]:
    """Return the names by which the headings of a page are linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_docs_name_only_files_that_are_there() -> None:
    roots = [ROOT, ROOT / "searchkit", ROOT / "ui"]
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # it names what went, too
            continue
        for name in re.findall(r"`([\w/-]+\.(?:py|toml|js|txt))`", page.read_text()):
            written = name in ("collection.toml", "searchkit.toml", "photo.txt")  # by a user, or for one
            assert written or any((root / name).exists() for root in roots), f"{page.name} names {name}"


def test_the_index_page_links_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {page for page in pages if f"]({page})" not in index} == set()


def test_the_page_of_figures_is_what_the_script_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    assert importlib.import_module("tables").page() == FIGURES


def test_the_architecture_draws_the_floors_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [sorted(re.findall(r"\w+", layer)) for layer in contracts[0]["layers"]]
    drawing = (ROOT / "docs" / "architecture.md").read_text().split("## Floors")[1].split("```")[1]
    drawn = [sorted(re.findall(r"\w+", line[:30])) for line in drawing.splitlines() if line.strip()]
    assert drawn == layers


def test_the_architecture_names_only_files_and_functions_that_are_there() -> None:
    walks = (ROOT / "docs" / "architecture.md").read_text().split("## Three walks")[1].split("\n## ")[0]
    steps = re.findall(r"^\d\. `([\w/.]+)` `([\w.]+)`", walks, re.MULTILINE)
    assert 12 <= len(steps) <= 18
    for file, name in steps:
        source = (ROOT / "searchkit" / file).read_text()
        assert re.search(rf"(def|class) {name.rpartition('.')[2]}\b", source), f"{file} has no {name}"


@pytest.mark.parametrize("walk", ["A photo", "A document", "A question"])
def test_no_walk_through_the_code_goes_back_up(walk: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = {
        name: floor
        for floor, layer in enumerate(contracts[0]["layers"])
        for name in re.findall(r"\w+", layer)
    }
    text = (ROOT / "docs" / "architecture.md").read_text().split(f"### {walk}")[1].split("\n#")[0]
    steps = [step.partition("/")[0] for step in re.findall(r"^\d\. `([\w/.]+)`", text, re.MULTILINE)]
    assert 3 <= len(steps) <= 6
    assert [floors[step] for step in steps] == sorted(floors[step] for step in steps)


@pytest.mark.parametrize("column", [0, 1])
def test_the_page_s_document_quotes_its_figures(column: int) -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "page.json").read_text())
    part = found[("10000 items", "100000 items")[column]]
    table = (ROOT / "docs" / "page.md").read_text().split("| from the key Enter")[1]
    lines = [[cell.strip() for cell in line.split("|")[2:4]] for line in table.splitlines()[2:6]]
    assert [line[column] for line in lines] == [
        f"{part['first question, seconds']:.2f} s",
        f"{part['later questions, seconds, median']:.2f} s",
        f"{part['kilobytes a question, median']:.0f} kB",
        f"{part['kilobytes of the empty page'] / 1e3:.1f} MB",
    ]


@pytest.mark.parametrize("beside", ["noise", "blotches", "grey", "photo"])
def test_the_page_s_document_quotes_how_often_the_heat_is_right(beside: str) -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "heat.json").read_text())
    table = (ROOT / "docs" / "page.md").read_text()
    row = {"blotches": "large blotches of colour", "grey": "plain grey", "photo": "another photo"}
    assert f"| beside {row.get(beside, beside)} | {found[f'right beside {beside}']:.0%}"[:-1] in table


def test_the_card_of_pocket_large_and_the_readme_quote_its_measured_figures() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "transfer.json").read_text())
    large, small = found["pocket-large"], found["pocket"]
    card = (ROOT / "searchkit" / "weights" / "pocket-large" / "README.md").read_text()
    there, back = (
        [f"{large['flickr8k'][way][f'recall@{cut}']:.3f}" for cut in (1, 5, 10)]
        for way in ("text_to_image", "image_to_text")
    )
    assert f"| text → image | {there[0]} | {there[1]} | **{there[2]}** |" in card
    assert f"| {' | '.join(back)} |" in card
    for row, source in (("Caltech-101", "caltech-101"), ("flowers", "tf-flowers")):
        one, many = (large["held out"][source][prompts] for prompts in ("single", "ensemble"))
        assert f"| {row} | {one['top1']:.3f} | {many['top1']:.3f} | {many['top5']:.3f} |" in card
    both = [f"{one['strangers']['top-1, ensemble']:.3f}" for one in (small, large)]
    assert f"them) | {both[0]} | {both[1]} |" in card
    both = [f"{one['products']['recall@10']:.3f}" for one in (small, large)]
    assert f"recall@10 | {both[0]} | {both[1]} |" in card
    assert f"recall@10 {there[2]} on Flickr8k where `pocket` has 0.528" in README
