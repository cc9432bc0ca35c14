"""`searchkit doctor`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json, Quiet
from searchkit.cli.settings import load

if TYPE_CHECKING:
    from searchkit.collection.findings import Finding


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended.")] = False,
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """List what failed and what is broken.

    Broken is what catalog and store disagree on, after a crash or a change from outside, and every file
    of the collection that is lost or has rotted: all of it is read.
    Exit code: 2 when something is left broken, 3 when files have failed, else 0.
    """
    settings = load(collection=collection)
    from searchkit.collection.damage import restore_manifest
    from searchkit.collection.doctor import examine
    from searchkit.collection.library import Collection
    from searchkit.collection.manifest import resolve

    restored = restore_manifest(resolve(settings.collection)) if fix else []
    with Collection.open(settings.collection, create=False) as library:
        findings = [*restored, *examine(library, fix=fix)]
    if as_json:
        output.records(_record(finding) for finding in findings)
    else:
        output.lines(line for finding in findings for line in _words(finding))
    if not quiet:
        output.note(f"{len(findings)} findings" if findings else "nothing is wrong")
    left = {finding.severity for finding in findings if not finding.fixed}
    return output.FAILED if "broken" in left else output.SOME_FAILED if "failed" in left else 0


def _words(finding: Finding) -> tuple[str, ...]:
    first = f"{finding.severity}: {output.about(finding.path, finding.what)}"
    return (f"{first} (mended)",) if finding.fixed else (first, f"    {finding.remedy}")


def _record(finding: Finding) -> dict[str, Any]:
    from searchkit.types import JSON_SCHEMA

    return {
        "schema": JSON_SCHEMA,
        "severity": finding.severity,
        "what": finding.what,
        **(output.path_fields(finding.path) if finding.path else {"path": None}),
        "remedy": finding.remedy,
        "fixed": finding.fixed,
    }
