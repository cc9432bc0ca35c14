"""Start the page: Streamlit in a process of its own, with settings that keep it on this machine."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from searchkit.errors import BadInput

PAGE = Path(__file__).with_name("app.py")
UPLOAD_MEGABYTES = 20
FORWARDED = (signal.SIGINT, signal.SIGTERM)


def run(
    host: str = "127.0.0.1", port: int = 8501, headless: bool = False, collection: str | None = None
) -> int:
    """Serve the page until it is interrupted, and return the server's exit code.

    `collection` is a name or a path; None leaves the choice to SEARCHKIT_COLLECTION. To be called from
    the main thread, since it handles signals. Raises `BadInput` for an address that other machines can
    reach, and when Streamlit is not installed.
    """
    if not _is_loopback(host):
        raise BadInput(
            f"{host!r} can be reached from other machines, and the page asks nobody for a password",
            hint="use 127.0.0.1; from elsewhere, come through an SSH tunnel",
        )
    if find_spec("streamlit") is None:
        raise BadInput("the page needs Streamlit", hint="pip install 'searchkit[ui]'")
    environment = dict(os.environ)
    if collection is not None:
        environment["SEARCHKIT_COLLECTION"] = collection
    with subprocess.Popen(_command(host, port, headless), env=environment) as server:
        code = _wait(server)
    return code if code >= 0 else 128 - code  # ended by signal n: 128 + n, as a shell says it


def _command(host: str, port: int, headless: bool) -> list[str]:
    settings = {
        "server.address": host,
        "server.port": port,
        "server.headless": str(headless).lower(),
        "server.maxUploadSize": UPLOAD_MEGABYTES,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
    }
    # -P: a folder in the current directory that is named like a package must not be imported
    python = [sys.executable, "-P", "-m", "streamlit", "run", str(PAGE)]
    return [*python, *(f"--{name}={value}" for name, value in settings.items())]


def _wait(server: subprocess.Popen[bytes]) -> int:
    """The server's exit code; signals that ask this process to end are passed on to it meanwhile."""

    def forward(number: int, _frame: FrameType | None) -> None:
        server.send_signal(number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        return server.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
