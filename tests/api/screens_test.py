"""What rendercarctl shows on a terminal of 80 columns, compared with the recorded screens in tests/api/screens.

RENDERCAR_RECORD_SCREENS=1 records them anew. What differs from run to run (times, processes, directories) is masked. Needs what fixture.py needs. SPDX-License-Identifier: Apache-2.0"""
import fcntl
import os
import pathlib
import pty
import re
import struct
import subprocess
import termios

from fixture import BIN, NodeAndSidecar, main

SCREENS = pathlib.Path(__file__).resolve().parent / "screens"
COLUMNS, ROWS = 80, 24
CLEAR = "\x1b[H\x1b[2J"


class ScreensTest(NodeAndSidecar):
    maxDiff = None

    def on_terminal(self, *arguments, socket=None, term="xterm-256color", columns=COLUMNS):
        """All that the command writes to a terminal."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        process = subprocess.Popen([str(BIN / "rendercarctl"), f"--socket={socket or self.socket}", *arguments], stdin=theirs, stdout=theirs,
                                   stderr=theirs, cwd=self.dir, env={**os.environ, "TERM": term})
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 65536):
                written += piece
        except OSError:  # EIO: the other end is closed
            pass
        os.close(ours)
        self.assertEqual(process.wait(60), 0, written)
        return written.decode().replace("\r\n", "\n")

    def masked(self, text):
        for pattern, mask in ((re.escape(str(self.dir)), "DIR"), (r"\d\d:\d\d:\d\d", "HH:MM:SS"), (r"(?<![-\w]) *\b\d+[smhd]\b", " AGE"), (r"process \d+", "process PID"),
                              (r"[0-9a-f]{12}-[0-9a-f]{32}", "ALLOCATION")):
            text = re.sub(pattern, mask, text)
        return text

    def check(self, name, shown):
        for line in self.masked(shown).splitlines():  # a path is as long as it is
            self.assertLessEqual(len(line), COLUMNS, line)
        recorded = SCREENS / f"{name}.txt"
        if os.environ.get("RENDERCAR_RECORD_SCREENS"):
            SCREENS.mkdir(exist_ok=True)
            recorded.write_text(self.masked(shown))
        self.assertEqual(self.masked(shown), recorded.read_text())

    def test_inventory(self):
        self.check("nodes", self.on_terminal("nodes", socket=self.node_socket))
        self.check("shares", self.on_terminal("shares", socket=self.node_socket))

    def test_sessions(self):
        self.check("sessions-list", self.on_terminal("sessions", "list"))
        self.check("sessions-list-node", self.on_terminal("sessions", "list", socket=self.node_socket))
        self.check("sessions-get", self.on_terminal("sessions", "get", "gpu0"))

    def test_help(self):
        self.check("help", self.on_terminal("--help"))
        self.check("help-create", self.on_terminal("sessions", "create", "--help"))

    def test_top_draws_over_itself_and_fits(self):
        shown = self.on_terminal("top", "--interval=0.2", "--count=2", columns=40)
        screens = shown.split(CLEAR)
        self.assertEqual((screens[0], len(screens)), ("", 3))
        self.assertLessEqual(max(map(len, screens[2].splitlines())), 40)
        self.assertIn("gpu0", screens[2])

    def test_a_watch_is_a_live_table(self):
        shown = self.on_terminal("watch", "--count=2")  # added, synced
        self.check("watch", shown.split(CLEAR)[-1])

    def test_a_terminal_without_a_cursor_gets_lines(self):
        self.check("watch-dumb", self.on_terminal("watch", "--count=2", term="dumb"))
        self.check("watch-lines", self.on_terminal("watch", "--lines", "--count=2"))
        self.assertNotIn("\x1b", self.on_terminal("top", "--interval=0.2", "--count=1", term="dumb"))

    def test_nothing_is_coloured(self):
        self.assertNotIn("\x1b", self.on_terminal("sessions", "get", "gpu0"))


if __name__ == "__main__":
    main()
