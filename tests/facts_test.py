"""Every test that docs/facts.md names exists: its program among ctest's, its case in a test's source.

SPDX-License-Identifier: Apache-2.0"""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ("backend", "common", "node", "operator-api", "sidecar", "tests")
CASE = re.compile(r"^TEST(?:_F|_P)?\(\s*\w+,\s*(\w+)|^    def (test_\w+)", re.MULTILINE)
# rendercar_deploy_test(policy) makes deploy_policy.
PROGRAM = re.compile(r"(?:rendercar_test|sidecar_test|rendercar_e2e_test)\((\w+)|(rendercar_deploy)_test\((\w+)")


def files(pattern):
    return [path.read_text() for folder in SOURCES for path in (ROOT / folder).rglob(pattern)]


def named():
    """(program, case) of every table's tests."""
    for line in (ROOT / "docs/facts.md").read_text().splitlines():
        for part in line.rsplit(" | ", 1)[-1].split(";") if line.startswith("| ") else ():
            found = re.fullmatch(r"\s*`(\w+)`: (`\w+`(?:, `\w+`)*)[ |]*", part)
            if found:
                yield from ((found.group(1), case) for case in re.findall(r"\w+", found.group(2)))


class FactsTest(unittest.TestCase):
    def test_every_program_exists(self):
        programs = set()
        for text in files("CMakeLists.txt"):
            programs |= {plain or f"deploy_{deploy}" for plain, _, deploy in PROGRAM.findall(text)}
        self.assertEqual({program for program, _ in named()} - programs, set())

    def test_every_case_exists(self):
        cases = {plain or python for text in [*files("*_test.cc"), *files("*test*.py")] for plain, python in CASE.findall(text)}
        self.assertGreater(len(set(named())), 100, "docs/facts.md could not be read")
        self.assertEqual({case for _, case in named()} - cases, set())

    def test_every_line_with_tests_is_understood(self):
        text = (ROOT / "docs/facts.md").read_text().split("## Without a test")[0]
        lines = [line for line in text.splitlines() if line.startswith("| ") and not re.match(r"\| (fact|---)", line)]
        for line in lines:
            tests = line.rsplit(" | ", 1)[-1].removesuffix(" |")
            self.assertRegex(tests, r"^`\w+`: `\w+`(, `\w+`)*(; `\w+`: `\w+`(, `\w+`)*)*$", line)


if __name__ == "__main__":
    unittest.main()
