"""Histograms of the chaos suite: how long streams stood still, by fault and by what it was for them."""

import json
import sys
from pathlib import Path

import numpy

from plot import BLUE, GREY, ORANGE, RED, plt, save

ROLES = {"neither": GREY, "subscriber": BLUE, "publisher": ORANGE, "both": RED, "across": ORANGE,
         "everybody": RED}
WORDS = {
    "neither": "neither end on it",
    "subscriber": "subscriber's node",
    "publisher": "publisher's node",
    "both": "both on such nodes",
    "across": "across the cut",
    "everybody": "everybody",
}
WHO = {"load": "load clients", "browser": "Chromium"}
FIRST, LAST = 40, 20_000


def panel(axis, fault, who):
    bins = numpy.geomspace(FIRST, LAST, 55)
    for row in fault["rows"]:
        gaps = [gap for gap in row["gaps"] if gap is not None]
        if row["who"] != who or not gaps:
            continue
        weights = numpy.full(len(gaps), 100 / len(gaps))
        axis.hist(numpy.clip(gaps, FIRST, LAST), bins=bins, weights=weights, color=ROLES[row["role"]],
                  alpha=0.75, histtype="stepfilled", label=f"{WORDS[row['role']]} (n={len(gaps)})")
        bound = fault["bounds"].get(row["role"])
        if bound:
            axis.axvline(bound, color=ROLES[row["role"]], linewidth=1, linestyle=":")
    axis.set_xscale("log")
    axis.set_xlim(FIRST, LAST)
    axis.set_xticks([100, 300, 1000, 3000, 10_000], ["0.1", "0.3", "1", "3", "10"])
    axis.minorticks_off()
    axis.grid(True, color="#e5e7eb", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    # Room for the words.
    axis.set_ylim(0, 1.75 * axis.get_ylim()[1])
    axis.set_title(f"{fault['name']}, {fault['trials']} × ({WHO[who]})", loc="left", fontsize=9)
    axis.legend(fontsize=7, frameon=False, loc="upper right")


def draw(faults, file):
    crowds = [who for who in WHO if any(row["who"] == who for fault in faults for row in fault["rows"])]
    figure, axes = plt.subplots(len(faults), len(crowds), figsize=(4.7 * len(crowds), 1.75 * len(faults)),
                                sharex=True, squeeze=False)
    for fault, line in zip(faults, axes):
        for who, axis in zip(crowds, line):
            panel(axis, fault, who)
        line[0].set_ylabel("% of streams", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("longest silence of a stream, seconds; dotted: the bound of its p99", fontsize=8)
    save(figure, file)


def main(reports, images):
    file = reports / "chaos.series.json"
    if not file.exists():
        return
    images.mkdir(parents=True, exist_ok=True)
    faults = json.loads(file.read_text())
    of_nodes = [fault for fault in faults if "etcd" not in fault["name"]]
    of_etcd = [fault for fault in faults if "etcd" in fault["name"]]
    if of_nodes:
        draw(of_nodes, images / "chaos-nodes.png")
    if of_etcd:
        draw(of_etcd, images / "chaos-etcd.png")


main(Path(sys.argv[1]), Path(sys.argv[2]))
