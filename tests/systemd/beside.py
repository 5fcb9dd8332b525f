# SPDX-License-Identifier: ISC
"""What stands beside the receiver, from its packages: inbox-relay, and the word for HAProxy."""

import contextlib
import socket
import time

from life import install
from world import check, same, until, want

DATABASE = """
cd /
until runuser -u postgres -- psql -XAtqc 'SELECT 1' >/dev/null 2>&1; do sleep 0.1; done
sql() { runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
sql -c 'DROP DATABASE IF EXISTS inbox' -c 'DROP ROLE IF EXISTS inboxd' \
    -c "CREATE ROLE inboxd LOGIN PASSWORD 'secret'"
runuser -u postgres -- createdb -T template0 -E UTF8 --locale=C inbox
inbox-relay -s | sql inbox
sql inbox -c 'GRANT INSERT, SELECT ON inbox_items TO inboxd'
"""
# As who it runs, without a password: PrivateUsers= must not be in the way.
BY_ITS_SOCKET = "host=/run/postgresql dbname=inbox"
# By name, TLS, and a password in a file, as inbox-relay(8) wants it.
BY_NAME = "host=localhost dbname=inbox user=inboxd sslmode=require passfile=/etc/inboxd/pgpass"
RELAY = """[engine]
type = postgresql
[postgresql]
connection = {0}
[inbox status]
folder = /var/lib/inboxd/status
"""
QUICK = "[Service]\nRestartSec=200ms\n"
AGENT = "[Service]\nExecStart=\nExecStart=/usr/sbin/inboxctl -c /etc/inboxd/second.conf agent\n"


def relay_into_postgresql(w, connection=BY_ITS_SOCKET):
    """The machine, with items that wait for a relay which has not been started."""
    db = w.with_engines()
    install(w, db)
    db.sh("find /var/lib/inboxd/status/cur /var/lib/inboxd/status/new -type f -delete\n"
          "systemctl start postgresql\n" + DATABASE)
    db.write("/etc/inbox-relay.conf", RELAY.format(connection))
    db.write("/etc/inboxd/pgpass", "localhost:*:inbox:inboxd:secret\n", "600", "inboxd")
    db.sh("runuser -u inboxd -- inbox-relay -t")
    return db


def rows(db):
    """{item: digest}, as PostgreSQL has them, of the bytes that it has."""
    said = db.sh("cd /\nrunuser -u postgres -- psql -XAtq inbox -c "
                 "\"SELECT item, encode(sha256(bytes), 'hex') FROM inbox_items\"")
    return dict(line.split("|") for line in said.splitlines())


def all_arrive(db, stored):
    """Each item that was acknowledged is a row, and no file any more."""
    until("the rows", lambda: set(stored.items()) <= set(rows(db).items()), every=0.5)
    until("the folders to be empty", lambda: not db.sh(
        "cd /var/lib/inboxd/status\nfind new cur failed -type f 2>/dev/null || true"))


@check
def relay_gives_all_to_postgresql(w):
    """Under its unit: restarted, killed and stopped amid the work, it loses none."""
    db = relay_into_postgresql(w)
    w.drop_in(db, "inbox-relay.service", QUICK)
    stored = {}
    with w.load(db) as load:
        load.wait(20)
        db.sh("systemctl start inbox-relay")
        until("the first rows", lambda: rows(db))
        for _ in range(3):
            db.sh("systemctl restart inbox-relay")
            load.wait(20)
        db.signal("inbox-relay", "KILL")
        until("a restart", lambda: db.show("inbox-relay", "NRestarts") == "1")
        load.wait(20)
        db.sh("systemctl stop inbox-relay")
        same(db.show("inbox-relay", "Result") + db.show("inbox-relay", "ExecMainStatus"),
             "success0", "the stop")
        load.wait(20)
        db.sh("systemctl start inbox-relay")
        same(db.show("inbox-relay", "ActiveState"), "active", "the state")
    stored.update(load.stored)
    all_arrive(db, stored)
    want(db.show("inbox-relay", "StatusText"), "systemctl status has no word of it")


@check
def relay_waits_for_postgresql(w):
    """It is away: the unit stays up and says so, items stay, and go once it is back."""
    db = relay_into_postgresql(w, BY_NAME)
    db.sh("systemctl start inbox-relay\nsystemctl stop 'postgresql@*'")
    mark = db.now()
    name = w.store(db)
    until("a word of it", lambda: "event=engine_away" in db.journal("inbox-relay", mark))
    db.sh("test -e /var/lib/inboxd/status/new/{0} || test -e /var/lib/inboxd/status/cur/{0}\n"
          "systemctl restart inbox-relay\nsystemctl start postgresql".format(name))
    until("the row", lambda: name in rows(db), timeout=90, every=0.5)
    same(db.show("inbox-relay", "NRestarts"), "0", "restarts")


@check
def relay_that_the_engine_refuses_has_failed(w):
    """78 is for a person: an engine that does not sync is not tried again and again."""
    db = relay_into_postgresql(w)
    w.drop_in(db, "inbox-relay.service", QUICK)
    db.sh("runuser -u postgres -- psql -XAtqc 'ALTER SYSTEM SET fsync = off' "
          "-c 'SELECT pg_reload_conf()'")
    try:
        name = w.store(db)
        db.sh("systemctl start inbox-relay || true")
        db.until("test \"$(systemctl show -P ActiveState inbox-relay)\" = failed")
        same(db.show("inbox-relay", "ExecMainStatus"), "78", "the exit code")
        same(db.show("inbox-relay", "NRestarts"), "0", "restarts")
        same(rows(db), {}, "the rows")
    finally:
        db.sh("runuser -u postgres -- psql -XAtqc 'ALTER SYSTEM RESET fsync' "
              "-c 'SELECT pg_reload_conf()'")
    db.sh("systemctl restart inbox-relay")
    until("the row", lambda: name in rows(db))


# ---- HAProxy's question


def asked(where, port=7118):
    """What a load balancer hears, and how the connection ended."""
    with socket.create_connection((where.address, port), 10) as one:
        one.settimeout(15)
        heard = b""
        while not heard.endswith(b"\n"):
            more = one.recv(100)
            if not more:
                break
            heard += more
        return heard.decode()


@check
def agent_says_whether_new_clients_may_come(w):
    """By its socket: of a receiver that serves, is drained, serves again, and is there no more."""
    install(w)
    w.pkg.sh("systemctl start inboxd-agent.socket")
    same(asked(w.pkg), "up ready\n", "of one that serves")
    w.pkg.sh("inboxctl drain")
    same(asked(w.pkg), "drain\n", "of one that is drained")
    w.pkg.sh("inboxctl resume")
    same(asked(w.pkg), "up ready\n", "of one that serves again")
    w.pkg.sh("systemctl stop inboxd")
    want(asked(w.pkg).startswith("down #"), "of one that is not there:", asked(w.pkg))
    w.pkg.sh("systemctl start inboxd")
    for _ in range(40):  # as several load balancers ask
        same(asked(w.pkg), "up ready\n", "of one that is back")
    for _ in range(400):  # as whoever looks for open ports
        with contextlib.suppress(OSError), socket.create_connection((w.pkg.address, 7118), 10):
            pass

    def hears():
        time.sleep(1)
        with contextlib.suppress(OSError):
            return asked(w.pkg) == "up ready\n"
        return False

    until("a word for who asks after a crowd", hears, 60)
    w.pkg.sh("test -z \"$(systemctl --failed -q)\"\nsystemctl is-active inboxd-agent.socket")


def answer(where):
    with contextlib.suppress(OSError):
        return asked(where)
    return None


@check
def agent_outlives_a_flood(w):
    """Whoever can reach the port could else have systemd give it up, by a limit of its own."""
    install(w)
    w.pkg.sh("systemctl start inboxd-agent.socket")
    limit = time.monotonic() + 6
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            socket.create_connection((w.pkg.address, 7118), 1).close()
    w.pkg.sh("systemctl is-active inboxd-agent.socket")
    until("an answer behind it", lambda: answer(w.pkg) == "up ready\n", timeout=60, every=1)


@check
def agent_of_an_instance(w):
    """By the manual's drop-in: it speaks for inboxd@second, and not for the one beside it."""
    install(w)
    w.pkg.sh("sed 's|^.receiver.|&\\nlisten = *:7119\\nroot = /var/lib/inboxd-second\\n|' "
             "/etc/inboxd.conf >/etc/inboxd/second.conf\n"
             "printf '[status]\\nsocket = /run/inboxd-second/status.sock\\n' "
             ">>/etc/inboxd/second.conf\n"
             "install -d -o inboxd -g inboxd -m 700 /var/lib/inboxd-second\n"
             "inboxd -c /etc/inboxd/second.conf -m\nsystemctl start inboxd@second")
    try:
        w.drop_in(w.pkg, "inboxd-agent@.service", AGENT)
        w.pkg.sh("systemctl start inboxd-agent.socket\nsystemctl stop inboxd")
        same(asked(w.pkg), "up ready\n", "of the second")
        w.pkg.sh("systemctl start inboxd\nsystemctl stop inboxd@second")
        want(asked(w.pkg).startswith("down #"), "of the second that is not there")
    finally:
        w.pkg.sh("systemctl stop inboxd@second\nrm -r /var/lib/inboxd-second")
