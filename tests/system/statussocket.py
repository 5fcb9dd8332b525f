# SPDX-License-Identifier: ISC
"""A status socket of ours, that says what a test wants: pages of a bad day."""

import contextlib
import json
import os
import socketserver
import threading
import time


class Handler(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self):
        words = self.rfile.readline().decode("ascii").split()
        while self.rfile.readline().strip():
            pass
        page = self.server.find(words[1])
        body = b"not here\n" if page is None else \
            (page if isinstance(page, str) else json.dumps(page)).encode()
        self.wfile.write(b"HTTP/1.0 %s\r\nContent-Length: %d\r\n\r\n" % (
            b"200 OK" if page is not None else b"404 Not Found", len(body)) + body)


class StatusSocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """`pages` has a page for each path (text as it is, else JSON), or a function that makes one of
    its query; changed at will.  `asked` is what was asked for, in order."""

    daemon_threads = True

    def __init__(self, t, pages, name="fake.sock"):
        self.socket_path = os.path.join(t.folder, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket_path)
        super().__init__(self.socket_path, Handler)
        self.pages = pages
        self.asked = []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()
        t.closing.append(self)

    def find(self, path):
        path, _, query = path.partition("?")
        self.asked.append((path, query))
        page = self.pages.get(path)
        return page(query) if callable(page) else page

    def close(self):
        if self.thread is None:
            return
        self.shutdown()
        self.thread.join()
        self.server_close()
        self.thread = None


def status(**changed):
    """A receiver of three days, by whom all is well."""
    now = int(time.time())
    page = {
        "schema": 1, "version": "0.1.0", "pid": 4711, "since": now - 3 * 86400 - 4 * 3600 - 60,
        "now": now, "host": "cap1.example.org", "state": "running", "reload_error": None,
        "items": {"offered": 1234567, "stored": 1234540, "again": 12, "cut_off": 4,
                  "later": {"full": 2, "busy": 1}, "refused": {"no-inbox": 3}, "in_flight": 5},
        "counters": {"inboxd_stored_bytes_total": 5 << 30},
        "gauges": {"inboxd_connections": 312, "inboxd_connections_limit": 4096,
                   "inboxd_unpublished_items": 120, "inboxd_unpublished_bytes": 5 << 20,
                   "inboxd_unpublished_oldest_timestamp_seconds": now - 2,
                   "inboxd_free_bytes": 312 << 30, "inboxd_journal_bytes": 256 << 20,
                   "inboxd_full": 0, "inboxd_publish_trouble": 0, "inboxd_queues": 1000,
                   "inboxd_certificate_expiry_timestamp_seconds": now + 71 * 86400 + 60,
                   "inboxd_ca_expiry_timestamp_seconds": now + 3650 * 86400 + 60,
                   "inboxd_crl_expiry_timestamp_seconds": now + 6 * 86400 + 3700},
        "clients": {"up-to-date": 980, "behind": 12, "silent": 3, "missing": 1, "never-came": 4,
                    "counted": now},
        "problems": [],
    }
    page.update(changed)
    return page


def inbox(name, **changed):
    now = int(time.time())
    return {"name": name, "folder": "/var/lib/inboxd/" + name, "suffix": None,
            "size_limit_bytes": 1 << 30, "waiting": 17, "waiting_bytes": 70000, "oldest": now - 180,
            "claimed": 1, "claimed_oldest": now - 60, "counted": now - 2, "error": None,
            "stored_total": 123456, "stored_bytes_total": 5 << 30, "last_stored": now - 3,
            "limit_items": 0, "limit_bytes": 0, "over_limit": False, "paused": None, **changed}


def inboxes(*rows):
    return {"schema": 1, "now": int(time.time()), "inboxes": list(rows)}
