#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""contrib/completions in the shells themselves: they offer what the programs' help tells."""

import os
import re
import shutil

from engines import RELAY
from harness import INBOXCTL, INBOXD, INBOXQ, Skip, cases, equal, main

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../contrib/completions")
PATH = ":".join([os.path.dirname(p) for p in (INBOXD, INBOXQ, INBOXCTL, RELAY)] +
                [os.environ["PATH"]])
SHELLS = [(name, name) for name in ("bash", "zsh", "fish")]

BASH = r"""
. "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_inbox
printf '%s\n' "${COMPREPLY[@]}"
"""
# Functions of zsh's own completion that the file calls, as far as it does.
ZSH = r"""
compadd() {
	local -a found
	[[ $1 == -a ]] && found=(${(P)2}) || found=(${@[2,-1]})
	print -rl -- ${(M)found:#$words[CURRENT]*}
}
_describe() { local -a found=(${(P)2}); print -rl -- ${(M)${found%%:*}:#$words[CURRENT]*} }
_files() { print -rl -- $words[CURRENT]*(N) }
file=$1
words=("${@[2,-1]}")
CURRENT=$#words
set --
source $file
"""
FISH = "source $argv[1]; complete -C (string join ' ' -- $argv[2..])"


def offers(t, shell, *words):
    """What `shell` offers for the last of the words, sorted."""
    if not shutil.which(shell):
        raise Skip("%s is not installed" % shell)
    command = {
        "bash": ["bash", "--norc", "-c", BASH, "bash", os.path.join(FOLDER, "inbox.bash")],
        "zsh": ["zsh", "-f", "-c", ZSH, "zsh", os.path.join(FOLDER, "_inbox")],
        "fish": ["fish", "--no-config", "-c", FISH, os.path.join(FOLDER, "inbox.fish")],
    }[shell]
    done = t.run(command + list(words), env={"PATH": PATH, "HOME": t.folder, "TERM": "dumb"})
    equal((done.returncode, done.stderr), (0, ""), "code and standard error")
    return sorted({line.split("\t")[0] for line in done.stdout.split("\n") if line})


def help_of(t, program, *words):
    return t.run([program, *words, "-h"]).stdout


def commands(text):
    """The first column of the first indented lines that are no options."""
    block = text[text.index("\n  "):].strip("\n").split("\n\n")[0]
    return re.findall(r"^  ([a-z]+)", block, re.M)


def options(text):
    return {word for line in re.findall(r"^ +(-.*)$", text, re.M)
            for word in re.findall(r"(?:^|, )(--?[A-Za-z-]+)", line)}


def inboxctl_options(text, command):
    return {word for head, body in re.findall(r"^  ([a-z ]+):\n((?: +-.*\n)+)", text, re.M)
            if command in head.split() for word in options(body)}


@cases(SHELLS)
def each_command_is_offered(t, shell):
    for name, program in (("inboxctl", INBOXCTL), ("inboxq", INBOXQ)):
        known = commands(help_of(t, program))
        assert len(known) > 8, known
        equal(offers(t, shell, name, ""), sorted(known), "commands of " + name)
    equal(offers(t, shell, "inboxctl", "-c", "some.conf", "led"), ["ledger"], "behind an option")


@cases(SHELLS)
def each_option_is_offered_where_it_is_one(t, shell):
    text = help_of(t, INBOXCTL)
    for command in commands(text):
        want = {word for word in inboxctl_options(text, command) if word.startswith("--")}
        equal(offers(t, shell, "inboxctl", command, "--"), sorted(want), "of inboxctl " + command)
    for command in commands(help_of(t, INBOXQ)):
        want = {word for word in options(help_of(t, INBOXQ, command)) if word.startswith("--")}
        assert "--config" in want, want
        equal(offers(t, shell, "inboxq", command, "--"), sorted(want), "of inboxq " + command)
    equal(offers(t, shell, "inboxd", "-"), sorted(options(help_of(t, INBOXD))), "of inboxd")
    if os.path.exists(RELAY):
        equal(offers(t, shell, "inbox-relay", "-"), sorted(options(help_of(t, RELAY))),
              "of inbox-relay")


@cases(SHELLS)
def files_and_clients_are_offered(t, shell):
    path = os.path.join(t.folder, "receiver.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write("x")
    for words in (("inboxctl", "-c"), ("inboxq", "add")):
        equal(offers(t, shell, *words, path[:-3]), [path], "a file")
    r = t.receiver()
    for who in ("pc1.example.org", "pc2.example.org"):
        r.client(who, hello={"queue": t.queue()}).quit()
    with open(os.path.join(t.folder, "inboxctl"), "w", encoding="ascii") as file:
        file.write('#!/bin/sh\nexec %s "$@" -s %s\n' % (INBOXCTL, r.socket))
    os.chmod(file.name, 0o700)
    found = offers(t, shell, file.name, "forget", "pc")
    equal(found, ["pc1.example.org", "pc2.example.org"], "clients")
    equal(offers(t, shell, "inboxctl", "forget", "pc"), [], "where no receiver answers")


@cases(SHELLS)
def a_name_that_is_a_command_is_not_run(t, shell):
    """A certificate may name its client so; who completes is root."""
    trap = os.path.join(t.folder, "sprung")
    names = ["$(touch${IFS}%s)" % trap, "`touch${IFS}%s`" % trap, "pc*", "pc1;touch${IFS}%s" % trap]
    with open(os.path.join(t.folder, "inboxctl"), "w", encoding="ascii") as file:
        file.write("#!/bin/sh\ncat <<'END'\nCLIENT  STATE\n%s\nEND\n" % "  ok\n".join(names))
    os.chmod(file.name, 0o700)
    for command in ("client", "pause"):
        found = offers(t, shell, file.name, command, "")
        assert not os.path.exists(trap), "a name was run"
        equal(found, sorted(names), "names behind " + command)


if __name__ == "__main__":
    main()
