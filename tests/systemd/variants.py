# SPDX-License-Identifier: ISC
"""The units as inboxd(8) says that they may be changed, and those that stand beside them."""

import json

from world import PORT, check, same, until, want

CREDENTIAL = "/run/credentials/inboxd.service/server.key"
LOW_PORT = """[Service]
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
PrivateUsers=no
"""
STATE = "[Service]\nReadWritePaths=\nStateDirectory=inboxd\nStateDirectoryMode=0700\n"
ASK_LANDLOCK = "python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(444, 0, 0, 1))'"
NEIGHBOURS = "/var/lib/inboxd-relays"  # a root with an inbox that has a group
RELAYS = """
getent group relays || groupadd -r relays
rm -rf {0}
install -d -o inboxd -g inboxd -m 700 {0}
inboxd -m
""".format(NEIGHBOURS)
# As the head of inboxq-relay.service has it.
TAKES_ON = """[Service]
SupplementaryGroups=relays
ReadWritePaths=%s/status/new
""" % NEIGHBOURS
SECOND = """[status]
socket = /run/inboxd-second/status.sock
[receiver]
listen = *:7119
root = /var/lib/inboxd-second
"""
PROXY = """[Socket]
ListenStream=7118
FileDescriptorName=proxy
Service=inboxd.service
"""


@check
def users_and_folders_are_there_from_the_first_boot(w):
    """By sysusers.d and tmpfiles.d; the folders are empty, and no root that a start would take."""
    w.cap1.sh("grep '^inboxd:' /etc/passwd\ngrep '^inboxq:' /etc/passwd\nsystemd-sysusers\n"
              "mv /var/lib/inboxd /var/lib/kept\nsystemd-tmpfiles --create inboxd.conf inboxq.conf")
    try:
        same(w.cap1.sh("stat -c '%U %G %a' /var/lib/inboxd /var/spool/inboxq"),
             "inboxd inboxd 700\ninboxq inboxq 700", "the folders")
        w.cap1.sh("fails systemctl start inboxd\ntest -z \"$(ls -A /var/lib/inboxd)\"")
        same(w.cap1.show("inboxd", "ExecMainStatus"), "66", "the exit code")
    finally:
        w.cap1.sh("systemctl stop inboxd\nrmdir /var/lib/inboxd\nmv /var/lib/kept /var/lib/inboxd")


@check
def two_receivers_on_one_host(w):
    """inboxd@NAME beside inboxd: each has its own root and socket, and ends without the other."""
    conf = w.cap1.sh("cat /etc/inboxd.conf")
    w.cap1.write("/etc/inboxd/second.conf", conf.replace("[receiver]\n", SECOND))
    w.cap1.sh("install -d -o inboxd -g inboxd -m 700 /var/lib/inboxd-second\n"
              "fails systemctl start inboxd@second\n"
              "systemctl stop inboxd@second\n"
              "inboxd -c /etc/inboxd/second.conf -m")
    try:
        w.cap1.sh("systemctl start inboxd inboxd@second")
        name = w.store_by((w.cap1.address, 7119))
        same(list(w.items(w.cap1, root="/var/lib/inboxd-second")), [name], "of the second")
        same(list(w.items(w.cap1)), [], "of the first")
        w.store(w.cap1)
        w.cap1.sh("systemctl reload inboxd@second\nsystemctl stop inboxd@second\n"
                  "fails test -e /run/inboxd-second\nsystemctl is-active inboxd")
        w.store(w.cap1)
    finally:
        w.cap1.sh("systemctl stop inboxd@second\nrm -r /var/lib/inboxd-second")


@check
def key_that_only_root_can_read(w):
    """LoadCredential: a renewal is taken by a restart, and a reload says that it is not."""
    w.cap1.sh("chown root: /etc/inboxd/server.key")
    w.configure(w.cap1)
    w.cap1.sh("sed -i 's|^key = .*|key = %s|' /etc/inboxd.conf" % CREDENTIAL)
    w.drop_in(w.cap1, "inboxd.service",
              "[Service]\nLoadCredential=server.key:/etc/inboxd/server.key\n")
    w.cap1.sh("systemctl start inboxd\nsystemctl reload inboxd")
    w.store(w.cap1)
    w.pki.script("server", "cap1.example.org", w.cap1.address, "--renew")
    w.give(w.cap1, w.pki.good("server", "cap1.example.org", w.cap1.address),
           "/etc/inboxd/server", "root")
    w.cap1.sh("fails systemctl reload inboxd")
    w.store(w.cap1)
    w.cap1.sh("systemctl restart inboxd")
    w.store(w.cap1)


@check
def root_that_systemd_makes(w):
    """StateDirectory: the first start ends with 66, inboxd -m makes the root, the next serves."""
    w.drop_in(w.cap1, "inboxd.service", STATE)
    w.cap1.sh("mv /var/lib/inboxd /var/lib/kept")
    try:
        w.cap1.sh("fails systemctl start inboxd")
        same(w.cap1.show("inboxd", "ExecMainStatus"), "66", "the exit code")
        w.cap1.sh("systemctl stop inboxd\ninboxd -m\nsystemctl start inboxd")
        w.store(w.cap1)
        same(w.cap1.sh("stat -c '%U %a' /var/lib/inboxd"), "inboxd 700", "the folder")
    finally:
        w.cap1.sh("systemctl stop inboxd\nrm -r /var/lib/inboxd\nmv /var/lib/kept /var/lib/inboxd")


@check
def port_for_which_one_has_to_be_more_than_anybody(w):
    """By the manual's drop-in."""
    w.configure(w.cap1, receiver="listen = *:443")
    w.cap1.sh("fails systemctl start inboxd")
    w.drop_in(w.cap1, "inboxd.service", LOW_PORT)
    w.cap1.sh("systemctl restart inboxd")
    want(w.pc17.sh("openssl s_client -alpn inbox/1 -connect cap1.example.org:443 </dev/null "
                   "2>/dev/null | openssl x509 -noout -subject"), "nobody is there")


@check
def socket_of_its_own_for_proxies(w):
    """A second socket unit, by the name of its descriptor."""
    w.configure(w.cap1, receiver="proxies = 10.117.0.0/24\nlisten-proxy = *:9999")
    w.cap1.write("/run/systemd/system/inboxd-proxy.socket", PROXY)
    w.cap1.sh("systemctl daemon-reload\nsystemctl start inboxd-proxy.socket\n"
              "systemctl start inboxd")

    def preface(sock):
        sock.sendall(b"PROXY TCP4 192.0.2.17 192.0.2.1 4711 7118\r\n")
    w.store(w.cap1)
    w.store_by((w.cap1.address, PORT + 1), before=preface)
    want("peer=192.0.2.17:4711" in w.cap1.journal("inboxd"), "the proxy's word is not taken")


@check
def copy_cycles_by_a_timer(w):
    """inboxq-once: a receiver that is away is no failure; once it is there, all goes."""
    w.add("by a cycle")
    w.pc17.sh("systemctl start inboxq-once.service")  # which fails where the service does
    w.pc17.sh("runuser -u inboxq -- inboxq status | grep -q '^pending *1 item'")
    w.cap1.sh("systemctl start inboxd")
    w.pc17.sh("systemctl start inboxq-once.service")
    until("the item", lambda: len(w.items(w.cap1)) == 1)
    w.pc17.sh("systemctl start inboxq\nsystemctl start inboxq-once.service")  # beside inboxq run
    w.pc17.sh("systemctl stop inboxq\nsystemctl start inboxq-once.timer\n"
              "systemctl list-timers inboxq-once.timer | grep inboxq-once")


@check
def folder_that_is_watched(w):
    """inboxq-watch under its own unit: what a program of another user writes arrives whole."""
    w.pc17.sh("getent group reports || groupadd reports\ninstall -d -g reports -m 2770 "
              "/srv/outgoing\nusermod -a -G reports inboxq\n"
              "printf '[watch r]\\nfolder = /srv/outgoing\\ninbox = status\\n' >>/etc/inboxq.conf")
    w.drop_in(w.pc17, "inboxq-watch.service", "[Service]\nReadWritePaths=/srv/outgoing\n")
    w.cap1.sh("systemctl start inboxd")
    w.pc17.sh("systemctl start inboxq inboxq-watch\numask 007\n"
              "for n in 1 2 3 4 5; do echo report $n >/srv/outgoing/r$n.txt; done")
    until("five items", lambda: len(w.items(w.cap1)) == 5)
    w.pc17.until("test -z \"$(ls /srv/outgoing)\"")
    same(w.pc17.show("inboxq-watch", "NRestarts"), "0", "restarts")


@check
def inbox_whose_items_go_on(w):
    """inboxq-relay under its own unit, by the drop-in in its head: cap2 is a receiver for its
    neighbours, and a client of cap1."""
    w.configure(w.cap2, receiver="root = %s\n" % NEIGHBOURS)
    w.cap2.sh("sed -i 's/^.inbox status.$/&\\ngroup = relays/' /etc/inboxd.conf\n" + RELAYS)
    w.drop_in(w.cap2, "inboxd.service", "[Service]\nReadWritePaths=%s\n" % NEIGHBOURS)
    w.set_up_client(w.cap2, "neighbours.example.org")
    w.configure_client(w.cap2, "cap1.example.org")
    w.cap2.sh("printf '[relay status]\\nfolder = {0}/status\\ninbox = status\\n' "
              ">>/etc/inboxq.conf".format(NEIGHBOURS))
    w.drop_in(w.cap2, "inboxq-relay.service", TAKES_ON)
    for cap in (w.cap1, w.cap2):
        cap.sh("systemctl start inboxd")
    w.cap2.sh("systemctl start inboxq inboxq-relay")
    with w.load(w.cap2) as load:
        load.wait(50)
        w.cap2.sh("systemctl restart inboxq-relay")
        load.wait(30)
        w.cap2.sh("systemctl reload inboxq-relay")
        load.wait(30)
    until("the inbox to be empty", lambda: not w.cap2.sh(
        "ls -A %s/status/new" % NEIGHBOURS))
    wanted = sorted(load.stored.values())
    until("the items further up", lambda: len(w.items(w.cap1)) >= len(wanted))
    same(set(wanted) - set(w.items(w.cap1).values()), set(), "what did not arrive")
    same(w.cap2.show("inboxq-relay", "NRestarts"), "0", "restarts")
    w.cap2.sh("systemctl stop 'inbox*'\nrm -rf /var/spool/inboxq/* %s" % NEIGHBOURS)


@check
def consumer_is_started_for_each_item(w):
    """More often than a start limit allows, and once more after one that was killed."""
    w.cap1.write("/usr/local/libexec/inbox-status", "#!/bin/sh\ncat \"$1\" >>/var/lib/inboxd/"
                 "status/eaten\n", mode="755")
    w.cap1.sh("rm -f /var/lib/inboxd/status/eaten\n"
              "systemctl start inboxd inbox-consumer@status.path")
    try:
        for n in range(8):
            w.store(w.cap1, b"item %d\n" % n)
            w.cap1.until("grep -q 'item %d' /var/lib/inboxd/status/eaten" % n)
        same(w.cap1.show("inbox-consumer@status.path", "ActiveState"), "active", "the path unit")
        same(w.items(w.cap1), {}, "items that are left")
    finally:
        w.cap1.sh("rm -f /var/lib/inboxd/status/eaten")


@check
def who_may_ask_and_who_may_do(w):
    """The members of the group inboxd see the status; root alone has anything done."""
    w.cap1.sh("systemctl start inboxd\nid watcher || useradd -r -G inboxd watcher\n"
              "id stranger || useradd -r stranger")
    w.cap1.sh("runuser -u watcher -- inboxctl status\nrunuser -u watcher -- inboxctl check || "
              "test $? -le 2\nfails runuser -u stranger -- inboxctl status")
    w.cap1.sh("fails runuser -u watcher -- inboxctl pause status --reason mine\n"
              "fails runuser -u watcher -- inboxctl reload\ninboxctl pause status --reason mine\n"
              "inboxctl resume status")
    w.store(w.cap1)


@check
def drained_for_a_reboot_and_resumed(w):
    """inboxctl drain, the machine goes down and comes back: still paused, until somebody says so;
    clients keep their items meanwhile."""
    w.configure_client(w.pc17, "cap1.example.org")
    w.cap1.sh("systemctl enable --now inboxd")
    try:
        w.cap1.sh("inboxctl drain --reason 'a new disk'")
        w.cap1.stop()
        w.cap1.start()
        w.cap1.until("systemctl is-active inboxd")
        w.add("meanwhile")
        w.pc17.sh("systemctl start inboxq")
        w.pc17.until("journalctl -b -u inboxq | grep -q 'reason=paused'")
        until("a word in the status text",
              lambda: "aused" in w.cap1.show("inboxd", "StatusText"))
        same(w.items(w.cap1), {}, "items")
        w.cap1.sh("inboxctl resume")
        w.pc17.sh("systemctl restart inboxq")  # it would wait up to 90 s
        until("the item", lambda: len(w.items(w.cap1)) == 1)
    finally:
        w.cap1.sh("systemctl disable inboxd\ninboxctl resume || true")


@check
def receiver_is_shut_in(w):
    """By the unit, and by itself where the kernel has Landlock: it reads and writes its own."""
    w.cap1.sh("systemctl start inboxd")
    page = json.loads(w.cap1.sh("curl -s --unix-socket /run/inboxd/status.sock "
                                "http://inboxd/status"))
    has = int(w.cap1.sh(ASK_LANDLOCK))
    want(page["sandbox"] if has > 0 else page["sandbox_lacks"], "Landlock", has, page["sandbox"],
         page["sandbox_lacks"])
    enter = "nsenter -t $(systemctl show -P MainPID inboxd) -m setpriv --reuid inboxd --regid " \
        "inboxd --clear-groups "
    w.cap1.sh("{0} touch /var/lib/inboxd/here\n{0} rm /var/lib/inboxd/here\n"
              "fails {0} touch /var/spool/here\nfails {0} touch /tmp/../srv/here\n"
              "fails {0} ls /root\nfails {0} touch /run/systemd/here".format(enter))
