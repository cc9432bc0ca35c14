"""A model by name: from a hub (a small one on loopback that speaks the hub's protocol), from its cache, and
not at all. The real client, the real command line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.encoders.blip import MATCHING
from searchkit.encoders.bundled import bundled_folder
from tests.tiny_blip import write

SCRIPT = Path(sys.executable).with_name("searchkit")
OLD, NEW = "a" * 40, "b" * 40


@dataclass
class Hub:
    """Repositories by name: commit → files. The last commit is `main`. `asked` keeps every request."""

    address: str
    repositories: dict[str, dict[str, Mapping[str, bytes]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0].strip("/")
            hub.asked.append(f"{self.command} {path}")
            api = path.startswith("api/models/")
            parts = path.removeprefix("api/models/").split("/")
            commits = hub.repositories.get("/".join(parts[:2]))
            if commits is None:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, with_body)
                return
            # api/models/OWNER/MODEL[/revision/REV], or OWNER/MODEL/resolve/REV/FILE
            revision = parts[3] if len(parts) > 3 else "main"
            commit = list(commits)[-1] if revision == "main" else revision
            if commit not in commits:
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, with_body)
            elif parts[2:3] == ["tree"]:
                tree = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in commits[commit].items()
                ]
                self._send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"}, with_body)
            elif api:
                files = [{"rfilename": name} for name in commits[commit]]
                about = {"id": "/".join(parts[:2]), "sha": commit, "siblings": files}
                self._send(200, json.dumps(about).encode(), {"Content-Type": "application/json"}, with_body)
            else:
                data = commits[commit]["/".join(parts[4:])]
                tag = f'"{hashlib.sha256(data).hexdigest()}"'
                self._send(200, data, {"ETag": tag, "X-Repo-Commit": commit}, with_body)

        def _send(self, status: int, data: bytes, headers: Mapping[str, str], with_body: bool) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(found))
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def our_files() -> dict[str, bytes]:
    return {name: (bundled_folder() / name).read_bytes() for name in ("config.json", "model.safetensors")}


def changed_files() -> dict[str, bytes]:
    """The same tower with one other number."""
    files = our_files()
    weights = bytearray(files["model.safetensors"])
    weights[-1] ^= 1
    return {**files, "model.safetensors": bytes(weights)}


def searchkit(home: Path, hub: Hub | None, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    address = hub.address if hub else "http://127.0.0.1:9"
    environment = os.environ | {
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": address,
        "HF_HUB_DISABLE_XET": "1",
        "XDG_DATA_HOME": str(home / "data"),
        "OMP_NUM_THREADS": "1",
    }
    command = [SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for n in range(3):
        pixels = rng.integers(0, 255, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{n}.png")
    return folder


@pytest.mark.slow
def test_a_model_is_fetched_once_and_a_collection_stays_with_its_commit(
    hub: Hub, tmp_path: Path, photos: Path
) -> None:
    hub.repositories["someone/tower"] = {OLD: our_files()}
    first = searchkit(tmp_path, hub, "index", photos, "--model", "someone/tower", "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["indexed"] == 3
    found = searchkit(tmp_path, hub, "search", "a dog", "--json")
    assert f"someone_tower-{OLD[:7]}" in json.loads(found.stdout.splitlines()[0])["space"]

    # the repository moves on; the collection does not, and asks nobody
    hub.repositories["someone/tower"][NEW] = changed_files()
    hub.asked.clear()
    again = searchkit(tmp_path, hub, "index", photos, "--model", "someone/tower")
    assert again.returncode == 0 and "unchanged 3" in again.stderr
    assert searchkit(tmp_path, None, "search", "a dog", "--offline").returncode == 0
    assert hub.asked == []

    # fetched anew, the name means other weights: they are not mixed, they fill a space of their own
    pulled = searchkit(tmp_path, hub, "models", "pull", "someone/tower", "--json")
    assert json.loads(pulled.stdout)["name"] == f"someone/tower@{NEW}"
    changed = searchkit(tmp_path, hub, "index", "--model", f"someone/tower@{NEW}", "--json")
    assert changed.returncode == 0 and json.loads(changed.stdout)["indexed"] == 3, changed.stderr
    found = searchkit(tmp_path, None, "search", "a dog", "--json")
    assert f"someone_tower-{NEW[:7]}" in json.loads(found.stdout.splitlines()[0])["space"]


def test_without_a_network_the_missing_files_are_named_and_nothing_is_made(
    tmp_path: Path, photos: Path
) -> None:
    for flags in ((), ("--offline",)):
        failed = searchkit(tmp_path, None, "index", photos, "--model", "jinaai/jina-clip-v1", *flags)
        assert failed.returncode == 5
        for file in ("config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"):
            assert file in failed.stderr
        assert str(tmp_path / "hf") in failed.stderr and "models pull jinaai/jina-clip-v1" in failed.stderr
    assert not (tmp_path / "data").exists()


def test_a_half_fetched_model_names_what_is_still_missing(hub: Hub, tmp_path: Path, photos: Path) -> None:
    files = our_files()
    hub.repositories["someone/tower"] = {OLD: {"config.json": files["config.json"]}}
    failed = searchkit(tmp_path, hub, "index", photos, "--model", "someone/tower")
    assert failed.returncode == 5 and "model.safetensors" in failed.stderr


def test_a_pickle_is_refused_and_not_fetched(hub: Hub, tmp_path: Path, photos: Path) -> None:
    hub.repositories["someone/tower"] = {OLD: {"config.json": b"{}", "pytorch_model.bin": b"\x80\x04."}}
    failed = searchkit(tmp_path, hub, "index", photos, "--model", "someone/tower")
    assert failed.returncode == 2 and "pytorch_model.bin" in failed.stderr and "run any code" in failed.stderr
    assert not any(request.endswith("pytorch_model.bin") for request in hub.asked)


def test_a_pickle_in_a_folder_is_refused(tmp_path: Path, photos: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(bundled_folder() / "config.json", folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    failed = searchkit(tmp_path, None, "index", photos, "--model", folder)
    assert failed.returncode == 2 and "pytorch_model.bin" in failed.stderr


@pytest.mark.slow
def test_a_blip_is_fetched_ahead_like_an_encoder(hub: Hub, tmp_path: Path) -> None:
    write(tmp_path / "blip", MATCHING)
    files = {path.name: path.read_bytes() for path in (tmp_path / "blip").iterdir() if path.is_file()}
    hub.repositories["someone/blip"] = {OLD: files}
    pulled = searchkit(tmp_path, hub, "models", "pull", "someone/blip", "--json")
    assert pulled.returncode == 0, pulled.stderr
    assert json.loads(pulled.stdout)["name"] == f"someone/blip@{OLD}"


def test_a_name_that_the_hub_does_not_know_is_refused(hub: Hub, tmp_path: Path, photos: Path) -> None:
    hub.repositories["someone/tower"] = {OLD: our_files()}
    unknown = searchkit(tmp_path, hub, "index", photos, "--model", "someone/else")
    assert unknown.returncode == 2 and "no model 'someone/else'" in unknown.stderr
    revision = searchkit(tmp_path, hub, "index", photos, "--model", "someone/tower@nowhere")
    assert revision.returncode == 2 and "no revision 'nowhere'" in revision.stderr


@pytest.mark.slow
def test_a_restricted_licence_must_be_accepted_once(hub: Hub, tmp_path: Path, photos: Path) -> None:
    card = b"---\nlicense: cc-by-nc-4.0\nlanguage: en\n---\n# A tower\n"
    hub.repositories["someone/tower"] = {OLD: {**our_files(), "README.md": card}}
    refused = searchkit(tmp_path, hub, "index", photos, "--model", "someone/tower")
    assert (
        refused.returncode == 2 and "cc-by-nc-4.0" in refused.stderr and "--accept-licence" in refused.stderr
    )
    named = searchkit(tmp_path, hub, "index", photos, "--model", "jinaai/jina-clip-v2")
    assert named.returncode == 2 and "CC-BY-NC-4.0" in named.stderr
    accepted = searchkit(tmp_path, hub, "index", photos, "--model", "someone/tower", "--accept-licence")
    assert accepted.returncode == 0, accepted.stderr
    assert searchkit(tmp_path, None, "search", "a dog").returncode == 0
