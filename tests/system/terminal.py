# SPDX-License-Identifier: ISC
"""A program at a terminal of our own: what it shows there, and what it is told."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from harness import bound


class Terminal:
    """Starts `command` with all three standard descriptors at a terminal; `plain`: with standard
    output at a pipe, read by output()."""

    def __init__(self, t, command, width=80, env=None, pipe=False, height=24):
        self.master, slave = pty.openpty()
        self.text = b""
        self.resize(width, height)
        environment = {key: value for key, value in os.environ.items()
                       if key not in ("COLUMNS", "NO_COLOR")}
        environment.update({"TERM": "xterm", "TZ": "UTC", **(env or {})})
        self.child = t.spawn(command, stdin=slave, stdout=subprocess.PIPE if pipe else slave,
                             stderr=slave, env=environment, start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        t.closing.append(self)

    def resize(self, width, height=24):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        """What comes within this time, or up to the end; False at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            part = os.read(self.master, 65536)
        except OSError:  # the other end is closed
            part = b""
        self.text += part
        return part != b""

    def until(self, word, seconds=20):
        limit = time.monotonic() + bound(seconds)
        while word.encode() not in self.text:
            assert time.monotonic() < limit and self.read(0.2), \
                "want %r, found %r" % (word, self.text)

    def end(self, seconds=30):
        """Waits for the program's end: (exit code, all that was shown)."""
        limit = time.monotonic() + bound(seconds)
        while self.read(0.2):
            assert time.monotonic() < limit, self.text
        return self.child.wait(bound(5)), self.text.decode()

    def close(self):
        os.close(self.master)
        if self.child.stdout:
            self.child.stdout.close()


def screen(text, width):
    """What a terminal shows in the end: its lines, by CR, LF and ESC [ K; no other escapes."""
    lines, row = [""], 0
    column = 0
    at = 0
    while at < len(text):
        if text.startswith("\x1b[K", at):
            lines[row] = lines[row][:column]
            at += 3
            continue
        byte = text[at]
        at += 1
        assert byte != "\x1b", "an escape that a progress bar has no use for: %r" % text[at:at + 9]
        if byte == "\r":
            column = 0
        elif byte == "\n":
            lines.append("")
            row += 1
        else:
            assert column < width, "a line is folded: %r" % lines[row]
            lines[row] = lines[row][:column].ljust(column) + byte + lines[row][column + 1:]
            column += 1
    return lines


class Full:
    """What stands on a full screen of `width` and `height`, by the escapes that such a program has
    need of; no other ones, no line folded, and nothing scrolled away."""

    ESCAPE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows = [""] * height
        self.row = self.column = 0
        self.is_alternate = False
        self.has_cursor = True

    def feed(self, text):
        at = 0
        while at < len(text):
            match = self.ESCAPE.match(text, at)
            if match:
                self.escape(*match.groups())
                at = match.end()
                continue
            self.put(text[at])
            at += 1
        return self

    def put(self, byte):
        assert byte != "\x1b", "an escape of no known kind"
        if byte == "\r":
            self.column = 0
        elif byte == "\n":
            self.row += 1
            assert self.row < self.height or not self.is_alternate, "the screen scrolled"
            self.row = min(self.row, self.height - 1)
        else:
            assert self.column < self.width, "a line is folded: %r" % self.rows[self.row]
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[:self.column] + byte + row[self.column + 1:]
            self.column += 1

    def escape(self, private, numbers, kind):
        if private:
            assert (numbers, kind) in (("1049", "h"), ("1049", "l"), ("25", "h"), ("25", "l")), \
                (numbers, kind)
            if numbers == "25":
                self.has_cursor = kind == "h"
            else:
                self.is_alternate = kind == "h"
        elif kind == "H":
            assert numbers == "", numbers
            self.row = self.column = 0
        elif kind == "K":
            # Behind a full line, the cursor is still on its last character.
            cut = min(self.column, self.width - 1)
            self.rows[self.row] = self.rows[self.row][:cut]
        elif kind == "J":
            self.rows[self.row] = "" if numbers == "2" else self.rows[self.row][:self.column]
            for row in range(0 if numbers == "2" else self.row + 1, self.height):
                self.rows[row] = ""
        else:
            assert kind == "m", kind

    def lines(self):
        return [row.rstrip() for row in self.rows]
