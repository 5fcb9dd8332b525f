#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Servers that do not prove to be ours, or do not take us: each is told in exact words, and costs
no item."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import struct
import time

from copyqueue import TEMPFAIL, Listener, Queue, all_there, run_in_background, said
from fakereceiver import Cut, FakeReceiver
from harness import Skip, bound, cases, contains, equal, main, test, until
from pki import Pair, der_san


def need_localhost():
    try:
        if ("127.0.0.1", 1) in [found[4] for found in socket.getaddrinfo("localhost", 1)]:
            return
    except OSError:
        pass
    raise Skip("localhost is no name of 127.0.0.1 here")


def stranger(t, meet):
    """A server in whose hands each connection ends by what `meet` does."""
    def then(sock):
        with sock, contextlib.suppress(OSError):
            sock.settimeout(10)
            meet(sock)
    return Listener(t, then)


def tls_server(t, pair, alpn=("inbox/1",), newest=None, chain=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(chain or pair.cert, pair.key)
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    if newest:
        ctx.maximum_version = newest

    def meet(sock):
        with ctx.wrap_socket(sock, server_side=True) as tls:
            tls.recv(1)
    return stranger(t, meet)


def turned_down(t, server, *words, host="127.0.0.1", ca=None, crl=None, pair=None):
    """Nothing is sent to this server; the log says why, and the item waits."""
    q = Queue(t, servers=["%s:%d" % (host, server.port)])
    q.add("status", b"kept")
    with open(q.conf, encoding="ascii") as file:
        text = file.read()
    text = text.replace("ca = " + t.pki.ca.cert, "ca = " + (ca or t.pki.ca.cert))
    if crl:
        text = text.replace("[log]", "crl = %s\n[log]" % crl)
    if pair:
        text = text.replace(q.pair.cert, pair.cert).replace(q.pair.key, pair.key)
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(text)
    stderr = q("run", "--once", expect=TEMPFAIL).stderr
    equal(q.numbers(), [1])
    line, = [line for line in stderr.splitlines() if "connect_failed" in line or
             "session_lost" in line]
    for word in (" server=%s address=127.0.0.1:%d error=" % (host, server.port), *words):
        contains(line, word)


SERVER = "subjectAltName = IP:127.0.0.1\nextendedKeyUsage = serverAuth"


def made(t, kind):
    """A server's certificate that is not to be taken."""
    make, ca = t.pki.make, t.pki.ca
    if kind == "other":
        return make("other", "CN = other", "subjectAltName = DNS:a.example, IP:192.0.2.7, "
                    "DNS:*.b.example\nextendedKeyUsage = serverAuth", ca)
    if kind == "nameless":
        return make("nameless", "CN = 127.0.0.1", "extendedKeyUsage = serverAuth", ca)
    if kind == "control":
        return make("named-oddly", "CN = odd", der_san(b"a\x1b[2J") +
                    "\nextendedKeyUsage = serverAuth", ca)
    if kind == "client":
        return make("a-client", "CN = a client", SERVER.replace("serverAuth", "clientAuth"), ca)
    if kind == "expired":
        return t.pki.outdate(make("old-server", "CN = old", SERVER, ca))
    if kind == "early":
        return t.pki.outdate(make("early-server", "CN = early", SERVER, ca),
                             "20900101000000Z", "20910101000000Z")
    if kind == "stranger":
        return make("stranger", "CN = stranger", SERVER, t.pki.other_ca())
    return make("self", "CN = self made", SERVER)


@cases([
    ("expired", "expired", ["certificate has expired: CN = old was valid until "
                            "Jan  2 00:00:00 2020 GMT"]),
    ("not valid yet", "early", ["certificate is not yet valid: CN = early is not valid before "
                                "Jan  1 00:00:00 2090 GMT; is this machine's clock right?"]),
    ("other names", "other", ["IP address mismatch: wanted 127.0.0.1, the certificate's names: "
                              "a.example, 192.0.2.7, *.b.example"]),
    ("no name", "nameless", ["wanted 127.0.0.1, the certificate's names: none"]),
    ("an odd name", "control", ["the certificate's names: a%1B[2J"]),
    ("a client's", "client", ["CN = a client is not for a server (extended key usage "
                              "serverAuth)"]),
    ("other CA", "stranger", ["unable to get local issuer certificate: CN = stranger is signed by "
                              "CN = Other CA, which is not in ca, nor was it sent"]),
    ("self-signed", "self", ["CN = self made has signed itself, and is not in ca"]),
])
def server_is_turned_down_with_what_is_wrong(t, kind, words):
    turned_down(t, tls_server(t, made(t, kind)), "handshake: the peer's certificate: ", *words)


@test
def name_that_was_wanted_is_told(t):
    need_localhost()
    turned_down(t, tls_server(t, made(t, "other")), "hostname mismatch: wanted localhost, the "
                "certificate's names: a.example, 192.0.2.7, *.b.example", host="localhost")


@test
def root_that_is_not_ours_is_told(t):
    pair = made(t, "stranger")
    chain = os.path.join(t.folder, "chain.pem")
    with open(chain, "w", encoding="ascii") as file:
        for path in (pair.cert, t.pki.other_ca().cert):
            with open(path, encoding="ascii") as part:
                file.write(part.read())
    turned_down(t, tls_server(t, pair, chain=chain),
                "in certificate chain: its chain ends at CN = Other CA, which is not in ca")


@test
def revoked_server_is_told(t):
    pair = t.pki.good("server", "gone.example.org", "127.0.0.1")
    t.pki.script("revoke", "gone.example.org")
    turned_down(t, tls_server(t, pair), "certificate revoked: ", "CN = gone.example.org, on ",
                time.strftime("%Y GMT", time.gmtime()), crl=t.pki.file("ca.crl"))


@cases([("none", ()), ("another", ("http/1.1",))])
def tls_server_that_is_no_receiver_is_told(t, alpn):
    turned_down(t, tls_server(t, t.pki.server(), alpn=alpn),
                "handshake: the peer speaks TLS, but has agreed to no protocol of ours (ALPN)")


@test
def server_with_old_tls_only_is_told(t):
    turned_down(t, tls_server(t, t.pki.server(), newest=ssl.TLSVersion.TLSv1_2),
                "no version of TLS that both ends take")


@cases([("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n"), ("SMTP", b"220 mail ESMTP\r\n"),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n")])
def server_without_tls_is_told(t, greeting):
    def meet(sock):
        sock.sendall(greeting)
        sock.recv(1024)
    turned_down(t, stranger(t, meet), "handshake: ", "the peer does not speak TLS")


@cases([("at once", lambda sock: (sock.shutdown(socket.SHUT_WR), sock.recv(4096)),
         "before it had said anything"),
        ("behind our hello", lambda sock: sock.recv(4096), "before it had said anything"),
        ("amid its own", lambda sock: (sock.recv(4096), sock.sendall(b"\x16\x03\x03")),
         "the peer closed the connection"),
        ("by a reset", lambda sock: sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)), "eset by peer")])
def server_that_closes_amid_the_handshake_is_told(t, meet, words):
    turned_down(t, stranger(t, meet), words)


@cases([("unknown CA", "other-ca", "alert unknown ca: it does not know who signed our certificate "
         "(ours: CN = odd, signed by CN = Other CA, valid until "),
        ("revoked", None, "alert certificate revoked: our certificate is on its CA's list of "
         "revoked ones (ours: CN = revoked.example.org, ")])
def what_the_server_has_against_us_is_told(t, kind, words):
    r = t.receiver({"tls": {"crl": t.pki.crl("revoked.example.org")}})
    r.others = True
    turned_down(t, r, words,
                pair=t.pki.odd(kind) if kind else t.pki.client("revoked.example.org"))


# ---- what proves us

def put(path, source):
    """In one move, as who renews a certificate should."""
    shutil.copy(source, path + ".new")
    os.rename(path + ".new", path)


def renewable(t, r, pair):
    """A queue whose certificate and key are files of its own."""
    q = Queue(t, r)
    own = Pair(os.path.join(q.folder, "own.crt"), os.path.join(q.folder, "own.key"))
    put(own.cert, pair.cert)
    put(own.key, pair.key)
    q.pair = own
    q.point_at(r)
    return q


@test
def certificate_that_is_renewed_is_used_at_the_next_connection(t):
    r = t.receiver()
    q = renewable(t, r, t.pki.odd("other-ca"))
    q.add("status", b"renewed")
    run = run_in_background(t, q)
    until(lambda: said(q).count("alert unknown ca") >= 2, 20, "two refusals")
    good = t.pki.client("pc1.example.org")
    put(q.pair.cert, good.cert)
    until(lambda: "event=certificates_wrong" in said(q), 20, "half a renewal to be told")
    contains(said(q), "is not the key of the certificate in")
    put(q.pair.key, good.key)
    until(lambda: r.files("status"), 20, "the item")
    contains(said(q), "notice event=certificates_read ours_until=20")
    stop(run)
    all_there(r, [b"renewed"])


@test
def certificates_are_read_for_a_probe_as_well(t):
    """A preferred server whose CA comes to be known while another one serves us."""
    first, second = FakeReceiver(t), FakeReceiver(t, host="fake2")
    stranger = made(t, "stranger")
    first.ctx.load_cert_chain(stranger.cert, stranger.key)
    q = Queue(t, first, second)
    ca = os.path.join(q.folder, "ca.pem")
    put(ca, t.pki.ca.cert)
    with open(q.conf, encoding="ascii") as file:
        text = file.read()
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(text.replace("ca = " + t.pki.ca.cert, "ca = " + ca))
    q.add("status", b"to the second")
    run = run_in_background(t, q)
    until(lambda: second.stored, 20, "the first item")
    both = ca + ".both"
    with open(both, "w", encoding="ascii") as file:
        for path in (t.pki.ca.cert, t.pki.other_ca().cert):
            with open(path, encoding="ascii") as part:
                file.write(part.read())
    put(ca, both)
    q.add("status", b"to the first")
    until(lambda: first.lines, 30, "a session with the first")
    stop(run)


@test
def list_that_runs_out_is_told_and_a_new_one_is_taken(t):
    """Ours, that is; the server hears that the trouble is not with its certificate."""
    server = tls_server(t, t.pki.server())
    q = Queue(t, servers=["127.0.0.1:%d" % server.port])
    q.add("status", b"kept")
    crl = os.path.join(q.folder, "list.pem")
    put(crl, t.pki.short_crl(bound(4)))
    with open(q.conf, encoding="ascii") as file:
        text = file.read()
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(text.replace("[log]", "crl = %s\n[log]" % crl))
    run = run_in_background(t, q)
    until(lambda: "CRL has expired: the list of CN = inbox authority" in said(q), 30,
          "the log to say so")
    contains(said(q), "event=certificates_wrong error=")
    put(crl, t.pki.crl("nobody.example.org"))
    until(lambda: "event=certificates_read" in said(q), 20, "the new list")
    stop(run)


def cut(connection, line):
    raise Cut


def stop(run):
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(10)), 0, "exit code")


@test
def certificate_that_does_not_do_leaves_the_one_before_in_use(t):
    """And is told once, however often it is looked at; another one again."""
    server = FakeReceiver(t, odd=cut)
    q = renewable(t, server, t.pki.client("pc1.example.org"))
    q.add("status", b"kept")
    run = run_in_background(t, q)
    until(lambda: server.connections >= 2, 20, "two connections")
    with open(q.pair.cert, "w", encoding="ascii") as file:
        file.write("half a certificate\n")
    known = server.connections
    until(lambda: server.connections >= known + 4, 20, "four more")
    equal(said(q).count("event=certificates_wrong"), 1, "lines")
    contains(said(q), "holds no certificate in PEM")
    os.unlink(q.pair.cert)
    until(lambda: said(q).count("event=certificates_wrong") == 2, 20, "another trouble")
    server.odd = None
    until(lambda: server.stored, 20, "the item")
    stop(run)


if __name__ == "__main__":
    main()
