"""Child processes with a log file, and looks into /proc: who descends from whom, how many descriptors and mappings.

SPDX-License-Identifier: Apache-2.0
"""

import os
import signal
import subprocess
import time


class Process:
    """One child whose stdout and stderr go to a log file; `stop` leaves nothing of it behind."""

    def __init__(self, name, command, log_path, **popen):
        self.name, self.command, self.log_path = name, command, log_path
        with open(log_path, "ab") as log:
            self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen)

    @property
    def pid(self):
        return self._popen.pid

    def exit_code(self):
        """None while it runs; negative: ended by that signal."""
        return self._popen.poll()

    def running(self):
        return self.exit_code() is None

    def wait(self, timeout_s):
        return self._popen.wait(timeout_s)

    def kill(self, number=signal.SIGKILL):
        self._popen.send_signal(number)

    def stop(self, grace_s=10):
        """SIGTERM, then SIGKILL after `grace_s`; returns the exit code."""
        if self.running():
            self._popen.terminate()
            try:
                self._popen.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        return self._popen.wait()

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _parents():
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parents[int(entry)] = int(f.read().rpartition(")")[2].split()[1])
            except OSError:
                pass
    return parents


def descendants(pid):
    """All processes below `pid`, itself not included."""
    parents, found, frontier = _parents(), [], {pid}
    while frontier:
        frontier = {p for p, parent in parents.items() if parent in frontier}
        found += frontier
    return found


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def mappings(pid):
    with open(f"/proc/{pid}/maps") as f:
        return sum(1 for _ in f)


def private_kib(pid):
    """Resident memory of its own; guest memory, which is shared, counts as resident as soon as it was looked at."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


def wait_until(condition, timeout_s, what, interval_s=0.05):
    """Waits until condition() is true and returns its value; TimeoutError names `what`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s} s")
        time.sleep(interval_s)
