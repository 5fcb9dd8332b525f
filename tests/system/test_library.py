#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""libinboxq as it is installed: found by pkg-config, shared and static, with nothing but its own
names, neither OpenSSL nor libevent behind it; the examples of the papers are compiled and run."""

import os
import re
import shlex
import shutil
import subprocess

from copyqueue import Queue, all_there
from harness import INBOXQ, TOP_BUILD, Skip, bound, contains, equal, main, sanitizers, test

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HEADER = os.path.join(TOP, "src/libinboxq/inboxq.h")
EXAMPLE = os.path.join(TOP, "contrib/examples/queue-event.c")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def made_with(name):
    """A variable of the Makefile that all of this was built by."""
    found = re.search(r"^%s = (.*)$" % name, read(os.path.join(TOP_BUILD, "Makefile")), re.M)
    return shlex.split(found.group(1)) if found else []


def call(command, **env):
    """Its output; it must go well, and say nothing on standard error."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=bound(60), check=False, env={**os.environ, **env})
    if done.returncode != 0 or done.stderr:
        raise AssertionError("%s: %d\n%s%s" % (command, done.returncode, done.stdout, done.stderr))
    return done.stdout


class Installed:
    """The library, installed below a folder as a package would have it."""

    def __init__(self, t):
        if not os.path.exists(os.path.join(TOP_BUILD, "src/libinboxq/libinboxq.a")):
            raise Skip("configured with --disable-library")
        self.root = os.path.join(os.path.dirname(t.folder), "installed")
        if not os.path.exists(self.root):
            self.install()
        self.lib = self.root + self.variable("libdir")
        self.pkgconfig = {"PKG_CONFIG_PATH": os.path.join(self.lib, "pkgconfig"),
                          "PKG_CONFIG_SYSROOT_DIR": self.root}

    def install(self):
        clean = {name: text for name, text in os.environ.items()
                 if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        subprocess.run(
            ["make", "-s", "-C", TOP_BUILD, "DESTDIR=" + self.root, "install-libLTLIBRARIES",
             "install-includeHEADERS", "install-pkgconfigDATA", "install-staticDATA"],
            check=True, timeout=bound(60), env=clean, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    @staticmethod
    def variable(name):
        pc = dict(re.findall(r"^(\w+)=(.*)$",
                             read(os.path.join(TOP_BUILD, "src/libinboxq/libinboxq.pc")), re.M))
        while "$" in pc[name]:
            pc[name] = re.sub(r"\$\{(\w+)\}", lambda found: pc[found.group(1)], pc[name])
        return pc[name]

    def flags(self, *options):
        return shlex.split(call(["pkg-config", *options, "libinboxq"], **self.pkgconfig))

    def compile(self, source, program, static=False):
        sanitize = [flag for flag in made_with("STRICT_CFLAGS")
                    if flag.startswith(("-fsanitize", "--coverage"))]
        libs = self.flags("--libs", "--static") if static else self.flags("--libs")
        if static:
            libs = [os.path.join(self.lib, "libinboxq.a") if flag == "-linboxq" else flag
                    for flag in libs]
        call([*made_with("CC"), "-Wall", "-Wextra", "-Werror", *sanitize, "-o", program, source,
              *self.flags("--cflags"), *libs])
        return program

    def run(self, command, **env):
        return call(command, LD_LIBRARY_PATH=self.lib, **env)


def declared():
    """The functions of the header."""
    text = re.sub(r"/\*.*?\*/", "", read(HEADER), flags=re.S)
    return sorted(set(re.findall(r"\b(inboxq_\w+)\(", text)))


def manual_example(folder):
    """The program of inboxq(3), as one would type it."""
    page = read(os.path.join(TOP, "src/libinboxq/inboxq.3"))
    text = re.search(r"^\.Sh EXAMPLES\n.*?^\.Bd -literal\n(.*?)^\.Ed", page, re.M | re.S).group(1)
    path = os.path.join(folder, "example.c")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(r"\e", "\\"))
    return path


@test
def shows_no_names_but_its_own(t):
    installed = Installed(t)
    lines = call(["nm", "-D", "--defined-only", os.path.join(installed.lib, "libinboxq.so")])
    names = [line.split()[-1] for line in lines.splitlines()]
    equal(sorted(names), sorted(["LIBINBOXQ_0"] + [name + "@@LIBINBOXQ_0" for name in declared()]))
    lines = call(["nm", "-g", "--defined-only", os.path.join(installed.lib, "libinboxq.a")])
    names = sorted(line.split()[-1] for line in lines.splitlines() if len(line.split()) == 3)
    # A sanitizer's own marks, which every object has.
    equal([name for name in names if not name.startswith("__")], declared())


@test
def needs_neither_openssl_nor_libevent(t):
    installed = Installed(t)
    needed = installed.run(["ldd", os.path.join(installed.lib, "libinboxq.so")])
    contains(needed, "libmd.so")
    assert not re.search("crypto|ssl|event", needed), needed
    if not sanitizers():
        own = re.findall(r"NEEDED.*\[(.*)\]", call(
            ["readelf", "-d", os.path.join(installed.lib, "libinboxq.so")]))
        assert all(name.startswith(("libmd.", "libinih.", "libc.", "libpthread.", "ld-"))
                   for name in own), own


@test
def manual_page_has_each_function_and_result(t):
    page = read(os.path.join(TOP, "src/libinboxq/inboxq.3"))
    named = re.search(r"^\.Sh NAME\n(.*?)^\.Nd", page, re.M | re.S).group(1)
    equal(sorted(re.findall(r"inboxq_\w+", named)), declared(), "NAME")
    synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh", page, re.M | re.S).group(1)
    equal(sorted(re.findall(r"^\.F[no] (inboxq_\w+)", synopsis, re.M)), declared(), "SYNOPSIS")
    results = re.search(r"^enum inboxq_result \{(.*?)^\};", read(HEADER), re.M | re.S).group(1)
    equal(re.findall(r"^\.It Dv (INBOXQ_\w+)$", page, re.M),
          re.findall(r"^\t(INBOXQ_\w+) = \d", results, re.M), "results")


@test
def header_is_read_by_old_and_other_compilers(t):
    source = os.path.join(t.folder, "header.c")
    with open(source, "w", encoding="ascii") as file:
        file.write('#include "%s"\nstruct inboxq_item item = INBOXQ_ITEM;\n' % HEADER)
    strict = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-c", "-o", os.devnull]
    for standard in ("c89", "c99", "c11"):
        call([*made_with("CC"), "-std=" + standard, *strict, source])
    if not shutil.which("c++"):
        raise Skip("there is no C++ compiler; read as C")
    for standard in ("c++98", "c++17"):
        call(["c++", "-x", "c++", "-std=" + standard, *strict, source])


@test
def example_of_the_manual_page_queues_its_standard_input(t):
    installed, q = Installed(t), Queue(t, t.shared())
    program = installed.compile(manual_example(t.folder), os.path.join(t.folder, "example"))
    with open(HEADER, "rb") as file:
        done = subprocess.run([program, q.conf], stdin=file, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.PIPE, timeout=bound(30), check=False,
                              env={**os.environ, "LD_LIBRARY_PATH": installed.lib})
    equal((done.returncode, done.stdout, done.stderr), (0, "item 1 is queued\n", ""))
    contains(q("list").stdout, "status")
    equal(q.numbers(), [1])


@test
def items_of_the_sample_reach_the_inbox(t):
    """Both ways to link it; what it queued is what inboxq sends, in one queue with inboxq add."""
    installed, r = Installed(t), t.receiver()
    q = Queue(t, r)
    shared = installed.compile(EXAMPLE, os.path.join(t.folder, "shared"))
    static = installed.compile(EXAMPLE, os.path.join(t.folder, "static"), static=True)
    contains(call(["readelf", "-d", shared]), "libinboxq.so.0")
    assert "libinboxq" not in call(["readelf", "-d", static])
    out = installed.run([shared, "status", "disk sda has failed", HEADER], INBOXQ_CONF=q.conf)
    equal(out, "1\n2\n")
    items = q.add("status", b"by inboxq add")
    equal(sorted(items), [3])
    equal(call([static, "status", "and sdb"], INBOXQ_CONF=q.conf), "4\n")
    with open(os.path.join(q.spool, "queue", "%020d" % 1), "rb") as file:
        contains(file.read(1024).decode(), " priority=high name=event.txt ")
    q("run", "--once")
    all_there(r, [b"disk sda has failed", read(HEADER).encode(), b"by inboxq add", b"and sdb"])


@test
def sample_says_why_it_could_not(t):
    installed, q = Installed(t), Queue(t, t.shared())
    program = installed.compile(EXAMPLE, os.path.join(t.folder, "sample"))
    env = {**os.environ, "LD_LIBRARY_PATH": installed.lib, "INBOXQ_CONF": q.conf}
    done = t.run([program, "status", "text", "/nowhere/file"], env=env)
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "the item cannot be taken: /nowhere/file: No such file")
    equal(q.numbers(), [])
    done = t.run([program, "status", "text"], env={**env, "INBOXQ_CONF": "/nowhere/conf"})
    equal(done.returncode, 1)
    contains(done.stderr, "the configuration is wrong: /nowhere/conf: No such file")


QUIET = r"""
#include <inboxq.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	struct inboxq_item item = INBOXQ_ITEM;
	struct inboxq *queue = NULL;
	(void)argc;
	printf("%d ", (int)inboxq_open(&queue, "/nowhere", NULL));
	printf("%d ", (int)inboxq_open(&queue, argv[1], NULL));
	printf("%d ", (int)inboxq_open(&queue, argv[2], NULL));
	item.inbox = "status";
	printf("%d ", (int)inboxq_add_file(queue, &item, "/nowhere", NULL, NULL));
	printf("%d ", (int)inboxq_add_memory(queue, &item, "x", 1, NULL, NULL));
	printf("%d\n", (int)inboxq_add_memory(queue, &item, "x", 1, NULL, NULL));
	inboxq_close(queue);
	return 0;
}
"""


@test
def says_nothing_on_standard_error(t):
    """Nor where it fails: Installed.run() takes no word there."""
    installed, q = Installed(t), Queue(t, t.shared())
    source, bad = os.path.join(t.folder, "quiet.c"), os.path.join(t.folder, "bad.conf")
    with open(source, "w", encoding="ascii") as file:
        file.write(QUIET)
    with open(bad, "w", encoding="ascii") as file:
        file.write("[queue]\nspol = /tmp/x\n[nothing]\n")
    with open(q.conf, "a", encoding="ascii") as file:
        file.write("[queue]\nitems = 1\n")
    program = installed.compile(source, os.path.join(t.folder, "quiet"))
    equal(installed.run([program, bad, q.conf]), "3 3 0 5 0 6\n")


@test
def has_the_version_of_the_programs(t):
    installed = Installed(t)
    version = t.run([INBOXQ, "-V"]).stdout.split()[1]
    equal(installed.flags("--modversion"), [version])


if __name__ == "__main__":
    main()
