"""timm's networks that can be sparsified, as a table: to list them takes neither timm nor torch."""

from __future__ import annotations

from sparsevit.networks.entries import ModelInfo
from sparsevit.networks.hub import WEIGHTS_FILE, find_file

PREFIX = "timm/"
FEATURES_SUFFIX = ":features"  # of a name: the network without its classifier

#: Architecture -> parameters without the classifier, channels that enter it, tags of its weights.
#: Building each network to count its parameters would take seconds.
NETWORKS = {
    "swin_tiny_patch4_window7_224": (27_519_354, 768, "ms_in1k ms_in22k ms_in22k_ft_in1k"),
    "swin_small_patch4_window7_224": (48_837_258, 768, "ms_in1k ms_in22k ms_in22k_ft_in1k"),
    "swin_base_patch4_window7_224": (86_743_224, 1024, "ms_in1k ms_in22k ms_in22k_ft_in1k"),
    "swin_base_patch4_window12_384": (86_878_584, 1024, "ms_in1k ms_in22k ms_in22k_ft_in1k"),
    "swin_large_patch4_window7_224": (194_995_476, 1536, "ms_in22k ms_in22k_ft_in1k"),
    "swin_large_patch4_window12_384": (195_198_516, 1536, "ms_in22k ms_in22k_ft_in1k"),
    "swin_s3_tiny_224": (27_559_674, 768, "ms_in1k"),
    "swin_s3_small_224": (48_968_298, 768, "ms_in1k"),
    "swin_s3_base_224": (70_356_762, 768, "ms_in1k"),
    "swinv2_tiny_window8_256": (27_578_154, 768, "ms_in1k"),
    "swinv2_tiny_window16_256": (27_578_154, 768, "ms_in1k"),
    "swinv2_small_window8_256": (48_959_418, 768, "ms_in1k"),
    "swinv2_small_window16_256": (48_959_418, 768, "ms_in1k"),
    "swinv2_base_window8_256": (86_893_816, 1024, "ms_in1k"),
    "swinv2_base_window16_256": (86_893_816, 1024, "ms_in1k"),
    "swinv2_base_window12_192": (86_893_816, 1024, "ms_in22k"),
    "swinv2_base_window12to16_192to256": (86_893_816, 1024, "ms_in22k_ft_in1k"),
    "swinv2_base_window12to24_192to384": (86_893_816, 1024, "ms_in22k_ft_in1k"),
    "swinv2_large_window12_192": (195_202_932, 1536, "ms_in22k"),
    "swinv2_large_window12to16_192to256": (195_202_932, 1536, "ms_in22k_ft_in1k"),
    "swinv2_large_window12to24_192to384": (195_202_932, 1536, "ms_in22k_ft_in1k"),
    "swinv2_cr_tiny_ns_224": (27_564_468, 768, "sw_in1k"),
    "swinv2_cr_small_224": (48_926_100, 768, "sw_in1k"),
    "swinv2_cr_small_ns_224": (48_927_444, 768, "sw_in1k"),
    "tiny_vit_5m_224": (5_071_764, 320, "dist_in22k dist_in22k_ft_in1k in1k"),
    "tiny_vit_11m_224": (10_547_972, 448, "dist_in22k dist_in22k_ft_in1k in1k"),
    "tiny_vit_21m_224": (20_621_568, 576, "dist_in22k dist_in22k_ft_in1k in1k"),
    "tiny_vit_21m_384": (20_653_488, 576, "dist_in22k_ft_in1k"),
    "tiny_vit_21m_512": (20_691_120, 576, "dist_in22k_ft_in1k"),
    "samvit_base_patch16": (89_670_912, 256, "sa1b"),
    "samvit_huge_patch16": (637_026_048, 256, "sa1b"),
    "samvit_large_patch16": (308_278_272, 256, "sa1b"),
    "maxvit_base_tf_224": (118_698_708, 768, "in1k in21k"),
    "maxvit_base_tf_384": (118_884_468, 768, "in1k in21k_ft_in1k"),
    "maxvit_base_tf_512": (119_107_380, 768, "in1k in21k_ft_in1k"),
    "maxvit_large_tf_224": (210_760_560, 1024, "in1k in21k"),
    "maxvit_large_tf_384": (211_008_240, 1024, "in1k in21k_ft_in1k"),
    "maxvit_large_tf_512": (211_305_456, 1024, "in1k in21k_ft_in1k"),
    "maxvit_nano_rw_256": (14_938_148, 512, "sw_in1k"),
    "maxvit_rmlp_base_rw_224": (115_366_788, 768, "sw_in12k sw_in12k_ft_in1k"),
    "maxvit_rmlp_base_rw_384": (115_366_788, 768, "sw_in12k_ft_in1k"),
    "maxvit_rmlp_nano_rw_256": (14_988_452, 512, "sw_in1k"),
    "maxvit_rmlp_pico_rw_256": (7_258_980, 256, "sw_in1k"),
    "maxvit_rmlp_small_rw_224": (64_126_044, 768, "sw_in1k"),
    "maxvit_rmlp_tiny_rw_256": (28_635_896, 512, "sw_in1k"),
    "maxvit_small_tf_224": (68_158_956, 768, "in1k"),
    "maxvit_small_tf_384": (68_249_676, 768, "in1k"),
    "maxvit_small_tf_512": (68_358_540, 768, "in1k"),
    "maxvit_tiny_rw_224": (28_544_312, 512, "sw_in1k"),
    "maxvit_tiny_tf_224": (30_403_528, 512, "in1k"),
    "maxvit_tiny_tf_384": (30_464_008, 512, "in1k"),
    "maxvit_tiny_tf_512": (30_536_584, 512, "in1k"),
    "maxvit_xlarge_tf_224": (473_414_952, 1536, "in21k"),
    "maxvit_xlarge_tf_384": (473_786_472, 1536, "in21k_ft_in1k"),
    "maxvit_xlarge_tf_512": (474_232_296, 1536, "in21k_ft_in1k"),
}

#: What a tag ends with, which is what the weights were trained on last -> classes.
_CLASSES = {"in1k": 1000, "in12k": 11821, "in21k": 21843, "in22k": 21841, "sa1b": 0}


def list_infos() -> list[ModelInfo]:
    """The networks that timm has weights of."""
    return [
        _describe(architecture, tag)
        for architecture, (_, _, tags) in NETWORKS.items()
        for tag in tags.split()
    ]


def strip_name(name: str) -> str:
    """timm's own name of a network."""
    return name.removeprefix(PREFIX).removesuffix(FEATURES_SUFFIX)


def is_known(name: str) -> bool:
    """Whether a name, with or without "timm/", is of an architecture that can be sparsified."""
    return strip_name(name).partition(".")[0] in NETWORKS


def count_params_m(architecture: str, classes: int) -> float:
    """Parameters in millions, to a tenth, with a classifier of so many classes."""
    backbone, channels, _ = NETWORKS[architecture]
    return round((backbone + (channels + 1) * classes) / 1e6, 1)


def _describe(architecture: str, tag: str) -> ModelInfo:
    name = f"{PREFIX}{architecture}.{tag}"
    classes = _CLASSES[tag.rpartition("_")[2]]
    params_m = count_params_m(architecture, classes)
    return ModelInfo(
        name=name,
        task="classification" if classes else "features",
        classes=classes,
        params_m=params_m,
        size_mb=round(params_m * 4, 1),
        licence="mit" if tag.startswith("ms_") else "apache-2.0",
        source="download" if find_file(name, WEIGHTS_FILE) is None else "cached",
    )
