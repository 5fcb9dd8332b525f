#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Sockets that a supervisor passes: they are taken in place of the settings, looked at first, and
nobody is refused while the receiver is stopped and started again."""

import json
import os
import signal
import socket
import ssl
import threading
import time

from client import Closed, Timeout
from harness import (INBOXD, Skip, Unix, bound, cases, contains, equal, main, passing, test, until)


def listening(t, backlog=128, family=socket.AF_INET, host="127.0.0.1"):
    one = socket.socket(family)
    t.closing.append(one)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((host, 0))
    one.listen(backlog)
    return one


def port_of(one):
    return one.getsockname()[1]


# ---- what they stand for

@test
def sockets_passed_stand_in_place_of_listen(t):
    try:
        six = listening(t, family=socket.AF_INET6, host="::1")
    except OSError as error:
        raise Skip("no IPv6 here: %s" % error) from None
    one, taken = listening(t), listening(t)
    # An address that nobody could listen on: it is not looked at.
    r = t.receiver({"receiver": {"listen": "127.0.0.1:%d" % port_of(taken)}}, start=False)
    r.start(passed=[("prox", one), ("status.socket", six)])  # neither is a name of ours
    contains(r.log(), 'event=sockets_passed count=2 setting=listen note=')
    contains(r.log(), "event=listening address=127.0.0.1:%d\n" % port_of(one))
    contains(r.log(), "event=listening address=[::1]:%d\n" % port_of(six))
    equal(r.log().count("event=listening"), 2, "addresses that are listened on")
    r.port = port_of(one)
    c = r.client(hello=t.queue())
    c.put(1, "status", b"by a socket that was passed")
    c.stored(1)
    c.quit()
    socket.create_connection(("::1", port_of(six)), bound(5)).close()
    until(lambda: r.metric("inboxd_connections_silent_total") == 1, 5, "the one by IPv6")


@test
def socket_named_proxy_stands_in_place_of_listen_proxy_alone(t):
    one = listening(t)
    r = t.receiver({"receiver": {"proxies": "127.0.0.1"}}, start=False)
    r.start(passed=[("proxy", one)])
    contains(r.log(), "event=sockets_passed count=1 setting=listen-proxy ")
    contains(r.log(), "event=listening address=127.0.0.1:%d setting=listen-proxy\n" % port_of(one))
    equal(r.log().count("event=listening"), 2, "addresses: the setting listen is in force")
    with socket.create_connection(("127.0.0.1", port_of(one)), bound(5)) as raw:
        raw.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 7117\r\n")
        raw.sendall(b"not TLS\r\n")
        r.wait_log(r"event=connection_failed client=- peer=192\.0\.2\.7:40000 ")


@test
def status_socket_that_was_passed_stays_when_the_receiver_goes(t):
    path = os.path.join(t.folder, "passed")
    one = socket.socket(socket.AF_UNIX)
    t.closing.append(one)
    one.bind(path)
    one.listen(16)
    r = t.receiver({"status": {"socket": "/nonexistent/status"}}, start=False)
    r.socket = path
    r.start(passed=[("status", one)])
    equal(r.json("/status")["pid"], r.process.pid, "whose page it is")
    r.stop()
    assert os.path.exists(path), "the file is its maker's"
    # Who asks meanwhile has his answer from the next one.
    asker = Unix(path, bound(20))
    asker.request("GET", "/status")
    r.start(passed=[("status", one)])
    equal(json.loads(asker.getresponse().read())["pid"], r.process.pid, "whose page it is")
    asker.close()


@test
def sockets_for_another_process_are_not_taken(t):
    r = t.receiver(start=False)
    r.start(env={"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "proxy:status"})
    equal(r.log().count("event=sockets_passed"), 0, "taken")
    equal(r.log().count("event=listening"), 1, "by the setting")


# ---- what is no such socket

def made(t, kind):
    if kind == "datagram":
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
    elif kind == "local":
        one = socket.socket(socket.AF_UNIX)
        one.bind(os.path.join(t.folder, "local"))
        one.listen(1)
    elif kind == "connected":
        one, other = socket.socketpair()
        t.closing.append(other)
    elif kind == "file":
        one = open("/dev/null", "rb")
    elif kind == "bound":
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
    else:
        one = listening(t)
    t.closing.append(one)
    return one


@cases([
    ("datagram", "datagram", "x", "is not a stream socket: ListenStream= makes one"),
    ("accepted", "connected", "x", "does not listen: it is wanted with Accept=no"),
    ("bound", "bound", "proxy", "does not listen: it is wanted with Accept=no"),
    ("UNIX", "local", "x", "is wanted with an address of IPv4 or IPv6"),
    ("UNIX for proxies", "local", "proxy", "is wanted with an address of IPv4 or IPv6"),
    ("TCP for the status", "tcp", "status", "is wanted as a UNIX socket"),
    ("file", "file", "x", "is not a socket"),
])
def socket_of_the_wrong_kind_ends_the_start(t, kind, name, word):
    r = t.receiver(start=False)
    passed = [("first", listening(t)), (name, made(t, kind))]
    sentence = "the descriptor 4 that was passed as %s %s" % (name, word)
    handles = [one.fileno() for _, one in passed]
    check = t.run([*passing(passed), INBOXD, "-c", r.conf, "-t"], pass_fds=handles)
    equal((check.returncode, check.stderr), (78, "inboxd: %s\n" % sentence), "inboxd -t")
    r.start(wait=False, passed=passed)
    r.wait_end(78)
    contains(r.log(), 'event=start_failed error="%s" exit=78' % sentence)


@test
def sockets_that_are_not_open_end_the_start(t):
    r = t.receiver(start=False)
    wrap = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=$0 exec "$@"']
    r.start(wait=False, wrap=[*wrap, "2"])
    r.wait_end(78)
    contains(r.log(), "the descriptor 3 that was passed is not open")
    r.start(wait=False, wrap=[*wrap, "many"])
    r.wait_end(78)
    contains(r.log(here=True), "LISTEN_FDS is no number of at most 32 sockets")


@test
def check_tells_which_settings_do_not_count(t):
    r = t.receiver({"receiver": {"listen": "no.such.host.invalid:1"}}, start=False)
    passed = [("x", listening(t))]
    done = t.run([*passing(passed), INBOXD, "-c", r.conf, "-t"],
                 pass_fds=[passed[0][1].fileno()])
    equal(done.returncode, 0, done.stderr)
    contains(done.stdout, "listen: passed in place of what it says: 1\n")


# ---- a restart under load

class Crowd:
    """Clients that connect all the time, each for one item, and what becomes of them."""

    def __init__(self, t, r, port, count):
        self.t, self.r, self.port = t, r, port
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.ends = {"refused": 0, "stored": 0, "cut": 0}
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True)
                        for i in range(count)]
        self.contexts = [t.client_context("pc%d.example.org" % i) for i in range(count)]
        self.queues = [t.queue() for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, i):
        n = 1
        while not self.stop.is_set():
            end = self.one(i, n)
            with self.lock:
                self.ends[end] += 1
            n += end == "stored"
            if end == "refused":
                time.sleep(0.01)

    def one(self, i, n):
        try:
            socket.create_connection(("127.0.0.1", self.port), bound(30)).close()
            c = self.r.client(ctx=self.contexts[i], hello={"queue": self.queues[i], "settled": n})
            c.put(n, "status", b"%d of %d" % (n, i))
            c.stored(n)
            c.quit()
            return "stored"
        except ConnectionRefusedError:
            return "refused"
        except (OSError, ssl.SSLError, Closed, Timeout, AssertionError):
            return "cut"  # the receiver stopped amid it: it was connected

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(bound(40))
        assert not any(thread.is_alive() for thread in self.threads), "clients hang"
        return self.ends


RESTARTS = 4


def restarts_under_load(t, r, port, **how):
    r.port = port
    crowd = Crowd(t, r, port, 8)
    until(lambda: crowd.ends["stored"] > 20, 20, "items to be stored")
    for i in range(RESTARTS):
        before = crowd.ends["stored"]
        if i % 2:
            r.kill()
        else:
            r.stop()
        time.sleep(0.3)
        r.start(**how)
        until(lambda b=before: crowd.ends["stored"] > b + 20, 20, "items to be stored again")
    ends = crowd.end()
    t.note("%d restarts: %r" % (RESTARTS, ends))
    return ends


@test
def restart_under_load_refuses_no_connection(t):
    one = listening(t, 1024)
    r = t.receiver(start=False)
    r.start(passed=[("inboxd.socket", one)])
    ends = restarts_under_load(t, r, port_of(one), passed=[("inboxd.socket", one)])
    equal(ends["refused"], 0, "connections refused, of %r" % ends)


@test
def restart_without_such_sockets_does_refuse(t):
    """Or the test above shows nothing."""
    r = t.receiver(start=False)
    probe = listening(t)
    port = port_of(probe)
    probe.close()
    r.sections["receiver"]["listen"] = "127.0.0.1:%d" % port
    r.write_conf()
    r.start()
    ends = restarts_under_load(t, r, port)
    assert ends["refused"] > 0, ends


@test
def who_came_while_nobody_was_there_is_served_by_the_next(t):
    one = listening(t, 64)
    r = t.receiver(start=False)
    r.start(passed=[("x", one)])
    r.stop(how=signal.SIGTERM)
    early = [socket.create_connection(("127.0.0.1", port_of(one)), bound(30)) for _ in range(40)]
    r.start(passed=[("x", one)])
    until(lambda: r.metric("inboxd_connections_accepted_total") == 40, 10, "all to be taken")
    for raw in early:
        raw.close()


if __name__ == "__main__":
    main()
