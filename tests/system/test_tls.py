#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Who may not come in: nothing is stored, the log says why, and the next client is served."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

from client import Client, context
from harness import bound, cases, contains, equal, main, test, until
from pki import SCRIPT, Pki


def good_client_is_served(t, r, who="pc1.example.org"):
    c = r.client(who, hello=t.queue())
    c.put(1, "status", b"good")
    name = c.stored(1).name
    c.quit()
    return name


def turned_away(t, r, ctx, why, identity=None):
    """This client gets nowhere; the log has a line that matches `why`.

    `identity`: it must hear ERROR identity with this word; else TLS itself must fail."""
    before = r.balance()[0]
    mark = len(r.log())
    c = Client(r.address, ctx, timeout=bound(10), handshake=False)
    t.closing.append(c)
    c.post("HELLO 1 %s 1\n" % t.queue())
    c.put(1, "status", b"evil")
    lines = c.wait_close()
    if identity is None:
        equal(lines, [], "lines")
    else:
        equal([line.verb for line in lines], ["ERROR"])
        equal(lines[0].code, "identity")
        contains(lines[0].text, identity)
    until(lambda: re.search(why, r.log()[mark:]), 5, "log: " + why)
    equal(r.balance()[0], before, "items offered")
    r.wait_published()
    equal(good := r.files("status", "tmp"), [], "drafts: %r" % good)
    good_client_is_served(t, r)


@cases([
    ("none", None, r"peer did not return a certificate"),
    ("of another CA", "other-ca", r"unable to get local issuer certificate"),
    ("self-signed", "self-signed", r"self[- ]signed certificate"),
    ("expired", "expired", r"certificate has expired"),
])
def client_certificate_that_does_not_verify_is_turned_away(t, kind, why):
    pair = t.pki.odd(kind) if kind else (None, None)
    turned_away(t, t.shared(), context(t.pki.ca.cert, *pair), why)


@cases([
    ("without clientAuth", "no-eku", "clientAuth"),
    ("that is a CA", "ca-leaf", "CA"),
    ("with a NUL in its name", "nul", "printable"),
    ("with a line feed in its name", "control", "printable"),
    ("with two names", "two", "more than one"),
    ("with a DNS and a URI name", "dns-and-uri", "more than one"),
    ("with a common name only", "cn-only", "no subjectAltName"),
])
def client_certificate_without_one_usable_name_is_turned_away(t, kind, word):
    pair = t.pki.odd(kind)
    turned_away(t, t.shared(), context(t.pki.ca.cert, *pair),
                r"event=\S+ [^\n]*(identity|certificate)", word)


@test
def server_certificate_of_a_client_is_turned_away(t):
    """TLS may refuse it by itself, or the receiver by ERROR identity."""
    r = t.shared()
    c = Client(r.address, context(t.pki.ca.cert, *t.pki.odd("server-eku")), handshake=False,
               timeout=bound(10))
    c.post("HELLO 1 %s 1\n" % t.queue())
    lines = c.wait_close()
    c.close()
    assert lines == [] or [line.verb for line in lines] == ["ERROR"], lines
    r.wait_log(r"purpose|clientAuth")
    good_client_is_served(t, r)


@test
def uri_is_an_identity(t):
    r = t.receiver(inboxes={"status": {"clients": "urn:uuid:*"}})
    pair = t.pki.make("uri", "CN = x", "subjectAltName = URI:urn:uuid:1234\n"
                      "extendedKeyUsage = clientAuth", t.pki.ca)
    c = r.client(ctx=context(t.pki.ca.cert, *pair), hello=t.queue())
    c.put(1, "status", b"x")
    contains(c.stored(1).name, "urn_uuid_1234")
    c.quit()


@test
def common_name_is_the_identity_where_set(t):
    r = t.receiver({"tls": {"identity": "cn"}}, inboxes={"status": {"clients": "pc1.example.org"}})
    c = r.client(ctx=context(t.pki.ca.cert, *t.pki.odd("cn-only")), hello=t.queue())
    c.put(1, "status", b"x")
    c.stored(1)
    c.quit()
    for kind, word in (("two-cn", "more than one"), ("no-name", "no common name")):
        turned_away(t, r, context(t.pki.ca.cert, *t.pki.odd(kind)), "identity|certificate", word)


# ---- the handshake

@cases([("other", ["http/1.1"]), ("near", ["inbox/2", "inbox/1x"]), ("none", [])])
def wrong_alpn_is_turned_away(t, alpn):
    r = t.shared()
    ctx = t.client_context("pc1.example.org", alpn=alpn)
    before = len(r.log())
    c = Client(r.address, ctx, handshake=False, timeout=bound(10))
    c.post("HELLO 1 %s 1\n" % t.queue())
    equal(c.wait_close(), [])
    contains(str(c.error).lower().replace(" ", "_"), "no_application_protocol")
    c.close()
    until(lambda: re.search(r"(?i)alpn|application.protocol", r.log()[before:]), 5, "log of ALPN")
    good_client_is_served(t, r)


@test
def right_alpn_among_others_is_taken(t):
    r = t.shared()
    c = r.client(ctx=t.client_context("pc1.example.org", alpn=["h2", "inbox/1"]), hello=t.queue())
    c.quit()


@cases([("inbox", b"HELLO 1 6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c 1\n"),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("zeros", bytes(5000)),
        ("half a ClientHello", b"\x16\x03\x01\x02\x00\x01\x00")])
def plain_text_on_the_tls_port_is_turned_away(t, data):
    r = t.shared()
    before = len(r.log())
    plain = socket.create_connection(r.address, timeout=bound(10))
    plain.sendall(data)
    plain.shutdown(socket.SHUT_WR)
    got = b""
    try:
        while part := plain.recv(4096):
            got += part
    except ConnectionResetError:
        pass
    plain.close()
    assert b"READY" not in got and b"ERROR" not in got, got
    until(lambda: re.search(r"event=\S+ [^\n]*error=", r.log()[before:]), 5, "a log line")
    good_client_is_served(t, r)


@test
def tls_1_2_is_turned_away(t):
    r = t.shared()
    before = len(r.log())
    c = Client(r.address, t.client_context("pc1.example.org", tls12=True), handshake=False,
               timeout=bound(10))
    c.post("HELLO 1 %s 1\n" % t.queue())
    equal(c.wait_close(), [])
    c.close()
    until(lambda: re.search(r"(?i)version|protocol", r.log()[before:]), 5, "log of the version")
    good_client_is_served(t, r)


@test
def tls_1_2_is_taken_where_allowed(t):
    r = t.receiver({"tls": {"minimum": "1.2"}})
    c = r.client(ctx=t.client_context("pc1.example.org", tls12=True), hello=t.queue())
    equal(c._tls.version(), "TLSv1.2")
    c.put(1, "status", b"old")
    c.stored(1)
    c.quit()
    good_client_is_served(t, r)


@test
def no_session_can_be_resumed(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.ping()
    session = c._tls.session
    assert session is None or not session.has_ticket, "a ticket was sent"
    c.quit()


@test
def revoked_client_is_turned_away(t):
    crl = t.pki.crl("revoked.example.org")
    revoked = t.pki.client("revoked.example.org")
    r = t.receiver({"tls": {"crl": crl}})
    good_client_is_served(t, r)
    turned_away(t, r, context(t.pki.ca.cert, *revoked), r"certificate revoked")


@test
def authority_revokes_all_that_are_named_or_none(t):
    """A word that one is revoked, and no list that says so, would be worse than none."""
    pki = Pki(os.path.join(t.folder, "pki"))
    pki.crl("lost.example.org")
    pki.script("client", "lost.example.org", "--renew")
    for names in (["lost.example.org", "unknown.example.org"], ["lost.example.org", "../ca"]):
        done = t.run(["sh", SCRIPT, pki.folder, "revoke", *names])
        equal((done.returncode, done.stdout), (1, ""), "code and standard output")
    pki.script("crl")
    text = t.run(["openssl", "crl", "-in", pki.file("ca.crl"), "-noout", "-text"]).stdout
    equal(text.count("Serial Number:"), 1, "revoked, by the list:\n" + text)


@test
def who_asks_the_authority_side_by_side_waits(t):
    pki = Pki(os.path.join(t.folder, "pki"))
    names = ["pc%d.example.org" % n for n in range(8)]
    pki.script("client", *names)

    def said(*commands):
        runs = [t.spawn(["sh", SCRIPT, *command], stdout=subprocess.PIPE, text=True)
                for command in commands]
        equal([child.wait(bound(60)) for child in runs], [0] * len(runs), "exit codes")
        texts = [child.stdout.read() for child in runs]
        for child in runs:
            child.stdout.close()
        return "".join(texts)
    said(*([pki.folder, "revoke", name] for name in names))
    text = t.run(["openssl", "crl", "-in", pki.file("ca.crl"), "-noout", "-text"]).stdout
    equal(text.count("Serial Number:"), len(names), "revoked, by the list:\n" + text)
    text = said(*[[pki.folder, "client", "twice.example.org"]] * 4)
    equal((text.count("made"), text.count("kept")), (1, 3), text)
    other = os.path.join(t.folder, "other")
    text = said(*[[other, "ca"]] * 4)
    equal((text.count("made"), text.count("kept")), (1, 3), text)


@test
def list_that_runs_out_is_told_to_the_administrator_and_blamed_on_no_client(t):
    r = t.receiver({"tls": {"crl": t.pki.short_crl(bound(6))}})
    ends = r.metric("inboxd_crl_expiry_timestamp_seconds")
    assert abs(ends - time.time()) < bound(6) + 2, ends
    assert r.metric("inboxd_certificate_expiry_timestamp_seconds") > time.time() + 86400
    assert r.metric("inboxd_ca_expiry_timestamp_seconds") > time.time() + 86400
    equal(r.get("/healthz")[0], 200)
    good_client_is_served(t, r)
    until(lambda: r.get("/healthz")[0] == 503, bound(20), "/healthz to say so")
    contains(r.get("/healthz")[2], "the crl was valid until 20")
    equal(r.metric("inboxd_not_serving"), 1)
    until(lambda: "error event=has_run_out what=crl" in r.log(), 5, "the log to say so")
    late = r.client(handshake=False)
    late.post("HELLO 1 %s 1\n" % t.queue())
    equal(late.wait_close(), [])
    until(lambda: "the list of CN = inbox authority" in r.log(), 5, "the log to say why")
    shutil.copy(t.pki.crl("nobody.example.org"), r.sections["tls"]["crl"])
    r.process.send_signal(signal.SIGHUP)
    until(lambda: r.get("/healthz")[0] == 200, 10, "a reload to mend it")
    equal(r.metric("inboxd_not_serving"), 0)
    good_client_is_served(t, r)


@cases([("close", False), ("reset", True)])
def health_check_is_counted_and_no_line_of_the_log(t, reset):
    r = t.receiver()
    before = len(r.log())
    for _ in range(30):
        probe = socket.create_connection(r.address, timeout=bound(10))
        if reset:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        probe.close()
    until(lambda: r.metric("inboxd_connections_silent_total") == 30, 10, "the counter")
    equal(r.metric("inboxd_connections_failed_total"), 0, "failed")
    good_client_is_served(t, r)
    assert "connection" not in r.log()[before:], r.log()[before:]


@test
def silent_connection_is_closed(t):
    r = t.receiver({"limits": {"hello": "1s"}})
    silent = socket.create_connection(r.address, timeout=bound(10))
    equal(silent.recv(1), b"", "before the handshake")
    silent.close()
    c = r.client()
    lines = c.wait_close(bound(10))
    equal([line.verb for line in lines if line.verb not in ("GOAWAY", "ERROR")], [],
          "before HELLO")
    good_client_is_served(t, r)


@test
def too_many_connections_are_sent_away(t):
    r = t.receiver({"limits": {"connections": "5"}})
    kept = [r.client(hello=t.queue()) for _ in range(5)]
    c = r.client(handshake=False)
    c.post("HELLO 1 %s 1\n" % t.queue())
    c.put(1, "status", b"x")
    lines = c.wait_close()
    if lines:
        equal([(line.verb, line.code) for line in lines], [("GOAWAY", "crowded")])
    until(lambda: r.metric("inboxd_connections_crowded_total") == 1, 5, "the counter")
    kept[0].quit()
    until(lambda: r.metric("inboxd_connections") == 4, 5, "a connection to end")
    good_client_is_served(t, r)


if __name__ == "__main__":
    main()
