"""Deletions: files that are gone leave the catalog first, with a tombstone, and then the stores."""

from __future__ import annotations

import os
from collections.abc import Callable

from searchkit.catalog.catalog import Asset, Catalog, Source
from searchkit.ingest.ids import ids_of
from searchkit.ingest.run import Run
from searchkit.ingest.scan import Scan
from searchkit.ingest.walk import Selection, entry_of

MASS_DELETION = 0.5
"""More than this part of a source vanishing at once is taken for an accident until `prune` says otherwise."""


class Deletion:
    """Forgets assets whose files are gone. Their items leave the store with `sweep_tombstones`."""

    def __init__(self, catalog: Catalog, run: Run) -> None:
        self._catalog, self._run = catalog, run

    def forget(self, source: Source, scan: Scan, gone: list[Asset], selection: Selection) -> None:
        """Forget these assets of a source, unless so many are lost that it looks like an accident."""
        assets = self._catalog.assets(under=source.path)
        present = {asset.sha256 for asset in assets if asset.path in scan.seen}
        lost = [asset for asset in gone if asset.sha256 not in present]  # the others have moved
        total = len(scan.assets)
        if len(lost) > MASS_DELETION * total and not self._run.options.prune:
            self._run.report.warnings.append(
                f"{len(lost)} of {total} files of {source.path} are gone: nothing was deleted "
                "(if that is right, run again with --prune)"
            )
            gone = [asset for asset in gone if asset.sha256 in present]
        # the walk was a while ago: whoever brings a file back writes under this, too
        with self._run.options.exclusive():
            paths = [asset.path for asset in gone if not _is_back(asset.path, source, selection)]
            self._run.report.deleted += self._catalog.forget(paths)

    def clear_stale_failures(self, source: Source) -> None:
        """Take files that are not there any more out of the failure ledger."""
        failed = self._catalog.failed_as(under=source.path)
        self._catalog.clear_failures([path for path in failed if not os.path.lexists(path)])


def _is_back(path: str, source: Source, selection: Selection) -> bool:
    """Whether a file that a walk did not see is there again, where a walk would come to it."""
    return entry_of(path) is not None and selection.reaches(source.path, path)


def sweep_tombstones(catalog: Catalog, out: Callable[[str, list[str]], object]) -> set[str]:
    """Take out of the stores what the catalog has already forgotten; `out(space, ids)` does that for one.

    Returns the sha256 of each content that was taken out. It runs before a run and after it, not within: a
    file that moved is copied from where it was.
    """
    tombstones = catalog.tombstones()
    for space in sorted({tombstone.space for tombstone in tombstones}):
        buried = [tombstone for tombstone in tombstones if tombstone.space == space]
        out(space, [i for tombstone in buried for i in ids_of(tombstone.content)])
        catalog.clear_tombstones([tombstone.id for tombstone in buried])
    return {tombstone.content.sha256 for tombstone in tombstones}
