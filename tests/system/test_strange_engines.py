#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inbox-relay, with engines and inboxes that are not as one would have them: an item stays, or is
set aside, and never is it deleted for a row, or a message, that is not this item."""

import os
import signal
import socket
import subprocess
import time

from engines import ROOT, by_key, relay_into, relay_into_stream
from harness import cases, contains, equal, main, test, until


@test
def another_item_under_its_key_is_not_the_item(t):
    pg, table, relay = relay_into(t)
    items = relay.put_items(b"one", b"two", b"three")
    first = sorted(items)[1]
    pg.sql("INSERT INTO %s (root, item, inbox, bytes, sha256) VALUES ('%s', '%s', 'x', 'other', "
           "encode(sha256('other'), 'hex'))" % (table, ROOT, first))
    relay.start()
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), {**items, first: b"other"})
    equal(relay.names_in("failed"), [first])


@test
def a_row_that_a_trigger_leaves_out_is_none(t):
    pg, table, relay = relay_into(t)
    pg.sql("CREATE FUNCTION f_%s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.bytes = "
           "'two' THEN RETURN NULL; END IF; RETURN NEW; END $$; CREATE TRIGGER x BEFORE INSERT ON "
           "%s FOR EACH ROW EXECUTE FUNCTION f_%s()" % ((table,) * 3))
    items = relay.put_items(b"one", b"two", b"three")
    second = sorted(items)[1]
    relay.start()
    relay.wait_gone()
    relay.stop()
    del items[second]
    equal(pg.rows(table), items)
    equal(relay.names_in("failed"), [second])


@test
def a_row_that_a_trigger_puts_elsewhere_is_one(t):
    pg, table, relay = relay_into(t)
    pg.sql("CREATE TABLE c_%s () INHERITS (%s); CREATE FUNCTION f_%s() RETURNS trigger LANGUAGE "
           "plpgsql AS $$ BEGIN INSERT INTO c_%s VALUES (NEW.*); RETURN NULL; END $$; CREATE "
           "TRIGGER x BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION f_%s()" % ((table,) * 6))
    items = relay.put_items(b"one", b"two", b"three")
    relay.start()
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), items)
    equal(relay.names_in("failed"), [])


@test
def another_message_under_its_key_is_not_the_item(t):
    nats, relay = relay_into_stream(t)
    items = relay.put_items(b"one")
    relay.start()
    relay.wait_gone()
    name = sorted(items)[0]
    with open(os.path.join(relay.home, "again"), "wb") as file:
        file.write(b"other")
    os.rename(os.path.join(relay.home, "again"), relay.path(name))
    relay.wait_gone()
    relay.stop()
    equal([data for _, data in nats.messages()], [b"one", b"other"])


@test
def what_is_no_item_holds_up_nothing(t):
    pg, table, relay = relay_into(t)
    os.symlink("/etc/passwd", relay.path("0.link"))
    os.mkfifo(relay.path("1.fifo"))
    os.mkdir(relay.path("2.folder"))
    os.symlink("nowhere", relay.path("3.link", "cur"))
    os.mkfifo(relay.path("4.fifo", "cur"))
    os.mkdir(relay.path("5.folder", "cur"))
    with open(os.path.join(relay.folder.encode(), b"new", b"6\xff\n\x1b[31m"), "wb"):
        pass
    with open(relay.path("7.huge"), "wb") as file:
        file.truncate(1 << 30)
    strange = [name for name in relay.there() if name != "7.huge"]
    items = relay.put_items(b"", b"one", b"two")
    relay.start()
    relay.wait_gone(*strange)
    relay.stop()
    equal(pg.rows(table), items)
    equal(relay.names_in("failed"), ["7.huge"])
    equal(relay.log().count("event=item_left"), 6)


@test
def a_nats_server_that_reads_nothing_is_given_up(t):
    """And one that goes on has all of it."""
    nats, relay = relay_into_stream(t)
    relay.sections["engine"]["timeout"] = "3s"
    relay.write_conf()
    relay.start()
    os.kill(nats.process.pid, signal.SIGSTOP)
    try:
        items = relay.put_items(*(t.bytes(1900000) for _ in range(9)))
        relay.wait_log("event=engine_away", seconds=20)
        equal(relay.there(), sorted(items))
        relay.stop()
    finally:
        os.kill(nats.process.pid, signal.SIGCONT)
    relay.start()
    relay.wait_gone()
    relay.stop()
    equal(by_key(nats), items)


def tls_of(nats, pair):
    """From its next start on; None: no more."""
    with open(nats.conf, encoding="ascii") as file:
        text = file.read().split("tls {")[0]
    with open(nats.conf, "w", encoding="ascii") as file:
        file.write(text + ("tls { cert_file: \"%s\", key_file: \"%s\" }\n" % pair if pair else ""))


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@test
def a_server_of_nats_is_who_its_certificate_says(t):
    pki = t.pki
    nats, relay = relay_into_stream(t)
    plain = nats.url
    relay.sections["nats"]["servers"] = plain.replace("nats:", "tls:")
    items = relay.put_items(b"one")

    def tried(word, pair=None, ca=None):
        nats.kill()
        tls_of(nats, pair)
        with open(os.path.join(nats.folder, "log"), "ab") as log:
            nats.process = subprocess.Popen([nats.program, "-c", nats.conf],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: listens(nats.port), 20, "NATS to listen")
        relay.sections["nats"].pop("ca", None)
        if ca:
            relay.sections["nats"]["ca"] = ca
        relay.write_conf()
        done = relay.run("-t")
        contains(done.stdout + done.stderr, word)
        equal(relay.there(), sorted(items))

    good = pki.server()
    tried("ecure", ca=pki.ca.cert)  # there is none: it is not sent in the clear
    tried("ecure")
    tried("SSL", pair=good)
    tried("SSL", pair=good, ca=pki.other_ca().cert)
    tried("SSL", pair=pki.good("server", "elsewhere", "192.0.2.1"), ca=pki.ca.cert)
    tried(": fine", pair=good, ca=pki.ca.cert)
    equal(relay.run("-o").returncode, 0)
    nats.kill()
    tls_of(nats, None)
    nats.start()
    equal(by_key(nats), items)


def full_listener(t):
    """A port whose connections come to nothing, as those to a host that is off."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = [listener]
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
        waiting.append(one)
    t.closing.extend(waiting)
    return listener.getsockname()[1]


@test
def a_host_that_is_silent_does_not_keep_from_the_next(t):
    pg, table, relay = relay_into(t)
    relay.sections["postgresql"]["connection"] = (
        "host=127.0.0.1,127.0.0.1 port=%d,%d user=tester dbname=postgres sslmode=disable" % (
            full_listener(t), pg.port))
    relay.write_conf()
    items = relay.put_items(b"one")
    begin = time.monotonic()
    relay.start()
    t.note("%.1f s" % (time.monotonic() - begin))
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), items)


@cases([("a host", "postgresql", "connection", "host=127.0.0.1 port=1 user=tester password=%s"),
        ("a URL", "postgresql", "connection", "postgresql://tester:%s@127.0.0.1:1/x"),
        ("a URL with an error", "postgresql", "connection", "postgresql://u:%s@127.0.0.1:1/x?a=1"),
        ("words with an error", "postgresql", "connection", "password=%s port=1 nonsense")])
def a_password_is_told_nobody(t, section, key, value):
    _, _, relay = relay_into(t)
    relay.sections[section][key] = value % "verysecret"
    relay.write_conf()
    relay.start(wait=False)
    relay.wait_log("event=engine_away")
    with open("/proc/%d/cmdline" % relay.process.pid, "rb") as file:
        assert b"verysecret" not in file.read()
    relay.stop()
    assert "verysecret" not in relay.log(), relay.log()


if __name__ == "__main__":
    main()
