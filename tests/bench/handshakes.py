# SPDX-License-Identifier: ISC
"""Fresh connections: the receiver against a TLS server that stores nothing (tls_server.c).

Both ask for client certificates, and have as many threads for connections.  Each kind is
measured at the one, then at the other, by the same clients.  The server's processor seconds a
connection say more than connections a second, which clients on the same machine share in.
"""
import os
import subprocess

PARALLEL = 16  # connections at a time, of each client
COUNT = 2000   # of each client
KNOWN = 16     # identities, where they come again and again
# What is done, whether identities come again, whether tickets are given out
KINDS = {"handshake, known": ("shake", True, False),
         "handshake, new": ("shake", False, False),
         "HELLO to BYE": ("hello", True, False),
         "with tickets": ("shake", True, True),
         "resumed": ("resume", True, True)}


def of_process(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Raw:
    def __init__(self, build, pki, resumes):
        self.process = subprocess.Popen(
            [f"{build}/tests/bench/tls_server", f"{pki}/ca.crt", f"{pki}/localhost.crt",
             f"{pki}/localhost.key", str(os.cpu_count()), str(int(resumes))],
            stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().strip()

    def stop(self):
        self.process.kill()
        self.process.wait()


def connect(build, pki, server, what, known):
    """(connections a second, the server's processor us of each)"""
    used = of_process(server.process.pid)
    clients = [subprocess.Popen(
        ["timeout", "120", f"{build}/tests/bench/tls_client", server.port, f"{pki}/ca.crt",
         f"{pki}/ca.key", str(KNOWN if known else COUNT), str(PARALLEL), str(COUNT), what],
        stdout=subprocess.PIPE, text=True) for _ in range(os.cpu_count())]
    said = [client.communicate()[0].split() for client in clients]
    if any(client.returncode for client in clients):
        return None
    done = COUNT * len(clients)
    return (sum(COUNT / float(words[0]) for words in said),
            (of_process(server.process.pid) - used) / done * 1e6)


def measure(build, pki, receiver):
    """{kind: (of the raw server, of the receiver or None)}; None: a client failed."""
    found = {}
    for kind, (what, known, resumes) in KINDS.items():
        raw = Raw(build, pki, resumes)
        try:
            found[kind] = (connect(build, pki, raw, what, known),
                           None if resumes else connect(build, pki, receiver, what, known))
        finally:
            raw.stop()
        if not found[kind][0] or not (found[kind][1] or resumes):
            return None
    return found


def show(runs, median):
    print("\nfresh connections      raw: /s   CPU us inboxd: /s   CPU us   rate to raw CPU of raw")
    for kind in KINDS:
        raw = [median(run[kind][0][i] for run in runs) for i in (0, 1)]
        line = f"  {kind:<18} {raw[0]:>9.0f} {raw[1]:>8.0f}"
        if runs[0][kind][1]:
            ours = [median(run[kind][1][i] for run in runs) for i in (0, 1)]
            ratios = [median(run[kind][1][i] / run[kind][0][i] for run in runs) for i in (0, 1)]
            line += f" {ours[0]:>12.0f} {ours[1]:>8.0f} {ratios[0]:>13.2f} {1 / ratios[1]:>11.2f}"
        print(line)
