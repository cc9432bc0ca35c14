"""What the three office formats share: libraries that may not be there, and pictures among the markup."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from searchkit.errors import Unreadable
from searchkit.types import Embedded

LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
BLIP = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
OLD_PICTURE = "{urn:schemas-microsoft-com:vml}imagedata"


def version(distribution: str) -> str:
    """ "python-docx 1.2.0"; a failure for want of the library is tried again once it is there."""
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{distribution} 0 (missing)"


def library(module: str, *, path: Path) -> Any:
    """A module of the extra `office`. Raises `Unreadable` naming the extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unreadable(
            f"{path} needs a library that is not installed", hint="pip install 'searchkit[office]'"
        ) from error


def pictures_of(part: Any, root: Any, seen: set[str], *, page: int | None = None) -> Iterator[Embedded]:
    """Those that the markup under `root` shows, in its order, the first time each; linked ones are not
    inside."""
    for node in root.iter(BLIP, OLD_PICTURE):
        link = node.get(LINK + ("embed" if node.tag == BLIP else "id"))
        relation = part.rels[link] if link and link in part.rels else None
        if relation is None or relation.is_external:
            continue
        picture = relation.target_part
        name = str(picture.partname)
        if name not in seen and picture.content_type.startswith("image/"):
            seen.add(name)
            yield Embedded(picture.blob, page)
