# SPDX-License-Identifier: ISC
"""A system of its own for a test: a minimal root, an overlay over it, a container that runs in it.

What check-papers and check-systemd share.  The root is what debootstrap makes and is never
changed: all that a test does lies in an overlay, which goes with the test.  Where root, or a
program, or the network is missing, Skip says which.
"""

import os
import re
import shutil
import subprocess
import tarfile

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
APT = 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n'
# The first command that fails ends a script of ours; "!" would not.
FAILS = 'fails() { if "$@"; then return 1; fi; }\n'
# Each line is shown before it is run.
TYPE = "set -eux\n" + FAILS
# A system with systemd as process 1 wants the one hierarchy of cgroups, whatever this one has.
BOOT_ENV = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}


class Skip(Exception):
    """What is needed is not here."""


class Failed(Exception):
    """Something that should work did not."""


def call(command, what, **how):
    """Runs it; what it printed.  What fails is said with the end of that."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **how)
    if done.returncode:
        tests = "\n".join(re.findall(r"^(?:FAIL|ERROR): .*$", done.stdout, re.M))
        raise Failed("%s ended with %d:\n%s\n%s" % (what, done.returncode, done.stdout[-6000:],
                                                   tests))
    return done.stdout


def need(programs):
    if os.geteuid() != 0:
        raise Skip("root is needed, to make a root")
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise Skip("not installed: " + " ".join(missing))


def debootstrap(suite, folder, include=()):
    """A minimal root of that suite in `folder`, which does not exist; all or nothing."""
    need(["debootstrap"])
    more = ["--include=" + ",".join(include)] if include else []
    try:
        call(["debootstrap", "--variant=minbase", *more, suite, folder + ".new"], "debootstrap")
    except Failed as error:
        shutil.rmtree(folder + ".new", ignore_errors=True)
        raise Skip("no root of %s could be made: %s" % (suite, error)) from None
    os.rename(folder + ".new", folder)
    return folder


def unpack(release, folder):
    """A release's tarball as `folder`."""
    top = os.path.basename(release).split(".tar")[0]
    parent = os.path.dirname(folder)
    with tarfile.open(release) as tar:
        tar.extractall(parent, filter="fully_trusted")
    os.rename(os.path.join(parent, top), folder)


class Overlay:
    """A root of its own over others, which stay as they are; the first of `lower` is on top.

    What is changed lies in `folder`/upper.  umount() ends it, and leaves that.
    """

    def __init__(self, folder, lower):
        self.folder = folder
        for part in ("upper", "work", "root"):
            os.makedirs(os.path.join(folder, part), exist_ok=True)
        self.root = os.path.join(folder, "root")
        call(["mount", "-t", "overlay", "overlay", self.root, "-o",
              "lowerdir={0},upperdir={1}/upper,workdir={1}/work".format(":".join(lower), folder)],
             "mount of an overlay")

    def umount(self):
        call(["umount", "-R", self.root], "umount")

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, path):
        if not os.path.exists(self.path(path)):
            return ""
        with open(self.path(path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def nspawn(self, *more):
        return ["systemd-nspawn", "-q", "-D", self.root, "--register=no", "--keep-unit", *more]

    def type(self, script, user="root", options=(), **env):
        """Runs it without a running system, in the folder /srv/inboxd; what it printed."""
        self.write("typed.sh", TYPE + "cd /srv/inboxd\n" + script)
        env = {"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive", **env}
        return call(self.nspawn("--resolv-conf=copy-host", *options,
                                *["-E%s=%s" % pair for pair in env.items()], "--user=" + user,
                                "/bin/sh", "/typed.sh"), "what was typed as " + user)
