"""The image towers that `searchkit train` makes: descriptions in `config.json` to networks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from searchkit.models.inverted import InvertedConfig, InvertedTower
from searchkit.models.reparam import fuse
from searchkit.models.repmixer import RepMixerConfig, RepMixerTower
from searchkit.models.sizes import check_sizes
from searchkit.models.vit import VisionTransformer, ViTConfig

ImageConfig = ViTConfig | RepMixerConfig | InvertedConfig
ImageNetwork = VisionTransformer | RepMixerTower | InvertedTower
KINDS: dict[str, type[ImageConfig]] = {
    "vit": ViTConfig,
    "repmixer": RepMixerConfig,
    "inverted": InvertedConfig,
}


def read_config(described: Mapping[str, Any]) -> ImageConfig:
    """The configuration that the fields describe; "kind" is one of `KINDS`, "vit" where it is missing.

    Raises `ValueError` and `TypeError` for fields that describe no tower.
    """
    fields = dict(described)
    kind = fields.pop("kind", "vit")
    if kind not in KINDS:
        raise ValueError(f"no image tower of kind {kind!r}: {', '.join(KINDS)}")
    config = KINDS[kind](**fields)
    check_sizes(config)
    return config


def write_config(config: ImageConfig) -> dict[str, Any]:
    """The fields that `read_config` reads."""
    kind = next(name for name, config_type in KINDS.items() if config_type is type(config))
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
    """A copy that computes the same in evaluation, with single convolutions in place of branches.

    A network that has no branches is returned itself.
    """
    if isinstance(network, VisionTransformer) or network.config.fused:
        return network
    fused = copy.deepcopy(network).eval()
    fuse(fused)
    fused.config = replace(network.config, fused=True)
    return fused
