# SPDX-License-Identifier: ISC
"""What inbox-spool(5), METADATA, says of an item, read back."""

import json
import os
import re
import stat

from harness import Skip, equal

PREFIX = "user.inboxd."
RECEIVED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def why_not(folder):
    """What keeps files there from having attributes; None: nothing."""
    try:
        os.setxattr(folder, PREFIX + "trial", b"x" * 1280)
        os.removexattr(folder, PREFIX + "trial")
    except OSError as error:
        return "no extended attributes in %s: %s" % (folder, error)
    return None


def need_xattr(t):
    """Else the test is skipped: not every file system has attributes for files."""
    if why_not(t.folder):
        raise Skip(why_not(t.folder))


def ways(folder):
    """For two inboxes, where everything is to be tried at once."""
    return {"status": "json" if why_not(folder) else "xattr", "reports": "json"}


def told(path):
    """{what: value} of a file."""
    return {name.removeprefix(PREFIX): os.getxattr(path, name).decode("utf-8", "surrogateescape")
            for name in os.listxattr(path) if name.startswith(PREFIX)}


def read_beside(folder, name):
    """{what: value} of the file in meta/ of an inbox, as told() has it."""
    with open(os.path.join(folder, "meta", name + ".json"), encoding="utf-8") as file:
        found = json.load(file)
    assert isinstance(found["number"], int), found
    return {what: str(value) for what, value in found.items() if value is not None}


def beside(r, inbox, name):
    return read_beside(os.path.join(r.root, inbox), name)


def wrong(folder, part, name, way, digest):
    """What is told of an item in new/ or cur/ of an inbox that is not there, or not its own; None:
    nothing."""
    try:
        found = told(os.path.join(folder, part, name)) if way == "xattr" else \
            read_beside(folder, name)
    except (OSError, ValueError, AssertionError) as error:
        return "%s of %s/%s: %s" % (way, part, name, error)
    lacking = {"client", "queue", "number", "sha256", "received", "inbox"} - set(found)
    if lacking or found["sha256"] != digest:
        return "%s of %s/%s, %s: %r" % (way, part, name, digest, found)
    return None


def accepted(r, name):
    """{field: value} of the accept's record."""
    fields = ("seq", "time", "client", "queue", "number", "inbox", "size", "sha256", "name",
              "sent", "hint")
    for segment in sorted(os.listdir(os.path.join(r.root, "ledger"))):
        with open(os.path.join(r.root, "ledger", segment), encoding="ascii") as file:
            for line in file:
                words = line.split()
                if words[1] == "accept" and words[10] == name:
                    return dict(zip(fields, words[2:]))
    raise AssertionError("no accept of " + name)


def check_told(r, inbox, name, hint=None, part="new"):
    """Is all there, and as the ledger has it?"""
    path = r.path(inbox, name, part)
    is_json = r.inboxes[inbox]["meta"] == "json"
    found, record = beside(r, inbox, name) if is_json else told(path), accepted(r, name)
    time = re.sub("[-:]", "", found.get("received", ""))
    equal({**found, "received": time},
          {"client": record["client"], "queue": record["queue"], "number": record["number"],
           "sha256": record["sha256"], "inbox": inbox, "received": record["time"],
           **({"name": hint} if hint else {})}, "what is told of " + name)
    assert RECEIVED.fullmatch(found["received"]), found["received"]
    assert stat.S_ISREG(os.stat(path).st_mode)
    return found
