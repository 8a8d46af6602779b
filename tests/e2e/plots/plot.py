"""Plots of the bandwidth suite: one PNG per series of target/reports that is there."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

WINDOW_MS = 500
GREY, BLUE, ORANGE, RED = "#8a94a6", "#2563eb", "#d97706", "#dc2626"
CLASSES = {"high": RED, "middle": ORANGE, "low": BLUE}


def rate(rows, of, window=WINDOW_MS):
    """kb/s of a counter of bytes, over the last `window` ms."""
    times, rates = [], []
    first = 0
    for row in rows:
        while row["at"] - rows[first]["at"] > window:
            first += 1
        ms = row["at"] - rows[first]["at"]
        if ms > window / 3:
            times.append(row["at"] / 1000)
            rates.append(8 * (of(row) - of(rows[first])) / ms)
    return times, rates


def axes(title, count, heights):
    figure, all_axes = plt.subplots(
        count, 1, figsize=(9, 1 + 1.5 * sum(heights)), sharex=True, height_ratios=heights
    )
    all_axes[0].set_title(title, loc="left", fontsize=11)
    for each in all_axes:
        each.grid(True, color="#e5e7eb", linewidth=0.6)
        each.spines[["top", "right"]].set_visible(False)
        each.set_ylim(bottom=0)
    all_axes[-1].set_xlabel("seconds")
    return figure, all_axes


def save(figure, file):
    figure.tight_layout()
    figure.savefig(file, dpi=100, metadata={"Software": None})
    plt.close(figure)
    print(f"  {file}")


def queue(axis, series):
    wire = series["wire"]
    axis.plot([row["at"] / 1000 for row in wire], [row["down"]["queue_ms"] for row in wire],
              color=RED, linewidth=1)
    axis.axhline(150, color=GREY, linewidth=0.8, linestyle=":")
    axis.set_ylabel("queue, ms")
    axis.set_ylim(0, 320)


def link(series, title, file, bytes_of, layer_of):
    figure, (rates, waits, layers) = axes(title, 3, (2.2, 1, 0.8))
    phases = series["phases"]
    edges = [phase["began"] / 1000 for phase in phases] + [phases[-1]["ended"] / 1000]
    caps = [phase["kbps"] for phase in phases]
    rates.step(edges, caps + caps[-1:], where="post", color=GREY, linewidth=1.5, label="the link")
    best = series["best"]
    rates.plot([row["at"] / 1000 for row in best], [row["kbps"] for row in best],
               color="#16a34a", linestyle="--", linewidth=1, label="best layer that fits")
    rates.plot(*rate(series["wire"], lambda row: row["down"]["passed_bytes"]),
               color=ORANGE, linewidth=1, label="on the link")
    estimates = [row for row in series["estimate"] if row["kbps"] > 0]
    rates.plot([row["at"] / 1000 for row in estimates], [row["kbps"] for row in estimates],
               color="#7c3aed", linewidth=0.9, label="estimate")
    rates.plot(*rate(series["received"], bytes_of), color=BLUE, linewidth=1.4,
               label="video received")
    rates.set_ylabel("kb/s")
    rates.set_ylim(0, 2800)
    rates.legend(loc="lower right", fontsize=8, framealpha=0.9)
    queue(waits, series)
    rows = [(row["at"] / 1000, layer_of(row)) for row in series["received"]]
    rows = [row for row in rows if row[1] is not None]
    layers.step(*zip(*rows), where="post", color=BLUE, linewidth=1.4)
    layers.set_ylabel("layer")
    layers.set_ylim(-0.3, 2.3)
    layers.set_yticks([0, 1, 2])
    save(figure, file)


def stream(row, kind, peer=None):
    fits = (it for it in row["streams"] if it["kind"] == kind and peer in (None, it["peer"]))
    return next(fits, {})


def ten(series, file):
    figure, (rates, waits) = axes("Ten videos and three voices share 3 Mb/s", 2, (2.4, 1))
    for name, (priority, people) in series["classes"].items():
        for n, person in enumerate(people):
            peer = f"publisher-{person}"
            points = rate(series["received"],
                          lambda row, peer=peer: stream(row, "video", peer).get("bytes", 0), 1500)
            rates.plot(*points, color=CLASSES[name], linewidth=1,
                       label=None if n else f"priority {priority} ({len(people)})")
    rates.set_ylabel("video received, kb/s")
    rates.legend(loc="upper left", fontsize=8, framealpha=0.9)
    queue(waits, series)
    save(figure, file)


def main(reports, images):
    images.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in ("client", "chromium", "ten"):
        file = reports / f"bandwidth-{name}.series.json"
        if file.exists():
            found[name] = json.loads(file.read_text())
    if "client" in found:
        link(found["client"], "2.5 Mb/s → 600 kb/s → 2.5 Mb/s: the load generator receives",
             images / "bandwidth-client.png",
             lambda row: stream(row, "video").get("bytes", 0),
             lambda row: stream(row, "video").get("spatial"))
    if "chromium" in found:
        widths = sorted({layer["width"] for layer in found["chromium"]["sent"][-1]["layers"]})
        link(found["chromium"], "2.5 Mb/s → 600 kb/s → 2.5 Mb/s: Chromium sends and receives",
             images / "bandwidth-chromium.png",
             lambda row: row.get("video", {}).get("bytesReceived", 0),
             lambda row: place(widths, row.get("video", {}).get("frameWidth")))
    if "ten" in found:
        ten(found["ten"], images / "bandwidth-ten.png")


def place(widths, width):
    return widths.index(width) if width in widths else None


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
