"""Everything that can go wrong, in one tree.

    SearchkitError                      exit 2
    ├── BadInput                        exit 2   an argument, option or file that cannot be used
    ├── Unreadable                      (ledger) one file that cannot be decoded or parsed
    │   └── NoText                      (ledger) a document without text, and without pictures to index
    ├── CollectionError                 exit 2
    │   ├── CollectionMissing           exit 2
    │   ├── CollectionLocked            exit 2   another writer holds it
    │   ├── CollectionTooNew            exit 2   written by a newer format
    │   ├── CollectionDamaged           exit 2   a file of it is lost or has rotted
    │   └── NothingIndexed              exit 2
    ├── SpaceMismatch                   exit 4   encoder and collection do not fit
    └── ModelMissing                    exit 5   weights are not here and cannot be fetched

The message says what happened and to which thing; `hint` says what to do about it.
The command line is the only place that turns these into text and exit codes.
"""

from __future__ import annotations


class SearchkitError(Exception):
    """The root: `str(error)` is the message, `error.hint` the remedy, `exit_code` the process's."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class BadInput(SearchkitError):
    """An argument, option or input file cannot be used as given."""


class Unreadable(SearchkitError):
    """One file cannot be decoded or parsed. Ends in the failure ledger, never ends a run."""


class NoText(Unreadable):
    """A document that was parsed and holds no text: it may be a scan, which its pictures can stand for."""

    def __init__(self, message: str, *, hint: str = "", pages: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.pages = pages
        """How many it has; 0 for formats that have none."""


class CollectionError(SearchkitError):
    """Something about the collection itself."""


class CollectionMissing(CollectionError):
    """There is no collection at this place."""


class CollectionLocked(CollectionError):
    """Another process is writing; the message names its pid and host."""


class CollectionTooNew(CollectionError):
    """The collection, or a part of it, was written in a newer format than this version reads."""

    @classmethod
    def of(cls, what: str, *, found: object, known: object, needs: str = "") -> CollectionTooNew:
        """`needs` is the oldest searchkit that reads it, where whoever wrote it has said so."""
        return cls(
            f"{what} was written in format {found}; this searchkit reads up to {known}",
            hint=f"it needs searchkit {needs} or newer" if needs else "it needs a newer searchkit",
        )


class CollectionDamaged(CollectionError):
    """A file of the collection is lost, or is not what was written."""

    def __init__(self, message: str, *, hint: str = "mend it with: searchkit doctor --fix") -> None:
        super().__init__(message, hint=hint)


class NothingIndexed(CollectionError):
    """The collection holds nothing yet that could be searched."""


class SpaceMismatch(SearchkitError):
    """The encoder's space is not the collection's; their vectors cannot be compared."""

    exit_code = 4


class ModelMissing(SearchkitError):
    """Weights are not on this machine, and may not or cannot be fetched."""

    exit_code = 5
