#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What is in force and what lies on the disk: told apart, and rotated under load."""

import os
import re
import shutil

from harness import contains, equal, main, test, until


def install(path, source):
    """As careful tools do: beside it, then by a rename."""
    shutil.copy(source, path + ".new")
    os.rename(path + ".new", path)


def own_files(t, **tls):
    """The files of [tls] as copies that a test may put others in the place of."""
    folder = os.path.join(t.folder, "tls")
    os.mkdir(folder, 0o700)
    found = {key: os.path.join(folder, key) for key in tls}
    for key, source in tls.items():
        shutil.copy(source, found[key])
    return found


def reload(t, r):
    return t.run([r.ctl, "-s", r.socket, "reload"])


# ---- the file on the disk is not what is in force

@test
def files_that_are_not_in_force_are_told(t):
    server = t.pki.server()
    files = own_files(t, certificate=server.cert, key=server.key, ca=t.pki.ca.cert,
                      crl=t.pki.crl("nobody.example.org"))
    r = t.receiver({"tls": files})

    def told():
        found = r.json("/status")["reload"]
        equal(found["differs"], found["files"] != [])
        equal(r.gauge("files_differ"), len(found["files"]), "the gauge")
        return found["files"]

    def logged():
        return re.findall(r"event=(files_differ|files_in_force)\b", r.log())
    equal(r.json("/status")["reload"], {"differs": False, "files": [], "error": None, "at": None})
    # Touched, or replaced by what says the same, is no difference; another content is.
    os.utime(files["crl"])
    install(files["ca"], t.pki.ca.cert)
    equal(told(), [])
    equal(logged(), [])
    other = t.pki.server("renewed")
    install(files["certificate"], other.cert)
    equal(told(), [files["certificate"]])
    install(files["key"], other.key)
    equal(told(), [files["certificate"], files["key"]])
    equal(logged(), ["files_differ"])
    contains(r.log(), "event=files_differ count=1 file=\"%s\"" % files["certificate"])
    install(files["certificate"], server.cert)
    install(files["key"], server.key)
    equal(told(), [])
    equal(logged(), ["files_differ", "files_in_force"])
    # One that is gone: a start would fail.
    os.rename(files["crl"], files["crl"] + ".away")
    equal(told(), [files["crl"]])
    os.rename(files["crl"] + ".away", files["crl"])
    equal(told(), [])


@test
def reload_that_is_refused_leaves_it_told_and_one_that_is_taken_ends_it(t):
    r = t.receiver()

    def status():
        return r.json("/status")["reload"]
    r.sections["limits"]["window"] = "33"
    r.sections["tls"]["key"] = t.pki.server("other").key
    r.write_conf()
    equal(reload(t, r).returncode, 78)
    found = status()
    equal((found["files"], found["at"]), ([r.conf], None))
    contains(found["error"], "is not the key of")
    until(lambda: r.metric("inboxd_files_differ") == 1, 10, "the gauge in /metrics")
    r.sections["tls"]["key"] = t.pki.server().key
    r.write_conf()
    equal(status()["files"], [r.conf])
    equal(reload(t, r).returncode, 0)
    found = status()
    equal((found["differs"], found["files"], found["error"]), (False, [], None))
    assert abs(found["at"] - r.json("/status")["now"]) < 60, found
    equal(r.gauge("files_differ"), 0)
    # The file that is in force now is the one that is looked at.
    r.sections["limits"]["window"] = "34"
    r.write_conf()
    equal(status()["files"], [r.conf])


if __name__ == "__main__":
    main()
