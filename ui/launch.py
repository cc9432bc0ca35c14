"""Start the page: Streamlit in a process of its own, on this machine alone unless it is told otherwise."""

from __future__ import annotations

import ipaddress
import os
import secrets
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from searchkit.collection.manifest import resolve
from searchkit.errors import BadInput
from searchkit.settings import UI_SHARED, UI_TOKEN

PAGE, SERVER = Path(__file__).with_name("app.py"), Path(__file__).with_name("server.py")
SHORTEST = 16
"""Characters of a token, at least."""
UPLOAD_MEGABYTES = 20
FORWARDED = (signal.SIGINT, signal.SIGTERM)


def run(
    host: str = "127.0.0.1",
    port: int = 8501,
    headless: bool = False,
    collection: str | None = None,
    token: str | None = None,
) -> int:
    """Serve the page until it is interrupted, and return the server's exit code.

    `collection` is a name or a path; None leaves the choice to SEARCHKIT_COLLECTION. Whoever has the `token`
    may see the page. An address that other machines can reach needs one, and folders cannot be added or
    removed there. Call it from the main thread, since it handles signals. Raises `BadInput`, also when
    Streamlit is not installed.
    """
    shared = not _is_loopback(host)
    if shared and not token:
        raise BadInput(
            f"{host!r} can be reached from other machines: the page needs a token there",
            hint=f"write one into a file, like {secrets.token_urlsafe()}, and name it with --token-file",
        )
    if token and len(token) < SHORTEST:
        raise BadInput(f"the token is shorter than {SHORTEST} characters", hint=secrets.token_urlsafe())
    if find_spec("streamlit") is None:
        raise BadInput("the page needs Streamlit", hint="pip install 'searchkit[ui]'")
    environment = {**os.environ, UI_TOKEN: token or "", UI_SHARED: "1" if shared else ""}
    if collection := collection or os.environ.get("SEARCHKIT_COLLECTION"):
        environment["SEARCHKIT_COLLECTION"] = str(resolve(collection))
    # the page's own folder: Streamlit would obey a .streamlit/config.toml of the current one
    with subprocess.Popen(_command(host, port, headless), env=environment, cwd=PAGE.parent) as server:
        code = _wait(server)
    return code if code >= 0 else 128 - code  # ended by signal n: 128 + n, as a shell says it


def _command(host: str, port: int, headless: bool) -> list[str]:
    settings = {
        "server.address": host,
        # without it Streamlit asks a service elsewhere what this machine's address is, to print that
        "browser.serverAddress": _in_url(host),
        "server.port": port,
        "server.headless": str(headless).lower(),
        "server.maxUploadSize": UPLOAD_MEGABYTES,
        "theme.light.primaryColor": "#1a7f37",
        "theme.dark.primaryColor": "#3fb950",
        # a full garbage collection after every run takes half a second, while the browser asks for thumbnails
        "runner.postScriptGC": "false",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
    }
    # -P: a folder in the current directory that is named like a package must not be imported
    python = [sys.executable, "-P", "-m", "streamlit", "run", str(SERVER)]
    return [*python, *(f"--{name}={value}" for name, value in settings.items())]


def _wait(server: subprocess.Popen[bytes]) -> int:
    """Wait for the server, pass signals on to it, and return its exit code; 0 where a signal ended it."""
    signalled = False

    def forward(number: int, _frame: FrameType | None) -> None:
        nonlocal signalled
        signalled = True
        server.send_signal(number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        code = server.wait()
        return 0 if signalled else code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _in_url(host: str) -> str:
    """Return the host as it is written in the page's URL."""
    address = _address(host)
    if not host or (address is not None and address.is_unspecified):
        return "localhost"
    return f"[{host}]" if isinstance(address, ipaddress.IPv6Address) else host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
