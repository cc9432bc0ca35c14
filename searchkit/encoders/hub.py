"""Models by name: a repository of the Hugging Face hub, fetched once into its cache.

A repository is pinned to the commit that it had when it was fetched; the hub is not asked again whether
there is a newer one. The client is imported late: a model that is bundled or in a folder does without.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from searchkit.encoders.checkpoint import INDEX, Checkpoint, refuse_pickles
from searchkit.errors import BadInput, ModelMissing

DESCRIPTION = ("*.json", "*.txt", "*.model", "README.md")
IGNORED = ("onnx/*", "openvino/*", "*fp16*", "*int8*", "*adapter*")
BASIC = ("config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json")
COMMIT = re.compile(r"[0-9a-f]{40}")


def cached(name: str) -> Checkpoint | None:
    """The files of a repository that the hub's cache has, without any network; None where it has none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        with _bars(shown=False):
            folder = snapshot_download(repository, revision=revision or None, local_files_only=True)
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        return None
    return _pinned(repository, Path(folder))


def fetch(
    name: str, *, files: Sequence[str] = BASIC, offline: bool = False, again: bool = False
) -> Checkpoint:
    """The files of a repository, from the hub's cache when `files` are all there, else from the hub.

    `again` asks the hub for the newest commit even so. Raises `ModelMissing` naming what is missing and
    where it was looked for, `BadInput` for a repository or revision that does not exist.
    """
    checkpoint = cached(name)
    complete = checkpoint is not None and (checkpoint.has(*files) or _sharded(checkpoint, files))
    if checkpoint is not None and complete and not again:
        return checkpoint
    if not offline:
        return _download(name, files, checkpoint)
    raise _missing(name, files, checkpoint, "and nothing may be fetched (--offline, or HF_HUB_OFFLINE)")


def _sharded(checkpoint: Checkpoint, files: Sequence[str]) -> bool:
    rest = [file for file in files if file != "model.safetensors"]
    return checkpoint.has(INDEX, *rest) and all(path.is_file() for path in checkpoint.weight_files)


def _download(name: str, files: Sequence[str], checkpoint: Checkpoint | None) -> Checkpoint:
    from huggingface_hub import constants, model_info, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, _, revision = name.partition("@")
    if constants.HF_HUB_OFFLINE:
        raise _missing(name, files, checkpoint, "and HF_HUB_OFFLINE is set")
    pinned, wanted, ignored = revision or None, _wanted(files), list(IGNORED)
    try:
        with _bars(shown=sys.stderr.isatty()):
            folder = snapshot_download(
                repository, revision=pinned, allow_patterns=wanted, ignore_patterns=ignored
            )
    except GatedRepoError as error:
        raise ModelMissing(
            f"{repository} is only given to those who accept its terms on its page",
            hint="accept them there, then: hf auth login",
        ) from error
    except RevisionNotFoundError as error:
        raise BadInput(
            f"{repository} has no revision {revision!r}", hint="see its page for those it has"
        ) from error
    except RepositoryNotFoundError as error:
        raise BadInput(
            f"there is no model {repository!r} on the hub, and no folder of that name",
            hint="see what there is: searchkit models",
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise _missing(name, files, checkpoint, "and the hub cannot be reached") from error
    fetched = _pinned(repository, Path(folder))
    if not any(Path(folder).glob("*.safetensors")):  # has it none, or only what is not fetched?
        info = model_info(repository, revision=revision or None)
        refuse_pickles(name, [sibling.rfilename for sibling in info.siblings or ()])
    return fetched


@contextmanager
def _bars(*, shown: bool) -> Iterator[None]:
    """Hides the progress bars that the client draws, unless they are `shown`."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _wanted(files: Sequence[str]) -> list[str]:
    """The patterns of what is fetched: all that describes the model, and the weights that are read.

    Some repositories have weights in the formats of several libraries.
    """
    weights = [file for file in files if file.endswith(".safetensors")]
    shards = ["model-*-of-*.safetensors", "*/model.safetensors"] if "model.safetensors" in weights else []
    return [*DESCRIPTION, *(weights + shards or ["*.safetensors"])]


def _missing(name: str, files: Sequence[str], checkpoint: Checkpoint | None, why: str) -> ModelMissing:
    from huggingface_hub import constants

    missing = [file for file in files if checkpoint is None or not checkpoint.has(file)]
    where = checkpoint.folder if checkpoint is not None else constants.HF_HUB_CACHE
    return ModelMissing(
        f"{name} is not on this machine {why}: missing {', '.join(missing)} (looked in {where})",
        hint=f"once, with a network: searchkit models pull {name.partition('@')[0]}; or copy these files "
        "into a folder and give that folder's name instead",
    )


def _pinned(repository: str, folder: Path) -> Checkpoint:
    """The checkpoint under its repository and commit, after which the cache names the folder."""
    commit = folder.name
    return Checkpoint(f"{repository}@{commit}" if COMMIT.fullmatch(commit) else repository, folder)


def fetch_export(name: str, file: str, *, offline: bool = False) -> Path | None:
    """One file beside the weights, such as "onnx/text_model.onnx"; None where there is no such file.

    A file with the suffix "_data", which holds the numbers of a large export, is fetched with it.

    Raises `ModelMissing` when it is not here and may not or cannot be fetched.
    """
    path = _one_file(name, file, offline)
    if path is not None:
        _one_file(name, f"{file}_data", offline, optional=True)
    return path


def _one_file(name: str, file: str, offline: bool, *, optional: bool = False) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        return Path(hf_hub_download(repository, file, revision=revision or None, local_files_only=offline))
    except LocalEntryNotFoundError as error:  # an EntryNotFoundError too, but of a hub that was not asked
        if optional and offline:
            return None
        raise _missing(name, [file], None, "and cannot be fetched") from error
    except EntryNotFoundError:
        return None
    except OSError as error:
        raise _missing(name, [file], None, "and the hub cannot be reached") from error
