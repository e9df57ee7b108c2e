#!/usr/bin/env python3
"""What only a real QEMU with a real Linux guest shows: our backend, QEMU's vhost-user-gpu and QEMU's in-process device.

Two rows: how quickly QMP answers while the guest redraws 1080p without pause, and glmark2 off-screen. The devices take
turns, each time with a new machine. Prints Markdown tables.
SPDX-License-Identifier: Apache-2.0
"""

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
import time

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(REPOSITORY, "tests/e2e"))
os.environ.setdefault("RENDERCAR_BACKEND", os.path.join(REPOSITORY, "build/release/bin/rendercar-backend"))

from machines import DEVICES, open_machine  # noqa: E402
from rendercar_e2e.machine import GuestError  # noqa: E402
from rendercar_e2e.qmp import QmpError  # noqa: E402

SCENES = ["build:use-vbo=true", "texture:texture-filter=linear", "shading:shading=phong", "desktop:windows=2", "buffer"]


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def qmp_latencies(machine, seconds):
    """(seconds that each query-status took while the guest redraws, frames a second that it reached).

    A deadlock counts as its time-out, and ends the measurement.
    """
    since = len(machine.console())
    machine.shell("redraw >/dev/ttyS0 2>&1 &")
    machine.wait_console("^REDRAW READY", since)
    samples, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        start = time.perf_counter()
        try:
            machine.qmp.command("query-status")
        except QmpError:
            return samples + [time.perf_counter() - start], 0
        samples.append(time.perf_counter() - start)
        time.sleep(0.002)
    frames = re.findall(r"^REDRAW FRAME (\d+)", machine.console()[since:], re.MULTILINE)
    return samples, int(frames[-1]) / seconds if frames else 0


def glmark_score(machine, seconds):
    """glmark2's score, the mean of its scenes' frames a second."""
    scenes = " ".join(f"-b {scene}:duration={seconds}" for scene in SCENES)
    _, text = machine.shell(f"glmark2-es2-drm --off-screen -s 800x600 {scenes}", timeout_s=60 + 20 * seconds * len(SCENES))
    scores = [int(line.split(":")[1]) for line in text.splitlines() if "glmark2 Score" in line]
    if not scores:
        raise GuestError(f"glmark2 gave no score:\n{text[-1500:]}")
    return scores[0]


ROWS = {
    "qmp": dict(kind="3d", virgl=False, width=1920, height=1080, measure=qmp_latencies, seconds=6),
    # No text console: QEMU's backend without a render node dies of the first 3D scanout, which that is.
    "glmark2": dict(kind="glmark", virgl=True, width=800, height=600, measure=glmark_score, seconds=3,
                    kernel="drm_kms_helper.fbdev_emulation=0"),
}


def measure_once(row, device, seconds):
    folder = tempfile.mkdtemp(prefix="rc-vmb-")
    try:
        machine = open_machine(device, folder, kind=row["kind"], virgl=row["virgl"], width=row["width"], height=row["height"],
                               kernel_arguments=row.get("kernel", ""))
        try:
            machine.start()
            machine.wait_console("^GUEST READY")
            return row["measure"](machine, seconds)
        finally:
            machine.close()
    finally:
        shutil.rmtree(folder)


def measure(name, rounds, seconds):
    """{device: [result of each round]}; the devices take turns."""
    row, results = ROWS[name], {device: [] for device in DEVICES}
    for number in range(rounds):
        for device in DEVICES:
            say(f"{name}: {device}, round {number + 1} of {rounds}")
            results[device].append(measure_once(row, device, seconds or row["seconds"]))
    return results


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_qmp(results):
    print("| QMP `query-status` while the guest redraws 1080p | p50 | p99 | worst | answers | frames/s |\n| --- | --- | --- | --- | --- | --- |")
    for device, rounds in results.items():
        samples = [s * 1e3 for one, _ in rounds for s in one]
        print(f"| {device} | {percentile(samples, .5):.2f} ms | {percentile(samples, .99):.2f} ms | {max(samples):.2f} ms "
              f"| {len(samples)} | {statistics.median(frames for _, frames in rounds):.0f} |")


def print_glmark(results):
    own = statistics.median(results["rendercar"])
    print("| glmark2-es2-drm --off-screen, 800x600 | median score | ours over it | rounds |\n| --- | --- | --- | --- |")
    for device, scores in results.items():
        score = statistics.median(scores)
        print(f"| {device} | {score:g} | {own / score:.2f} | {', '.join(map(str, scores))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{' or '.join(ROWS)} (default: both)")
    parser.add_argument("--rounds", type=int, default=3, help="machines started of each device (default: 3)")
    parser.add_argument("--seconds", type=int, help="length of a measurement (qmp: 6) or of each of glmark2's scenes (3)")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row '{unknown.pop()}'; there are {', '.join(ROWS)}")
    print_row = {"qmp": print_qmp, "glmark2": print_glmark}
    for name in arguments.rows or ROWS:
        print_row[name](measure(name, arguments.rounds, arguments.seconds))
        print()


if __name__ == "__main__":
    main()
