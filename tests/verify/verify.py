#!/usr/bin/env python3
"""Verifies signed registers. Written from docs/format.md alone; shares no code with the server.

    verify.py url SERVER [--register SLUG] [--token TOKEN --purpose TEXT --legal-basis TEXT] [--keep DIR]
    verify.py receipt FILE --url SERVER [--token TOKEN --purpose TEXT --legal-basis TEXT] [--keep DIR]

SERVER is a URL, or a directory that --keep wrote: what a server served, file by file. Registers' verifier keys are those
that SERVER serves. Exit code: 0 verified, 1 something is wrong (register, index, rule are printed), 2 could not check.
"""
import argparse, base64, contextlib, hashlib, http.client, json, pathlib, re, sys, urllib.request
from datetime import datetime
from decimal import Decimal
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEPT = {"departments", "registers", "triggers", "interventions"}  # whose bodies nobody withholds
SLUG, TYPE = "[a-z][a-z0-9-]{1,62}", "[a-z][a-z0-9-]{0,62}"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FORMS = {"register": SLUG, "record": UUID, "type": TYPE, "issuer": SLUG, "effective_at": ".{24}", "body": ".{43}"}
# Ed25519: the field's prime, and the y coordinates of the points of small order.
P, Y8 = 2**255 - 19, 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER = {0, 1, P - 1, Y8, P - Y8}

# What is raised on what is not of the form it should have, and where what a check needs is not to be had.
FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
UNABLE = (OSError, http.client.HTTPException)

def need(holds, rule):
    if not holds:
        raise ValueError(rule)

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def b64(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "base64 is not in its one form")
    return raw

def b64u(text):
    need(not set(text) & set("+/="), "base64url is not in its one form")
    return b64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))

def check_time(text):
    exact = datetime.fromisoformat(text[:23]).isoformat(timespec="milliseconds") + "Z"
    need(exact == text, "time is not YYYY-MM-DDTHH:MM:SS.mmmZ")

# JSON and its canonical form (RFC 8785)
def members(pairs):
    need(len(dict(pairs)) == len(pairs), "duplicate member name")
    return dict(pairs)

def parse(data):
    return json.loads(data.decode(), object_pairs_hook=members)

def jcs(value):
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return b"{" + b",".join(jcs(name) + b":" + jcs(value[name]) for name in names) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(jcs, value)) + b"]"
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False).encode()
    need(abs(value) < 2**53, "number outside ±(2^53−1)")
    text = f"{Decimal(repr(value)):f}" if 1e-6 <= abs(value) < 1e-4 else repr(value or 0).replace("e-0", "e-")
    return text.removesuffix(".0").encode()

# Statements
def public_key(raw):
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    need(y < P and y not in SMALL_ORDER, "key is not canonical, or of small order")
    return Ed25519PublicKey.from_public_bytes(raw)

def check_signature(key, signature, message, rule):
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise ValueError(rule) from None

def check_digest(statement, body, salt):
    need(isinstance(body, dict) and len(b64u(salt)) == 16, "form of body or salt")
    need(sha256(b64u(salt), jcs(body)) == b64u(statement["body"]), "digest of the body")

def read_leaf(data, register):
    """The leaf, its statement, and what is signed: kid, message, signature."""
    leaf = parse(data)
    need(set(leaf) == {"recorded_at", "statement"} and jcs(leaf) == data, "leaf is not canonical")
    message, _, signature = leaf["statement"].rpartition(".")
    header, payload = map(b64u, message.split("."))
    head, statement = parse(header), parse(payload)
    need(head == {"alg": "EdDSA", "kid": head["kid"], "typ": "reestr-statement.v1+jws"}, "statement's header")
    need(set(statement) == {"version", *FORMS} and jcs(statement) == payload, "statement is not canonical")
    for name, form in FORMS.items():
        need(re.fullmatch(form, statement[name]), f"form of {name}")
    need(type(statement["version"]) is int and len(b64u(statement["body"])) == 32, "form of version or body")
    check_time(leaf["recorded_at"])
    check_time(statement["effective_at"])
    need(statement["register"] == register, "statement is of another register")
    return leaf, statement, (head["kid"], message.encode(), b64u(signature))

# Trees (RFC 6962), tiles (C2SP tlog-tiles) and checkpoints (C2SP signed-note, tlog-checkpoint)
def root_of(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256()
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1", root_of(hashes[:k]), root_of(hashes[k:]))

def root_by_path(leaf, index, size, path):
    need(0 <= index < size and (size == 1) == (not path), "index, or length of the inclusion path")
    if size == 1:
        return leaf
    k, (*path, sibling) = 1 << (size - 1).bit_length() - 1, path
    if index < k:
        return sha256(b"\1", root_by_path(leaf, index, k, path), sibling)
    return sha256(b"\1", sibling, root_by_path(leaf, index - k, size - k, path))

def tiles(level, count):
    """Path, first item and end of each tile of a level that holds `count` items."""
    for first in range(0, count, 256):
        end, (*high, low) = min(count, first + 256), f"{first // 256:,}".split(",")
        path = "".join(f"x{group:0>3}/" for group in high) + f"{low:0>3}"
        yield f"tile/{level}/{path}" + (f".p/{end - first}" if end - first < 256 else ""), first, end

def read_bundle(data):
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        need(len(data) >= end, "entry bundle is cut short")
        yield data[2:end]
        data = data[end:]

def open_checkpoint(note, vkey, slug):  # -> size, root
    name, key_id, encoded = vkey.decode().strip().split("+", 2)
    key = b64(encoded)
    need(key[:1] == b"\1" and sha256(name.encode(), b"\n", key)[:4].hex() == key_id, "verifier key")
    text, _, lines = note.decode().rpartition("\n\n")
    signatures = [b64(line.split(" ")[2]) for line in lines.split("\n") if line.startswith(f"— {name} ")]
    ours = [signature[4:] for signature in signatures if signature[:4].hex() == key_id]
    need(len(ours) == 1, "checkpoint is not signed with the register's key")
    check_signature(public_key(key[1:]), ours[0], f"{text}\n".encode(), "checkpoint's signature")
    origin, size, root = text.split("\n")[:3]
    need(origin == name and origin.endswith(f"/registers/{slug}"), "checkpoint is of another register")
    need(re.fullmatch("0|[1-9][0-9]*", size), "checkpoint's size")
    return int(size), b64(root)

class Verifier:
    def __init__(self, server, token, keep, why):
        self.server, self.token, self.keep, self.why = server, token, keep, why
        self.departments, self.keys = {}, {}  # slug by record; [key, from, to] of each term by slug and kid
        self.codes = {0}

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

    def get(self, path):
        name = "v1/registers/index.json" if path == "v1/registers" else path.replace("?", "@")
        if "://" not in self.server:
            return pathlib.Path(self.server, name).read_bytes()
        headers = dict(self.why, Authorization=f"Bearer {self.token}") if self.token else {}
        request = urllib.request.Request(f"{self.server}/{path}", headers=headers)
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
            items.update((item["index"], item) for item in page["items"])
            after = page["next"] and f"&after={int(page['next'])}"
        return items

    def register(self, slug, note):
        base, leaves = f"v1/registers/{slug}", []
        size, root = open_checkpoint(note, self.get(f"{base}/key"), slug)
        for path, _, end in tiles("entries", size):
            leaves += read_bundle(self.get(f"{base}/{path}"))
            need(len(leaves) == end, f"number of entries in {path}")
        level, hashes = 0, [sha256(b"\0", leaf) for leaf in leaves]
        need(root_of(hashes) == root, "root of the leaves is not the checkpoint's")
        while hashes:
            for path, first, end in tiles(level, len(hashes)):
                need(self.get(f"{base}/{path}") == b"".join(hashes[first:end]), f"hash tile {path}")
            level, hashes = level + 1, [root_of(hashes[n : n + 256]) for n in range(0, len(hashes) - 255, 256)]
        listed = self.listed(slug)
        self.entries(slug, leaves, listed)
        print(f"verified {slug}: {size} entries, {sum(item['body'] is not None for item in listed.values())} bodies")

    def entries(self, slug, leaves, listed):
        versions, before, shown, missing, orders = {}, "", {}, {}, set()
        for self.index, data in enumerate(leaves):
            leaf, statement, signed = read_leaf(data, slug)
            at, record, item = leaf["recorded_at"], statement["record"], listed.get(self.index, leaf)
            need(before <= at, "recorded_at decreases")
            need(statement["version"] == versions.get(record, 0) + 1, "version is not the record's next")
            before, versions[record] = at, statement["version"]
            need((item["recorded_at"], item["statement"]) == (at, leaf["statement"]), "listing is not of the leaf")
            body = item.get("body")
            (missing if body is None else shown)[record, statement["version"]] = self.index
            if body and statement["type"] == "withheld" and slug not in KEPT:
                orders |= {(record, version) for version in body["versions"]}
            if body is not None:
                check_digest(statement, body, item["salt"])
            elif slug == "departments":
                raise OSError(f"body of departments entry {self.index} is not served")
            if slug == "departments" and self.index == 0:  # the root of trust is signed with the key that it enrols
                need(statement["issuer"] == body["slug"], "entry 0 is not of the department that it establishes")
                self.enrol(statement, at, body)
            self.check_statement(statement, at, *signed)
            if slug == "departments" and self.index > 0:
                self.enrol(statement, at, body)
        for what, wrong in ("missing, and no order names it", missing.keys() - orders), ("shown, against an order", shown.keys() & orders):
            for self.index in sorted((missing | shown)[entry] for entry in wrong if shown):
                raise ValueError(f"body is {what}")

    def enrol(self, statement, at, body):
        """Keeps what an entry of `departments` says of keys."""
        if statement["type"] == "established":
            self.departments[statement["record"]] = body["slug"]
        slug = self.departments[statement["record"]]
        if statement["type"] in ("established", "key-enrolled"):
            thumbprint = sha256(jcs({name: body["key"][name] for name in ("crv", "kty", "x")}))
            kid = base64.urlsafe_b64encode(thumbprint).decode().rstrip("=")
            self.keys.setdefault((slug, kid), []).append([public_key(b64u(body["key"]["x"])), at, None])
        elif statement["type"] == "key-revoked":
            in_force = [term for term in self.keys.get((slug, body["kid"]), []) if term[2] is None]
            need(in_force, "revoked key was not in force")
            in_force[0][2] = at

    def check_statement(self, statement, at, kid, message, signature):
        terms = self.keys.get((statement["issuer"], kid), [])
        in_force = [key for key, start, end in terms if start <= at <= (end or at)]
        need(in_force, "kid names no key of the issuer in force at recorded_at")
        check_signature(in_force[0], signature, message, "statement's signature")

    def receipt(self, data):
        receipt = parse(data)
        need(set(receipt) == {"leaf", "index", "proof", "body", "salt"}, "receipt's members")
        self.index, data = receipt["index"], b64u(receipt["leaf"])
        proof, _, note = receipt["proof"].partition("\n\n")
        version, index, *path = [line for line in proof.split("\n") if not line.startswith("extra ")]
        need(version == "c2sp.org/tlog-proof@v1" and index == f"index {self.index}", "proof's version or index")
        slug = re.match(f".*/registers/({SLUG})\n", note)[1]
        size, root = open_checkpoint(note.encode(), self.get(f"v1/registers/{slug}/key"), slug)
        found = root_by_path(sha256(b"\0", data), self.index, size, [b64(line) for line in path])
        need(found == root, "root by the inclusion path is not the checkpoint's")
        leaf, statement, signed = read_leaf(data, slug)
        self.check_statement(statement, leaf["recorded_at"], *signed)
        if (receipt["body"], receipt["salt"]) != (None, None):
            check_digest(statement, receipt["body"], receipt["salt"])
        print(f"verified receipt: entry {self.index} of {slug}, {'with' if receipt['body'] else 'without'} its body")

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["url", "receipt"])
    parser.add_argument("what", metavar="SERVER|FILE")
    for option in ("--url", "--register", "--token", "--purpose", "--legal-basis", "--keep"):
        parser.add_argument(option)
    options = parser.parse_args()
    if options.token and not (options.purpose and options.legal_basis):
        parser.error("--token needs --purpose and --legal-basis: people see who looked, and why")
    why = {"Purpose": options.purpose, "Legal-Basis": options.legal_basis}
    verifier = Verifier((options.url or options.what).rstrip("/"), options.token, options.keep, why)
    slugs, notes = [options.register or "departments"], {}
    with verifier.checking("departments"):
        if options.command == "url" and not options.register:
            slugs = [item["slug"] for item in parse(verifier.get("v1/registers"))["items"]]
        # `departments` is read last, and checked first, so that it has the keys of all that was read before it.
        for slug in [slug for slug in slugs if slug != "departments"] + ["departments"]:
            need(re.fullmatch(SLUG, slug), "slug in the list of registers")
            notes[slug] = verifier.get(f"v1/registers/{slug}/checkpoint")
        verifier.register("departments", notes.pop("departments"))
    if verifier.codes != {0}:
        return max(verifier.codes)  # with whose keys would the others be checked?
    for slug, note in notes.items():
        with verifier.checking(slug):
            verifier.register(slug, note)
    if options.command == "receipt":
        with verifier.checking("receipt"):
            verifier.receipt(pathlib.Path(options.what).read_bytes())
    return 1 if 1 in verifier.codes else max(verifier.codes)

if __name__ == "__main__":
    sys.exit(main())
