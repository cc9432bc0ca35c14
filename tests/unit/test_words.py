"""Full text by the stems of the language that most passages are in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lancedb.index import FTS

from searchkit.collection import Collection
from searchkit.collection.manifest import read_manifest
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.stores.lance import LanceStore
from searchkit.stores.words import COMMON, PLAIN, STEMMED, language_of, main_language
from searchkit.types import Item, Kind, Space

ENGLISH = "The keeper was feeding the bees with syrup, and it is the last time that they are fed."
GERMAN = "Die Häuser am Meer sind nicht mit dem Boot zu erreichen, und das ist auch gut."


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("arabic", "ذهبنا في الصباح إلى الشاطئ وكان الماء بارداً لكن هذا لم يزعج أحداً"),
        (
            "danish",
            "Vi tog til stranden om morgenen, og det var meget koldt i vandet efter at solen blev væk.",
        ),
        ("dutch", "Wij gingen in de ochtend naar het strand en het water was erg koud."),
        ("english", "Effects of vitamin D on mortality in patients with sepsis: a randomized trial."),
        ("finnish", "Aamulla menimme rannalle, ja vesi oli hyvin kylmää, mutta se ei haitannut."),
        ("french", "Nous sommes allés à la plage le matin et l'eau était très froide dans les rochers."),
        ("german", GERMAN),
        ("greek", "Το πρωί πήγαμε στην παραλία και το νερό ήταν πολύ κρύο για να κολυμπήσουμε."),
        ("hungarian", "Reggel a strandra mentünk, és a víz nagyon hideg volt, de nem fújt a szél."),
        ("italian", "Siamo andati in spiaggia la mattina e l'acqua era molto fredda, ma non c'era vento."),
        ("norwegian", "Vi dro til stranden, og det var kaldt i vannet etter at sola ble borte av skyer."),
        ("portuguese", "Fomos à praia de manhã e a água estava muito fria, mas não havia vento no mar."),
        ("romanian", "Dimineața am mers la plajă și apa era foarte rece, dar nu bătea vântul pe mare."),
        ("russian", "Утром мы пошли на пляж, и вода была очень холодной, но это не страшно."),
        ("spanish", "Fuimos a la playa por la mañana y el agua estaba muy fría en las rocas."),
        ("swedish", "Vi åkte till stranden på morgonen och det var mycket kallt i vattnet."),
        ("turkish", "Sabah sahile gittik ve su çok soğuktu, ama bu bizim için sorun olmadı."),
        (None, "浜辺を走る犬は元気です"),
        (None, "kg: 6; name: crane; colour: red; part: 4711"),
        (None, ""),
    ],
)
def test_the_language_of_a_text_is_told_by_its_commonest_words(language: str | None, text: str) -> None:
    assert language_of(text) == language
    assert language is None or language in COMMON


def test_the_main_language_is_that_of_most_text_and_stays_until_it_clearly_is_not() -> None:
    def mixed(english: int, german: int) -> list[str]:
        return [ENGLISH] * english + [GERMAN] * german

    assert main_language(mixed(6, 4)) == "english" and main_language(mixed(4, 6)) == "german"
    assert main_language([*mixed(1, 0), "x = 1", "浜辺を走る犬"]) == "english"  # the rest is in no language
    assert main_language(mixed(5, 6), now="english") == "english"
    assert main_language(mixed(3, 7), now="english") == "german"
    assert main_language([]) == PLAIN and main_language([], now="german") == "german"
    french = "Nous sommes allés à la plage et l'eau était très froide dans les rochers de la mer."
    assert main_language([ENGLISH, GERMAN, french]) == PLAIN  # none of them is most


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    return LanceStore(tmp_path, Space("words", "0" * 12, 1, 1))


def write(store: LanceStore, texts: list[str], first: int = 0, name: str = "a.txt") -> None:
    items = [
        Item(f"{n:04}", Kind.PASSAGE, f"/d/{name}", "/d", "", n, 0.0, text=text)
        for n, text in enumerate(texts, start=first)
    ]
    store.write(items, np.ones((len(items), 1), np.float32))


def found(store: LanceStore, words: str, column: str = "text") -> list[str]:
    return sorted(candidate.item.id for candidate in store.match(words, 50, column=column))


def test_words_are_found_by_stems_also_what_was_written_after_the_index(store: LanceStore) -> None:
    write(store, [ENGLISH, "Nobody connects it."])
    store.compact()
    assert store.language == "english"
    write(store, ["The connections were cut."], first=2)
    assert found(store, "connecting") == ["0001", "0002"] == found(store, '"connection"')
    assert found(store, "fed the bee") == ["0000"] and found(store, "the") == ["0000", "0002"]
    store.compact()
    assert found(store, "connecting") == ["0001", "0002"]


def test_common_words_of_a_question_do_not_count_beside_others(store: LanceStore) -> None:
    write(
        store,
        ["What did you do about what they did?", "The syrup.", "The bees, and the hive. To be or not to be."],
    )
    store.compact()
    assert store.language == "english"
    assert found(store, "What did they do about the syrup?") == ["0001"]
    assert [c.item.id for c in store.match("to be or not to be", 1, column="text")] == ["0002"]
    assert found(store, "the") == ["0001", "0002"]


def test_another_language_is_indexed_anew_and_found_in_its_own_forms(store: LanceStore) -> None:
    write(store, [ENGLISH, GERMAN])
    store.compact()
    assert store.language == "english" and found(store, "Haus") == []
    write(store, [GERMAN] * 5, first=2)
    store.compact()
    assert store.language == "german" and len(found(store, "Haus")) == 6 == len(found(store, "hauser"))
    assert found(store, "syrup") == ["0000"]


def test_other_scripts_are_found_by_their_words_in_any_language(store: LanceStore) -> None:
    write(store, [ENGLISH] * 5)
    store.compact()
    others = [
        "浜辺を走る犬は元気です",
        "两只狗在海滩上奔跑因为它们非常高兴",
        "Две собаки на пляже",
        "สุนัขสองตัววิ่งบนชายหาด",
        "해변의 개 두 마리",
    ]
    write(store, others, first=10)
    for _ in range(2):  # not indexed yet, and indexed
        asked = [found(store, words) for words in ("犬", "海滩", "собаки", "สุนัข", "개")]
        assert asked == [["0010"], ["0011"], ["0012"], ["0013"], ["0014"]]
        store.compact()
    assert store.language == "english"


def test_the_words_of_file_names_have_stems_too(store: LanceStore) -> None:
    write(store, [ENGLISH], name="Annual-reports_2020.pdf")
    write(store, [ENGLISH], first=1, name="the_who.txt")
    store.compact()
    assert found(store, "report", "name") == ["0000"] and found(store, "the who", "name") == ["0001"]


def test_an_index_of_before_goes_on_working_and_is_made_anew(store: LanceStore) -> None:
    write(store, [ENGLISH, "浜辺を走る犬は元気です"])
    for column in ("text", "name"):
        store._table.create_index(column, config=FTS(stem=False, remove_stop_words=False))
    assert found(store, "bees") == ["0000"] and found(store, "bee") == [] == found(store, "犬")
    assert store.language == PLAIN
    store.compact()
    assert found(store, "bee") == ["0000"] and found(store, "犬") == ["0001"]
    before = store.version
    store.compact()
    assert store.version == before  # nothing is made again that is right


def test_a_collection_takes_another_language_and_says_which(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for number in range(3):
        (tmp_path / "files" / f"{number}.txt").write_text(f"{number}. {ENGLISH}")
    root = tmp_path / "library"
    with Collection.open(root, encoder=Hashing()) as library:
        library.add(tmp_path / "files")
        assert library.status().language == "english"
        assert len(library.search("feeds", hybrid=True, k=9)) == 3 == len(found(library.store, "feeds"))
    with Collection.open(root, encoder=Hashing(), language=PLAIN) as library:
        assert len(found(library.store, "feeds")) == 3  # it is made anew by the next run
        library.add()
        assert library.status().language == PLAIN and found(library.store, "feeds") == []
        assert len(found(library.store, "feeding")) == 3
    assert read_manifest(root).language == PLAIN
    with Collection.open(root, encoder=Hashing()) as library:
        library.add()
        assert library.status().language == PLAIN  # kept
    with Collection.open(root, encoder=Hashing(), language="auto") as library:
        library.add()
        assert library.status().language == "english" and read_manifest(root).language == ""
    with pytest.raises(BadInput, match="klingon") as refused:
        Collection.open(root, encoder=Hashing(), language="klingon")
    assert "german" in refused.value.hint


@pytest.mark.slow
def test_every_language_that_can_be_named_can_be_indexed(store: LanceStore) -> None:
    write(store, [ENGLISH])
    for language in STEMMED:
        store.asked_language = language
        store.compact()
        assert store.language == language and found(store, "lighthouse keeper") == ["0000"]
