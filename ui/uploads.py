"""What visitors upload, kept in memory within a budget: their last few, and not for ever."""

from __future__ import annotations

import threading

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

FEW = 3
"""Uploads of one visitor that are kept."""
BUDGET = 240_000_000
"""Bytes of the uploads of all visitors together; the last one is kept in any case."""


class Uploads(MemoryUploadedFileManager):  # type: ignore[misc]
    """Streamlit's store of uploads, from which the oldest leave: a widget that holds one is empty again."""

    def __init__(self, upload_endpoint: str) -> None:
        super().__init__(upload_endpoint)
        self._adding = threading.Lock()
        self._order: dict[tuple[str, str], int] = {}
        """Visitor and upload → bytes, the oldest first."""

    def add_file(self, session_id: str, file: UploadedFileRec) -> None:
        """Keep an upload, and drop the oldest beyond FEW of its visitor and BUDGET of all."""
        with self._adding:
            super().add_file(session_id, file)
            self._order.pop((session_id, file.file_id), None)
            self._order[session_id, file.file_id] = len(file.data)
            mine = [key for key in self._order if key[0] == session_id]
            for key in mine[:-FEW]:
                self._drop(key)
            while len(self._order) > 1 and sum(self._order.values()) > BUDGET:
                self._drop(next(iter(self._order)))

    def remove_session_files(self, session_id: str) -> None:
        """Drop all uploads of a visitor who has left."""
        with self._adding:
            super().remove_session_files(session_id)
            for key in [key for key in self._order if key[0] == session_id]:
                del self._order[key]

    def remove_file(self, session_id: str, file_id: str) -> None:
        """Drop one upload."""
        with self._adding:
            super().remove_file(session_id, file_id)
            self._order.pop((session_id, file_id), None)

    def _drop(self, key: tuple[str, str]) -> None:
        super().remove_file(*key)
        del self._order[key]
