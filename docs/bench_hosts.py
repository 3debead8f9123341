"""Time every kind of network, dense and sparse, and print the table of hosts.md.

    python docs/bench_hosts.py [NAME ...]

Every network is one run of ``sparsevit bench`` in a process of its own, with random weights: time
does not depend on them. Networks of transformers are built from their own default settings, or
those given here, and saved first. Results go to bench-hosts.json beside this file, each in place of
an older one of the same network; the table is printed from all that is there. It takes an hour on
two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

RESULTS = Path(__file__).with_name("bench-hosts.json")
SPARSITIES = ("0.3", "0.6")
REST = ", rest compiled"  # mark of a row of the benchmark
CLEARLY = 0.97  # of another time: less apart are repeats of one form
STAGES = ["stage1", "stage2", "stage3", "stage4"]


@dataclass(frozen=True)
class Host:
    """A network to time.

    Attributes:
        name: what the table calls it.
        size: pixels of a side: most of its windows are whole there.
        build: makes a network of transformers; None where the name is timm's.
        repeats: timed rounds.
    """

    name: str
    size: int
    build: Callable[[Any], Any] | None = None
    repeats: int = 10


def build_swin(tf: Any) -> Any:
    """Swin-T as a classifier."""
    return tf.SwinForImageClassification(tf.SwinConfig(num_labels=1000))


def build_swinv2(tf: Any) -> Any:
    """Swin V2-T as a classifier."""
    config = tf.Swinv2Config(image_size=256, window_size=8, num_labels=1000)
    return tf.Swinv2ForImageClassification(config)


def build_upernet(tf: Any) -> Any:
    """UPerNet on Swin-T with ADE20k's 150 classes, as openmmlab/upernet-swin-tiny."""
    backbone = tf.SwinConfig(out_features=STAGES)
    return tf.UperNetForSemanticSegmentation(
        tf.UperNetConfig(backbone_config=backbone, hidden_size=512, num_labels=150)
    )


def build_mask2former(tf: Any) -> Any:
    """Mask2Former on Swin-T with Cityscapes' 19 classes."""
    backbone = tf.SwinConfig(out_features=STAGES)
    return tf.Mask2FormerForUniversalSegmentation(
        tf.Mask2FormerConfig(backbone_config=backbone, num_labels=19)
    )


def build_maskformer(tf: Any) -> Any:
    """MaskFormer on Swin-T with ADE20k's 150 classes."""
    backbone = tf.MaskFormerSwinConfig(out_features=STAGES)
    decoder = tf.DetrConfig()
    return tf.MaskFormerForInstanceSegmentation(
        tf.MaskFormerConfig(backbone_config=backbone, decoder_config=decoder, num_labels=150)
    )


HOSTS = (
    Host("swin_tiny_patch4_window7_224", 672),
    Host("swinv2_tiny_window8_256", 512),
    Host("swinv2_cr_tiny_ns_224", 672),
    Host("tiny_vit_21m_224", 672),
    Host("samvit_base_patch16", 1024, repeats=5),
    Host("maxvit_tiny_tf_224", 672),
    Host("SwinForImageClassification", 672, build_swin),
    Host("Swinv2ForImageClassification", 512, build_swinv2),
    Host("UperNetForSemanticSegmentation", 672, build_upernet),
    Host("Mask2FormerForUniversalSegmentation", 672, build_mask2former),
    Host("MaskFormerForInstanceSegmentation", 672, build_maskformer),
)


def run(host: Host, folder: Path) -> dict[str, Any]:
    """One run of the benchmark, without what it knows of single operators."""
    model, out = host.name, folder / "result.json"
    if host.build is not None:
        import transformers

        host.build(transformers).save_pretrained(folder)
        model = str(folder)
    command = ["bench", "--model", model, "--size", str(host.size), "--compile", "--out", str(out)]
    options = ["--sparsity", ",".join(("0", *SPARSITIES)), "--repeats", str(host.repeats)]
    subprocess.run([sys.executable, "-m", "sparsevit", *command, *options], check=True)
    return json.loads(out.read_text(encoding="utf-8")) | {"model": host.name}


def find_fastest(rows: dict[str, Any], sparsity: str) -> Any:
    """Our form as it is, or with all that is never pruned compiled where that is clearly faster."""
    plain = rows[f"sparsevit {sparsity}"]
    compiled = rows.get(f"sparsevit {sparsity}{REST}", plain)
    return compiled if compiled["median_ms"] < CLEARLY * plain["median_ms"] else plain


def print_table(reports: Sequence[dict[str, Any]]) -> None:
    """The table of hosts.md, in Markdown."""
    sparse = "".join(f" {float(s):.0%} | of dense | MACs |" for s in SPARSITIES)
    print(f"| network | size | host's fastest form | ours, dense |{sparse} memory |")
    print("|---|---|---|---|" + "---|---|---|" * len(SPARSITIES) + "---|")
    for report in reports:
        rows = {row["name"]: row for row in report["rows"]}
        hosts = [row for name, row in rows.items() if name.startswith("host")]
        fastest = min(hosts, key=lambda row: row["median_ms"])
        dense, *pruned = (find_fastest(rows, sparsity) for sparsity in ("0", *SPARSITIES))
        form = fastest["name"].removeprefix("host").removeprefix(", ") or "as it is"
        cells = [f"`{report['model']}`", str(fastest["size"])]
        cells.append(f"{fastest['median_ms']:.0f} ms ({form})")
        for row in (dense, *pruned):
            mark = "\\*" if row["name"].endswith(REST) else ""
            cells.append(f"{row['median_ms']:.0f} ms{mark}")
            if row is dense:
                continue
            cells += [f"{row[key]:.2f}" for key in ("ratio_to_fastest_dense", "mac_ratio")]
        memory = " / ".join(f"{row['peak_extra_mb']:.0f}" for row in (fastest, dense, pruned[-1]))
        print(f"| {' | '.join(cells)} | {memory} MB |")


def main() -> None:
    """Time the networks named, or all."""
    done = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []
    reports = {report["model"]: report for report in done}
    wanted = sys.argv[1:] or [host.name for host in HOSTS]
    for host in HOSTS:
        if host.name in wanted:
            with TemporaryDirectory() as folder:
                reports[host.name] = run(host, Path(folder))
            ordered = [reports[h.name] for h in HOSTS if h.name in reports]
            RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    print_table([reports[host.name] for host in HOSTS if host.name in reports])


if __name__ == "__main__":
    main()
