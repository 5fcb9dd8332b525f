#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What programs are started in: who reads their log, which descriptors, limits and signals they
inherit, what the environment and /proc say."""

import contextlib
import os
import re
import signal
import threading
import time

from harness import bound, equal, main, test, until


class Reader:
    """The other end of a standard error, which reads or does not."""

    def __init__(self, t):
        self.fd, self.write_fd = os.pipe()
        self.text = b""
        t.closing.append(self)

    def until(self, word):
        os.close(self.write_fd)
        while word not in self.text:
            part = os.read(self.fd, 4096)
            assert part, "the log ended without %r:\n%s" % (word, self.text.decode())
            self.text += part
        return self.text.decode()

    def read_on(self):
        def run():
            with contextlib.suppress(OSError):  # closed when the test is over
                for part in iter(lambda: os.read(self.fd, 65536), b""):
                    self.text += part
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def close(self):
        os.close(self.fd)


def deaf_receiver(t):
    """One whose log is read until it is ready, and no further."""
    reader = Reader(t)
    r = t.receiver(start=False)
    r.start(wait=False, stderr=reader.write_fd)
    said = reader.until(b"event=ready")
    r.port = int(re.search(r"event=listening address=\S+:(\d+)", said).group(1))
    return r, reader


def store_until_lines_are_lost(t, r):
    """Each connection logs some lines; the items are stored as ever."""
    n = 0
    while r.metric("inboxd_log_lines_lost_total") == 0:
        for _ in range(50):
            n += 1
            c = r.client(hello=t.queue())
            c.put(1, "status", b"%d" % n)
            c.stored(1)
            c.quit()
            c.close()
        assert n < 5000, "a pipe took the lines of %d sessions" % n


# ---- the log

@test
def nobody_waits_for_who_reads_the_log(t):
    r, reader = deaf_receiver(t)
    store_until_lines_are_lost(t, r)
    equal(r.get("/healthz")[::2], (200, "ok\n"))
    reader.read_on()
    until(lambda: re.search(rb"event=log_lines_lost count=[1-9]", reader.text))


@test
def unread_log_does_not_hold_up_the_end(t):
    r, _ = deaf_receiver(t)
    store_until_lines_are_lost(t, r)
    r.check()
    started = time.monotonic()
    r.process.send_signal(signal.SIGTERM)
    r.wait_end(0)
    assert time.monotonic() - started < bound(8), "took %g s" % (time.monotonic() - started)


if __name__ == "__main__":
    main()
