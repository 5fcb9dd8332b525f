# SPDX-License-Identifier: ISC
"""A root that two hosts share, one of them standing by; one whose disk goes, and is back."""

import contextlib
import fcntl
import os
import re
import socket
import struct
import subprocess
import time

from machine import call
from sockets import SAMPLES
from world import PORT, check, same, until, want

SHARED = "/srv/shared/root"
ELSEWHERE = "[Unit]\nRequiresMountsFor={0}\n[Service]\nReadWritePaths={0}\n"
HASTY = "[Service]\nTimeoutStartSec=3\nWatchdogSec=2\nTimeoutAbortSec=2\n"
QUICK = "[Service]\nRestartSec=200ms\n"

SHUT_DOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NO_FLUSH = 2            # not even of what is in the file system's own journal
GONE = "/srv/gone"
IMAGE = "gone.img"
MOUNT = "[Unit]\nStartLimitIntervalSec=0\n[Mount]\nWhat=/dev/gone\nWhere=/srv/gone\nType=ext4\n"
# inboxd(8), "A root elsewhere": of a file system that comes and goes.
COMES_AND_GOES = "[Unit]\nWants=srv-gone.mount\nAfter=srv-gone.mount\n" \
    "[Service]\nReadWritePaths=-/srv/gone\n"


# ---- two hosts


def share_root(w):
    """cap1 serves a root that cap2 could, too."""
    for cap in (w.cap1, w.cap2):
        w.configure(cap, receiver="root = %s\n" % SHARED)
        w.drop_in(cap, "inboxd.service", ELSEWHERE.format(SHARED), "root")
    w.cap1.sh("rm -rf {0}\ninstall -d -o inboxd -g inboxd -m 700 {0}\ninboxd -m\n"
              "systemctl start inboxd".format(SHARED))


def stand_by(w):
    """Starts the other one, whom nobody waits for."""
    w.cap2.sh("systemctl start --no-block inboxd")
    until("a word of whom it waits for", lambda: w.cap2.show("inboxd", "StatusText") ==
          "Waiting for the root, which host %s has" % "cap1")


def taken_over(w, since):
    """The seconds until cap2 serves."""
    until("the standby to serve", lambda: w.cap2.show("inboxd", "ActiveState") == "active")
    return time.monotonic() - since


@check
def standby_outwaits_its_start_timeout(w):
    """It asks for more time, again and again, and is no failure; a stop ends it at once."""
    share_root(w)
    w.drop_in(w.cap2, "inboxd.service", HASTY)
    stand_by(w)
    pid = w.cap2.show("inboxd", "MainPID")
    time.sleep(8)
    same(w.cap2.show("inboxd", "MainPID"), pid, "the process")
    same(w.cap2.show("inboxd", "ActiveState"), "activating", "the state")
    w.cap2.sh("inboxctl status | grep -q waiting\ninboxctl agent | grep -q '^down #'")
    begun = time.monotonic()
    w.cap2.sh("systemctl stop inboxd")
    want(time.monotonic() - begun < 2, "the stop took %.1f s" % (time.monotonic() - begun))
    same(w.cap2.show("inboxd", "Result") + w.cap2.show("inboxd", "NRestarts"), "success0", "it")
    w.store(w.cap1)


@check
def standby_takes_over_from_one_that_is_killed(w):
    """Within seconds, with all that was acknowledged; who was killed comes back as the standby."""
    share_root(w)
    w.drop_in(w.cap2, "inboxd.service", HASTY)
    stand_by(w)
    with w.load(w.cap1) as load:
        load.wait(50)
        since = time.monotonic()
        w.cap1.signal("inboxd", "KILL")
        seconds = taken_over(w, since)
    want(seconds < 5, "it took %.1f s" % seconds)
    with w.load(w.cap2) as more:
        more.wait(30)
    load.stored.update(more.stored)
    w.whole(w.cap2, load, SHARED)
    until("the other one to wait",
          lambda: "which host cap2 has" in w.cap1.show("inboxd", "StatusText"))
    w.cap1.sh("systemctl stop inboxd")
    same(w.cap2.show("inboxd", "NRestarts"), "0", "restarts")


@check
def standby_takes_over_from_one_that_is_stopped(w):
    """The other way round, and back: what an administrator does for maintenance."""
    share_root(w)
    stand_by(w)
    w.cap1.sh("systemctl stop inboxd")
    taken_over(w, time.monotonic())
    w.store(w.cap2)
    w.cap1.sh("systemctl start --no-block inboxd")
    until("the first to wait", lambda: "cap2" in w.cap1.show("inboxd", "StatusText"))
    w.cap2.sh("systemctl stop inboxd")
    w.cap1.until("systemctl is-active inboxd")
    w.store(w.cap1)
    same(len(w.items(w.cap1, root=SHARED)), 2, "items")


@check
def standby_that_is_enabled_lets_its_machine_boot(w):
    """All but multi-user.target, which is reached once it serves, as inboxd(8) says."""
    share_root(w)
    w.cap2.sh("systemctl enable inboxd")
    try:
        w.cap2.stop()
        w.cap2.start(wait="basic.target")
        until("the standby", lambda: "which host cap1" in w.cap2.show("inboxd", "StatusText"))
        same(w.cap2.show("multi-user.target", "ActiveState"), "inactive", "the target")
        w.cap1.sh("systemctl stop inboxd")
        w.cap2.until("systemctl is-active multi-user.target")
        w.store(w.cap2)
    finally:
        w.cap2.sh("systemctl disable inboxd")


@check
def standby_with_a_socket_holds_its_clients_up(w):
    """The system takes the connections that nobody serves: they wait, and are served behind the
    takeover, as inboxd(8) warns.  The standby alone would have refused them."""
    share_root(w)
    with contextlib.suppress(ConnectionRefusedError):
        stand_by(w)
        socket.create_connection((w.cap2.address, PORT), 5).close()
        raise AssertionError("a standby listens")
    w.cap2.sh("systemctl stop inboxd\ninstall -D -m 644 %ssocket.conf -t "
              "/etc/systemd/system/inboxd.service.d\nsystemctl daemon-reload\n"
              "systemctl start inboxd.socket" % SAMPLES)
    stand_by(w)
    early = socket.create_connection((w.cap2.address, PORT), 5)
    early.settimeout(4)
    with contextlib.suppress(TimeoutError):
        w.context().wrap_socket(early, server_hostname="cap2.example.org").close()
        raise AssertionError("a standby serves")
    with w.load(w.cap2, threads=2) as load:
        time.sleep(2)
        same(load.stored, {}, "what a standby has stored")
        w.cap1.signal("inboxd", "KILL")
        load.wait(30)
    same(load.refused, [], "connections refused")
    w.whole(w.cap2, load, SHARED)
    w.cap1.sh("systemctl stop inboxd")


# ---- a file system that goes


@contextlib.contextmanager
def device(w):
    """A root of cap1 on a file system of its own, mounted there by a unit; its device."""
    image = os.path.join(w.folder, IMAGE)
    call(["truncate", "-s", "96M", image], "truncate")
    call(["mkfs.ext4", "-q", "-F", "-m", "0", image], "mkfs.ext4")
    loop = call(["losetup", "-f", "--show", image], "losetup").strip()
    try:
        w.cap1.sh("rm -f /dev/gone\nmknod /dev/gone b 7 %s\nmkdir -p %s" % (
            loop[len("/dev/loop"):], GONE))
        w.cap1.write("/etc/systemd/system/srv-gone.mount", MOUNT)
        w.cap1.sh("systemctl daemon-reload\nsystemctl start srv-gone.mount\n"
                  "install -d -o inboxd -g inboxd -m 700 %s/root" % GONE)
        w.configure(w.cap1, receiver="root = %s/root\n" % GONE)
        w.cap1.sh("inboxd -m")
        w.drop_in(w.cap1, "inboxd.service", QUICK)
        yield
    finally:
        w.cap1.sh("systemctl stop inboxd\nsystemctl stop srv-gone.mount\n"
                  "umount -l %s 2>/dev/null || true\nrm /etc/systemd/system/srv-gone.mount\n"
                  "systemctl daemon-reload" % GONE)
        free_devices(w.folder)
        os.unlink(image)


def free_devices(folder):
    """What a run in `folder` has left, also one that was ended amid its work."""
    image = os.path.join(folder, IMAGE)
    for line in call(["losetup", "-j", image], "losetup").splitlines():
        subprocess.run(["losetup", "-d", line.split(":")[0]], check=False)


def shut_down(w):
    """The file system is there no more for whoever has it mounted."""
    fd = os.open("/proc/%s/root%s" % (w.cap1.leader, GONE), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, SHUT_DOWN, struct.pack("I", NO_FLUSH))
    finally:
        os.close(fd)


def restarts(w, more=0):
    """It is tried more often than a limit of starts would allow."""
    until("restarts", lambda: int(w.cap1.show("inboxd", "NRestarts")) > 6 + more)
    return int(w.cap1.show("inboxd", "NRestarts"))


@check
def file_system_that_is_gone_is_waited_for(w):
    """It ends with 74, is started over and over, and serves by itself once the file system has
    been mounted anew; what was acknowledged is there."""
    with device(w):
        w.drop_in(w.cap1, "inboxd.service", ELSEWHERE.format(GONE), "root")
        mark = w.cap1.now()
        w.cap1.sh("systemctl start inboxd")
        with w.load(w.cap1) as load:
            load.wait(50)
            shut_down(w)
            until("the end", lambda: w.cap1.show("inboxd", "ExecMainStatus") == "74")
            restarts(w)
            w.cap1.sh("umount %s\nsystemctl start srv-gone.mount" % GONE)
            load.wait(30)
        codes = re.findall(r" exit=([0-9]+)", w.cap1.journal("inboxd", mark))
        want(len(codes) > 6 and set(codes) <= {"74", "66"}, "how the tries ended:", codes)
        w.whole(w.cap1, load, GONE + "/root")


@check
def file_system_whose_mount_fails_for_a_while_is_waited_for(w):
    """By the manual's drop-in: each try mounts it, too, so nobody has to come."""
    with device(w):
        w.drop_in(w.cap1, "inboxd.service", COMES_AND_GOES, "root")
        w.cap1.sh("systemctl start inboxd")
        with w.load(w.cap1) as load:
            load.wait(50)
            shut_down(w)
            w.cap1.sh("mv /dev/gone /dev/away\numount %s" % GONE)
            restarts(w)
            same(w.cap1.sh("ls -A %s" % GONE), "", "what is on the mount point")
            w.cap1.sh("mv /dev/away /dev/gone")
            load.wait(30)
        w.whole(w.cap1, load, GONE + "/root")
