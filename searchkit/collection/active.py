"""The space that answers: the active one, or the one before it while the model of the active one loads."""

from __future__ import annotations

import threading

from searchkit.collection.manifest import Manifest, manifest_stamp, read_manifest
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.parts import Shared
from searchkit.collection.upkeep import finish

SOON = 0.2
"""Seconds that a search waits for another model; if it is not loaded then, the one before answers."""


class Active:
    """Follows the manifest, which any process may replace."""

    def __init__(self, shared: Shared, manifest: Manifest) -> None:
        self._shared = shared
        self._seen = manifest_stamp(shared.root)
        self._first = self._now = self._answered = OpenSpace(shared, manifest)
        self._warming: tuple[OpenSpace, threading.Thread] | None = None
        self._turn = threading.Lock()

    @property
    def current(self) -> OpenSpace:
        """The space that is active: one look at the time of a file."""
        with self._turn:
            stamp = manifest_stamp(self._shared.root)
            if stamp != self._seen:
                manifest, self._seen = read_manifest(self._shared.root), stamp
                if manifest.space != self._now.manifest.space:
                    again = manifest.space == self._first.manifest.space
                    self._now = self._first if again else OpenSpace(self._shared, manifest)
            return self._now

    @property
    def answering(self) -> OpenSpace:
        """`current`, once it is warm: to load another model takes seconds, in which no search has to wait
        when what answered before can go on."""
        now, before = self.current, self._answered
        if now is not before and before.is_warm and not now.is_warm:
            with self._turn:
                begun = self._warming is not None and self._warming[0] is now
                if not begun:
                    self._warming = now, threading.Thread(target=now.warm, name="warming")
                    self._warming[1].start()
                assert self._warming is not None
                thread = self._warming[1]
            if not begun:
                thread.join(SOON)
            if thread.is_alive():
                return before
        self._answered = now
        return now

    def close(self) -> None:
        """Wait for what goes on in the background, and let go of the catalog."""
        for space in (self._first, self._now):
            finish(space)
        if self._warming is not None:
            self._warming[1].join()
        self._shared.close()
