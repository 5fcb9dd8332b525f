# SPDX-License-Identifier: ISC
"""A TCP relay on loopback whose answers can be lost: what the receiver says from a moment on is
held back, and then the connection is cut."""

import contextlib
import socket
import threading


class Gate:
    """`target` is the address of the receiver, a function where it moves."""

    def __init__(self, t, target):
        self.target = target
        self.holds = False     # what the receiver says from here on is lost
        self.is_shut = False   # connections are refused, nearly: they end at once
        self.held = 0          # bytes lost
        self.connections = 0
        self.pairs = []
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        self.others = True     # as a receiver, for Queue.point_at()
        threading.Thread(target=self.accept, daemon=True).start()
        t.closing.append(self)

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.is_shut:
                near.close()
                continue
            try:
                far = socket.create_connection(self.target(), timeout=5)
            except OSError:
                near.close()
                continue
            for sock in (near, far):
                sock.settimeout(None)
            with self.lock:
                self.pairs.append((near, far))
            for way in ((near, far, False), (far, near, True)):
                threading.Thread(target=self.relay, args=way, daemon=True).start()

    def relay(self, source, drain, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_answer and self.holds:
                    self.held += len(data)
                else:
                    drain.sendall(data)
        self.end(source, drain)

    @staticmethod
    def end(*socks):
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """All connections end, and what was held back is lost."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self.end(*pair)

    def close(self):
        self.end(self.listener)
        self.listener.close()
        self.cut()
