"""What every test gets: a home of its own, no settings from outside, and pictures to work on."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

settings.register_profile("here", database=None, deadline=None)
settings.load_profile("here")

OUTSIDE = re.compile(r"SEARCHKIT_|HF_|(https?|all)_proxy$", re.IGNORECASE)
"""Variables that would lead a test astray: settings, the hub's, and ways to the network."""
for _name in filter(OUTSIDE.match, list(os.environ)):  # before any fixture, whatever its scope
    del os.environ[_name]
PLACES = {"XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache"}


@pytest.fixture(autouse=True)
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty home folder: no test reads or writes the user's collections or settings.

    Tests that start a browser or build a wheel keep the real home, where those tools have their own files.
    """
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    if not any(request.node.get_closest_marker(name) for name in ("slow", "browser")):
        monkeypatch.setenv("HOME", str(folder))
        for variable, name in PLACES.items():
            monkeypatch.setenv(variable, str(folder / name))
    return folder


@pytest.fixture(scope="session")
def quarters() -> Image.Image:
    """60 × 40 pixels: red, green / blue, white. Every turn and flip of it differs from every other."""
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[:20, :30] = (255, 0, 0)
    pixels[:20, 30:] = (0, 255, 0)
    pixels[20:, :30] = (0, 0, 255)
    return Image.fromarray(pixels)


# databases


def _as_postgres(*command: str | Path) -> None:
    """PostgreSQL's programs refuse to run as root."""
    drop = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups") if os.getuid() == 0 else ()
    subprocess.run([*drop, *map(str, command)], check=True, capture_output=True, timeout=60)


class Cluster:
    """A PostgreSQL server of its own on loopback, in a folder that goes away."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._made = 0
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        _as_postgres("initdb", "-D", self.data, "-U", "searchkit", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.port = _free_port()
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.data} -c fsync=off"
        _as_postgres("pg_ctl", "-D", self.data, "-w", "-l", self.data / "log", "-o", options, "start")

    def stop(self) -> None:
        _as_postgres("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._made += 1
        where = f"postgresql://searchkit@127.0.0.1:{self.port}"
        import psycopg

        with psycopg.connect(f"{where}/postgres", autocommit=True) as server:
            server.execute(f"CREATE DATABASE test{self._made}")
        return f"{where}/test{self._made}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A running cluster; tests that ask for it are skipped where PostgreSQL is not installed."""
    pytest.importorskip("psycopg")
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("PostgreSQL's initdb and pg_ctl are not on the PATH")
    # not below pytest's own folder: only its owner may enter that
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder))
        yield cluster
        cluster.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty catalog, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    url: str = request.getfixturevalue("postgres").database()
    return url
