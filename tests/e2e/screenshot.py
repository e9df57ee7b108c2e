#!/usr/bin/env python3
"""Saves what a QEMU shows as a PNG, and checks it against a computed scene if asked.

usage: screenshot.py QMP_SOCKET OUTPUT.png [--expect=cube,BACKGROUND,ANGLE] [--same-as=OTHER.png]
Exit code 1 if the picture is not the expected one within the time that the guest may need.
SPDX-License-Identifier: Apache-2.0
"""

import argparse
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from rendercar_e2e import scenes  # noqa: E402
from rendercar_e2e.picture import Picture  # noqa: E402
from rendercar_e2e.qmp import Qmp, QmpError  # noqa: E402

TOLERANCE, EDGE_SHARE, WAIT_S = 4, 0.01, 20


def reference_of(text, picture):
    name, background, angle = text.split(",")
    if name != "cube":
        raise SystemExit(f"screenshot: --expect knows cube only, not '{name}'")
    return scenes.cube(picture.width, picture.height, int(background, 16), float(angle))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("qmp_socket")
    parser.add_argument("output")
    parser.add_argument("--expect", metavar="SCENE")
    parser.add_argument("--same-as", metavar="OTHER.png")
    arguments = parser.parse_args()
    deadline = time.monotonic() + WAIT_S
    with tempfile.TemporaryDirectory() as folder:
        qmp = Qmp(arguments.qmp_socket, WAIT_S)
        while True:
            path = os.path.join(folder, "screen.ppm")
            qmp.command("screendump", filename=path)
            picture = Picture.from_ppm(path)
            wrong = 0
            if arguments.expect:
                wrong = picture.mismatch(reference_of(arguments.expect, picture), step=3, tolerance=TOLERANCE)
            if wrong <= EDGE_SHARE or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        qmp.close()
    picture.save_png(arguments.output)
    if arguments.expect:
        print(f"{arguments.output}: {picture.width}x{picture.height}, {wrong:.2%} of the sampled pixels differ from "
              f"the computed {arguments.expect.split(',')[0]} ({EDGE_SHARE:.0%} is allowed, at edges)")
    same = not arguments.same_as or picture == Picture.from_file(arguments.same_as)
    if arguments.same_as:
        print(f"{arguments.output}: {'the same as' if same else 'differs from'} {arguments.same_as}, pixel by pixel")
    return 0 if wrong <= EDGE_SHARE and same else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, QmpError, ValueError) as e:
        sys.exit(f"screenshot: {e}")
