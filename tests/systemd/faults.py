# SPDX-License-Identifier: ISC
"""What goes wrong on a machine: it hangs, the disk is full, frozen or missing, the cable is out."""

import contextlib
import time

import client
from machine import call
from world import check, same, until, want

QUICK = "[Service]\nRestartSec=100ms\n"
WATCHED = QUICK + "WatchdogSec=2\nTimeoutAbortSec=2\n"
MOUNT = "[Mount]\nWhat=/srv/store\nWhere=/var/lib/inboxd\nType=none\nOptions=bind\n"


def put_root(w, path, more=""):
    """The root elsewhere, as inboxd(8) says; made anew."""
    w.configure(w.cap1, receiver="root = %s\n%s" % (path, more))
    w.drop_in(w.cap1, "inboxd.service",
              "[Unit]\nRequiresMountsFor={0}\n[Service]\nReadWritePaths={0}\n".format(path), "root")
    w.cap1.sh("rm -rf {0}; install -d -o inboxd -g inboxd -m 700 {0}\ninboxd -m".format(path))


@check
def root_on_another_path(w):
    """By the drop-in of inboxd(8), on a file system of its own."""
    put_root(w, w.disk + "/root")
    w.cap1.sh("systemctl start inboxd")
    with w.load(w.cap1) as load:
        load.wait(50)
    w.whole(w.cap1, load, w.disk + "/root")
    same(w.items(w.cap1), {}, "items in the usual place")


@check
def hanging_receiver_is_ended_and_started_again(w):
    """The watchdog: stopped from without, it says no word."""
    w.cap1.sh("systemctl start inboxd")
    want(w.cap1.show("inboxd", "WatchdogUSec") not in ("0", "infinity"), "there is no watchdog")
    w.drop_in(w.cap1, "inboxd.service", WATCHED)
    w.cap1.sh("systemctl restart inboxd")
    with w.load(w.cap1) as load:
        load.wait(30)
        w.cap1.signal("inboxd", "STOP")
        until("a restart", lambda: w.cap1.show("inboxd", "NRestarts") == "1")
        load.wait(30)
    want("watchdog" in w.cap1.sh("journalctl -b -u inboxd").lower(), "it was not the watchdog")
    w.whole(w.cap1, load)


@check
def watchdog_leaves_in_peace_who_works_or_rests(w):
    """With a hasty one: neither load nor having nothing to do is a fault."""
    w.drop_in(w.cap1, "inboxd.service", WATCHED)
    w.drop_in(w.pc17, "inboxq.service", "[Service]\nWatchdogSec=3\nTimeoutAbortSec=2\n")
    w.cap1.sh("systemctl start inboxd")
    w.pc17.sh("systemctl start inboxq")
    with w.load(w.cap1) as load:
        load.wait(50)
        time.sleep(3)
    time.sleep(4)
    w.whole(w.cap1, load)
    same(w.cap1.show("inboxd", "NRestarts"), "0", "restarts of the receiver")
    same(w.pc17.show("inboxq", "NRestarts"), "0", "restarts of the queue")


@check
def frozen_disk_is_told_by_the_watchdog_and_costs_nothing(w):
    """A file system that does not answer: systemd ends the receiver, and what was acknowledged
    before is there when it is back."""
    put_root(w, w.disk + "/root")
    w.drop_in(w.cap1, "inboxd.service", WATCHED)
    w.cap1.sh("systemctl start inboxd")
    with w.load(w.cap1) as load:
        load.wait(30)
        with frozen(w, w.disk):
            until("a word of the watchdog",
                  lambda: "Watchdog timeout" in w.cap1.sh("journalctl -b -u inboxd"))
        load.wait(30)
    w.whole(w.cap1, load, w.disk + "/root")


@check
def thread_that_hangs_is_told_long_before(w):
    """With the unit's own patience: a frozen disk is in the log and in the status text soon."""
    put_root(w, w.disk + "/root")
    w.cap1.sh("systemctl start inboxd")
    with w.load(w.cap1) as load:
        load.wait(30)
        with frozen(w, w.disk):
            until("a word in the log",
                  lambda: "event=thread_silent" in w.cap1.journal("inboxd"), 40, every=1)
            same(w.cap1.show("inboxd", "ActiveState"), "active", "the state")
        load.wait(30)
    same(w.cap1.show("inboxd", "NRestarts"), "0", "restarts")
    w.whole(w.cap1, load, w.disk + "/root")


@contextlib.contextmanager
def frozen(w, path):
    call(["fsfreeze", "-f", w.cap1.overlay.path(path[1:])], "fsfreeze")
    try:
        yield
    finally:
        call(["fsfreeze", "-u", w.cap1.overlay.path(path[1:])], "fsfreeze")


@check
def full_disk_is_a_state(w):
    """Clients hear LATER and keep their items; with room again they go, and nothing restarts."""
    put_root(w, w.disk + "/root")
    w.configure_client(w.pc17, "cap1.example.org")
    w.cap1.sh("systemctl start inboxd\nfallocate -l 200M {0}/fill 2>/dev/null || "
              "dd if=/dev/zero of={0}/fill bs=1M status=none || true".format(w.disk))
    try:
        until("LATER full", lambda: put_off(w) == "full", 5)
        there = len(w.items(w.cap1, root=w.disk + "/root"))
        w.add()
        w.pc17.sh("systemctl start inboxq")
        w.pc17.until("journalctl -b -u inboxq | grep -q 'reason=full'")
        want("full" in w.cap1.sh("inboxctl status").lower(), "inboxctl status does not say so")
    finally:
        w.cap1.sh("rm -f %s/fill" % w.disk)
    until("room", lambda: put_off(w) is None)
    w.pc17.sh("systemctl restart inboxq")  # it would wait up to 90 s
    until("the item that waited",
          lambda: len(w.items(w.cap1, root=w.disk + "/root")) == there + 1)
    same(w.cap1.show("inboxd", "NRestarts"), "0", "restarts")


def put_off(w):
    """The code with which an item is put off."""
    with w.connect(w.cap1) as one:
        one.hello("d4" * 16)
        one.put(1, "status", b"no room")
        return one.answer(1).get("code")


@check
def missing_mount_starts_nothing_and_makes_nothing(w):
    """The root's file system does not come up: RequiresMountsFor holds the receiver back, and once
    it is there a start finds all that was on it."""
    put_root(w, "/srv/store")
    w.configure(w.cap1)
    w.cap1.sh("rm -r /etc/systemd/system/inboxd.service.d")
    w.cap1.write("/etc/systemd/system/var-lib-inboxd.mount", MOUNT)
    w.cap1.sh("systemctl daemon-reload\nsystemctl start inboxd")
    w.store(w.cap1)
    w.cap1.sh("systemctl stop var-lib-inboxd.mount")  # it takes the receiver with it, in order
    same(w.cap1.show("inboxd", "ActiveState"), "inactive", "without its mount")
    same(w.cap1.show("inboxd", "Result"), "success", "the result")
    # It cannot be mounted now; what lies below the mount point is a root, too, and not the one.
    w.cap1.sh("mv /srv/store /srv/gone\ntouch /srv/store\nfails systemctl start inboxd\n"
              "rm /srv/store\nmv /srv/gone /srv/store\nsystemctl start inboxd")
    w.store(w.cap1)
    same(len(w.items(w.cap1)), 2, "items")


@check
def root_that_is_not_mounted_yet_is_waited_for(w):
    """No unit knows of the mount: nothing is made on the mount point, and it is tried again until
    it is there."""
    put_root(w, "/srv/store")
    w.configure(w.cap1, receiver="root = /srv/late")
    w.drop_in(w.cap1, "inboxd.service", QUICK + "ReadWritePaths=-/srv/late\n", "root")
    w.cap1.sh("install -d -o inboxd -m 700 /srv/late\nfails systemctl start inboxd")
    time.sleep(2)  # it is tried more often than a start limit would allow
    w.cap1.sh("test -z \"$(ls -A /srv/late)\"\nmount --bind /srv/store /srv/late")
    try:
        w.cap1.until("systemctl is-active inboxd")
        w.store(w.cap1)
    finally:
        w.cap1.sh("systemctl stop inboxd\numount /srv/late")
    w.cap1.sh("test -z \"$(ls -A /srv/late)\"")


@check
def bind_mount_in_an_inbox_is_said_at_start(w):
    """new/ on a mount of its own: each publish would fail for ever, with the same st_dev."""
    w.cap1.sh("install -d -o inboxd -g inboxd -m 700 /var/lib/outside")
    w.drop_in(w.cap1, "inboxd.service",
              "[Service]\nBindPaths=/var/lib/outside:/var/lib/inboxd/status/new\n")
    mark = w.cap1.now()
    w.cap1.sh("fails systemctl start inboxd")
    want("status/new" in w.cap1.journal("inboxd", mark), "the log does not name the folder:",
         w.cap1.journal("inboxd", mark))


@check
def what_time_mends_is_tried_again(w):
    """A certificate that has run out at boot, or is not there yet: nobody has to come."""
    for each, unit in ((w.cap1, "inboxd"), (w.pc17, "inboxq")):
        w.drop_in(each, unit + ".service", QUICK)
    odd = w.pki.make("late", "CN = cap1", "subjectAltName = DNS:cap1.example.org\n"
                     "extendedKeyUsage = serverAuth", w.pki.ca)
    w.give(w.cap1, w.pki.outdate(odd), "/etc/inboxd/server", "inboxd")
    w.cap1.sh("fails systemctl start inboxd")
    w.pc17.sh("rm /etc/inboxq/client.crt\nsystemctl start --no-block inboxq")
    time.sleep(1)
    for each, path in ((w.cap1, "/etc/inboxd/server"), (w.pc17, "/etc/inboxq/client")):
        each.sh("cp /dev/null %s.crt" % path)  # as while one is copied there
    time.sleep(1)
    w.give(w.cap1, w.pki.good("server", "cap1.example.org", w.cap1.address),
           "/etc/inboxd/server", "inboxd")
    w.give(w.pc17, w.pki.client("pc17.example.org"), "/etc/inboxq/client", "inboxq")
    w.cap1.until("systemctl is-active inboxd")
    w.add()
    until("the item", lambda: len(w.items(w.cap1)) == 1)


@check
def what_only_a_person_mends_is_not_tried_again(w):
    """A wrong configuration: the unit has failed, which is seen, and does not spin."""
    w.drop_in(w.cap1, "inboxd.service", QUICK)
    w.cap1.sh("echo '[nonsense]' >>/etc/inboxd.conf\nfails systemctl start inboxd")
    time.sleep(1)
    same(w.cap1.show("inboxd", "ActiveState"), "failed", "the state")
    same(w.cap1.show("inboxd", "ExecMainStatus"), "78", "the exit code")
    same(w.cap1.show("inboxd", "NRestarts"), "0", "restarts")


@check
def large_upload_goes_on_after_a_power_failure(w):
    """Under the unit as it is, too: it must see which boot this is."""
    data = b"a part of it" * 400000
    boot = "cat /proc/sys/kernel/random/boot_id >/srv/boot_id\nsystemctl start inboxd"
    w.cap1.sh(boot)
    if " boot=%s " % w.cap1.sh("cat /srv/boot_id").strip() not in w.cap1.sh(
            "cat /var/lib/inboxd/lock"):
        # A new /proc, as older systemd makes it for a unit, has the boot of the kernel in place of
        # that of this container.
        w.drop_in(w.cap1, "inboxd.service", "[Service]\n"
                  "BindReadOnlyPaths=/srv/boot_id:/proc/sys/kernel/random/boot_id\n")
        w.cap1.sh("systemctl restart inboxd")
    with w.connect(w.cap1) as one:
        one.hello("e5" * 16)
        one.announce(1, "dumps", data, verb="OPEN")
        same(one.answer(1).offset, 0, "the first offset")
        one.pieces(1, data, end=3 << 20)
        one.ping()
        time.sleep(0.5)
        w.cap1.sh("sync")
        w.cap1.cut()
    w.cap1.start()
    w.cap1.sh(boot)
    with w.connect(w.cap1) as one:
        one.hello("e5" * 16)
        one.announce(1, "dumps", data, verb="OPEN")
        offset = one.answer(1).offset
        want(offset > 0, "it begins anew")
        one.pieces(1, data, begin=offset)
        one.stored(1)
    same(list(w.items(w.cap1, "dumps").values()), [client.sha256(data)], "what is there")


@check
def files_of_proc_and_sys_are_taken(w):
    """Their size is told as 0 or a page; inventories are made of them."""
    w.pc17.sh("runuser -u inboxq -- inboxq add -i status /proc/cpuinfo /proc/self/mountinfo "
              "/sys/class/net/lo/mtu")
    w.cap1.sh("systemctl start inboxd")
    w.pc17.sh("systemctl start inboxq")
    until("three items", lambda: len(w.items(w.cap1)) == 3)
    wanted = w.pc17.sh("sha256sum </sys/class/net/lo/mtu").split()[0]
    want(wanted in w.items(w.cap1).values(), "the mtu is not as it was")


@check
def log_that_is_not_read_stops_nobody(w):
    """journald hangs: items are stored all the same, lines are counted that are lost."""
    w.configure(w.cap1, more="[log]\nlevel = debug")
    w.cap1.sh("systemctl start inboxd")
    w.cap1.signal("systemd-journald", "STOP")
    try:
        with w.load(w.cap1) as load:
            until("a line that is lost", lambda: lines_lost(w) > 0, timeout=60, every=1)
            load.wait(500)
    finally:
        w.cap1.signal("systemd-journald", "CONT")
    w.whole(w.cap1, load)
    same(w.cap1.show("inboxd", "NRestarts"), "0", "restarts")


def lines_lost(w):
    return int(w.cap1.sh("curl -s --unix-socket /run/inboxd/status.sock http://inboxd/metrics | "
                         "sed -n 's/^inboxd_log_lines_lost_total //p'"))


@check
def machine_that_boots_without_a_network_serves_once_it_is_there(w):
    """The cable is out at boot: the receiver is up, and needs nobody when it comes."""
    w.cap1.sh("systemctl enable inboxd")
    try:
        w.cap1.stop()
        cable(w.cap1, "down")
        w.cap1.start()
        w.cap1.until("systemctl is-active inboxd")
    finally:
        cable(w.cap1, "up")
    until("the way to it", lambda: w.store(w.cap1))
    w.cap1.sh("systemctl disable inboxd")


@check
def cable_that_is_out_for_a_while_costs_nothing(w):
    """Connections hang and nothing says so; what is added meanwhile arrives."""
    w.configure_client(w.pc17, "cap1.example.org")
    w.cap1.sh("systemctl start inboxd")
    w.pc17.sh("systemctl start inboxq")
    w.add("before")
    until("the first item", lambda: len(w.items(w.cap1)) == 1)
    cable(w.pc17, "down")
    try:
        w.add("meanwhile")
        time.sleep(7)
    finally:
        cable(w.pc17, "up")
    w.add("afterwards")
    until("all items", lambda: len(w.items(w.cap1)) == 3, timeout=90)
    same(w.pc17.show("inboxq", "NRestarts"), "0", "restarts of the queue")


def cable(where, state):
    call(["ip", "link", "set", "wire" + where.address.rsplit(".", 1)[1], state], "ip link")
