"""A model's files by its name: a folder, or a repository of the hub, under a licence that was accepted."""

from __future__ import annotations

import re
from pathlib import Path

from searchkit.encoders.checkpoint import Checkpoint, is_repository
from searchkit.encoders.hub import BASIC, fetch, fetch_export
from searchkit.encoders.records import licence
from searchkit.errors import BadInput, ModelMissing
from searchkit.types import EncoderRecord, Runtime

AUTO = Runtime()
COMMIT_SUFFIX = re.compile(r"@[0-9a-f]{40}")


def same_model(asked: str, made_with: str) -> bool:
    """Whether a given name means the encoder of a collection, which records the commit too."""
    return asked in (made_with, COMMIT_SUFFIX.sub("", made_with))


def model_folder(name: str) -> Path | None:
    """The folder of that name; None where there is none that describes a model."""
    try:
        folder = Path(name).expanduser()
        described = any((folder / file).is_file() for file in ("config.json", "open_clip_config.json"))
        return folder.resolve() if described else None
    except (OSError, RuntimeError):  # a name too long, the home of a user that is not there
        return None


def exports(name: str, runtime: Runtime = AUTO) -> tuple[Path, Path | None]:
    """The publisher's own fp32 exports of a model: of its text and of its image network.

    The two may be one file. Raises `ModelMissing` for a file that cannot be had, `BadInput` where the model
    has none.
    """
    folder = model_folder(name)

    def export(file: str) -> Path | None:
        if folder is not None:
            return folder / file if (folder / file).is_file() else None
        return fetch_export(name, file, offline=runtime.offline) if is_repository(name) else None

    together = "onnx/model.onnx"
    text = export("onnx/text_model.onnx") or export(together)
    if text is None:
        raise BadInput(f"{name} has no onnx/text_model.onnx to compare with", hint="its publisher gave none")
    return text, export("onnx/vision_model.onnx") or (text if text.name == "model.onnx" else None)


def blip_files(name: str, runtime: Runtime, what: str, others: str = "") -> Checkpoint:
    """The files of a BLIP, whose licence is accepted.

    `what` says in an error what the name was taken for, `others` in its hint what else could be named.
    """
    folder = model_folder(name)
    if folder is None and not is_repository(name):
        raise ModelMissing(
            f"no {what}, and no folder of that name with a model",
            hint=f"give a BLIP: owner/model, or a folder{others}",
        )
    if folder is not None:
        checkpoint = Checkpoint(str(folder), folder)
    else:
        checkpoint = fetch(name, files=BASIC, offline=runtime.offline)
    check_terms(name, *licence(checkpoint), runtime)
    return checkpoint


def check_licence(record: EncoderRecord | None, runtime: Runtime) -> None:
    """Raises `BadInput` for a record whose licence restricts use and has not been accepted."""
    if record is not None:
        check_terms(record.name, record.licence, record.restricted, runtime)


def check_terms(name: str, terms: str, restricted: bool, runtime: Runtime) -> None:
    """Raises `BadInput` for restricted terms that have not been accepted."""
    if restricted and not runtime.accept_licence:
        raise BadInput(
            f"{name} is under {terms}, which allows less than Apache-2.0 or MIT "
            "(as a rule: no commercial use)",
            hint="read the licence on its page; to accept it: --accept-licence",
        )
