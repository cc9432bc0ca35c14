"""Names to implementations: the one place that imports encoders, captioners, rerankers and parsers, each when
it is asked for. The same tables give `searchkit models`, the dispatch and the error texts."""

from __future__ import annotations

from searchkit.registry.captioners import CAPTIONERS, load_captioner
from searchkit.registry.checkpoints import AUTO, COMMIT_SUFFIX, exports, same_model
from searchkit.registry.encoders import (
    BUNDLED,
    DEFAULT_ENCODER,
    ENTRY_POINT,
    encoder_names,
    encoder_records,
    is_here,
    load_encoder,
    pull,
)
from searchkit.registry.families import FAMILIES, Family
from searchkit.registry.parsers import BINARY, DOCUMENT_SUFFIXES, PARSERS, parser_for, parser_of
from searchkit.registry.rerankers import load_matcher, load_reranker

__all__ = [
    "AUTO",
    "BINARY",
    "BUNDLED",
    "CAPTIONERS",
    "COMMIT_SUFFIX",
    "DEFAULT_ENCODER",
    "DOCUMENT_SUFFIXES",
    "ENTRY_POINT",
    "FAMILIES",
    "PARSERS",
    "Family",
    "encoder_names",
    "encoder_records",
    "exports",
    "is_here",
    "load_captioner",
    "load_encoder",
    "load_matcher",
    "load_reranker",
    "parser_for",
    "parser_of",
    "pull",
    "same_model",
]
