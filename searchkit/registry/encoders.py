"""Encoders by name: bundled ones, other packages' entry points, folders, and repositories of the hub."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from searchkit.encoders.checkpoint import Checkpoint, following, is_repository
from searchkit.encoders.hub import BASIC, cached, fetch
from searchkit.encoders.records import RECORDS, licence
from searchkit.errors import BadInput, ModelMissing
from searchkit.registry.checkpoints import AUTO, check_licence, check_terms, model_folder
from searchkit.registry.families import FAMILIES, is_blip
from searchkit.registry.points import entry_points
from searchkit.types import EncoderRecord, Runtime

if TYPE_CHECKING:
    from searchkit.protocols import Encoder

DESCRIBED = ("config.json", "open_clip_config.json")
"""The file that says what a checkpoint is, and how large."""
DEFAULT_ENCODER = "pocket"
ENTRY_POINT = "searchkit.encoders"
"""Other packages add encoders under this group: name = "module:function", called without arguments."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """How an encoder that comes with searchkit is made."""

    module: str
    """Holds `bundled(name, runtime) -> Encoder`, which reads no weights."""
    listed: bool = True
    """Whether `searchkit models` and error texts name it."""


BUNDLED: dict[str, Bundled] = {
    "pocket": Bundled("searchkit.encoders.bundled"),  # MiniLM's text tower, a small image tower of our own
    "pocket-large": Bundled("searchkit.encoders.bundled"),  # the same text tower, a larger image tower
    "hashing": Bundled("searchkit.encoders.hashing", listed=False),  # no weights and no meaning: for tests
}
"""The encoders that need no network, by name. An entry point cannot take one of these names."""


def encoder_names() -> list[str]:
    """The names that error texts list: bundled encoders, known repositories, entry points."""
    points = sorted(point.name for point in entry_points(group=ENTRY_POINT))
    return [*_listed(), *RECORDS, *points]


def encoder_records() -> list[EncoderRecord]:
    """The records that `searchkit models` lists. Loads no weights."""
    points = [load_encoder(point.name).record for point in entry_points(group=ENTRY_POINT)]
    return [*(load_encoder(name).record for name in _listed()), *RECORDS.values(), *points]


def _listed() -> list[str]:
    return [name for name, row in BUNDLED.items() if row.listed]


def load_encoder(name: str, runtime: Runtime = AUTO) -> Encoder:
    """The encoder of that name, of which no weights are read yet.

    The name is one of `BUNDLED` or of an entry point; a folder that `searchkit train` wrote or that holds a
    checkpoint (a name with a path separator, or a folder that exists); or a repository of the hub,
    "owner/model" or "owner/model@revision", fetched when it is not here. With ":256" behind it, its vectors
    have their first 256 dimensions alone, for a model that was trained for that.

    Raises `ModelMissing` naming the files that are not here, `BadInput` for a checkpoint that cannot be
    used and for a licence that has not been accepted.
    """
    base, _, dim = name.rpartition(":")
    if base and dim.isascii() and dim.isdigit():
        return _truncated(load_encoder(base, runtime), int(dim))
    if name in BUNDLED:
        bundled: Encoder = import_module(BUNDLED[name].module).bundled(name, runtime)
        return bundled
    for point in entry_points(group=ENTRY_POINT):
        if point.name == name:
            encoder: Encoder = point.load()()
            return encoder
    folder = model_folder(name)
    if folder is not None:
        return _read(Checkpoint(str(folder), folder), None, runtime)
    record = RECORDS.get(name.partition("@")[0])
    if record is None and not is_repository(name):
        raise ModelMissing(
            f"no encoder named {name!r}, and no folder of that name with a model",
            hint=f"known encoders: {', '.join(encoder_names())}",
        )
    return _read(_fetched(name, record, runtime), record, runtime)


def _truncated(whole: Encoder, dim: int) -> Encoder:
    from searchkit.encoders.hashing import Hashing
    from searchkit.encoders.matryoshka import truncated
    from searchkit.encoders.towers import TwoTowers

    if isinstance(whole, Hashing):
        return Hashing(dim)
    if not isinstance(whole, TwoTowers):
        raise BadInput(
            f"{whole.record.name} has no shorter vectors", hint="leave out the number behind the colon"
        )
    return truncated(whole, dim)


def _fetched(name: str, record: EncoderRecord | None, runtime: Runtime, *, again: bool = False) -> Checkpoint:
    """The files of a repository; with `again`, the newest. Raises `BadInput` before a restricted one."""
    check_licence(record, runtime)
    files = FAMILIES[record.family].files if record is not None else BASIC[:1]
    return fetch(name, files=files, offline=runtime.offline, again=again)


def _read(checkpoint: Checkpoint, record: EncoderRecord | None, runtime: Runtime) -> Encoder:
    """The encoder in a checkpoint, by the family that recognises it."""
    from searchkit.encoders.device import placement

    families = FAMILIES.values() if record is None else [FAMILIES[record.family]]
    described = checkpoint.folder / next((file for file in DESCRIBED if checkpoint.has(file)), DESCRIBED[0])
    for family in families:
        with following(described):
            is_one = family.is_one(checkpoint)
        if is_one:
            where, module = placement(runtime), import_module(family.module)
            with following(f"{described}, or a file beside it,"):
                encoder: Encoder = module.load(checkpoint, record, where)
            check_licence(encoder.record, runtime)
            return encoder
    if is_blip(checkpoint):
        raise BadInput(
            f"{checkpoint.name} is a BLIP, which is no encoder", hint="it is for --captioner or --rerank"
        )
    model_type = checkpoint.json().get("model_type") if checkpoint.has("config.json") else None
    raise BadInput(
        f"{described} is of a kind that is not known (model_type {model_type!r})",
        hint=f"families that can be read: {', '.join(FAMILIES)}",
    )


def pull(name: str, runtime: Runtime = AUTO) -> Checkpoint:
    """The newest files of a repository (or the named revision's), fetched and checked, for later use.

    Raises as `load_encoder` does.
    """
    if not is_repository(name):
        raise BadInput(f"{name!r} is no repository of the hub", hint="searchkit models pull owner/model")
    record = RECORDS.get(name.partition("@")[0])
    checkpoint = _fetched(name, record, runtime, again=True)
    if is_blip(checkpoint):
        from searchkit.encoders.blip import read_blip
        from searchkit.encoders.device import placement

        check_terms(name, *licence(checkpoint), runtime)
        read_blip(checkpoint, placement(runtime))
    else:
        _read(checkpoint, record, runtime)  # is it of a kind that can be used?
    return checkpoint


def is_here(record: EncoderRecord) -> bool:
    """Whether an encoder's files are on this machine."""
    if record.name not in RECORDS:
        return True
    checkpoint = cached(record.name)
    return checkpoint is not None and checkpoint.has(*FAMILIES[record.family].files)
