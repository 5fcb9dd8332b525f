#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Behind a proxy each client is who it is: prefaces of the PROXY protocol, written from its
specification, and HAProxy where there is one."""

import contextlib
import os
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import time

from client import Client, Closed
from copyqueue import Queue, all_there
from harness import Skip, bound, cases, contains, equal, main, test, until

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 7117\r\n"
REASONS = ("unlisted", "preface", "unfinished")
COUNTERS = ("silent", "failed", "accepted")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def binary(command, family, rest=b""):
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(rest)) + rest


def four(source="192.0.2.1", port=4711):
    return socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack(
        ">HH", port, 7117)


def six(source="2001:db8::1", port=4711):
    return b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (source, "2001:db8::2")) + \
        struct.pack(">HH", port, 7117)


def checked(flaw=0):
    """With a checksum, and TLVs around it."""
    parts = [b"\x05\0\x03abc", b"\x03\0\x04", 4 * b"\0", b"\xee\0\0"]
    crc = crc32c(binary(1, 0x11, four() + b"".join(parts)))
    parts[2] = struct.pack(">I", crc ^ flaw)
    return binary(1, 0x11, four() + b"".join(parts))


def receiver(t, proxies="127.0.0.1", **more):
    return t.receiver({"receiver": {"listen": "", "listen-proxy": "127.0.0.1:0",
                                    "proxies": proxies}, **more})


def counts(r):
    metrics = r.metrics()
    found = {name: int(metrics["inboxd_connections_%s_total" % name, ""]) for name in COUNTERS}
    for reason in REASONS:
        found[reason] = int(metrics["inboxd_connections_refused_total", 'reason="%s"' % reason])
    return found


def counted(r, **more):
    """Waits until these have come, and nothing else has."""
    want = {**dict.fromkeys(COUNTERS + REASONS, 0), **more}
    until(lambda: counts(r) == want, 10, "%r to be counted; now %r" % (more, counts(r)))


def is_served(t, r, preface, peer, who="pc1.example.org", **how):
    """It gets an item through, and is known by this address (a pattern), or its own."""
    mark = len(r.log())
    queue = t.queue()
    c = r.client(who, hello=queue, before=lambda sock: sock.sendall(preface), **how)
    c.put(1, "status", b"x")
    c.stored(1)
    want = r"event=session_ready client=%s peer=%s " % (
        re.escape(who), peer or re.escape("%s:%d" % c.sock.getsockname()))
    found = until(lambda: re.search(want, r.log()[mark:]), 10, "log: " + want)
    host = re.search(r" peer=\[?(\S+?)\]?:\d+ ", found.group(0)).group(1)
    equal(r.client_row(queue)["address"], host, "address in /clients")
    c.quit()


def connect(r, data=b"", source="127.0.0.1"):
    sock = socket.socket()
    sock.settimeout(bound(20))
    sock.bind((source, 0))
    sock.connect(r.address)
    sock.sendall(data)
    return sock


def is_closed(sock):
    try:
        equal(sock.recv(100), b"", "what is said to a proxy that is not believed")
    except ConnectionResetError:
        pass
    sock.close()


# ---- what is believed

@cases([
    ("v1 TCP4", LINE, r"192\.0\.2\.1:4711"),
    ("v1 TCP6", b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 7117\r\n", r"\[2001:db8::1\]:4711"),
    ("v2 TCP4", binary(1, 0x11, four()), r"192\.0\.2\.1:4711"),
    ("v2 TCP6", binary(1, 0x21, six()), r"\[2001:db8::1\]:4711"),
    ("v2 TCP4 as IPv6", binary(1, 0x21, six("::ffff:192.0.2.1")), r"192\.0\.2\.1:4711"),
    ("v2 with TLVs", binary(1, 0x11, four() + b"\x02\0\x03cap\x20\0\x00"), r"192\.0\.2\.1:4711"),
    ("v2 with 4096 bytes", binary(1, 0x11, four() + b"\x04\x0f\xe1" + 4065 * b"\0"),
     r"192\.0\.2\.1:4711"),
    ("v2 with a checksum", checked(), r"192\.0\.2\.1:4711"),
    ("v1 UNKNOWN", b"PROXY UNKNOWN\r\n", None),
    ("v1 UNKNOWN and more", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    ("v2 LOCAL", binary(0, 0), None),
    ("v2 LOCAL with an address", binary(0, 0x11, four()), None),
    ("v2 UNSPEC", binary(1, 0), None),
    ("v2 of a UNIX socket", binary(1, 0x31, 216 * b"\0"), None),
])
def client_is_known_by_the_address_that_its_proxy_tells(t, preface, peer):
    r = t.shared("proxied", {"receiver": {"listen": "", "listen-proxy": "127.0.0.1:0",
                                          "proxies": "192.0.2.0/24 127.0.0.1"}})
    is_served(t, r, preface, peer)


@cases([("v1", LINE), ("v2", checked())])
def preface_may_come_in_any_pieces(t, preface):
    r = receiver(t)

    def slowly(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(preface)):
            sock.sendall(preface[i:i + 1])
            time.sleep(0.002)
    c = r.client(hello=t.queue(), before=slowly)
    r.wait_log(r"event=session_ready client=\S+ peer=192\.0\.2\.1:4711 ")
    c.quit()
    # In one segment with the first bytes of TLS, none of which may be lost.
    c = r.client(hello=t.queue(), before=lambda sock: sock.send(preface, socket.MSG_MORE))
    c.put(1, "status", b"x")
    c.stored(1)
    c.quit()
    counted(r, accepted=2)


@test
def proxy_reaches_it_over_ipv6(t):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        raise Skip("no IPv6 here: %s" % error) from None
    r = t.receiver({"receiver": {"listen": "", "listen-proxy": "[::1]:0", "proxies": "::1"}})
    c = Client(("::1", r.port), t.client_context("pc1.example.org"), timeout=bound(30),
               before=lambda sock: sock.sendall(binary(1, 0x21, six())))
    t.closing.append(c)
    c.hello(t.queue())
    r.wait_log(r"event=session_ready client=\S+ peer=\[2001:db8::1\]:4711 ")
    c.quit()


# ---- what is not

@cases([
    ("nothing of it", b"GET / HTTP/1.1\r\n\r\n", "no preface of the PROXY protocol"),
    ("TLS", bytes.fromhex("160301020001"), "no preface of the PROXY protocol"),
    ("v1 of no family", b"PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n", "neither TCP4 nor TCP6"),
    ("v1 with a wrong address", b"PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n", "the source is no address"),
    ("v1 with a wrong port", b"PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", "the source's port"),
    ("v1 that is too long", b"PROXY UNKNOWN " + 100 * b"x", "more than 107 bytes"),
    ("v2 with a wrong checksum", checked(flaw=1), "a wrong checksum"),
    ("v2 that is too short", binary(1, 0x11, four()[:-1]), "shorter than its addresses"),
    ("v2 that is too long", SIGNATURE + b"\x21\x11\xff\xff", "more than 4096 bytes"),
    ("v2 of no version", SIGNATURE + b"\x31", "neither version 1 nor 2"),
])
def what_is_wrong_is_refused_counted_and_told(t, data, why):
    r = receiver(t)
    sock = connect(r, data)
    is_closed(sock)
    found = r.wait_log(r"event=connection_refused peer=127\.0\.0\.1:\d+ reason=preface error=(.*)")
    contains(found.group(1), why)
    counted(r, preface=1)
    is_served(t, r, LINE, r"192\.0\.2\.1:4711")


@test
def preface_is_believed_of_those_listed_alone(t):
    r = receiver(t, proxies="127.0.0.1 192.0.2.0/24")
    is_closed(connect(r, LINE, source="127.0.0.2"))
    r.wait_log(r'event=connection_refused peer=127\.0\.0\.2:\d+ reason=unlisted '
               r'error="not one of \[receiver\] proxies"')
    counted(r, unlisted=1)
    r.sections["receiver"]["proxies"] = "127.0.0.2/31"
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    r.wait_log("event=reloaded")
    is_served(t, r, LINE, r"192\.0\.2\.1:4711", source="127.0.0.2")
    is_closed(connect(r, LINE, source="127.0.0.1"))
    counted(r, unlisted=2, accepted=1)


def processor_seconds(r):
    with open("/proc/%d/stat" % r.process.pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@test
def preface_that_does_not_end_is_waited_for_5_seconds_at_rest(t):
    r = receiver(t)
    begun, used = time.monotonic(), processor_seconds(r)
    socks = [connect(r, data) for data in (b"", LINE[:20], checked()[:20], checked()[:-1])]
    # One whose bytes come now and then gets no more than the others.
    slow, ended = connect(r), {}
    for byte in LINE:
        time.sleep(0.4)
        with contextlib.suppress(OSError):
            slow.send(bytes([byte]))
        for sock in select.select([slow, *socks], [], [], 0)[0]:
            ended.setdefault(sock, time.monotonic() - begun)
        if len(ended) == 5:
            break
    for sock in [slow, *socks]:
        assert 4.5 <= ended.get(sock, 0) <= bound(9), ended
        is_closed(sock)
    assert processor_seconds(r) - used <= bound(1), processor_seconds(r) - used
    found = re.findall(r'event=connection_refused peer=127\.0\.0\.1:\d+ reason=unfinished '
                       r'error="no end of the preface within 5 seconds"', r.log())
    equal(len(found), 5, "lines of the log")
    counted(r, unfinished=5)


@test
def who_goes_amid_the_preface_is_counted(t):
    r = receiver(t)
    connect(r, LINE[:-1]).close()
    counted(r, unfinished=1)
    contains(r.log(), "closed before the preface had its end")


@test
def health_check_is_counted_and_no_line_of_the_log(t):
    r = receiver(t)
    before = len(r.log())
    for preface in (b"", LINE, b"PROXY UNKNOWN\r\n", binary(0, 0), binary(1, 0x11, four())):
        for reset in (False, True):
            sock = connect(r, preface)
            if reset:
                if preface:
                    until(lambda: counts(r)["accepted"] > 0, 10, "its preface")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
    until(lambda: counts(r)["silent"] == 10, 10, "all of them: %r" % counts(r))
    counted(r, silent=10, accepted=8)
    for line in r.log()[before:].splitlines():
        assert " debug " in line, line


@test
def silent_ones_keep_valid_ones_waiting_not_out(t):
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 700:
        raise Skip("300 connections need more than %d descriptors" % soft)
    r = receiver(t)
    folder = "/proc/%d/fd" % r.process.pid
    before = len(os.listdir(folder))
    silent = [connect(r, LINE[:10]) for _ in range(300)]
    until(lambda: len(os.listdir(folder)) >= before + 256, 10, "256 of them to be waited for")
    assert len(os.listdir(folder)) < before + 276, os.listdir(folder)  # it may open others
    is_served(t, r, LINE, r"192\.0\.2\.1:4711")
    for sock in silent:
        sock.close()
    until(lambda: counts(r)["unfinished"] == 300, 10, "all of them: %r" % counts(r))


@test
def where_handshakes_have_no_room_prefaces_wait_too(t):
    """Strangers by a proxy, each from an address of his own."""
    r = receiver(t, limits={"handshakes": "4"})
    folder = "/proc/%d/fd" % r.process.pid
    before, strangers = len(os.listdir(folder)), []

    def amid_its_preface(sock):
        sock.sendall(LINE[:10])
        began = time.monotonic()
        for n in range(40):
            strangers.append(connect(r, binary(1, 0x11, four("203.0.113.%d" % n))))
        until(lambda: r.metric("inboxd_handshake_waits_total") > 0, 5, "no room")
        sock.sendall(LINE[10:])
        time.sleep(0.2)
        there = os.listdir(folder)
        log = r.log()
        if time.monotonic() - began < 0.9:  # when the first of them has to give way
            assert len(there) < before + 20, there
            assert "event=preface_read peer=192.0.2.1:" not in log, log

    c = r.client(hello=t.queue(), before=amid_its_preface)
    c.put(1, "status", b"x")
    c.stored(1)
    r.wait_log(r"event=session_ready client=\S+ peer=192\.0\.2\.1:4711 ")
    c.quit()
    for sock in strangers:
        sock.close()
    until(lambda: r.gauge("connections") == 0, 20, "all to go")
    equal(counts(r)["unfinished"], 0, "prefaces that were held and then too late")


@test
def stop_waits_for_no_preface(t):
    r = receiver(t)
    socks = [connect(r, data) for data in (b"", LINE[:20])]
    # One that does not close keeps it for a moment.
    c = r.client(hello=t.queue(), before=lambda sock: sock.sendall(LINE))
    begun = time.monotonic()
    r.process.send_signal(signal.SIGTERM)
    c.expect("GOAWAY")
    for sock in socks:
        is_closed(sock)
    assert r.runs(), "the receiver has ended before anybody could look"
    try:
        connect(r).close()
        raise AssertionError("it listens though it stops")
    except ConnectionRefusedError:
        pass
    r.wait_end(0)
    assert time.monotonic() - begun < bound(4), time.monotonic() - begun


# ---- settings

@cases([
    ("no proxies", {"listen-proxy": "127.0.0.1:0"}, "listen-proxy needs proxies"),
    ("nowhere", {"listen": ""}, "listen and listen-proxy name no address"),
    ("no network", {"listen-proxy": "127.0.0.1:0", "proxies": "127.0.0.1/24"},
     "addresses or networks, for example"),
    ("no address", {"listen-proxy": "nowhere", "proxies": "127.0.0.1"}, "ADDRESS:PORT"),
])
def settings_that_make_no_sense_are_refused(t, keys, why):
    r = t.receiver({"receiver": keys}, start=False, make=False)
    for arguments in (["-t"], ["-T"], []):
        done = r.run(*arguments)
        equal(done.returncode, 78, "exit code")
        contains(done.stderr, r.conf)
        contains(done.stderr, why)


@test
def both_ways_may_be_listened_on_at_once(t):
    r = t.receiver({"receiver": {"listen-proxy": "127.0.0.1:0", "proxies": "127.0.0.1"}})
    direct, proxied = [int(port) for port in re.findall(
        r"event=listening address=127\.0\.0\.1:(\d+)", r.log())]
    contains(r.log(), ":%d\n" % direct)
    contains(r.log(), ":%d setting=listen-proxy\n" % proxied)
    is_served(t, r, b"", None)
    try:
        is_served(t, r, LINE, None)
        raise AssertionError("a preface was believed where none belongs")
    except Closed:
        pass
    r.port = proxied
    is_served(t, r, LINE, r"192\.0\.2\.1:4711")
    done = r.run("-T")
    contains(done.stdout, "\nproxies = 127.0.0.1\n")
    r.sections["receiver"]["listen-proxy"] = "127.0.0.1:1"
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    r.wait_log("event=config_error .*listen-proxy has changed, which needs a restart")


@test
def address_in_use_is_told_by_its_setting(t):
    with socket.create_server(("127.0.0.1", 0)) as other:
        r = t.receiver({"receiver": {"listen-proxy": "127.0.0.1:%d" % other.getsockname()[1],
                                     "proxies": "127.0.0.1"}}, start=False)
        done = r.run()
        equal(done.returncode, 69, "exit code")
        contains(done.stderr, "listen-proxy 127.0.0.1:")


# ---- HAProxy

class HAProxy:
    """The sample's, with our addresses."""

    def __init__(self, t, receivers, says="send-proxy-v2"):
        self.program = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not self.program:
            raise Skip("no haproxy here")
        with open(os.path.join(TOP, "contrib/haproxy/haproxy.cfg"), encoding="ascii") as file:
            text = file.read()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for old, new in (("bind :7117", "bind 127.0.0.1:%d" % self.port),
                         ("inter 2s", "inter 100ms"),
                         ("maxconn 20000", "maxconn 100"),
                         ("send-proxy-v2", says),
                         ("192.0.2.21:7117", "127.0.0.1:%d" % receivers[0].port),
                         ("192.0.2.22:7117", "127.0.0.1:%d" % receivers[1].port)):
            contains(text, old, "the sample")
            text = text.replace("    " + old if old.startswith("bind") else old,
                                "    " + new if old.startswith("bind") else new)
        path = os.path.join(t.folder, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        self.log = os.path.join(t.folder, "haproxy.log")
        with open(self.log, "wb") as log:
            t.spawn([self.program, "-db", "-f", path], stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log)
        until(self.listens, 10, "haproxy to listen")

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


@cases([("by version 1", "send-proxy"),
        ("with a checksum", "send-proxy-v2 proxy-v2-options crc32c,ssl,cert-cn,unique-id")])
def haproxy_is_understood(t, says):
    r = receiver(t)
    proxy = HAProxy(t, [r, r], says)
    until(lambda: counts(r)["silent"] > 3, 10, "health checks")
    r.port = proxy.port
    is_served(t, r, b"", None, source="127.0.0.7")
    equal({name: counts(r)[name] for name in REASONS}, dict.fromkeys(REASONS, 0), "refusals")


@test
def haproxy_in_front_of_two_receivers(t):
    pair = [receiver(t) for _ in range(2)]
    proxy = HAProxy(t, pair)
    until(lambda: all(counts(r)["silent"] > 3 for r in pair), 10, "health checks")
    ports = [r.port for r in pair]
    for r in pair:
        r.others = True
        r.port = proxy.port
    # By the hash of its address each comes to one of them, and always to the same.
    home = {}
    for source in ["127.0.0.%d" % n for n in range(1, 17)] * 2:
        c = pair[0].client(hello=t.queue(), source=source)
        at = [re.escape("peer=%s:%d " % c.sock.getsockname())]
        found = until(lambda: [i for i, r in enumerate(pair) if re.search(at[0], r.log())], 10,
                      "its address in a log")
        equal(len(found), 1, "receivers that know it")
        equal(home.setdefault(source, found[0]), found[0], "the receiver of " + source)
        c.on_stored = lambda *ack, to=found[0]: pair[to].acks.append(ack)
        c.put(1, "status", source.encode())
        c.stored(1)
        c.quit()
    equal(set(home.values()), {0, 1}, "receivers that have clients")
    # One is killed: its clients come to the other, by the copy queue, too.
    gone, left = pair if home["127.0.0.1"] == 0 else pair[::-1]
    q = Queue(t, servers=["127.0.0.1:%d" % proxy.port])
    for r, text in ((gone, b"first %d"), (left, b"then %d")):
        items = q.add("reports", *[text % n for n in range(20)])
        q("run", "--once")
        all_there(r, items.values(), "reports")
        # What the other one has is not missing here.
        row = r.client_row(q.id())
        equal((row["stored"], row["missing"]), (20, 0), "stored, missing")
        if r is gone:
            gone.kill()
    for source in home:
        c = left.client(hello=t.queue(), source=source)
        c.put(1, "status", source.encode())
        c.stored(1)
        c.quit()
    contains(left.log(), "peer=127.0.0.9:")
    found = counts(left)
    equal({name: found[name] for name in REASONS + ("failed",)},
          dict.fromkeys(REASONS + ("failed",), 0), "failures")
    for line in left.log().partition("event=ready")[2].splitlines():
        assert " warning " not in line and " error " not in line, line
    # It comes back, and is used again.
    gone.sections["receiver"]["listen-proxy"] = "127.0.0.1:%d" % ports[pair.index(gone)]
    gone.write_conf()
    gone.start()
    gone.port = proxy.port

    def is_home():
        c = gone.client(hello=t.queue(), source="127.0.0.1")
        c.quit()
        return "event=session_ready" in gone.log(here=True)
    until(is_home, 10, "the receiver that came back to have its clients")


if __name__ == "__main__":
    main()
