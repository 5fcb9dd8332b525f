#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Behind a proxy each client is who it is: prefaces of the PROXY protocol, written from its
specification."""

import contextlib
import os
import re
import resource
import select
import signal
import socket
import struct
import time

from client import Client, Closed
from harness import Skip, bound, cases, contains, equal, main, test, until
from proxied import COUNTERS, REASONS, counts, is_served, receiver

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 7117\r\n"


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


def counted(r, **more):
    """Waits until these have come, and nothing else has."""
    want = {**dict.fromkeys(COUNTERS + REASONS, 0), **more}
    until(lambda: counts(r) == want, 10, "%r to be counted; now %r" % (more, counts(r)))


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


if __name__ == "__main__":
    main()
