#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inbox-consumer.py FOLDER COMMAND [ARGUMENT...]: what inbox-consumer does, in Python.

Whoever has work of his own takes items() and puts it in place of COMMAND; told() says whose an
item is, where its inbox has the setting meta.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys


def items(folder):
    """Claims items, those of dead consumers first: (path, open file), locked until the next."""
    for part in ("cur", "new"):
        for name in sorted(os.listdir(f"{folder}/{part}")):
            claimed = f"{folder}/cur/{name}"
            try:
                if part == "new":
                    os.rename(f"{folder}/new/{name}", claimed)
                item = open(claimed, "rb")
            except FileNotFoundError:
                continue            # another consumer has it
            with item:
                try:
                    fcntl.flock(item, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue        # one that lives is at work on it
                if os.path.exists(claimed):
                    yield claimed, item


def beside(claimed):
    """The file that meta = json makes; it may not be there."""
    folder, name = os.path.split(claimed)
    return f"{os.path.dirname(folder)}/meta/{name}.json"


def told(claimed):
    """What the receiver tells of an item, {} where its inbox does not: client, queue, number, name,
    sha256, received, inbox."""
    if os.path.exists(beside(claimed)):
        with open(beside(claimed), encoding="utf-8") as file:
            return json.load(file)
    prefix = "user.inboxd."
    with contextlib.suppress(OSError):      # a file system without attributes
        return {name[len(prefix):]: os.fsdecode(os.getxattr(claimed, name))
                for name in os.listxattr(claimed) if name.startswith(prefix)}
    return {}


def for_both(claimed, do):
    """Does it to the item, then to what lies beside it, in this order."""
    for path in (claimed, beside(claimed)):
        with contextlib.suppress(FileNotFoundError):    # COMMAND has taken it away itself
            do(path)


def main():
    if len(sys.argv) < 3:
        print("usage: inbox-consumer.py FOLDER COMMAND [ARGUMENT...]", file=sys.stderr)
        sys.exit(64)
    folder, command = os.path.abspath(sys.argv[1]), sys.argv[2:]
    os.makedirs(f"{folder}/failed", 0o700, exist_ok=True)
    left = 0
    for claimed, item in items(folder):
        # The lock goes to COMMAND, too: it is at work even where we have died.
        meta = beside(claimed)
        environment = {key: value for key, value in os.environ.items() if key != "INBOX_META"}
        if os.path.exists(meta):
            environment["INBOX_META"] = meta
        done = subprocess.run([*command, claimed], pass_fds=[item.fileno()], check=False,
                              env=environment)
        if done.returncode == 0:
            for_both(claimed, os.unlink)
        elif 0 < done.returncode < 126:
            for_both(claimed, lambda path: os.rename(
                path, f"{folder}/failed/{os.path.basename(path)}"))
        else:
            left += 1
    if left:
        print(f"inbox-consumer: {folder}: there are items left", file=sys.stderr)
        sys.exit(75)


if __name__ == "__main__":
    main()
