# SPDX-License-Identifier: ISC
"""A TCP relay on loopback that cuts connections, each at a random byte in either direction.

What the receiver had sent by then and the client never saw are the lost acks.
"""

import math
import select
import socket
import struct
import threading

RESET = struct.pack("ii", 1, 0)


class Proxy:
    """`target()` gives the address of the receiver, which moves from life to life."""

    def __init__(self, target, random):
        self.target, self.random = target, random
        self.cutting = True
        self.connections = self.cuts = 0
        self.stopping = False
        self.lock = threading.Lock()
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(64)
        self.sock.settimeout(0.2)
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while not self.stopping:
            try:
                near, _ = self.sock.accept()
            except (socket.timeout, OSError):
                continue
            with self.lock:
                self.connections += 1
                # Small and large alike: half of them end within the handshake or soon after.
                budget = int(math.exp(self.random.uniform(math.log(300), math.log(400000))))
            threading.Thread(target=self.relay, args=(near, budget), daemon=True).start()

    def relay(self, near, budget):
        far = None
        try:
            far = socket.create_connection(self.target(), timeout=2)
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(2)
            self.pump(near, far, budget)
        except (OSError, TypeError):
            pass
        finally:
            for sock in (near, far):
                if sock:
                    sock.close()

    def pump(self, near, far, budget):
        while not self.stopping:
            ready, _, _ = select.select([near, far], [], [], 0.2)
            for sock in ready:
                data = sock.recv(65536)
                if not data:
                    return
                other = far if sock is near else near
                if self.cutting and len(data) > budget:
                    other.sendall(data[:budget])
                    self.cut(near, far)
                    return
                budget -= len(data)
                other.sendall(data)

    def cut(self, *socks):
        with self.lock:
            self.cuts += 1
            hard = self.random.random() < 0.5
        for sock in socks:
            if hard:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def close(self):
        self.stopping = True
        self.thread.join(2)
        self.sock.close()
