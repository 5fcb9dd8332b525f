# SPDX-License-Identifier: ISC
"""inboxd.socket: the system listens, and the receiver comes and goes behind it."""

import socket
import time

from machine import Failed
from world import PORT, check, fails, same, until, want

SAMPLES = "/usr/local/share/doc/inboxd/samples/"
# Exposure by systemd-analyze: 0 is a process that can do nothing, 10 one that can do all.
LISTENING, ACTIVATED = 1.2, 0.3


def activate(w, start=True):
    """As inboxd.service.d/socket.conf tells one to do it."""
    w.cap1.sh("systemctl disable inboxd\n"
              "install -D -m 644 %ssocket.conf -t /etc/systemd/system/inboxd.service.d\n"
              "systemctl daemon-reload\nsystemctl start inboxd.socket" % SAMPLES)
    if start:
        w.cap1.sh("systemctl start inboxd")


def refuses_none(w, load):
    same(load.refused, [], "connections refused")
    w.whole(w.cap1, load)
    same(w.cap1.show("inboxd.socket", "ActiveState"), "active", "the socket")


@check
def first_client_starts_the_receiver(w):
    """Nothing runs, and who connects is served."""
    activate(w, start=False)
    same(w.cap1.show("inboxd", "ActiveState"), "inactive", "the receiver")
    w.store(w.cap1)
    same(w.cap1.show("inboxd", "ActiveState"), "active", "the receiver")
    want("event=sockets_passed" in w.cap1.journal("inboxd"), "the log does not tell of the socket")


@check
def restart_under_load_refuses_no_connection(w):
    """Ten restarts; who comes meanwhile waits, and is served."""
    activate(w)
    with w.load(w.cap1) as load:
        for _ in range(10):
            load.wait(30)
            w.cap1.sh("systemctl restart inboxd")
        load.wait(30)
    refuses_none(w, load)


@check
def crash_under_load_refuses_no_connection(w):
    """Killed, it is back by RestartSec, or sooner by who waits; nobody is turned away."""
    activate(w)
    w.drop_in(w.cap1, "inboxd.service", "[Service]\nRestartSec=500ms\n")
    w.cap1.sh("systemctl restart inboxd")
    with w.load(w.cap1) as load:
        for _ in range(5):
            load.wait(30)
            pid = w.cap1.show("inboxd", "MainPID")
            w.cap1.signal("inboxd", "KILL")
            until("another process", lambda pid=pid: w.cap1.show("inboxd", "MainPID") != pid)
        load.wait(30)
    refuses_none(w, load)


@check
def systemd_itself_is_exchanged_under_load(w):
    """As an upgrade of it does: daemon-reexec keeps sockets, processes and the watchdog."""
    activate(w)
    pid = w.cap1.show("inboxd", "MainPID")
    with w.load(w.cap1) as load:
        for command in ("daemon-reload", "daemon-reexec", "daemon-reload"):
            load.wait(30)
            w.cap1.sh("systemctl " + command)
        load.wait(30)
    refuses_none(w, load)
    same(w.cap1.show("inboxd", "MainPID"), pid, "the process")


@check
def activated_receiver_has_no_network_of_its_own(w):
    """It is served by the socket alone; status socket and log work in there."""
    activate(w)
    w.store(w.cap1)
    pid = w.cap1.show("inboxd", "MainPID")
    seen = w.cap1.sh("nsenter -t %s -n ip -o link | wc -l; nsenter -t %s -n ip -o addr | "
                     "grep -c host0 || true" % (pid, pid))
    same(seen, "1\n0", "interfaces, and ours among them")
    w.cap1.sh("inboxctl status")
    want("session_ready" in w.cap1.journal("inboxd"), "nothing is logged")


@check
def socket_unit_says_which_addresses_may_come(w):
    """IPAddressDeny= of the socket is in force, and that of the receiver behind it, which denies
    all, is in nobody's way."""
    activate(w)
    if "BPF" in w.cap1.sh("journalctl -b -o cat | grep 'IP firewall' || true"):
        raise Failed("IPAddressDeny= is not in force in this container")
    w.store(w.cap1)
    w.drop_in(w.cap1, "inboxd.socket", "[Socket]\nIPAddressDeny=any\nIPAddressAllow=%s\n"
              % w.pc17.address)
    w.cap1.sh("systemctl stop inboxd.socket inboxd\nsystemctl start inboxd.socket inboxd")
    w.configure_client(w.pc17, "cap1.example.org")
    w.add()
    w.pc17.sh("systemctl start inboxq")
    until("the item of an address that may", lambda: len(w.items(w.cap1)) == 2)
    with fails(TimeoutError):
        socket.create_connection((w.cap1.address, PORT), 3).close()


@check
def socket_outlives_a_configuration_that_is_wrong(w):
    """Clients wait and connect, the receiver cannot start: it is tried again and again, the socket
    is not given up, and once the slip is mended all of them are served without anybody."""
    activate(w)
    w.cap1.sh("systemctl stop inboxd\necho '[nonsense]' >>/etc/inboxd.conf")
    mark = w.cap1.now()
    waiting = [socket.create_connection((w.cap1.address, PORT), 10) for _ in range(30)]
    limit = time.monotonic() + 11
    while time.monotonic() < limit:
        waiting.append(socket.create_connection((w.cap1.address, PORT), 10))
        time.sleep(0.3)
    same(w.cap1.show("inboxd.socket", "ActiveState"), "active", "the socket")
    tries = w.cap1.journal("inboxd", mark).count("Starting inboxd.service")
    want(1 <= tries <= 5, tries, "starts in 11 s")
    w.cap1.sh("sed -i '$d' /etc/inboxd.conf")
    w.store(w.cap1)
    for each in waiting:
        each.close()


@check
def stopped_with_its_socket_it_stays_down(w):
    """The manual's way to stop it for good."""
    activate(w)
    w.cap1.sh("systemctl stop inboxd.socket inboxd.service")
    try:
        w.connect(w.cap1).close()
        raise Failed("somebody listens")
    except ConnectionRefusedError:
        pass
    same(w.cap1.show("inboxd", "ActiveState"), "inactive", "the receiver")


@check
def exposure_is_what_the_manual_says(w):
    """systemd's own judgement of the units as they run here."""
    same(exposed(w.cap1, "inboxd.service") <= LISTENING, True, "at most %g" % LISTENING)
    for unit in ("inboxq.service", "inboxq-watch.service"):
        want(exposed(w.pc17, unit) <= LISTENING, unit, exposed(w.pc17, unit))
    activate(w)
    found = exposed(w.cap1, "inboxd.service")
    want(found <= ACTIVATED, "with the socket it is", found)


def exposed(where, unit):
    said = where.sh("systemd-analyze security --no-pager %s | tail -n 1" % unit)
    return float(said.split(":")[1].split()[0])
