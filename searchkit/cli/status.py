"""`searchkit status`"""

from __future__ import annotations

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json
from searchkit.settings import load


def status(collection: CollectionName = None, as_json: Json = False) -> int:
    """Say what a collection holds."""
    settings = load(collection=collection)
    from searchkit.collection import Collection
    from searchkit.types import LEFT_OUT

    with Collection.open(settings.collection, create=False) as library:
        found = library.status()
    if as_json:
        output.records([found.to_json()])
        return 0
    rows = [
        ("collection", found.root),
        ("encoder", found.encoder),
        ("images", found.images),
        ("documents", f"{found.documents} ({found.passages} passages, {found.pictures} pictures)"),
        ("passages by", found.chunking),
        ("failed", f"{found.failed}" + " (searchkit doctor lists them)" * bool(found.failed)),
        ("searched by", "FAISS" if found.accelerated else "the store itself"),
        ("size", f"{found.megabytes} MB"),
    ]
    rows += [("not findable", f"{count} {LEFT_OUT[name]}") for name, count in found.left_out.items()]
    rows += [("source", f"{source.path} ({source.state}, {source.files} files)") for source in found.sources]
    output.table(rows)
    return 0
