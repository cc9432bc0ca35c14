"""Names to implementations: the one place that imports encoders and parsers, each when it is asked for. The
same tables give `searchkit models`, the dispatch and the error texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.encoders.checkpoint import Checkpoint, is_repository
from searchkit.encoders.hub import BASIC, cached, fetch, fetch_export
from searchkit.encoders.records import RECORDS, licence
from searchkit.errors import BadInput, ModelMissing
from searchkit.parsers.suffixes import CODE
from searchkit.types import EncoderRecord, Runtime

if TYPE_CHECKING:
    from searchkit.protocols import Captioner, Encoder, Parser, Reranker
    from searchkit.rerankers.blip import BlipMatcher
    from searchkit.rerankers.matcher import OpenPicture

DEFAULT_ENCODER = "pocket"
AUTO = Runtime()
COMMIT_SUFFIX = re.compile(r"@[0-9a-f]{40}")
ENTRY_POINT = "searchkit.encoders"
"""Other packages add encoders under this group: name = "module:function", called without arguments."""
CAPTIONERS = "searchkit.captioners"
"""And captioners under this one."""


@dataclass(frozen=True, slots=True)
class Family:
    """How the checkpoints of one kind are known, what they need, and who reads them."""

    module: str
    """Holds `load(checkpoint, record, where) -> Encoder`; `record` is None for a name not in the table."""
    is_one: Callable[[Checkpoint], bool]
    files: tuple[str, ...] = BASIC


def _model_type(*names: str) -> Callable[[Checkpoint], bool]:
    return lambda found: found.has("config.json") and found.json().get("model_type") in names


_is_blip = _model_type("blip")

FAMILIES: dict[str, Family] = {
    "searchkit": Family(
        "searchkit.encoders.pocket",
        lambda found: found.has("config.json") and "tower" in found.json(),
        BASIC[:2],
    ),
    "jina-clip": Family("searchkit.encoders.jina", lambda found: _jina(found) and not _multilingual(found)),
    "jina-clip-v2": Family("searchkit.encoders.jina_v2", lambda found: _jina(found) and _multilingual(found)),
    "clip": Family("searchkit.encoders.clip", _model_type("clip")),
    "siglip": Family("searchkit.encoders.siglip", _model_type("siglip", "siglip2")),
    "open_clip": Family(
        "searchkit.encoders.openclip",
        lambda found: found.has("open_clip_config.json"),
        ("open_clip_config.json", "open_clip_model.safetensors"),
    ),
    "sentence-transformers": Family(
        "searchkit.encoders.sentence",
        lambda found: found.has("modules.json"),
        ("modules.json", "config.json", "model.safetensors", "tokenizer.json"),
    ),
}
"""In the order in which a folder is looked at: the first whose `is_one` says so reads it. "searchkit" is
what `searchkit train` wrote. The last two are last because checkpoints of the others often describe
themselves to open_clip and to sentence-transformers too."""


def _jina(found: Checkpoint) -> bool:
    return _model_type("jina_clip")(found)


def _multilingual(found: Checkpoint) -> bool:
    """Version 2: its text tower is an XLM-RoBERTa, jina-embeddings-v3's, of whose layers LoRA adapts the
    weights."""
    tower = str(found.json().get("text_config", {}).get("hf_model_name_or_path", "")).lower()
    return any(part in tower for part in ("xlm", "embeddings-v3")) or any(
        name.endswith("lora_A") or ".roberta." in name for name in found.shapes()
    )


def same_model(asked: str, made_with: str) -> bool:
    """Whether a name that was given means the encoder of a collection, which records the commit too."""
    return asked in (made_with, COMMIT_SUFFIX.sub("", made_with))


def encoder_names() -> list[str]:
    return [DEFAULT_ENCODER, *RECORDS, *sorted(point.name for point in entry_points(group=ENTRY_POINT))]


def load_encoder(name: str, runtime: Runtime = AUTO) -> Encoder:
    """An encoder by name, with ":256" behind it for the first 256 dimensions of one that was trained for
    that; from a folder that `searchkit train` wrote or that holds a checkpoint (a name
    with a path separator, or a folder that exists); or a repository of the hub, "owner/model" or
    "owner/model@revision", fetched when it is not here.

    Raises `ModelMissing` naming the files that are not here, `BadInput` for a checkpoint that cannot be
    used and for a licence that has not been accepted.
    """
    base, _, dim = name.rpartition(":")
    if base and dim.isascii() and dim.isdigit():
        return _truncated(load_encoder(base, runtime), int(dim))
    if name == "hashing":
        from searchkit.encoders.hashing import Hashing

        return Hashing()
    for point in entry_points(group=ENTRY_POINT):
        if point.name == name:
            encoder: Encoder = point.load()()
            return encoder
    if name == DEFAULT_ENCODER:
        from searchkit.encoders.bundled import bundled

        return bundled(DEFAULT_ENCODER, runtime)
    folder = _folder(name)
    if folder is not None:
        return _load(Checkpoint(str(folder), folder), None, runtime)
    record = RECORDS.get(name.partition("@")[0])
    if record is None and not is_repository(name):
        raise ModelMissing(
            f"no encoder named {name!r}, and no folder of that name with a model",
            hint=f"known encoders: {', '.join(encoder_names())}",
        )
    return _from_hub(name, record, runtime)


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


def _folder(name: str) -> Path | None:
    """The folder of that name, if there is one that describes a model."""
    try:
        folder = Path(name).expanduser()
        described = any((folder / file).is_file() for file in ("config.json", "open_clip_config.json"))
        return folder.resolve() if described else None
    except (OSError, RuntimeError):  # a name too long, the home of a user that is not there
        return None


def _from_hub(name: str, record: EncoderRecord | None, runtime: Runtime) -> Encoder:
    _check_licence(record, runtime)
    files = FAMILIES[record.family].files if record is not None else BASIC[:1]
    return _load(fetch(name, files=files, offline=runtime.offline), record, runtime)


def pull(name: str, runtime: Runtime = AUTO) -> Checkpoint:
    """The newest files of a repository (or the named revision's), fetched and checked, for later use.

    Raises as `load_encoder` does.
    """
    if not is_repository(name):
        raise BadInput(f"{name!r} is no repository of the hub", hint="searchkit models pull owner/model")
    record = RECORDS.get(name.partition("@")[0])
    _check_licence(record, runtime)
    files = FAMILIES[record.family].files if record is not None else BASIC[:1]
    found = fetch(name, files=files, offline=runtime.offline, again=True)
    if _is_blip(found):
        from searchkit.encoders.blip import read_blip
        from searchkit.encoders.device import placement

        _check_terms(name, *licence(found), runtime)
        read_blip(found, placement(runtime))
    else:
        _load(found, record, runtime)  # is it of a kind that can be used?
    return found


def exports(name: str, runtime: Runtime = AUTO) -> tuple[Path, Path | None]:
    """The publisher's own fp32 exports of a model: of its text and of its image network. The two may be one
    file. Raises `ModelMissing` for a file that cannot be had, `BadInput` where the model has none."""
    folder = _folder(name)

    def export(file: str) -> Path | None:
        if folder is not None:
            return folder / file if (folder / file).is_file() else None
        return fetch_export(name, file, offline=runtime.offline) if is_repository(name) else None

    together = "onnx/model.onnx"
    text = export("onnx/text_model.onnx") or export(together)
    if text is None:
        raise BadInput(f"{name} has no onnx/text_model.onnx to compare with", hint="its publisher gave none")
    return text, export("onnx/vision_model.onnx") or (text if text.name == "model.onnx" else None)


def load_captioner(
    name: str, runtime: Runtime = AUTO, *, captions: int = 5, seed: int = 0
) -> tuple[str, Captioner]:
    """What a store says of a captioner, and the captioner: pictures to captions of each.

    `name` is an entry point in the group `searchkit.captioners`, a function without arguments that gives such
    a function; or a BLIP that writes captions, as `load_encoder` finds its checkpoints, of which `captions`
    and `seed` are. Raises as `load_encoder` does.
    """
    points = {point.name: point for point in entry_points(group=CAPTIONERS)}
    if name in points:
        captioner: Captioner = points[name].load()()
        return name, captioner
    others = f", or an entry point of the group {CAPTIONERS}: {', '.join(sorted(points)) or 'there is none'}"
    found = _blip_files(name, runtime, f"captioner named {name!r}", others)
    from searchkit.captioners.blip import BlipCaptioner
    from searchkit.encoders.blip import CAPTIONING, read_blip
    from searchkit.encoders.device import placement

    blip = BlipCaptioner(read_blip(found, placement(runtime), CAPTIONING), captions=captions, seed=seed)
    return blip.identity, blip


def load_matcher(name: str, runtime: Runtime = AUTO) -> BlipMatcher:
    """A BLIP that matches texts with pictures, found as `load_encoder` finds a model. Raises as that does."""
    found = _blip_files(name, runtime, f"matcher named {name!r}")
    from searchkit.encoders.blip import MATCHING, read_blip
    from searchkit.encoders.device import placement
    from searchkit.rerankers.blip import BlipMatcher

    return BlipMatcher(read_blip(found, placement(runtime), MATCHING))


def load_reranker(name: str, open_picture: OpenPicture, runtime: Runtime = AUTO) -> Reranker:
    """The reranker of pictures by that name; `open_picture` gives it the pictures. Raises as `load_encoder`
    does."""
    from searchkit.rerankers.matcher import Matcher

    return Matcher(load_matcher(name, runtime), open_picture)


def _blip_files(name: str, runtime: Runtime, what: str, others: str = "") -> Checkpoint:
    folder = _folder(name)
    if folder is None and not is_repository(name):
        raise ModelMissing(
            f"no {what}, and no folder of that name with a model",
            hint=f"give a BLIP: owner/model, or a folder{others}",
        )
    if folder is not None:
        found = Checkpoint(str(folder), folder)
    else:
        found = fetch(name, files=BASIC, offline=runtime.offline)
    _check_terms(name, *licence(found), runtime)
    return found


def is_here(record: EncoderRecord) -> bool:
    """Whether an encoder's files are on this machine."""
    if record.name not in RECORDS:
        return True
    found = cached(record.name)
    return found is not None and found.has(*FAMILIES[record.family].files)


def _check_licence(record: EncoderRecord | None, runtime: Runtime) -> None:
    if record is not None:
        _check_terms(record.name, record.licence, record.restricted, runtime)


def _check_terms(name: str, terms: str, restricted: bool, runtime: Runtime) -> None:
    if restricted and not runtime.accept_licence:
        raise BadInput(
            f"{name} is under {terms}, which allows less than Apache-2.0 or MIT "
            "(as a rule: no commercial use)",
            hint="read the licence on its page; to accept it: --accept-licence",
        )


def _load(found: Checkpoint, record: EncoderRecord | None, runtime: Runtime) -> Encoder:
    from searchkit.encoders.device import placement

    families = FAMILIES.values() if record is None else [FAMILIES[record.family]]
    for family in families:
        if family.is_one(found):
            encoder: Encoder = import_module(family.module).load(found, record, placement(runtime))
            _check_licence(encoder.record, runtime)
            return encoder
    if _is_blip(found):
        raise BadInput(
            f"{found.name} is a BLIP, which is no encoder", hint="it is for --captioner or --rerank"
        )
    said = found.json().get("model_type") if found.has("config.json") else None
    raise BadInput(
        f"{found.name} is of a kind that is not known (model_type {said!r})",
        hint=f"families that can be read: {', '.join(FAMILIES)}",
    )


def encoder_records() -> list[EncoderRecord]:
    """What `searchkit models` lists. Loads no weights."""
    points = [load_encoder(point.name).record for point in entry_points(group=ENTRY_POINT)]
    return [load_encoder(DEFAULT_ENCODER).record, *RECORDS.values(), *points]


OFFICE_WORD = (".docx", ".docm", ".dotx", ".dotm", ".doc")
OFFICE_SLIDES = (".pptx", ".pptm", ".ppsx", ".potx", ".ppt")
OFFICE_SHEETS = (".xlsx", ".xlsm", ".xltx", ".xltm", ".xls")
OPEN_DOCUMENT = (".odt", ".ott", ".odp", ".otp", ".ods", ".ots")
PARSERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("searchkit.parsers.text", "TextParser", (".txt", ".text", ".log", ".rst")),
    ("searchkit.parsers.markdown", "MarkdownParser", (".md", ".markdown")),
    ("searchkit.parsers.html", "HtmlParser", (".html", ".htm", ".xhtml")),
    ("searchkit.parsers.pdf", "PdfParser", (".pdf",)),
    ("searchkit.parsers.docx", "DocxParser", OFFICE_WORD),
    ("searchkit.parsers.pptx", "PptxParser", OFFICE_SLIDES),
    ("searchkit.parsers.xlsx", "XlsxParser", OFFICE_SHEETS),
    ("searchkit.parsers.odf", "OdfParser", OPEN_DOCUMENT),
    ("searchkit.parsers.epub", "EpubParser", (".epub",)),
    ("searchkit.parsers.rtf", "RtfParser", (".rtf",)),
    ("searchkit.parsers.mail", "MailParser", (".eml",)),
    ("searchkit.parsers.table", "TableParser", (".csv", ".tsv", ".tab")),
    ("searchkit.parsers.notebook", "NotebookParser", (".ipynb",)),
    ("searchkit.parsers.code", "CodeParser", CODE),
)
"""A suffix says that a file is looked at; its content says which parser reads it, `parser_of`."""

BINARY = frozenset((*OFFICE_WORD, *OFFICE_SLIDES, *OFFICE_SHEETS, *OPEN_DOCUMENT, ".pdf", ".epub"))


@cache
def parser_for(suffix: str) -> Parser | None:
    """The parser of a lower-case suffix with its dot; None where no parser takes it."""
    for module, name, suffixes in PARSERS:
        if suffix in suffixes:
            parser: Parser = getattr(import_module(module), name)()
            return parser
    return None


def parser_of(path: Path) -> Parser | None:
    """The parser of what a file holds, where its suffix is one that parsers take; else None.

    Raises `Unreadable` for content that no parser reads, naming both.
    """
    from searchkit.parsers.sniff import held

    suffix = path.suffix.lower()
    parser = parser_for(suffix)
    return parser and (parser_for(held(path, binary=suffix in BINARY) or suffix) or parser)


DOCUMENT_SUFFIXES = frozenset(suffix for _, _, suffixes in PARSERS for suffix in suffixes)
