#!/usr/bin/env python3
"""Makes the table of values in the chart's README.md from the comments of values.yaml; --check only compares.

SPDX-License-Identifier: Apache-2.0"""
import pathlib
import re
import sys

CHART = pathlib.Path(__file__).resolve().parent.parent / "deploy/helm/rendercar"
BEGIN = "<!-- values: made by scripts/chart-docs.py -->\n"
END = "<!-- end of values -->\n"


def rows(text):
    """(path, default, meaning) of each documented value; a key without a comment of its own belongs to its parent."""
    path, comment, found = [], [], []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped:
            comment = []
            continue
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("# "))
            continue
        indent = len(line) - len(line.lstrip())
        match = re.match(r"([A-Za-z0-9_./-]+):\s*(.*)$", stripped)
        while path and path[-1][0] >= indent:
            path.pop()
        if match is None:
            comment = []
            continue
        path.append((indent, match.group(1)))
        if comment:
            name = ".".join(key for _, key in path)
            found.append((name, match.group(2), " ".join(comment)))
        comment = []
    return found


def table(text):
    lines = ["| value | default | meaning |", "| --- | --- | --- |"]
    for name, default, meaning in rows(text):
        shown = f"`{default}`" if default else "see values.yaml"
        lines.append(f"| `{name}` | {shown} | {meaning} |")
    return "\n".join(lines) + "\n"


def main():
    readme = CHART / "README.md"
    before = readme.read_text()
    head, rest = before.split(BEGIN)
    tail = rest.split(END)[1]
    after = head + BEGIN + table((CHART / "values.yaml").read_text()) + END + tail
    if sys.argv[1:] == ["--check"]:
        if before != after:
            sys.exit("chart-docs: README.md differs from values.yaml; run scripts/chart-docs.py")
        return
    readme.write_text(after)


if __name__ == "__main__":
    main()
