# SPDX-License-Identifier: ISC
"""What the machines are made of, kept from one run to the next in SYSTEMD_ROOTS.

  SYSTEMD_ROOTS/debian12/base      what debootstrap made: a system without inboxd
  SYSTEMD_ROOTS/debian12/builder   an overlay over it: what inboxd is built with
  SYSTEMD_ROOTS/debian12/now       the release that is tried: src, build and what it installs
  SYSTEMD_ROOTS/debian12/before    the same of the version before it, for the upgrade
  SYSTEMD_ROOTS/debian12/packager  an overlay over builder: what packages are built with
  SYSTEMD_ROOTS/debian12/packages  those of the release, by contrib/debian
  SYSTEMD_ROOTS/debian12/runtime   an overlay over base alone: what they depend on
  SYSTEMD_ROOTS/debian12/engines   an overlay over runtime: what inbox-relay gives items to

A build tree that is there is built on: what has not changed is not compiled again; a layer is made
anew when what is installed in it changes.  While a run
uses them another one with the same release may, too; one with another release waits.  To begin
anew, delete the folder.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile

import machine
from machine import Skip, call

SUITES = {"debian12": "bookworm", "debian13": "trixie"}
# What is on a machine before inboxd, and what the checks themselves call there.
SYSTEM = ("systemd", "systemd-sysv", "iproute2", "openssl", "curl", "jq", "python3")
# The units go where those of a version before are, too, which knew no such options.
CONFIGURE = ("--sysconfdir=/etc --localstatedir=/var --runstatedir=/run "
             "--with-systemdsystemunitdir=/etc/systemd/system "
             "--with-sysusersdir=/usr/lib/sysusers.d --with-tmpfilesdir=/usr/lib/tmpfiles.d")
BUILD = """
trap 'test $? = 0 || tail -n 60 /srv/build/build.log' EXIT
contrib/build /srv/build %s
make -C /srv/build install DESTDIR=/srv/product
cd /srv/product/usr/local/share/doc/inboxd/samples
test -d /srv/product/etc/systemd/system || find . -regex '.*[.]\\(service\\|path\\)' |
    xargs install -D -m 644 -t /srv/product/etc/systemd/system
""" % CONFIGURE

# The packages, and a second set that is the version after them; only the number differs.
PACKAGE = """
cp -R contrib/debian debian
trap 'test $? = 0 || tail -n 60 /srv/debs/build.log' EXIT
dpkg-buildpackage -us -uc -b -d >/srv/debs/build.log 2>&1
mkdir /srv/debs/1 /srv/debs/2
rm -f ../*-dbgsym*
mv ../inboxd_*.deb ../inboxq_*.deb ../inbox-relay_*.deb /srv/debs/1
for deb in /srv/debs/1/*.deb; do
	dpkg-deb -R "$deb" /srv/again
	sed -i 's/^Version: .*/&+next/' /srv/again/DEBIAN/control
	dpkg-deb -b /srv/again "/srv/debs/2/${deb##*/}"
	rm -r /srv/again
done
for deb in /srv/debs/1/*.deb; do
	dpkg-deb -f "$deb" Depends
done >/srv/debs/depends
"""
# What contrib/debian/control asks for besides what the builder has.
PACKAGER = ("dpkg-dev debhelper fakeroot libpq-dev libnats-dev "
            "$(apt-cache search --names-only '^systemd-dev$' | cut -d ' ' -f 1)")


def git(*arguments):
    """What git says of the tree that this test stands in; None where it is no clone."""
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    try:
        return subprocess.run(["git", "-C", top, *arguments], check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


class Roots:
    """The kept folders of one system."""

    def __init__(self, folder, system):
        self.system = system
        self.folder = os.path.join(folder, system)
        os.makedirs(self.folder, exist_ok=True)
        self.base = os.path.join(self.folder, "base")
        self.builder = os.path.join(self.folder, "builder")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def prepare(self, release, before):
        """Makes what is missing; the layers of a machine with `release`, and with `before`."""
        with self.locked():
            if self.is_built("packages", release) and (
                    not before or self.is_built("before", before)):
                return
        with self.locked(fcntl.LOCK_EX):
            if not os.path.exists(self.base):
                machine.debootstrap(SUITES[self.system], self.base, SYSTEM)
            if not os.path.exists(self.path("builder.made")):
                self.make_builder(release)
            for which, tarball in (("now", release), ("before", before)):
                if tarball and not self.is_built(which, tarball):
                    self.build(which, tarball)
            if not self.is_built("packages", release):
                self.make_packages(release)

    @contextlib.contextmanager
    def locked(self, how=fcntl.LOCK_SH):
        """Meanwhile nothing in here is made anew; alone (LOCK_EX): nobody uses it."""
        with open(self.path("lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, how)
            yield

    def has(self, which):
        """Is that release built?"""
        return os.path.exists(self.path(which, "made"))

    def make_builder(self, release):
        self.install("builder", [self.base], release, "contrib/packages build\n")

    def see_to(self, layer, lower, release, packages):
        """That `layer` has these packages, and none that it was made with before."""
        made = self.path(layer + ".made")
        script = "apt-get install %s\n" % packages
        if not os.path.exists(made) or text_of(made) != script:
            self.install(layer, lower, release, script)

    def install(self, layer, lower, release, script):
        """An overlay that stays, with what `script` installs."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(layer + ".made"))
        shutil.rmtree(self.path(layer), ignore_errors=True)
        overlay = machine.Overlay(self.path(layer), lower)
        try:
            overlay.write("etc/apt/apt.conf.d/99tests", machine.APT)
            machine.unpack(release, overlay.path("srv/inboxd"))
            overlay.type("apt-get update\n%s\napt-get clean\n"
                         "rm -r /var/lib/apt/lists/*\n" % script)
            shutil.rmtree(overlay.path("srv/inboxd"))
        finally:
            overlay.umount()
        with open(self.path(layer + ".made"), "w", encoding="ascii") as file:
            file.write(script)

    def make_packages(self, release):
        """Packages of the release, and a layer with what they depend on and nothing else."""
        lower = [self.upper("builder"), self.base]
        self.see_to("packager", lower, release, PACKAGER)
        folder = self.path("packages")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        overlay = machine.Overlay(self.path("packaging"), [self.upper("packager"), *lower])
        try:
            machine.unpack(release, overlay.path("srv/inboxd"))
            overlay.type(PACKAGE, options=["--bind=%s:/srv/debs" % folder],
                         DEB_BUILD_OPTIONS="parallel=%d" % os.cpu_count())
        finally:
            overlay.umount()
            shutil.rmtree(self.path("packaging"))
        wanted = sorted({word.split()[0] for word in re.split("[,\n]", text_of(folder + "/depends"))
                         if word.strip() and "inbox" not in word})
        self.see_to("runtime", [self.base], release, " ".join(wanted))
        self.see_to("engines", [self.upper("runtime"), self.base], release,
                    " ".join(wanted + ["postgresql", "nats-server"]))
        with open(self.path("packages", "made"), "w", encoding="ascii") as file:
            file.write(digest_of(release))

    def is_built(self, which, release):
        """Was that release the last one that was built there?"""
        return self.has(which) and text_of(self.path(which, "made")) == digest_of(release)

    def build(self, which, release):
        """Builds and installs `release` below `which`."""
        if self.has(which):
            os.unlink(self.path(which, "made"))
        for part in ("inboxd", "product"):
            shutil.rmtree(self.path(which, part), ignore_errors=True)
        for part in ("inboxd", "build", "product"):
            os.makedirs(self.path(which, part), exist_ok=True)
        os.rmdir(self.path(which, "inboxd"))
        machine.unpack(release, self.path(which, "inboxd"))
        overlay = machine.Overlay(self.path(which, "overlay"), [self.upper("builder"), self.base])
        try:
            overlay.type(BUILD, options=["--bind=%s:/srv/%s" % (self.path(which, part), part)
                                         for part in ("inboxd", "build", "product")])
        finally:
            overlay.umount()
            shutil.rmtree(self.path(which, "overlay"))
        with open(self.path(which, "made"), "w", encoding="ascii") as file:
            file.write(digest_of(release))

    def upper(self, name):
        return self.path(name, "upper")

    def layers(self, which):
        """What lies over what in a machine with the release `which`."""
        if which == "packages":
            return [self.upper("runtime"), self.base]
        if which == "engines":
            return [self.upper("engines"), self.upper("runtime"), self.base]
        return [self.path(which, "product"), self.upper("builder"), self.base]


def digest_of(release):
    """Of the release, and of how it is built."""
    with open(release, "rb") as file:
        return hashlib.sha256(file.read() + BUILD.encode() + PACKAGE.encode()).hexdigest()


def text_of(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def before(folder):
    """A tarball of the version before: SYSTEMD_BEFORE, a tarball or a commit, or BEFORE in git."""
    wanted = os.environ.get("SYSTEMD_BEFORE") or BEFORE
    if os.path.exists(wanted):
        return os.path.abspath(wanted)
    tarball = os.path.join(folder, "before-%s.tar" % wanted)
    text = git("archive", "--prefix=before-%s/" % wanted, wanted)
    if text is None:
        return None
    with open(tarball, "wb") as file:
        file.write(text)
    return tarball


# The last one without what an administrator has been given since: there is no release yet.
BEFORE = "cb40339"
