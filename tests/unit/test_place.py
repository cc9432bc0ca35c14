"""Where a collection is, its manifest, and the lock of its one writer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from searchkit.collection.lock import writing
from searchkit.collection.manifest import (
    COPY,
    FORMAT,
    MANIFEST,
    Manifest,
    read_manifest,
    resolve,
    write_manifest,
)
from searchkit.errors import BadInput, CollectionError, CollectionLocked, CollectionMissing, CollectionTooNew

HOLD = """
import sys, time
from pathlib import Path
from searchkit.collection.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `tmp_path`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


# names


def test_a_bare_name_and_no_name_are_in_the_data_folder(home: Path) -> None:
    assert resolve("holidays") == home / "data" / "searchkit" / "holidays"
    assert resolve(None) == home / "data" / "searchkit" / "default"


def test_no_name_is_the_default_even_beside_a_folder_called_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").mkdir()
    assert resolve(None) == home / "data" / "searchkit" / "default"


def test_a_path_is_taken_as_it_is(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    expected: dict[str | Path, str] = {
        "./new": "new",
        "a/b": "a/b",
        str(tmp_path / "x"): "x",
        "here": "here",
        Path("bare"): "bare",
        ".": "",
    }
    assert {given: resolve(given) for given in expected} == {g: tmp_path / e for g, e in expected.items()}
    assert resolve("~/lib") == home / "lib"


@pytest.mark.parametrize("name", ["", "~nobody-lives-here/lib", "x" * 5000])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        resolve(name)


# the manifest


@pytest.mark.parametrize("encoder", ["pocket", '/home/me/a "b"\\c', "/models/犬 👍", "tab\tline\n"])
@pytest.mark.parametrize("catalog", ["", "postgresql://me@host/db"])
def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path, encoder: str, catalog: str) -> None:
    manifest = Manifest(FORMAT, encoder, "space-key", catalog)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, COPY]


def test_a_folder_without_a_manifest_is_no_collection(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(CollectionMissing, match=str(place)) as caught:
            read_manifest(place)
        assert "searchkit index" in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not toml",
        b"\xff\xfe",
        b"format = 1",
        b"format = 1\nencoder = 'a'",
        b"format = [1]\nencoder = 'a'\nspace = 'b'",
        b"format = 'one'\nencoder = 'a'\nspace = 'b'",
    ],
)
def test_a_damaged_manifest_is_said_to_be_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(CollectionError, match="damaged") as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / MANIFEST) in str(caught.value)


@pytest.mark.parametrize("rest", ["encoder = 'a'\nspace = 'b'", "towers = ['a', 'b']"])
def test_a_manifest_of_a_later_format_is_refused_whatever_its_fields(tmp_path: Path, rest: str) -> None:
    (tmp_path / MANIFEST).write_text(f"format = {FORMAT + 1}\n{rest}\n")
    with pytest.raises(CollectionTooNew, match=f"format {FORMAT + 1}") as caught:
        read_manifest(tmp_path)
    assert "newer searchkit" in caught.value.hint


def test_a_manifest_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(CollectionError, match="cannot read"):
        read_manifest(tmp_path)


# the lock


def test_a_second_writer_is_told_which_process_holds_the_lock(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    who = f"process {holder.pid} on {socket.gethostname()}"
    with pytest.raises(CollectionLocked, match=who), writing(tmp_path):
        raise AssertionError("two writers")


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with writing(tmp_path):
        assert json.loads((tmp_path / "writer.json").read_text())["pid"] == os.getpid()


def test_the_lock_is_released_after_success_and_after_an_error(tmp_path: Path) -> None:
    with writing(tmp_path):
        pass
    with pytest.raises(ZeroDivisionError), writing(tmp_path):
        _ = 1 / 0
    assert not (tmp_path / "writer.json").exists()
    with writing(tmp_path):
        pass


def test_the_lock_is_held_against_the_same_process_too(tmp_path: Path) -> None:
    with writing(tmp_path):
        with pytest.raises(CollectionLocked, match=str(os.getpid())), writing(tmp_path):
            raise AssertionError("two writers")
        assert (tmp_path / "writer.json").exists()  # the refused one took nothing away


@pytest.mark.parametrize("content", ["", "[]", "{}", "junk"])
def test_a_holder_that_left_no_name_is_another_process(tmp_path: Path, content: str) -> None:
    with writing(tmp_path):
        (tmp_path / "writer.json").write_text(content)
        with pytest.raises(CollectionLocked, match="another process"), writing(tmp_path):
            raise AssertionError("two writers")


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CollectionError, match="cannot write"), writing(tmp_path / "file"):
        raise AssertionError("written into a file")
