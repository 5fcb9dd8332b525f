# SPDX-License-Identifier: ISC
"""The original and its hotfix: clients that copy items into one shared folder.

The folder is a real one.  A client makes up the name and creates the file exclusively, which is
the share's own judge of "already exists"; what is lost is found afterwards by reading the files
that are there, and what the clients still have, and by no formula.

What is published (KB 323627, and Q301352 on the first fix): the name is pseudo-random; where it
is in use the client makes up the next one, up to 50 times; then the item is marked for deletion;
the names were "sensitive to time synchronization"; the hotfix makes better ones, tries 10 times,
and keeps the item for the next copy cycle.  What is not: the generator.  Ours is the one that a
Windows program of 2001 had at hand, srand(time(NULL)) and rand() of Microsoft's C library, with
two calls for the eight digits that the article's log shows.  That clients with one seed make up
one sequence of names holds for any generator.
"""

import collections
import math
import os
import random

MIDNIGHT = 996624000        # 2001-08-01 00:00:00 UTC: when the advertisement starts, everywhere
ORIGINAL_TRIES = 50
HOTFIX_TRIES = 10


def sequence_of_seed(seed, digits=8):
    """The names that a client of the original makes up, one after the other."""
    state = seed & 0xffffffff

    def rand():
        nonlocal state
        state = (state * 214013 + 2531011) & 0xffffffff
        return state >> 16 & 0x7fff
    while True:
        text = "%04d%04d" % (rand() % 10000, rand() % 10000)
        yield text[-digits:]


def random_names(generator, digits=8):
    """Those of a client of the hotfix: nothing that another machine shares."""
    while True:
        yield "%0*d" % (digits, generator.randrange(10 ** digits))


def item_of(fleet, number):
    """A status message's bytes: each client's are its own."""
    return b"fleet %s: pc%05d has run the advertisement\n" % (fleet.encode(), number)


class Client:
    def __init__(self, number, names, item):
        self.number = number
        self.names = names
        self.queued = item      # its bytes in the client's queue; None: removed there
        self.tried = []         # the names of this copy cycle, in order
        self.log = []           # what Cqmgr32.log would say, word for word

    def say(self, line):
        self.log.append("--" + line % {"item": "Item " + (self.tried or ["?"])[0]})

    def try_to_copy(self, share):
        """One name; whether the item is in the share now."""
        name = next(self.names)
        self.tried.append(name)
        try:
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=share.fd)
        except FileExistsError:
            return False
        os.write(file, self.queued)
        os.close(file)
        self.queued = None
        share.owner[name] = self
        return True

    def give_up(self):
        """What the original does behind its last try; the words are the article's."""
        for line in ("Validating Item '%(item)s'", "Servicing Item '%(item)s'",
                     "Inserted Item[%(item)s] into list",
                     "Trying to copy Item[%(item)s], copy try no. 1",
                     "Item[%(item)s] NOT copied, already exists, set status to Remove",
                     "Skipping Item '%(item)s', it is marked for deletion"):
            self.say(line)
        self.queued = None
        self.say("Removing Item '%(item)s'")


class Share:
    """The inbox folder on the client access point, and what was taken out of it."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "share")
        self.taken = os.path.join(folder, "taken")
        os.mkdir(self.folder)
        os.mkdir(self.taken)
        self.fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self.owner = {}         # name -> the client that made it
        self.cycles = 0

    def take_all(self):
        """The site server does its work: the names are free again."""
        self.cycles += 1
        for name in os.listdir(self.folder):
            os.rename(os.path.join(self.folder, name),
                      os.path.join(self.taken, "%d-%s" % (self.cycles, name)))
        self.owner = {}

    def close(self):
        os.close(self.fd)


def copy_at_once(clients, share, tries):
    """Each tries once, then each again: as in one moment.  Who has no try left is returned."""
    for client in clients:
        client.tried = []
    for _ in range(tries):
        clients = [client for client in clients if not client.try_to_copy(share)]
        if not clients:
            break
    return clients


def contents(*folders):
    """Every file's bytes, and how often they are there."""
    found = collections.Counter()
    for folder in folders:
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                found[file.read()] += 1
    return found


def still_queued(clients):
    return collections.Counter(client.queued for client in clients if client.queued is not None)


class Account:
    """What became of a fleet's items, by their bytes."""

    def __init__(self, items, there, kept):
        """`items`: {client's number: bytes}; `there`, `kept`: how often which bytes lie where."""
        self.clients = len(items)
        self.lost = [n for n, item in items.items() if not there[item] and not kept[item]]
        self.late = [n for n, item in items.items() if not there[item] and kept[item]]
        self.twice = [n for n, item in items.items() if there[item] > 1]
        self.foreign = sum((there - collections.Counter(
            {item: there[item] for item in items.values()})).values())

    def share_lost(self):
        return len(self.lost) / self.clients


def original(folder, count, spread, seed, tries=ORIGINAL_TRIES):
    """Clocks are the same to the second; the copies begin within `spread` seconds.

    Returns the account, and the clients that have lost their item."""
    share, chance = Share(folder), random.Random("original %d %d %d" % (count, spread, seed))
    fleet = "original-%d-%d-%d" % (count, spread, seed)
    items = {n: item_of(fleet, n) for n in range(1, count + 1)}
    clients = {n: Client(n, None, item) for n, item in items.items()}
    by_second, losers = {}, []
    for n in chance.sample(sorted(items), count):
        by_second.setdefault(chance.randrange(spread), []).append(clients[n])
    for second in sorted(by_second):
        # srand(time(NULL)): the second is all that tells one client's names from another's.
        for client in by_second[second]:
            client.names = sequence_of_seed(MIDNIGHT + second)
        for client in copy_at_once(by_second[second], share, tries):
            client.give_up()
            client.owners = [share.owner[name] for name in client.tried]
            losers.append(client)
    account = Account(items, contents(share.folder), still_queued(clients.values()))
    share.close()
    return account, losers


def hotfix(folder, count, seed, digits=8, tries=HOTFIX_TRIES, cycles=20):
    """Returns the account behind each copy cycle, until none is late."""
    share, fleet = Share(folder), "hotfix-%d-%d" % (count, seed)
    items = {n: item_of(fleet, n) for n in range(1, count + 1)}
    clients = [Client(n, random_names(random.Random("%s %d" % (fleet, n)), digits), item)
               for n, item in items.items()]
    waiting, accounts = clients, []
    while waiting and len(accounts) < cycles:
        waiting = copy_at_once(waiting, share, tries)
        accounts.append(Account(items, contents(share.folder, share.taken),
                                still_queued(clients)))
        share.take_all()
    share.close()
    return accounts


def expected_loss(count, spread, tries=ORIGINAL_TRIES):
    """The birthday formula, with `spread` days and room for `tries` on each: the share of clients
    for whom their day has no room.  How many have one day is binomial."""
    if spread == 1:
        return max(0, count - tries) / count

    def probability(k):
        return math.exp(math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
                        - k * math.log(spread) + (count - k) * math.log1p(-1 / spread))
    beyond = sum((k - tries) * probability(k) for k in range(tries + 1, count + 1))
    return spread * beyond / count
