# SPDX-License-Identifier: ISC
"""Certificates for the tests: good ones by contrib/pki, odd ones by the openssl program.

Each is made when it is first asked for; the folder is the run's own.
"""

import collections
import os
import shutil
import subprocess

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../contrib/pki")
Pair = collections.namedtuple("Pair", "cert key")

CONFIG = """
[req]
distinguished_name = dn
prompt = no
x509_extensions = ext
[dn]
{dn}
[ext]
{ext}
"""
OUTDATE = """
[ca]
default_ca = authority
[authority]
certificate = {ca.cert}
private_key = {ca.key}
database = {base}.index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = optional
"""
SHORT = """
[ca]
default_ca = authority
[authority]
database = {folder}/index.txt
crlnumber = {folder}/crlnumber
certificate = {folder}/ca.crt
private_key = {folder}/ca.key
default_md = sha256
"""
CLIENT = "extendedKeyUsage = clientAuth"


def der_san(*names):
    """A subjectAltName by hand: the openssl program would stop at a NUL."""
    body = b"".join(bytes([0x82, len(name)]) + name for name in names)
    return "subjectAltName = DER:" + (bytes([0x30, len(body)]) + body).hex(":")


def openssl(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(command), done.stdout))


class Pki:
    def __init__(self, folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.folder = folder
        self.made = {}
        self.serial = 0
        self.script("ca")
        self.ca = Pair(self.file("ca.crt"), self.file("ca.key"))

    def file(self, name):
        return os.path.join(self.folder, name)

    def script(self, *arguments):
        openssl(["sh", SCRIPT, self.folder, *arguments])

    def good(self, what, name, *more):
        if name not in self.made:
            self.script(what, name, *more)
            self.made[name] = Pair(self.file(name + ".crt"), self.file(name + ".key"))
        return self.made[name]

    def other_ca(self):
        return self.make("otherca", "CN = Other CA",
                         "basicConstraints = critical, CA:TRUE\n"
                         "keyUsage = critical, keyCertSign, cRLSign\n"
                         "subjectKeyIdentifier = hash")

    def make(self, name, dn, ext, issuer=None):
        """A certificate and its key, by `issuer` (None: self-signed)."""
        if name in self.made:
            return self.made[name]
        base = os.path.join(self.folder, name)
        pair = Pair(base + ".pem", base + ".key")
        with open(base + ".cnf", "w", encoding="ascii") as file:
            file.write(CONFIG.format(dn=dn, ext=ext))
        self.serial += 1
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-config", base + ".cnf",
                   "-set_serial", str(self.serial), "-days", "30",
                   "-keyout", pair.key, "-out", pair.cert]
        if issuer:
            command += ["-CA", issuer.cert, "-CAkey", issuer.key]
        openssl(command)
        os.chmod(pair.key, 0o600)
        self.made[name] = pair
        return pair

    def outdate(self, pair, start="20200101000000Z", end="20200102000000Z"):
        """The same certificate, valid for a day that is over, or from another time on.

        Of all that openssl(1) has had since 3.0, `ca` alone takes a date of the past.
        """
        base = pair.cert[:-len(".pem")]
        with open(base + ".ca", "w", encoding="ascii") as file:
            file.write(OUTDATE.format(base=base, ca=self.ca, folder=self.folder))
        open(base + ".index", "w", encoding="ascii").close()
        openssl(["openssl", "req", "-new", "-key", pair.key, "-config", base + ".cnf",
                 "-out", base + ".csr"])
        openssl(["openssl", "ca", "-batch", "-notext", "-config", base + ".ca",
                 "-in", base + ".csr", "-startdate", start, "-enddate", end,
                 "-extfile", base + ".cnf", "-extensions", "ext", "-out", pair.cert])
        return pair

    def server(self, name="cap1"):
        """A certificate by whose address alone the tests ask: a system may know no name."""
        return self.good("server", name, "127.0.0.1")

    def client(self, who):
        return self.good("client", who)

    def crl(self, *revoked):
        """A list that revokes these clients, and all revoked before; its file."""
        for who in revoked:
            self.client(who)
        self.script("revoke", *revoked)
        path = self.file("crl-%d.pem" % len(os.listdir(self.folder)))
        shutil.copy(self.file("ca.crl"), path)
        return path

    def short_crl(self, seconds):
        """A list that lasts for so long; its file."""
        self.script("crl")
        path = self.file("crl-short.pem")
        with open(self.file("short.cnf"), "w", encoding="ascii") as file:
            file.write(SHORT.format(folder=self.folder))
        openssl(["openssl", "ca", "-batch", "-config", self.file("short.cnf"), "-gencrl",
                 "-crlsec", str(int(seconds)), "-out", path])
        return path

    def odd(self, kind):
        """Certificates that must be refused."""
        who = "subjectAltName = DNS:odd.example.org"
        cn = "CN = odd"
        make = {
            "expired": lambda: self.outdate(
                self.make(kind, cn, who + "\n" + CLIENT, self.ca)),
            "other-ca": lambda: self.make(kind, cn, who + "\n" + CLIENT, self.other_ca()),
            "self-signed": lambda: self.make(kind, cn, who + "\n" + CLIENT),
            "no-eku": lambda: self.make(kind, cn, who, self.ca),
            "server-eku": lambda: self.make(kind, cn, who + "\nextendedKeyUsage = serverAuth",
                                            self.ca),
            "ca-leaf": lambda: self.make(
                kind, cn, who + "\nbasicConstraints = CA:TRUE\n" + CLIENT, self.ca),
            "nul": lambda: self.make(
                kind, cn, der_san(b"pc1.example.org\0.evil.example") + "\n" + CLIENT, self.ca),
            "control": lambda: self.make(
                kind, cn, der_san(b"pc1\n.example.org") + "\n" + CLIENT, self.ca),
            "two": lambda: self.make(
                kind, cn, "subjectAltName = DNS:a.example.org, DNS:b.example.org\n" + CLIENT,
                self.ca),
            "dns-and-uri": lambda: self.make(
                kind, cn, "subjectAltName = DNS:a.example.org, URI:urn:x:a\n" + CLIENT, self.ca),
            "cn-only": lambda: self.make(kind, "CN = pc1.example.org", CLIENT, self.ca),
            "no-name": lambda: self.make(kind, "O = Nobody", CLIENT, self.ca),
            "two-cn": lambda: self.make(kind, "0.CN = a.example.org\n1.CN = b.example.org",
                                        CLIENT, self.ca),
        }
        return make[kind]()
