#!/usr/bin/env python3
"""Runs test modules of this folder with the harness of tests/e2e: chaos.py test_control_process ...

SPDX-License-Identifier: Apache-2.0
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import run  # noqa: E402  tests/e2e/run.py, found by the line above

if __name__ == "__main__":
    sys.exit(run.main([a for a in sys.argv[1:] if not a.startswith("--")]))
