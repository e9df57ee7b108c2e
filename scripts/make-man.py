#!/usr/bin/env python3
"""Makes a man page of a program's --help and of what deploy/packaging/man/NAME.txt adds: make-man.py PROGRAM SECTION VERSION > NAME.SECTION

SPDX-License-Identifier: Apache-2.0"""
import os
import pathlib
import re
import subprocess
import sys

EXTRA = pathlib.Path(__file__).resolve().parent.parent / "deploy/packaging/man"


def help_of(program, *subcommand):
    done = subprocess.run([program, *subcommand, "--help"], text=True, capture_output=True, check=True, env={**os.environ, "COLUMNS": "200"})
    return done.stdout


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def option_groups(text):
    """[(heading, [(flags, meaning)])] of CLI11's two-column lists; continued lines are joined."""
    groups = []
    for line in text.splitlines():
        heading = re.match(r"(\S.*):$", line)
        entry = re.match(r"  (\S.*?)(?:  +(\S.*))?$", line)
        if heading:
            groups.append((heading.group(1), []))
        elif groups and entry and not line.startswith("   "):
            groups[-1][1].append([entry.group(1), entry.group(2) or ""])
        elif groups and groups[-1][1] and line.startswith("     "):
            groups[-1][1][-1][1] += " " + line.strip()
    return [(name, entries) for name, entries in groups if entries and name != "Examples"]


def footer(text):
    """What the program says after its lists: examples and exit codes."""
    at = re.search(r"^Examples:", text, flags=re.M)
    return text[at.start():].rstrip() if at else ""


def section(title, lines):
    return [f".SH {title.upper()}", *lines]


def listed(entries):
    return [line for flags, meaning in entries for line in (".TP", f"\\fB{escape(flags)}\\fR", escape(meaning) or "\\&")]


def verbatim(text):
    return [".nf", *(escape(line) for line in text.splitlines()), ".fi"]


def subcommands(program, text, path=()):
    """The help of every subcommand, deepest included."""
    for name, entries in option_groups(text):
        if name != "Subcommands":
            continue
        for names, _ in entries:
            command = names.split(",")[0]  # behind it stand its other names
            inner = help_of(program, *path, command)
            yield [*path, command], inner
            yield from subcommands(program, inner, (*path, command))


def page(program, number, version):
    name, text = pathlib.Path(program).name, help_of(program)
    summary = text.strip().splitlines()[0]
    lines = [f'.TH {escape(name.upper())} {number} "" "Rendercar {version}" "Rendercar"',
             *section("name", [f"{escape(name)} \\- {escape(summary[0].lower() + summary[1:].rstrip('.'))}"]),
             *section("synopsis", [f"\\fB{escape(name)}\\fR [\\fIOPTIONS\\fR]" + (" \\fICOMMAND\\fR" if "\nSubcommands:" in text else "")])]
    described = EXTRA / f"{name}.txt"
    if described.exists():
        lines += section("description", [escape(line) if line else ".PP" for line in described.read_text().rstrip().splitlines()])
    for heading, entries in option_groups(text):
        if heading != "Subcommands":
            lines += section(heading, listed(entries))
    commands = list(subcommands(program, text))
    if commands:
        lines.append(".SH COMMANDS")
    for path, inner in commands:
        leaf = "\nSubcommands:" not in inner
        lines += [f".SS {escape(' '.join(path))}", escape(inner.strip().splitlines()[0])] if leaf else []
        lines += [line for heading, entries in option_groups(inner) if leaf and heading in ("Options", "Positionals") for line in listed(
            [entry for entry in entries if "--help" not in entry[0]])]
    if footer(text):
        lines += section("examples and exit codes", verbatim(footer(text).removeprefix("Examples:\n")))
    others = [other for other in ("rendercar-node(8)", "rendercar-operator(8)", "rendercar-sidecar(1)", "rendercar-shim(1)", "rendercar-backend(1)", "rendercarctl(1)") if not other.startswith(name + "(")]
    lines += section("see also", [escape(", ".join([*others, "qemu(1)"]))])
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: make-man.py PROGRAM SECTION VERSION")
    sys.stdout.write(page(*sys.argv[1:]))
