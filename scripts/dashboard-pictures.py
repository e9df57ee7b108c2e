#!/usr/bin/env python3
"""Draws each dashboard as an SVG from what a Prometheus knows: dashboard-pictures.py --url=http://HOST:PORT --out=DIR [--minutes=5]

Not Grafana: the same panels, queries and layout, plain enough for a document. SPDX-License-Identifier: Apache-2.0"""
import argparse
import json
import math
import pathlib
import time
import urllib.parse
import urllib.request
from xml.sax.saxutils import escape

DASHBOARDS = pathlib.Path(__file__).resolve().parent.parent / "deploy/helm/rendercar/dashboards"
COLUMN, ROW, GAP = 50, 30, 6  # of Grafana's grid, in pixels
COLORS = ("#3274d9", "#56a64b", "#e0752d", "#a352cc", "#e02f44", "#f2cc0c", "#37872d", "#8f3bb8")
INK, FAINT, PAPER, CARD = "#24292e", "#6e7781", "#f4f5f5", "#ffffff"


def ask(url, path, **parameters):
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
        return json.load(answer)["data"]["result"]


def filled(query, board):
    query = query.replace("$__rate_interval", "15s")
    for variable in board["templating"]["list"]:
        query = query.replace(f'"${variable["name"]}"', '".*"')
    return query


def short(value, unit=""):
    """A number as people write it: 1.2 k, 3.4 MiB."""
    if unit in ("bytes", "Bps"):
        for suffix in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024 or suffix == "GiB":
                return f"{value:.3g} {suffix}{'/s' if unit == 'Bps' else ''}"
            value /= 1024
    for suffix in ("", " k", " M", " G"):
        if abs(value) < 1000 or suffix == " G":
            return f"{value:.3g}{suffix}{'/s' if unit == 'cps' else ''}"
        value /= 1000
    return str(value)


def text(x, y, words, size=11, color=INK, anchor="start", weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}" font-weight="{weight}">{escape(str(words))}</text>'


def legend_of(target, labels):
    pattern = target["legendFormat"]
    if pattern == "__auto":
        return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()) if key != "__name__") or "value"
    for key, value in labels.items():
        pattern = pattern.replace("{{" + key + "}}", value)
    return pattern


def draw_stat(panel, board, url, width, height):
    found = ask(url, "query", query=filled(panel["targets"][0]["expr"], board))
    value = float(found[0]["value"][1]) if found else None
    color = COLORS[1]
    for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", []):
        if value is not None and (step["value"] is None or value >= step["value"]):
            color = COLORS[4] if step["color"] == "red" else COLORS[1]
    yield text(width / 2, height / 2 + 22, "-" if value is None else short(value), 30, color, "middle", "bold")


def draw_graph(panel, board, url, width, height, minutes):
    end, unit = time.time(), panel["fieldConfig"]["defaults"]["unit"]
    series = []
    for target in panel["targets"]:
        for found in ask(url, "query_range", query=filled(target["expr"], board), start=end - 60 * minutes, end=end, step=max(1, minutes * 60 / 150)):
            points = [(float(at), float(value)) for at, value in found["values"] if math.isfinite(float(value))]
            series.append((legend_of(target, found["metric"]), points))
    series.sort(key=lambda each: -max((value for _, value in each[1]), default=0))
    left, right, top, bottom = 58, width - 10, 30, height - 34
    highest = max((value for _, points in series for _, value in points), default=0) * 1.1 or 1
    for part in range(4):
        y = bottom - (bottom - top) * part / 3
        yield f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e7eb"/>'
        yield text(left - 4, y + 4, short(highest * part / 3, unit), 9, FAINT, "end")
    for number, (name, points) in enumerate(series[:8]):
        color = COLORS[number % len(COLORS)]
        path = " ".join(f"{left + (right - left) * (1 - (end - at) / (60 * minutes)):.1f},{bottom - (bottom - top) * value / highest:.1f}"
                        for at, value in points)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>'
    x = left
    for number, (name, _) in enumerate(series[:8]):
        if x + 7 * len(name) > width:
            break
        yield f'<rect x="{x:.1f}" y="{height - 18}" width="9" height="4" fill="{COLORS[number % len(COLORS)]}"/>'
        yield text(x + 13, height - 12, name, 10, FAINT)
        x += 25 + 6 * len(name)


def draw_table(panel, board, url, width, height):
    found = ask(url, "query", query=filled(panel["targets"][0]["expr"], board))
    hidden = {"__name__", "instance", "job"}
    columns = sorted({key for each in found for key in each["metric"]} - hidden) + ["value"]
    step = (width - 20) / max(1, len(columns))
    for number, column in enumerate(columns):
        yield text(10 + number * step, 44, column, 10, FAINT, weight="bold")
    for row, each in enumerate(found[: int((height - 60) / 18)]):
        for number, column in enumerate(columns):
            value = short(float(each["value"][1])) if column == "value" else each["metric"].get(column, "")
            yield text(10 + number * step, 64 + 18 * row, value, 11)


def draw_panel(panel, board, url, minutes):
    at = panel["gridPos"]
    x, y, width, height = at["x"] * COLUMN + GAP, 50 + at["y"] * ROW + GAP, at["w"] * COLUMN - GAP, at["h"] * ROW - GAP
    yield f'<g transform="translate({x},{y})"><rect width="{width}" height="{height}" rx="3" fill="{CARD}" stroke="#dce0e4"/>'
    yield text(10, 20, panel["title"], 12, INK, weight="bold")
    if panel["type"] == "stat":
        yield from draw_stat(panel, board, url, width, height)
    elif panel["type"] == "table":
        yield from draw_table(panel, board, url, width, height)
    else:
        yield from draw_graph(panel, board, url, width, height, minutes)
    yield "</g>"


def picture(board, url, minutes):
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    width, height = 24 * COLUMN + 2 * GAP, bottom * ROW + 60
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">'
    yield f'<rect width="{width}" height="{height}" fill="{PAPER}"/>'
    yield text(GAP + 6, 34, board["title"], 20, INK, weight="bold")
    for panel in board["panels"]:
        yield from draw_panel(panel, board, url, minutes)
    yield "</svg>"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(DASHBOARDS.glob("*.json")):
        board = json.loads(path.read_text())
        (options.out / f"dashboard-{path.stem}.svg").write_text("\n".join(picture(board, options.url, options.minutes)) + "\n")


if __name__ == "__main__":
    main()
