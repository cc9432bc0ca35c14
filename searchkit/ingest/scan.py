"""The scan: what of a source is due, what is gone from it, and whether the source is there at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from searchkit.catalog.catalog import Asset, Catalog, Source
from searchkit.ingest.load import decoder_of
from searchkit.ingest.run import Run
from searchkit.ingest.walk import Problem, Selection, entry_of, walk
from searchkit.types import FileEntry


@dataclass(slots=True)
class Scan:
    """What the walk of one source, or of a part of it, saw, beside the assets that the catalog has there."""

    assets: dict[str, Asset]
    """The assets of the source by path, as they were when the walk began."""
    due: list[FileEntry] = field(default_factory=list)
    """Files to be read: they are new, they have changed, or they are to be tried again."""
    seen: set[str] = field(default_factory=set)
    """Paths of all files that are there."""
    blind: list[str] = field(default_factory=list)
    """Paths that could not be looked at: they, and what lies below, are neither seen nor gone."""

    def gone(self, selection: Selection) -> list[Asset]:
        """The assets that the walk with this selection could have seen and did not."""
        hidden = set(self.blind)
        below = tuple(path.rstrip(os.sep) + os.sep for path in self.blind)
        return [
            asset
            for path, asset in self.assets.items()
            if path not in self.seen
            and path not in hidden
            and not path.startswith(below)
            and not (selection.partial and os.path.lexists(path))  # left out by a pattern is not gone
        ]


class Scanner:
    """Compares sources with the catalog. It writes only the state of a source, and what the walk met."""

    def __init__(self, catalog: Catalog, space: str, run: Run) -> None:
        self._catalog, self._space, self._run = catalog, space, run

    def scan(self, source: Source, selection: Selection, scope: str | None = None) -> Scan | None:
        """Walk a source, or the part of it at or below `scope`.

        Returns None when the run was stopped, or the source is offline: unreadable, or empty where the
        catalog has assets.
        """
        root = scope or source.path
        scan = Scan(self._assets(source, root))
        ledger = self._catalog.failed_as(under=root)
        problems: list[Problem] = []
        for entry in walk(source.path, selection, start=scope, stop=self._run.stopped):
            if isinstance(entry, Problem):
                problems.append(entry)
                scan.blind.append(entry.path)
                continue
            scan.seen.add(entry.path)
            if self._is_due(entry, scan.assets.get(entry.path), ledger.get(entry.path)):
                scan.due.append(entry)
            self._run.options.tell("scan", len(scan.seen), 0, entry.path)
            if self._run.stopped():
                return None
        if self._run.report.interrupted:  # among folders that hold nothing
            return None
        unreadable = any(problem.path == root for problem in problems)
        emptied = bool(scan.assets) and scope is None and not scan.seen
        if (unreadable and scope is None) or emptied:
            self._mark_offline(source, "unreadable" if unreadable else "empty")
            return None
        self._run.report.seen += len(scan.seen)
        self._catalog.mark_source(source, "ready")
        # problems of an earlier walk are over unless this one met them again
        self._catalog.clear_failures([p for p, (_, _, decoder) in ledger.items() if decoder == "walk"])
        for problem in problems:
            entry = FileEntry(problem.path, 0, 0)
            self._catalog.fail(source, entry, reason=problem.reason, decoder="walk", sha256=None)
        return scan

    def look_at(self, paths: Sequence[str]) -> Scan:
        """Look at these files alone, without a walk: those that are not there are neither due nor gone."""
        scan = Scan({asset.path: asset for asset in self._catalog.assets(self._space, paths=paths)})
        ledger = self._catalog.failed_at(paths)
        entries = [entry for path in paths if (entry := entry_of(path)) is not None]
        scan.due += [e for e in entries if self._is_due(e, scan.assets.get(e.path), ledger.get(e.path))]
        return scan

    def is_away(self, source: Source) -> bool:
        """Whether a source cannot be read at this moment, or is empty; then it is noted as offline."""
        reason = _absence(source.path)
        if reason:
            self._mark_offline(source, reason)
        return bool(reason)

    def _assets(self, source: Source, root: str) -> dict[str, Asset]:
        inside = self._catalog.assets(self._space, under=root)
        return {asset.path: asset for asset in inside if asset.source == source.path}

    def _is_due(self, entry: FileEntry, asset: Asset | None, failed: tuple[int, int, str] | None) -> bool:
        stamp = (entry.size, entry.mtime_ns)
        if failed is not None and not self._run.options.retry_failed:
            if failed == (*stamp, decoder_of(entry.path)):
                return False
        elif asset is not None and asset.encoded == asset.sha256 and (asset.size, asset.mtime_ns) == stamp:
            self._run.report.unchanged += 1
            return False
        return True

    def _mark_offline(self, source: Source, reason: str) -> None:
        self._catalog.mark_source(source, "offline")
        self._run.report.offline += 1
        shown = os.fsencode(source.path).decode("utf-8", "replace")
        self._run.report.warnings.append(
            f"{shown} is {reason}: taken for offline, nothing was deleted "
            f"(if it is gone for good: searchkit rm {shown})"
        )


def _absence(root: str) -> str:
    """Why nothing can be said of what is in a source: it is "unreadable" or "empty"; "" where it is there."""
    try:
        with os.scandir(root) as listing:
            return "" if next(listing, None) else "empty"
    except NotADirectoryError:
        return ""
    except OSError:
        return "unreadable"


def scopes(sources: Iterable[Source], path: str) -> tuple[Source | None, list[Source]]:
    """The source that encloses a path (the deepest), and those that lie inside it."""
    known = list(sources)
    around = [s for s in known if s.path == path or path.startswith(s.path.rstrip(os.sep) + os.sep)]
    inside = [s for s in known if s.path.startswith(path.rstrip(os.sep) + os.sep)]
    return max(around, key=lambda s: len(s.path), default=None), inside
