# SPDX-License-Identifier: ISC
"""Items a second on each kind of root: make bench-ceph.

One virtual client (tests/herd/inboxload) with 1, 64 and 256 items of 1 KiB in flight, against the
receiver on ext4 on a plain file of this machine's disk, on ext4 on an RBD image, and on CephFS,
each with its journal.  Cluster, receiver and client share this machine, so only ratios within one
run say something, and those flatter nobody: three OSDs write three copies to one disk.

"acked" counts until the last one was acknowledged, "visible" until all were in new/ for good.
"""

import json
import os
import subprocess
import time

from harness import TOP_BUILD
from hosts import PORT, Host, Receiver
from storage import CephFs, Plain, Rbd

INBOXLOAD = os.path.join(TOP_BUILD, "tests/herd/inboxload")
SECONDS = float(os.environ.get("CEPH_SECONDS") or 5)
WINDOWS = [1, 64, 256]
KINDS = [(Plain, "auto"), (Rbd, "auto"), (Rbd, "files"), (CephFs, "files")]


def load(host, receiver, pki, window):
    """(acked/s, p50 ms, p99 ms, visible/s)"""
    begun = time.monotonic()
    done = subprocess.run(
        [INBOXLOAD, "--json", "--pki", pki.folder, "--name", "cap1", "--clients", "1", "--items",
         "1000000", "--seconds", str(SECONDS), "--window", str(window), "--sizes", "1K", "--limit",
         "120", "%s:%d" % (host.address, PORT)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=180, check=False)
    if done.returncode:
        raise AssertionError("inboxload ended with %d: %s" % (done.returncode, done.stderr))
    told = json.loads(done.stdout)
    receiver.wait_published(120)
    return (told["per_second"], told["ack_ms_p50"], told["ack_ms_p99"],
            told["done"] / (time.monotonic() - begun))


def empty(new):
    """As consumers do, behind each load."""
    for name in os.listdir(new):
        os.unlink(os.path.join(new, name))


def measure(kind, sync, cluster, pki, folder):
    """A row for each window."""
    name = os.path.basename(folder)
    os.mkdir(folder)
    host = Host("%s-a" % name, 11, folder)
    attached = kind(host, cluster, name)
    try:
        attached.prepare()
        attached.attach()
        receiver = Receiver(host, pki, sync, name)
        receiver.make()
        receiver.start()
        for window in WINDOWS:
            yield window, load(host, receiver, pki, window)
            empty(host.path(os.path.join(receiver.root, "status/new")))
        receiver.stop()
        attached.detach()
    finally:
        host.end()
        attached.forget()


def all_of(cluster, pki, folder, comment):
    form = "%-14s %5s %9s %8s %8s %10s %9s"
    comment(form % ("root on", "W", "acked/s", "p50 ms", "p99 ms", "visible/s", "to ext4"))
    plain = {}
    for number, (kind, sync) in enumerate(KINDS):
        for window, (acked, p50, p99, visible) in measure(
                kind, sync, cluster, pki, os.path.join(folder, "figures%d" % number)):
            plain.setdefault(window, visible)
            comment(form % ("%s, %s" % (kind.name, sync), window, "%.0f" % acked, "%.2f" % p50,
                            "%.2f" % p99, "%.0f" % visible, "%.2f" % (visible / plain[window])))
