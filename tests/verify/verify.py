#!/usr/bin/env python3
"""Verifies signed registers. Written from docs/format.md alone; shares no code with the server. The bytes are in formats.py.

    verify.py url SERVER [--register SLUG] [--witness-policy FILE] [--token TOKEN --purpose TEXT --legal-basis TEXT] [--keep DIR]
    verify.py archive FILE [--witness-policy FILE]
    verify.py receipt FILE (--url SERVER | --archive FILE) [--witness-policy FILE]

SERVER is a URL, or a directory that --keep wrote: what a server served, file by file. An archive and a receipt that is checked with
one need no server. Whose keys were in force when is read from the registers `departments` and `registers`; their roots of trust are
printed, and are yours to compare. Exit code: 0 verified, 1 something is wrong (register, index, rule are printed), 2 could not
check. A statement that a stolen key may have made is named as DOUBTFUL, and is no fault.
"""
import argparse, contextlib, http.client, pathlib, re, sys, urllib.request
from formats import *

# What is raised on what is not of the form it should have, and where what a check needs is not to be had.
FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, tarfile.TarError)
UNABLE = (OSError, http.client.HTTPException)
# Whose bodies nobody withholds: everything else is read by them.
KEPT = {"departments", "registers", "triggers", "interventions"}
# Tries to see `departments` and `registers` at rest: an entry of either may rest on one of the other.
TRIES = 5

class Server:
    """What is read from a server, or from what one served."""
    def __init__(self, url, token=None, why=None, keep=None):
        self.url, self.token, self.why, self.keep = url.rstrip("/"), token, why, keep

    def get(self, path):
        name = "v1/registers/index.json" if path == "v1/registers" else path.replace("?", "@")
        if "://" not in self.url:
            return pathlib.Path(self.url, name).read_bytes()
        headers = dict(self.why, Authorization=f"Bearer {self.token}") if self.token else {}
        request = urllib.request.Request(f"{self.url}/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            data = answer.read()
        if self.keep:
            kept = pathlib.Path(self.keep, name)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
        return data

    def listed(self, slug):
        """Entries by index as the server lists them, with those bodies that it shows us."""
        items, after = {}, ""
        while after is not None:
            page = parse(self.get(f"v1/registers/{slug}/entries?limit=256{after}"))
            indexes = [*list(items)[-1:], *(item["index"] for item in page["items"])]
            need(indexes == sorted(set(indexes)), "list of entries is not in order")
            items.update((item["index"], item) for item in page["items"])
            after = page["next"] and f"&after={int(page['next'])}"
        return items

class Term:
    """A key, from when it was in force, until when, and since when it was stolen."""
    def __init__(self, key, start):
        self.key, self.start, self.end, self.stolen = key, start, None, None

class Terms:
    """Keys by their owner and name: of departments by kid, of registers by vkey."""
    def __init__(self):
        self.terms = {}

    def add(self, owner, name, key, at):
        need((owner, name) not in self.terms, "key was there before")
        self.terms[owner, name] = Term(key, at)

    def end(self, owner, name, at, stolen=None):
        need((owner, name) in self.terms, "key that ends was never there")
        term = self.terms[owner, name]
        need(stolen or term.end is None, "key that ends was not in force")
        if stolen:
            check_time(stolen)
            need(stolen <= at, "since is later than the entry")
            term.stolen = min(stolen, term.stolen or stolen)
        term.end = term.end or at

    def at(self, owner, name, at):
        term = self.terms.get((owner, name))
        return term.key if term and term.start <= at <= (term.end or at) else None

    def now(self, owner):
        return [name for (who, name), term in self.terms.items() if who == owner and term.end is None]

    def stolen(self, owner, name, at):
        term = self.terms.get((owner, name))
        return term.stolen if term and term.stolen and term.stolen <= at else None

class Verifier:
    def __init__(self, source, policy):
        self.source, self.policy, self.codes, self.trusted = source, policy, {0}, True
        self.departments, self.registers = {}, {}  # slug by record
        self.keys, self.vkeys = Terms(), Terms()
        self.definitions = {}  # by register: when each came into force, and it

    @contextlib.contextmanager
    def checking(self, name):
        self.index = "-"  # of the entry at hand
        try:
            yield
        except UNABLE as reason:
            print(f"could not check {name}: {reason} {getattr(reason, 'url', '')}")
            self.codes.add(2)
        except FAULTS as reason:
            kind = "" if type(reason) is ValueError else type(reason).__name__ + ": "
            print(f"FAULT register={name} index={self.index} rule={kind}{reason}")
            self.codes.add(1)

    def note(self, slug):
        return Note(self.source.get(f"v1/registers/{slug}/checkpoint"))

    def roots(self):
        """The two registers that everything rests on, as of one moment."""
        for _ in range(TRIES):
            notes = [self.note(slug) for slug in (*ROOTS, ROOTS[0])]
            if notes[0].size == notes[2].size:
                break
        else:
            raise OSError("departments and registers changed each time they were read")
        for step in (self.log, self.check_note):
            for slug, note in zip(ROOTS, notes):
                if self.trusted:  # else, by whose keys?
                    self.trusted = False
                    with self.checking(slug):
                        step(slug, note)
                        self.trusted = True
        return self.trusted

    def check_note(self, slug, note):
        """A checkpoint must be signed with a key of its register that is in force by the newest `registers`."""
        need(note.origin.endswith(f"/registers/{slug}"), "checkpoint is of another register")
        signed = [note.signed_with(vkey) for vkey in self.vkeys.now(slug)]
        need(any(signed), "checkpoint is not signed with a key of the register that is in force")
        if self.policy is not None:
            check_policy(self.policy, note)

    def check_definition(self, slug):
        """What an archive tells people is the newest definition."""
        newest = self.definitions[slug][-1][1]
        need(self.source.members["definition.json"] == jcs(newest) + b"\n", "definition.json is not the definition in force")

    def register(self, slug, note):
        try:
            self.check_note(slug, note)
        except FAULTS:
            note = self.note(slug)  # its key may have been changed since; what it signs now must do
            self.check_note(slug, note)
        self.log(slug, note)

    def log(self, slug, note):
        base, leaves = f"v1/registers/{slug}", []
        for path, _, end in tiles("entries", note.size):
            leaves += read_bundle(self.source.get(f"{base}/{path}"))
            need(len(leaves) == end, f"number of entries in {path}")
        level, hashes = 0, [sha256(b"\0", leaf) for leaf in leaves]
        need(root_of(hashes) == note.root, "root of the leaves is not the checkpoint's")
        while hashes:
            for path, first, end in tiles(level, len(hashes)):
                need(self.source.get(f"{base}/{path}") == b"".join(hashes[first:end]), f"hash tile {path}")
            level, hashes = level + 1, [root_of(hashes[n : n + 256]) for n in range(0, len(hashes) - 255, 256)]
        listed = self.source.listed(slug)
        withheld, signed = self.entries(slug, leaves, listed)
        shown = sum(item["body"] is not None for item in listed.values())
        doubtful = [one for one in signed if self.keys.stolen(*one[1:])]
        for index, issuer, kid, at in doubtful:
            print(f"DOUBTFUL register={slug} index={index} kid={kid} since={self.keys.stolen(issuer, kid, at)}")
        print(f"verified {slug}: {len(leaves)} entries, {shown} bodies, {withheld} withheld, {len(doubtful)} doubtful")

    def entries(self, slug, leaves, listed):
        versions, before, missing, gone, signed = {}, "", {}, set(), []
        for self.index, data in enumerate(leaves):
            leaf, statement, signature = read_leaf(data, slug)
            at, record, item = leaf["recorded_at"], statement["record"], listed.get(self.index, {})
            need(before <= at, "recorded_at decreases")
            need(statement["version"] == versions.get(record, 0) + 1, "version is not the record's next")
            before, versions[record] = at, statement["version"]
            self.check_listed(leaf, item)
            body = item.get("body")
            if body is not None:
                check_digest(statement, body, item["salt"])
            elif slug in ROOTS:
                raise OSError(f"body of {slug} entry {self.index} is not served")
            else:
                need(item.get("salt") is None, "salt without its body")
                missing[record, statement["version"]] = self.index
            if slug == "departments" and self.index == 0:  # the root of trust is signed with the key that it enrols
                need(statement["issuer"] == body["slug"], "entry 0 is not of the department that it establishes")
                self.enrol(statement, at, body)
            self.check_statement(statement, at, *signature)
            signed.append((self.index, statement["issuer"], signature[0], at))
            if slug == "departments" and self.index > 0:
                self.enrol(statement, at, body)
            elif slug == "registers":
                self.define(statement, at, body)
            elif statement["type"] == "withheld" and body is not None:
                gone |= self.order(slug, statement, at, body)
        self.check_missing(slug, missing, gone, listed)
        return len(gone), signed

    def check_listed(self, leaf, item):
        shown = tuple(item[name] for name in ("recorded_at", "statement") if name in item)
        need(shown in ((), (leaf["recorded_at"], leaf["statement"])), "listing is not of the leaf")

    def order(self, slug, statement, at, body):
        """What an order to withhold names."""
        need(slug not in KEPT, "nothing of this register is ever withheld")
        owners = [definition["owner"] for _, definition in self.in_force(slug, at)]
        need(statement["issuer"] in owners, "order is not of the owner of the register")
        need({"order", "versions"} <= set(body) <= {"order", "versions", "reason"}, "members of the order")
        need({"authority", "number", "date"} <= set(body["order"]), "what is said of the order")
        versions = body["versions"]
        need(versions and all(type(version) is int for version in versions), "versions of the order")
        need(versions == sorted(set(versions)), "versions of the order do not ascend")
        need(0 < versions[0] and versions[-1] < statement["version"], "order names a version that is not earlier")
        return {(statement["record"], version) for version in versions}

    def check_missing(self, slug, missing, gone, listed):
        """Whoever is shown every body can tell which are missing."""
        history = [definition for _, definition in self.definitions.get(slug, [])]
        public = bool(history) and all(definition["visibility"] == "public" for definition in history)
        if public or isinstance(self.source, Archive):
            for entry in set(missing) - gone:
                self.index = missing[entry]
                raise ValueError("body is missing, and no order withholds it")
        for entry in gone - set(missing):
            self.index = "-"
            raise ValueError(f"version {entry[1]} of {entry[0]} is served, though an order withholds it")

    def in_force(self, slug, at):
        """The definitions of a register that were in force at some moment of that millisecond."""
        history = self.definitions.get(slug, [])
        before = [entry for entry in history if entry[0] < at]
        return before[-1:] + [entry for entry in history if entry[0] == at]

    def enrol(self, statement, at, body):
        """Keeps what an entry of `departments` says of keys."""
        kind, record = statement["type"], statement["record"]
        if kind == "established":
            need(re.fullmatch(SLUG, body["slug"]), "slug of the department")
            need(body["slug"] not in self.departments.values(), "department was established before")
            self.departments[record] = body["slug"]
        slug = self.departments[record]
        if kind in ("established", "key-enrolled"):
            self.keys.add(slug, kid_of(body["key"]), public_key(b64u(body["key"]["x"])), at)
        elif kind == "key-revoked":
            self.keys.end(slug, body["kid"], at)
        elif kind == "key-compromised":
            self.keys.end(slug, body["kid"], at, body["since"])

    def define(self, statement, at, body):
        """Keeps what an entry of `registers` says of definitions and keys."""
        kind, record = statement["type"], statement["record"]
        if kind == "defined":
            slug = body["definition"]["slug"]
            need(re.fullmatch(SLUG, slug) and slug not in self.definitions, "register was defined before")
            self.registers[record], self.definitions[slug] = slug, []
        slug = self.registers[record]
        if kind in ("defined", "redefined"):
            need(body["definition"]["slug"] == slug, "definition is of another register")
            need(re.fullmatch(SLUG, body["definition"]["owner"]), "owner in the definition")
            need(type(body["definition"]["visibility"]) is str, "visibility in the definition")
            self.definitions[slug].append((at, body["definition"]))
        if kind in ("defined", "key-added"):
            name = read_vkey(body["key"], 1)[0]
            need(name.endswith(f"/registers/{slug}"), "key is named after another register")
            self.vkeys.add(slug, body["key"], None, at)
        elif kind == "key-retired":
            self.vkeys.end(slug, body["key"], at)
        elif kind == "key-compromised":
            self.vkeys.end(slug, body["key"], at, body["since"])
        need(self.vkeys.now(slug), "register has no key in force")

    def check_statement(self, statement, at, kid, message, signature):
        key = self.keys.at(statement["issuer"], kid, at)
        need(key, "kid names no key of the issuer in force at recorded_at")
        check_signature(key, signature, message, "statement's signature")

    def receipt(self, data):
        receipt = parse(data)
        need(set(receipt) == {"leaf", "index", "proof", "body", "salt"}, "receipt's members")
        self.index, data = receipt["index"], b64u(receipt["leaf"])
        proof, _, note = receipt["proof"].partition("\n\n")
        version, index, *path = [line for line in proof.split("\n") if not line.startswith("extra ")]
        need(version == "c2sp.org/tlog-proof@v1" and index == f"index {self.index}", "proof's version or index")
        note = Note(note.encode())
        slug = note.origin.rpartition("/")[2]
        self.check_note(slug, note)
        found = root_by_path(sha256(b"\0", data), self.index, note.size, [b64(line) for line in path])
        need(found == note.root, "root by the inclusion path is not the checkpoint's")
        leaf, statement, signed = read_leaf(data, slug)
        self.check_statement(statement, leaf["recorded_at"], *signed)
        if (receipt["body"], receipt["salt"]) != (None, None):
            check_digest(statement, receipt["body"], receipt["salt"])
        since = self.keys.stolen(statement["issuer"], signed[0], leaf["recorded_at"])
        if since:
            print(f"DOUBTFUL register={slug} index={self.index} kid={signed[0]} since={since}")
        print(f"verified receipt: entry {self.index} of {slug}, {'with' if receipt['body'] else 'without'} its body")

def read(options):
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["url", "archive", "receipt"])
    parser.add_argument("what", metavar="SERVER|FILE")
    for option in ("--url", "--archive", "--register", "--witness-policy", "--token", "--purpose", "--legal-basis", "--keep"):
        parser.add_argument(option)
    options = parser.parse_args(options)
    if options.token and not (options.purpose and options.legal_basis):
        parser.error("--token needs --purpose and --legal-basis: people see who looked, and why")
    if options.command == "receipt" and not (options.url or options.archive):
        parser.error("receipt needs --url or --archive: they say whose keys were in force")
    return options

def main():
    options = read(sys.argv[1:])
    policy = options.witness_policy and pathlib.Path(options.witness_policy).read_bytes()
    verifier, notes, trusted = Verifier(None, policy), {}, False
    with verifier.checking("archive" if options.archive or options.command == "archive" else "server"):
        if options.archive or options.command == "archive":
            verifier.source = Archive(options.archive or options.what)
            slugs = [verifier.source.slug]
        else:
            why = {"Purpose": options.purpose, "Legal-Basis": options.legal_basis}
            verifier.source = Server(options.url or options.what, options.token, why, options.keep)
            slugs = [options.register] if options.register else []
            if options.command == "url" and not slugs:
                slugs = [item["slug"] for item in parse(verifier.source.get("v1/registers"))["items"]]
        # `departments` and `registers` are read last, and checked first, so that they have all that the others rest on.
        for slug in [slug for slug in slugs if slug not in ROOTS and options.command != "receipt"]:
            need(re.fullmatch(SLUG, slug), "slug in the list of registers")
            with verifier.checking(slug):
                notes[slug] = verifier.note(slug)
        trusted = verifier.roots()
    if not trusted:
        return 1 if 1 in verifier.codes else 2  # with whose keys would the others be checked?
    for slug, note in notes.items():
        with verifier.checking(slug):
            verifier.register(slug, note)
    if options.command == "archive":
        with verifier.checking(slugs[0]):
            verifier.check_definition(slugs[0])
    if options.command == "receipt":
        with verifier.checking("receipt"):
            verifier.receipt(pathlib.Path(options.what).read_bytes())
    return 1 if 1 in verifier.codes else max(verifier.codes)

if __name__ == "__main__":
    sys.exit(main())
