#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inbox-consumer.py FOLDER COMMAND [ARGUMENT...]: what inbox-consumer does, in Python.

Whoever has work of his own takes items() and puts it in place of COMMAND.
"""

import contextlib
import fcntl
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


def main():
    if len(sys.argv) < 3:
        print("usage: inbox-consumer.py FOLDER COMMAND [ARGUMENT...]", file=sys.stderr)
        sys.exit(64)
    folder, command = os.path.abspath(sys.argv[1]), sys.argv[2:]
    os.makedirs(f"{folder}/failed", 0o700, exist_ok=True)
    left = 0
    for claimed, item in items(folder):
        # The lock goes to COMMAND, too: it is at work even where we have died.
        done = subprocess.run([*command, claimed], pass_fds=[item.fileno()], check=False)
        with contextlib.suppress(FileNotFoundError):    # COMMAND has taken it away itself
            if done.returncode == 0:
                os.unlink(claimed)
            elif 0 < done.returncode < 126:
                os.rename(claimed, f"{folder}/failed/{os.path.basename(claimed)}")
            else:
                left += 1
    if left:
        print(f"inbox-consumer: {folder}: there are items left", file=sys.stderr)
        sys.exit(75)


if __name__ == "__main__":
    main()
