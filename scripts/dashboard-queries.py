#!/usr/bin/env python3
"""Lists every panel's queries as `dashboard<TAB>panel<TAB>PromQL`, Grafana's variables filled in, so that they can be put to a Prometheus.

With --url=http://HOST:PORT it puts them, and tells (exit 1) which of them find nothing. SPDX-License-Identifier: Apache-2.0"""
import argparse
import json
import pathlib
import sys
import urllib.parse
import urllib.request

DASHBOARDS = pathlib.Path(__file__).resolve().parent.parent / "deploy/helm/rendercar/dashboards"


def queries(interval="5m"):
    """(dashboard, panel, query) of every target; `interval` stands for Grafana's $__rate_interval, and every variable selects all."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        board = json.loads(path.read_text())
        names = [each["name"] for each in board["templating"]["list"]]
        for panel in board["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", interval)
                for name in names:
                    query = query.replace(f'"${name}"', '".*"')
                yield path.stem, panel["title"], query


def samples(url, query):
    with urllib.request.urlopen(f"{url}/api/v1/query?" + urllib.parse.urlencode({"query": query}), timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a Prometheus to ask")
    parser.add_argument("--interval", default="5m", help="for $__rate_interval")
    options = parser.parse_args()
    empty = 0
    for board, panel, query in queries(options.interval):
        count = len(samples(options.url, query)) if options.url else None
        empty += count == 0
        print(board, panel, query, *([] if count is None else [f"{count} series" if count else "EMPTY"]), sep="\t")
    sys.exit(1 if empty else 0)


if __name__ == "__main__":
    main()
