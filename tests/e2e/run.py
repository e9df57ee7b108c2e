#!/usr/bin/env python3
"""Runs test modules of this folder: run.py test_console [test_bad_input.BadInput.test_x ...].

Exit code 77 (ctest: skipped) if nothing ran because the machine lacks something; the reason is printed.
SPDX-License-Identifier: Apache-2.0
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def main(names):
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    result = unittest.TextTestRunner(verbosity=2, failfast="--failfast" in sys.argv).run(suite)
    if not result.wasSuccessful():
        return 1
    if result.testsRun == len(result.skipped):
        for test, reason in result.skipped:
            print(f"SKIPPED {test.id()}: {reason}", file=sys.stderr)
        return 77
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: run.py MODULE[.CLASS[.TEST]] ...")
    sys.exit(main([a for a in sys.argv[1:] if not a.startswith("--")]))
