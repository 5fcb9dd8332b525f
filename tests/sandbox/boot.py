#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Boots kernels that have Landlock and runs tests in them: make check-sandbox (tests/README).

KERNELS   the kernels, split by blanks; without it those in /boot.  A kernel is enough: what is
          tried, Python and the few programs that the tests call are packed into an initramfs, at
          the places where they are here, and all of it runs from memory.
TESTS     the files of tests/system that are run there.

The machine is QEMU's, by emulation alone where there is no /dev/kvm that works: a boot takes some
seconds either way.  Ends with 77 where something is missing, saying what.
"""

import glob
import gzip
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.realpath(os.environ.get("top_builddir", "."))
QEMU = "qemu-system-" + os.uname().machine
TESTS = "test_sandbox.py"
PROGRAMS = ("sh", "openssl", "cat", "chmod", "cp", "date", "env", "grep", "head", "id", "ls",
            "mkdir", "mktemp", "mv", "prlimit", "printf", "rm", "sed", "sleep", "touch", "tr")
FILES = ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ld.so.conf", "/etc/ld.so.cache",
         "/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf")
LEFT_OUT = {"__pycache__", "test", "tests", "site-packages", "dist-packages", "idlelib", "tkinter",
            "turtledemo", "lib2to3", "ensurepip", "pydoc_data"}
SECONDS = 900  # for a boot and all that is run in it

INIT = """#!{python}
import ctypes, fcntl, os, socket, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"),
                    ("securityfs", "/sys/kernel/security")):
    os.makedirs(place, exist_ok=True)
    libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
console = os.open("/dev/console", os.O_RDWR)
for fd in (0, 1, 2):
    os.dup2(console, fd)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
print("kernel", os.uname().release, "security", open("/sys/kernel/security/lsm").read(), flush=True)
os.environ.update(PATH="{path}", TMPDIR="/tmp", HOME="/root", TZ="UTC", top_builddir={build!r},
                  TEST_SEED={seed!r}, TEST_ONLY={only!r}, TEST_SLOW="3")
os.makedirs("/root", exist_ok=True)
os.chdir({build!r})
worst = 0
for name in {tests!r}:
    began = time.monotonic()
    code = subprocess.run([{python!r}, os.path.join({source!r}, "tests/system", name)],
                          check=False).returncode
    print("# %s: exit=%d after %.0f s" % (name, code, time.monotonic() - began), flush=True)
    worst = worst or code
print("sandbox: exit=%d" % worst, flush=True)
os.sync()
libc.reboot(0x4321fedc)
"""


def skip(why):
    print("check-sandbox: skipped: " + why)
    sys.exit(77)


class Archive:
    """An initramfs: files at the places where they are here."""

    def __init__(self):
        self.entries = {}

    def folder(self, path):
        while path not in ("/", "") and path not in self.entries:
            self.entries[path] = (stat.S_IFDIR | 0o755, b"")
            path = os.path.dirname(path)

    def put(self, path, mode, data):
        self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFREG | mode, data)

    def add(self, path, name=None):
        """What it leads to by links, under its own name (or `name`), and what it is linked with."""
        name = name or path
        if name in self.entries or not os.path.isfile(path):
            return
        with open(path, "rb") as file:
            data = file.read()
        self.put(name, os.stat(path).st_mode & 0o777, data)
        if data[:4] == b"\x7fELF":
            listed = subprocess.run(["ldd", path], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True, check=False).stdout
            for library in re.findall(r"(/\S+) \(0x", listed):
                self.add(library)

    def add_tree(self, top):
        for folder, folders, files in os.walk(top):
            folders[:] = [each for each in folders if each not in LEFT_OUT]
            self.folder(folder)
            for each in files:
                self.add(os.path.join(folder, each))

    def write(self, out):
        def entry(number, path, mode, data):
            name = path.lstrip("/").encode() + b"\0"
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
            head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
            out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
        for number, path in enumerate(sorted(self.entries), 1):
            entry(number, path, *self.entries[path])
        entry(0, "TRAILER!!!", 0, b"")


def pack(path, tests, only):
    archive = Archive()
    python = os.path.realpath(sys.executable)
    archive.add(python)
    for which in ("stdlib", "platstdlib"):
        archive.add_tree(sysconfig.get_path(which))
    for name in PROGRAMS:
        found = shutil.which(name)
        if found:
            archive.add(os.path.realpath(found), "/bin/" + name)
    for each in FILES:
        archive.add(each)
    for each in ("libnss_files.so.2", "libgcc_s.so.1"):
        for found in glob.glob("/lib/*/" + each) + glob.glob("/usr/lib/*/" + each):
            archive.add(found)
    for each in ("tests/system", "tests/fault", "contrib/pki", "conf"):
        archive.add_tree(os.path.join(SOURCE, each))
        archive.add(os.path.join(SOURCE, each))
    for each in ("src/inboxd/inboxd", "src/inboxctl/inboxctl", "src/inboxq/inboxq",
                 "tests/fault/shim.so", "tests/sandbox/probe.so"):
        archive.add(os.path.join(BUILD, each))
    seed = os.environ.get("TEST_SEED", "4711")
    init = INIT.format(python=python, path="/bin:/usr/bin", build=BUILD, source=SOURCE,
                       seed=seed, only=only, tests=tests)
    archive.put("/init", 0o755, init.encode())
    for each in ("/dev", "/proc", "/sys", "/tmp", "/root"):
        archive.folder(each)
    with gzip.open(path, "wb", compresslevel=1) as out:
        archive.write(out)


def boot(kernel, archive):
    """What the machine said."""
    command = [QEMU, "-accel", os.environ.get("ACCEL", "tcg"), "-cpu", "max", "-smp", "2", "-m",
               "1536", "-nographic", "-no-reboot", "-nic", "none", "-kernel", kernel, "-initrd",
               archive, "-append", "console=ttyS0 quiet panic=-1 lsm=landlock,lockdown,yama"]
    said = []
    with subprocess.Popen(["timeout", str(SECONDS), *command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="backslashreplace") as machine:
        for line in machine.stdout:
            line = line.rstrip()
            said.append(line)
            print(line, flush=True)
    return "\n".join(said)


def main():
    kernels = os.environ.get("KERNELS", "").split() or sorted(glob.glob("/boot/vmlinuz-*"))
    if not shutil.which(QEMU):
        skip("there is no %s (Debian: qemu-system-x86)" % QEMU)
    if not kernels:
        skip("there is no kernel in /boot; KERNELS names some (tests/README)")
    tests = os.environ.get("TESTS", "").split() or [TESTS]
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        archive = os.path.join(folder, "initramfs")
        pack(archive, tests, os.environ.get("TEST_ONLY", ""))
        for kernel in kernels:
            print("# booting", kernel, flush=True)
            if "sandbox: exit=0" not in boot(kernel, archive):
                failed.append(kernel)
    for kernel in failed:
        print("check-sandbox: failed in", kernel)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
