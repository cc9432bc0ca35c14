"""The cookie of a visitor who gave the token: signed by this start of the server, and over after a while."""

from __future__ import annotations

import hashlib
import secrets
import time
from http.cookies import CookieError, SimpleCookie

from itsdangerous import BadSignature, TimestampSigner

COOKIE = "searchkit"
SECONDS = 12 * 3600
"""How long a session lasts; then the token is asked for again."""


class Sessions:
    """The sessions of one start of the server: its key is random, so no cookie outlives it.

    A cookie holds a random name and the time at which it was given, signed with HMAC-SHA256, and nothing that
    follows from the token.
    """

    def __init__(self, seconds: int = SECONDS) -> None:
        self._seconds = seconds
        self._signer = TimestampSigner(
            secrets.token_bytes(32), salt="searchkit page", digest_method=hashlib.sha256
        )

    def cookie(self) -> str:
        """Return the header that begins a session, unreadable for scripts and kept from other sites."""
        value = self._signer.sign(secrets.token_urlsafe(16)).decode()
        return f"{COOKIE}={value}; Max-Age={self._seconds}; HttpOnly; SameSite=Strict; Path=/"

    def seconds_left(self, cookies: str) -> float:
        """Return how long the session in a request's cookies lasts; 0 where there is none, or it is over."""
        try:
            found = SimpleCookie(cookies).get(COOKIE)
            value = "" if found is None else found.value
            _, begun = self._signer.unsign(value, max_age=self._seconds, return_timestamp=True)
        except (CookieError, BadSignature):  # SignatureExpired is one
            return 0.0
        return max(0.0, begun.timestamp() + self._seconds - time.time())
