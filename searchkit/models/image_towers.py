"""The image towers that training makes and `config.json` names: which network a description is of."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from searchkit.models.inverted import InvertedConfig, InvertedTower
from searchkit.models.reparam import fuse
from searchkit.models.repmixer import RepMixerConfig, RepMixerTower
from searchkit.models.vit import VisionTransformer, ViTConfig

ImageConfig = ViTConfig | RepMixerConfig | InvertedConfig
ImageNetwork = VisionTransformer | RepMixerTower | InvertedTower
KINDS: dict[str, type[ImageConfig]] = {
    "vit": ViTConfig,
    "repmixer": RepMixerConfig,
    "inverted": InvertedConfig,
}


def read_config(described: Mapping[str, Any]) -> ImageConfig:
    """Of the fields of a tower; "kind" is one of `KINDS`, "vit" where nothing is said.

    Raises `ValueError` and `TypeError` for what no tower is described by.
    """
    fields = dict(described)
    kind = fields.pop("kind", "vit")
    if kind not in KINDS:
        raise ValueError(f"no image tower of kind {kind!r}: {', '.join(KINDS)}")
    return KINDS[kind](**fields)


def write_config(config: ImageConfig) -> dict[str, Any]:
    """What `read_config` reads."""
    kind = next(name for name, one in KINDS.items() if one is type(config))
    return ({} if kind == "vit" else {"kind": kind}) | asdict(config)


def image_network(config: ImageConfig) -> ImageNetwork:
    """The network, without trained weights."""
    match config:
        case ViTConfig():
            return VisionTransformer(config)
        case RepMixerConfig():
            return RepMixerTower(config)
        case InvertedConfig():
            return InvertedTower(config)


def to_run(network: ImageNetwork) -> ImageNetwork:
    """A network that computes the same in evaluation and has single convolutions where it had branches; the
    one that is given stays as it was."""
    if isinstance(network, VisionTransformer) or network.config.fused:
        return network
    made = copy.deepcopy(network).eval()
    fuse(made)
    made.config = replace(network.config, fused=True)
    return made
