#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the output of `clamma-bench --json`: rates as bars, each against its limit.

    clamma-bench --json > a.json
    chart.py a.json [b.json ...] > chart.svg

Several files are drawn side by side, each in its own colour.
"""
import argparse
import json
import sys
from xml.sax.saxutils import escape

ROWS = [  # key in the report, label
    ("prefill", "prompt"),
    ("decode", "1 session"),
    ("batch4", "4 sessions"),
    ("batch8", "8 sessions"),
    ("batch16", "16 sessions"),
]
# People with any colour vision can distinguish these: https://jfly.uni-koeln.de/color/
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"]
# A light card with dark text, so that it looks the same on any page.
CARD, TRACK, GRID, TEXT, FAINT = "#ffffff", "#e9ecef", "#ced4da", "#212529", "#5c636a"

MARGIN, LABEL, PLOT, FIGURES = 24, 96, 420, 210  # widths
BAR, BAR_GAP, GROUP_GAP = 16, 4, 14              # heights
WIDTH = MARGIN + LABEL + PLOT + FIGURES + MARGIN


def text(x, y, content, size=12, colour=TEXT, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}" font-weight="{weight}">{escape(content)}</text>')


def rect(x, y, width, height, colour, radius=2):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" '
            f'rx="{radius}" fill="{colour}"/>')


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def default_label(report):
    threads = report["threads"]
    return (f'{report["model"]} {report["type"]}, {report["kernels"]}, '
            f'{threads} thread{"" if threads == 1 else "s"}')


def legend(report, label):
    return (f'{label}: {number(report["read_gbs"])} GB/s, '
            f'{number(report["int8_gops"])} int8 Gop/s, '
            f'{number(report["f32_gflops"])} float Gop/s')


def draw_bar(out, x, y, scale, report, key, colour):
    rate, fraction = report.get(key + "_tok_s"), report.get(key + "_fraction")
    out.append(rect(x, y, scale, BAR, TRACK))
    baseline = y + BAR - 4
    if not rate or not fraction:
        out.append(text(x + PLOT + 12, baseline, "not measured", colour=FAINT))
        return
    out.append(rect(x, y, fraction * scale, BAR, colour))
    out.append(text(x + PLOT + 12, baseline, f"{number(rate)} tok/s", weight="bold"))
    out.append(text(x + PLOT + FIGURES, baseline,
                    f"{fraction:.0%} of {number(rate / fraction)}", colour=FAINT, anchor="end"))


def chart(reports, labels, title):
    """Makes an SVG document. reports: as clamma-bench printed them; labels: one for each."""
    fractions = [r.get(key + "_fraction") or 0 for r in reports for key, _ in ROWS]
    axis = max(1.0, *fractions)  # the plot's right edge; above 1 if caches help
    scale = PLOT / axis          # width of a fraction of 1
    left = MARGIN + LABEL
    out = [text(MARGIN, MARGIN + 14, title, size=16, weight="bold"),
           text(MARGIN, MARGIN + 34, reports[0]["cpu"], colour=FAINT)]
    y = MARGIN + 48
    for i, (report, label) in enumerate(zip(reports, labels)):
        out.append(rect(MARGIN, y, 12, 12, COLOURS[i % len(COLOURS)]))
        out.append(text(MARGIN + 20, y + 10, legend(report, label)))
        y += 20
    top = y = y + 28
    bars = []
    for key, label in ROWS:
        height = len(reports) * (BAR + BAR_GAP) - BAR_GAP
        bars.append(text(left - 10, y + height / 2 + 4, label, anchor="end"))
        for i, report in enumerate(reports):
            draw_bar(bars, left, y + i * (BAR + BAR_GAP), scale, report, key,
                     COLOURS[i % len(COLOURS)])
        y += height + GROUP_GAP
    bottom = y - GROUP_GAP
    step = 0.25 if axis <= 2 else 0.5 if axis <= 4 else 1
    tick = 0
    while tick <= axis + 1e-9:
        x = left + tick * scale
        colour = TEXT if tick == 1 else GRID
        bars.append(f'<line x1="{x:.1f}" y1="{top - 6}" x2="{x:.1f}" y2="{bottom + 6:.1f}" '
                    f'stroke="{colour}" stroke-width="1" stroke-opacity="0.6"/>')
        bars.append(text(x, top - 12, f"{tick:.0%}" if tick != 1 else "limit", size=11,
                         colour=FAINT, anchor="middle"))
        tick += step
    bars.append(text(MARGIN, bottom + 32,
                     "Limits, measured in the same run: for prompts the arithmetic units, for one "
                     "session the memory, for several the lower of both.", size=11, colour=FAINT))
    height = bottom + 32 + MARGIN
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="system-ui, sans-serif" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8" '
        f'fill="{CARD}" stroke="{GRID}"/>', *out, *bars, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("reports", nargs="+", metavar="REPORT", help="output of clamma-bench --json")
    parser.add_argument("-o", "--output", help="the SVG file (default: stdout)")
    parser.add_argument("--title", default="libclamma: tokens per second and their limits")
    parser.add_argument("--label", action="append", default=[],
                        help="a report's name in the legend; give it once per report, in order")
    options = parser.parse_args()
    try:
        reports = []
        for path in options.reports:
            with open(path, encoding="utf-8") as file:
                reports.append(json.load(file))
        labels = options.label + [default_label(r) for r in reports[len(options.label):]]
        svg = chart(reports, labels, options.title)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"chart.py: {error!r}: is that what clamma-bench --json printed?")
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(svg)
    else:
        sys.stdout.write(svg)


if __name__ == "__main__":
    main()
