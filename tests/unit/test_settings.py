"""Settings: which value wins, and what is said of those that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from searchkit import settings
from searchkit.encoders import device
from searchkit.errors import BadInput
from searchkit.ingest import chunking
from searchkit.search import fold
from searchkit.settings import BESIDE, KEYS, PREFIX, Settings, load


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder and an empty configuration folder, and no variables set."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return here


def test_every_field_is_a_setting_that_can_be_given() -> None:
    assert {*KEYS, "origins"} == set(Settings.__dataclass_fields__)


def test_without_anything_given_all_are_defaults() -> None:
    settings = load()
    assert settings == Settings()
    assert set(settings.origins.values()) == {"default"}


def test_a_flag_beats_a_variable_and_that_the_file_and_that_the_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "searchkit.toml").write_text("k = 3\nbatch_size = 4\nmin_confidence = 1\n")
    monkeypatch.setenv("SEARCHKIT_K", "5")
    monkeypatch.setenv("SEARCHKIT_BATCH_SIZE", "6")
    settings = load(k=7, batch_size=None)
    assert (settings.k, settings.batch_size, settings.min_confidence) == (7, 6, 1.0)
    assert settings.collapse == Settings().collapse
    assert settings.origins["k"] == "flag"
    assert settings.origins["batch_size"] == "SEARCHKIT_BATCH_SIZE"
    assert settings.origins["min_confidence"] == str(folder / "searchkit.toml")
    assert settings.origins["collapse"] == "default"


def test_the_file_in_the_current_folder_is_read_instead_of_the_users(folder: Path) -> None:
    users = folder.parent / "config" / "searchkit" / "searchkit.toml"
    users.parent.mkdir(parents=True)
    users.write_text("k = 3\nthreads = 9\n")
    assert load().k == 3
    (folder / "searchkit.toml").write_text("k = 4\n")
    settings = load()
    assert settings.k == 4
    assert settings.threads == Settings().threads


THEIRS = "k = 4\ncollection = '/theirs'\nmodel = 'hashing'\ncatalog = 'postgresql://theirs/x'\n"


def test_where_things_go_is_not_taken_from_the_current_folder_but_from_the_users_own_file(
    folder: Path,
) -> None:
    users = folder.parent / "config" / "searchkit" / "searchkit.toml"
    users.parent.mkdir(parents=True)
    users.write_text("k = 3\ncollection = 'mine'\n")
    (folder / "searchkit.toml").write_text(THEIRS)
    settings = load()
    assert (settings.k, settings.collection, settings.model, settings.catalog) == (4, "mine", None, None)
    assert settings.origins["collection"] == str(users)
    assert settings.origins["k"] == str(folder / "searchkit.toml")


def test_where_things_go_is_taken_from_there_when_the_user_agrees(folder: Path) -> None:
    (folder / "searchkit.toml").write_text(THEIRS)
    asked: list[tuple[Path, dict[str, object]]] = []

    def agree(file: Path, values: Mapping[str, object]) -> bool:
        asked.append((file, dict(values)))
        return True

    settings = load(agree, collection="given")
    assert [settings.collection, settings.model] == ["given", "hashing"]
    assert settings.catalog == "postgresql://theirs/x"
    # what a flag decides is not asked about
    said = {"catalog": "postgresql://theirs/x", "model": "hashing"}
    assert asked == [(folder / "searchkit.toml", said)]


def test_all_of_a_file_that_is_named_is_taken_and_nothing_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "searchkit.toml").write_text("k = 5\n")
    (folder / "other.toml").write_text(THEIRS)
    monkeypatch.setenv(settings.FROM, "other.toml")
    loaded = load(lambda *_: pytest.fail("asked"))
    assert (loaded.k, loaded.collection, loaded.model) == (4, "/theirs", "hashing")
    monkeypatch.setenv(settings.FROM, "missing.toml")
    with pytest.raises(BadInput, match=r"no settings file missing\.toml"):
        load()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://bob:secret@h:5432/db", "postgresql://bob:***@h:5432/db"),
        ("postgresql+psycopg://bob:sec@re/t:x@h/db?password=secret", "postgresql+psycopg://bob:***@h/db"),
        ("postgresql://bob@h/db", "postgresql://bob@h/db"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgres ql//bob:secret@h/db", "(no address of a catalog)"),
        ("host=h password=secret", "(no address of a catalog)"),
    ],
)
def test_a_catalogs_address_is_shown_without_its_password(address: str, shown: str) -> None:
    assert settings.without_password(address) == shown


def test_the_values_that_are_offered_are_those_that_are_taken() -> None:
    """Written twice: a command line that starts without numpy cannot ask those who take them."""
    assert settings.CHUNKING == chunking.METHODS and settings.COLLAPSE == fold.COLLAPSE
    assert settings.DEVICES == device.DEVICES and ("auto", *device.DTYPES) == settings.DTYPES


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCHKIT_COLLECTION", "")
    assert load().collection is None


@pytest.mark.parametrize("name", sorted({*BESIDE} - {settings.FROM}))
def test_a_variable_for_something_else_is_no_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert load() == Settings()


def test_an_unknown_key_in_the_file_is_refused_with_the_keys_there_are(folder: Path) -> None:
    (folder / "searchkit.toml").write_text("colection = 'x'\n")
    with pytest.raises(BadInput, match="colection") as caught:
        load()
    assert str(folder / "searchkit.toml") in str(caught.value)
    assert all(key in caught.value.hint for key in KEYS)


def test_an_unknown_variable_is_refused_with_the_variables_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCHKIT_COLECTION", "x")
    with pytest.raises(BadInput, match="SEARCHKIT_COLECTION") as caught:
        load()
    assert "SEARCHKIT_COLLECTION" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("K", "0"),
        ("K", "ten"),
        ("THREADS", "-1"),
        ("BATCH_SIZE", "1.5"),
        ("MIN_CONFIDENCE", "1.01"),
        ("MIN_CONFIDENCE", "nan"),
        ("COLLAPSE", "all"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SEARCHKIT_{name}", value)
    with pytest.raises(BadInput, match=f"{name.lower()} = .*SEARCHKIT_{name}") as caught:
        load()
    assert caught.value.hint.startswith("it must be ")


@pytest.mark.parametrize(
    "line", ["k = true", "k = 2.0", "collection = 5", "model = ''", "collapse = ['exact']"]
)
def test_a_value_of_the_wrong_type_is_refused_with_its_file(line: str, folder: Path) -> None:
    (folder / "searchkit.toml").write_text(line + "\n")
    with pytest.raises(BadInput, match=r"searchkit\.toml"):
        load()


@pytest.mark.parametrize("content", [b"k = \n", b"k = '\xff'\n"])
def test_a_file_that_is_not_toml_is_refused_by_name(content: bytes, folder: Path) -> None:
    (folder / "searchkit.toml").write_bytes(content)
    with pytest.raises(BadInput, match=r"searchkit\.toml is not TOML"):
        load()


def test_a_flag_is_held_to_the_same_rules() -> None:
    with pytest.raises(BadInput, match=r"k = 0 \(flag\)"):
        load(k=0)
