"""Networks that the package transformers builds: from the files of a checkpoint alone, and in silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.errors import BadInput, ModelMissing

LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""The arguments of every `from_pretrained`: nothing is fetched, and no code of a checkpoint is run."""


def need_transformers(checkpoint: Checkpoint, install: str) -> None:
    """Raises `ModelMissing` where the package is not installed; loads nothing of it."""
    if find_spec("transformers") is None:
        model_type = checkpoint.json().get("model_type")
        raise ModelMissing(
            f"{checkpoint.name} is a {model_type}, which the package transformers builds; "
            "it is not installed",
            hint=f"pip install {install}",
        )


@contextmanager
def building(checkpoint: Checkpoint) -> Iterator[Any]:
    """Gives the module transformers, silenced; what it raises inside becomes `BadInput`."""
    from huggingface_hub.errors import StrictDataclassError

    transformers: Any = import_module("transformers")
    try:
        with _silence():
            yield transformers
    except (
        OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError, StrictDataclassError
    ) as error:  # fmt: skip
        raise BadInput(
            f"{checkpoint.name}: transformers cannot build its network: {error}",
            hint="if it is newer than the package: pip install --upgrade transformers",
        ) from error


@contextmanager
def _silence() -> Iterator[None]:
    """Turns off the progress bars and the reports of transformers: a library prints nothing."""
    logging: Any = import_module("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
