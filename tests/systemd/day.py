# SPDX-License-Identifier: ISC
"""An ordinary day of an administrator: enable, start, look, reload, restart, renew, revoke."""

import time

import client
from world import check, fails, same, text_of, until, want


@check
def start_returns_when_it_serves(w):
    """Type=notify: whoever comes at once is served, and the unit says the same."""
    for _ in range(5):
        w.cap1.sh("systemctl start inboxd")
        w.connect(w.cap1).close()  # not one moment later
        w.cap1.sh("systemctl stop inboxd")
    w.cap1.sh("systemctl start inboxd")
    w.store(w.cap1)
    same(w.cap1.show("inboxd", "ActiveState"), "active", "the state")
    same(w.cap1.show("inboxd", "NRestarts"), "0", "restarts")


@check
def status_text_says_how_it_is(w):
    """`systemctl status` alone tells more than that a process is there."""
    w.cap1.sh("systemctl start inboxd")
    w.store(w.cap1)
    until("a text of the receiver", lambda: "1 item stored" in w.cap1.show("inboxd", "StatusText"))
    w.cap1.sh("echo '[nonsense]' >>/etc/inboxd.conf\nfails systemctl reload inboxd")
    until("a word on the reload", lambda: "reload" in w.cap1.show("inboxd", "StatusText"))
    w.add()
    w.pc17.sh("systemctl start inboxq")
    until("a text of the queue", lambda: w.pc17.show("inboxq", "StatusText"))


@check
def enabled_units_come_back_with_the_machine(w):
    """After a reboot all is as before, without anybody."""
    for each, unit in ((w.cap1, "inboxd"), (w.pc17, "inboxq")):
        each.sh("systemctl enable --now " + unit)
    try:
        w.store(w.cap1)
        for each in (w.cap1, w.pc17):
            each.stop()
        for each in (w.cap1, w.pc17):
            each.start()
        w.cap1.until("systemctl is-active inboxd")
        w.store(w.cap1)
        w.add("after the reboot")
        until("the client's item", lambda: len(w.items(w.cap1)) == 3)
        same(w.cap1.sh("systemctl is-system-running --wait || true"), "running", "cap1")
    finally:
        for each, unit in ((w.cap1, "inboxd"), (w.pc17, "inboxq")):
            each.sh("systemctl disable %s" % unit)


@check
def reload_takes_a_new_inbox_while_it_serves(w):
    """Without a restart: the process and what is connected stay."""
    w.cap1.sh("systemctl start inboxd")
    pid = w.cap1.show("inboxd", "MainPID")
    with w.connect(w.cap1) as before:
        before.hello("a1" * 16)
        w.configure(w.cap1, more="[inbox reports]")
        w.cap1.sh("inboxd -m\nsystemctl reload inboxd")
        before.put(1, "reports", b"by a connection of before")
        before.stored(1)
        before.quit()
    w.store(w.cap1, inbox="reports")
    same(w.cap1.show("inboxd", "MainPID"), pid, "the process")
    same(w.cap1.show("inboxd", "ActiveState"), "active", "the state")


@check
def reload_that_is_not_taken_fails_and_says_why(w):
    """A hook that renews something must hear of it; what runs goes on."""
    w.cap1.sh("systemctl start inboxd")
    w.pc17.sh("systemctl start inboxq")
    for each, unit, path in ((w.cap1, "inboxd", "/etc/inboxd.conf"),
                             (w.pc17, "inboxq", "/etc/inboxq.conf")):
        pid, mark = each.show(unit, "MainPID"), each.now()
        each.sh("echo '[nonsense]' >>%s\nfails systemctl reload %s" % (path, unit))
        want("nonsense" in each.journal(unit, mark), unit, "does not say why:",
             each.journal(unit, mark))
        each.sh("sed -i '$d' %s\nsystemctl reload %s" % (path, unit))
        same(each.show(unit, "MainPID"), pid, "the process of " + unit)
        same(each.show(unit, "ActiveState"), "active", unit)
    w.store(w.cap1)


@check
def key_that_does_not_fit_is_not_taken(w):
    """A certificate is renewed and its key is not: the old pair serves on, the reload fails."""
    w.cap1.sh("systemctl start inboxd")
    w.cap1.write("/etc/inboxd/server.crt", text_of(w.pki.good("server", "cap2.example.org",
                                                              w.cap2.address).cert))
    w.cap1.sh("fails inboxd -t\nfails systemctl reload inboxd")
    w.store(w.cap1)


@check
def restart_under_load_loses_no_item(w):
    """Ten restarts; what is cut off comes again, nothing that was acknowledged is missing."""
    w.cap1.sh("systemctl start inboxd")
    with w.load(w.cap1) as load:
        for _ in range(10):
            load.wait(30)
            w.cap1.sh("systemctl restart inboxd")
            same(w.cap1.show("inboxd", "Result"), "success", "the result")
        load.wait(30)
    w.whole(w.cap1, load)


@check
def stop_under_load_is_in_order(w):
    """It answers what is in flight and ends with 0; no unit has failed."""
    w.cap1.sh("systemctl start inboxd")
    with w.load(w.cap1) as load:
        load.wait(50)
        w.cap1.sh("systemctl stop inboxd", timeout=60)
        same(w.cap1.show("inboxd", "Result"), "success", "the result")
        same(w.cap1.show("inboxd", "ExecMainStatus"), "0", "the exit code")
        w.cap1.sh("test ! -e /run/inboxd/status.sock\nsystemctl start inboxd")
        load.wait(20)
    w.whole(w.cap1, load)


@check
def crash_under_load_loses_no_item(w):
    """Killed five times over: systemd starts it again, and all that was acknowledged is there."""
    w.drop_in(w.cap1, "inboxd.service", "[Service]\nRestartSec=100ms\n")
    w.cap1.sh("systemctl start inboxd")
    with w.load(w.cap1) as load:
        for sig in ("KILL", "SEGV", "KILL", "ABRT", "KILL"):
            load.wait(30)
            was = w.cap1.show("inboxd", "NRestarts")
            w.cap1.signal("inboxd", sig)
            until("a restart", lambda was=was: w.cap1.show("inboxd", "NRestarts") != was)
        load.wait(30)
    w.whole(w.cap1, load)


@check
def power_failure_loses_no_item(w):
    """The machine is gone from one moment to the next, and boots again."""
    w.cap1.sh("systemctl enable --now inboxd")
    with w.load(w.cap1) as load:
        load.wait(100)
        w.cap1.cut()
        w.cap1.start()
        load.wait(30)
    w.cap1.sh("systemctl disable inboxd")
    w.whole(w.cap1, load)


@check
def revoked_client_is_turned_away(w):
    """By a reload, also while it is connected; its items stay in its queue, and go once it is
    renewed."""
    w.configure(w.cap1, tls="crl = /etc/inboxd/clients-ca.crl")
    w.pki.client("pc17.example.org")
    w.pki.script("crl")
    give_list(w)
    w.cap1.sh("systemctl start inboxd")
    w.configure_client(w.pc17, "cap1.example.org")
    w.pc17.sh("systemctl start inboxq")
    w.add("before")
    until("the first item", lambda: len(w.items(w.cap1)) == 1)
    with w.connect(w.cap1, "pc17.example.org") as connected:
        connected.hello("b2" * 16)
        w.pki.script("revoke", "pc17.example.org")
        give_list(w)
        w.cap1.sh("systemctl reload inboxd")
        connected.wait_close(10)
    with fails(client.Closed):
        connection = w.connect(w.cap1, "pc17.example.org")
        connection.hello("b2" * 16)
    w.add("while it is revoked")
    time.sleep(3)
    same(len(w.items(w.cap1)), 1, "items that are there")
    same(w.pc17.show("inboxq", "NRestarts"), "0", "restarts of the queue")
    w.pki.script("client", "pc17.example.org", "--renew")
    w.give(w.pc17, w.pki.client("pc17.example.org"), "/etc/inboxq/client", "inboxq")
    until("the second item", lambda: len(w.items(w.cap1)) == 2)


@check
def renewed_certificate_is_shown_after_a_reload(w):
    """To who comes; who is connected stays."""
    w.cap1.sh("systemctl start inboxd")
    pair = w.pki.good("server", "cap1.example.org", w.cap1.address)
    with w.connect(w.cap1) as before:
        before.hello("c3" * 16)
        was = serial(w)
        w.pki.script("server", "cap1.example.org", w.cap1.address, "--renew")
        w.give(w.cap1, pair, "/etc/inboxd/server", "inboxd")
        same(serial(w), was, "the certificate before the reload")
        w.cap1.sh("systemctl reload inboxd")
        want(serial(w) != was, "the old certificate is still shown")
        before.put(1, "status", b"by a connection of before")
        before.stored(1)
        before.quit()


@check
def client_goes_to_the_second_receiver_and_back(w):
    """While the first is down what is added goes to the second, and afterwards to the first."""
    for cap in (w.cap1, w.cap2):
        cap.sh("systemctl start inboxd")
    w.pc17.sh("systemctl start inboxq")
    w.add("one")
    until("the first one's item", lambda: len(w.items(w.cap1)) == 1)
    w.cap1.sh("systemctl stop inboxd")
    w.add("two")
    until("the second one's item", lambda: len(w.items(w.cap2)) == 1)
    w.cap1.sh("systemctl start inboxd")

    def back():
        w.add("three")
        return len(w.items(w.cap1)) >= 2
    until("the way back", back, every=1)
    w.pc17.until("runuser -u inboxq -- inboxq status | grep -q '^pending *0 items'")
    sent = w.pc17.sh("grep -c STORED /var/spool/inboxq/sent.log")
    same(len(w.items(w.cap1)) + len(w.items(w.cap2)), int(sent), "files, of items sent")
    same(w.pc17.show("inboxq", "NRestarts"), "0", "restarts of the queue")


def give_list(w):
    w.cap1.write("/etc/inboxd/clients-ca.crl", text_of(w.pki.file("ca.crl")))


def serial(w):
    """Of the certificate that the receiver shows."""
    return w.pc17.sh("openssl s_client -alpn inbox/1 -connect cap1.example.org:7117 "
                     "</dev/null 2>/dev/null | "
                     "openssl x509 -noout -serial")
