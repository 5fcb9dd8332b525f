# SPDX-License-Identifier: ISC
"""What the papers tell a reader to type, as it stands there.

The README's commands are the paragraphs that are set in by two blanks; what stands
behind three blanks is a remark.  A manual's are its .Bd -literal blocks.  README and
MANUALS say of each what it is, so that none that is new goes untried: tests/lint
compares the lists with the papers, tests/papers/run.py types what they name.
"""

import os
import re

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

# The first words of each paragraph of commands, and who types it.
README = {
    "contrib/quickstart [DIR]": "clone",
    "contrib/deb": "packages",
    "useradd -r -d /var/lib/inboxd": "receiver",
    "contrib/pki pki client": "receiver",
    "useradd -r -d /var/spool/inboxq": "client",
    "inboxd -m": "new inbox",
    "apt-get install gcc": "build",
}
# The first words of what is set in and no command.
README_LISTS = ("P1  ", "who names", "in flight", "clients", "inboxq send", "inboxctl status",
                "[clients] expected", "inboxd(8)", "libevent >=", "src/lib src/inboxd")

# Each literal block of a page, in order: what it is; None: nothing to type.
MANUALS = {
    "src/inboxctl/inboxctl.8": [None] * 10 + ["administrator"] * 7,
    "src/inboxd/inboxd.8": [None, "administrator", None, "administrator", None, "drop-in",
                            None, "new root", "drop-in", *[None] * 5,
                            *["administrator"] * 3],
    "src/inboxd/inbox-production.7": [None] * 11,
    "src/inboxd/inboxd-ha.7": [None] * 7,
    "src/inboxd/inbox-spool.5": [None, None, "consumer", "taker's drop-in", "taker",
                                 "administrator", "excerpt", "excerpt", None, "ledger"],
    "src/inboxd/inboxd.conf.5": ["configuration"],
    "src/inboxq/inboxq.1": [None, None, "client", None, "client"],
    "src/lib/inbox-protocol.7": [None] * 18,
}


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def readme_paragraphs():
    """Those that are set in, without remarks; a line that ends with \\ is whole again."""
    for paragraph in re.findall(r"(?:^  .*\n)+", read("README"), re.M):
        text = re.sub(r"\\\n\s*", "", paragraph)
        lines = [re.split(r"\s{3,}", line[2:])[0].rstrip() for line in text.splitlines()]
        if not lines[0]:  # the head of a table
            lines[0] = text.splitlines()[0].strip()
        yield [line for line in lines if line]


def readme_commands(kind):
    """The lines that so one types."""
    return [line for lines in readme_paragraphs() for start, who in README.items()
            if who == kind and lines[0].startswith(start) for line in lines]


def blocks(page):
    """The literal blocks of a manual page, as a reader sees them."""
    found = re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", read(page), re.M)
    return [block.replace("\\e", "\\").replace("\\-", "-").replace("\\&", "") for block in found]


def examples(kind):
    """[(page, block)] of a kind."""
    return [(page, block) for page, kinds in MANUALS.items()
            for block, is_kind in zip(blocks(page), kinds) if is_kind == kind]


def unaccounted():
    """What the papers have and the lists above have not, and the other way round."""
    starts = [*README, *README_LISTS]
    heads = [lines[0] for lines in readme_paragraphs()]
    for head in heads:
        if not any(head.startswith(start.rstrip()) for start in starts):
            yield "README: what is %r?" % head
    for start in starts:
        if not any(head.startswith(start.rstrip()) for head in heads):
            yield "README has no %r" % start
    for page, block in examples("excerpt"):
        if not any(block in read("contrib/consumer/" + name)
                   for name in ("inbox-consumer", "inbox-consumer.py")):
            yield "%s has in no file of contrib/consumer: %s..." % (page, block[:60])
    for page, kinds in MANUALS.items():
        if len(blocks(page)) != len(kinds):
            yield "%s has %d literal blocks, and %d are known" % (
                page, len(blocks(page)), len(kinds))
