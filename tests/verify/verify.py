#!/usr/bin/env python3
"""An independent verifier of signed registers, written from docs/format.md alone, sharing no code with the server.

    verify.py url SERVER [--register SLUG] [--token TOKEN] [--keep DIR]
    verify.py receipt FILE --url SERVER [--key VKEY]

SERVER is a URL, or a directory of what a server served, as --keep writes it. A receipt is checked with the departments'
keys that SERVER serves, and with the register's key too unless --key gives one that is trusted. Only the standard library and PyPI's
`cryptography` are needed. Exit code: 0 verified, 1 something is wrong (register, index and rule are printed), 2 could
not check.
"""
import argparse, base64, datetime, hashlib, http.client, json, pathlib, re, sys, urllib.error, urllib.request
from decimal import Decimal
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAGE = 256
SLUG, TYPE = r"[a-z][a-z0-9-]{1,62}", r"[a-z][a-z0-9-]{0,62}"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
P = 2**255 - 19
# The y coordinates of the eight points of small order (RFC 7748 section 7, RFC 8032 section 5.1).
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER = {0, 1, P - 1, ORDER_8, P - ORDER_8}


# What reading raises on input that is not of the form it should have.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


class Fault(Exception):
    """Something is wrong with what was served."""


class CouldNotCheck(Exception):
    """Nothing can be said."""


class NotForUs(CouldNotCheck):
    """The server does not show this to us."""


def need(holds, rule):
    if not holds:
        raise Fault(rule)


def sha256(data):
    return hashlib.sha256(data).digest()


# JSON and its canonical form (RFC 8785)
def unique(pairs):
    need(len({name for name, _ in pairs}) == len(pairs), "duplicate member name")
    return dict(pairs)


def parse(data):
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    return json.loads(text, object_pairs_hook=unique, parse_constant=lambda name: need(False, f"{name} in JSON"))


def number(value):
    if isinstance(value, int):
        need(abs(value) < 2**53, "number outside ±(2^53−1)")
        return str(value)
    text = re.sub(r"e([+-])0", r"e\1", repr(value))
    if 1e-6 <= abs(value) < 1e21:
        text = f"{Decimal(text):f}"
    return "0" if value == 0 else re.sub(r"\.0+$", "", text)


def canonical(value):
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"


def jcs(value):
    return canonical(value).encode("utf-8")


def b64u(text):
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text, "base64url not in its one form")
    return raw


def b64(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "base64 not in its one form")
    return raw


def check_time(text):
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text, re.ASCII), f"time {text!r} is not in its form")
    datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")


# Keys and signatures
def public_key(raw):
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    need(len(raw) == 32 and y < P and y not in SMALL_ORDER, "key not canonical, or of small order")
    return Ed25519PublicKey.from_public_bytes(raw)


def check_signature(key, signature, message, rule):
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise Fault(rule) from None


class Keys:
    """Which keys of which department were in force when: a fold of the register `departments`."""

    def __init__(self):
        self.departments, self.intervals = {}, []

    def apply(self, statement, recorded_at, body):
        if statement["type"] == "established":
            self.departments[statement["record"]] = body["slug"]
        slug = self.departments.get(statement["record"])
        if statement["type"] in ("established", "key-enrolled"):
            raw = b64u(body["key"]["x"])
            thumbprint = sha256(jcs({name: body["key"][name] for name in ("crv", "kty", "x")}))
            kid = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
            self.intervals.append({"of": (slug, kid), "key": public_key(raw), "from": recorded_at, "to": None})
        elif statement["type"] == "key-revoked":
            open_ones = [i for i in self.intervals if i["of"] == (slug, body["kid"]) and i["to"] is None]
            need(open_ones, "revokes a key that was not in force")
            open_ones[0]["to"] = recorded_at

    def find(self, issuer, kid, at):
        for i in self.intervals:
            if i["of"] == (issuer, kid) and i["from"] <= at and (i["to"] is None or at <= i["to"]):
                return i["key"]
        raise Fault(f"kid {kid} names no key of {issuer} in force at {at}")


def read_leaf(data, register):
    leaf = parse(data)
    need(set(leaf) == {"recorded_at", "statement"} and jcs(leaf) == data, "leaf is not canonical")
    check_time(leaf["recorded_at"])
    header, payload, signature = leaf["statement"].split(".")
    head, statement = parse(b64u(header)), parse(b64u(payload))
    need(set(head) == {"alg", "kid", "typ"}, "header members")
    need(head["alg"] == "EdDSA" and head["typ"] == "reestr-statement.v1+jws", "alg or typ")
    members = {"register", "record", "version", "type", "effective_at", "issuer", "body"}
    need(set(statement) == members and jcs(statement) == b64u(payload), "statement is not canonical")
    need(statement["register"] == register, "statement of another register")
    need(re.fullmatch(UUID, statement["record"]), "record is not a UUID in lower case")
    need(type(statement["version"]) is int and statement["version"] >= 1, "version is not 1, 2, 3, …")
    need(re.fullmatch(TYPE, statement["type"]) and re.fullmatch(SLUG, statement["issuer"]), "type or issuer")
    need(len(b64u(statement["body"])) == 32, "digest is not 32 bytes")
    check_time(statement["effective_at"])
    signed = (head["kid"], f"{header}.{payload}".encode(), b64u(signature))
    return leaf, statement, signed


def check_statement(leaf, statement, signed, keys):
    kid, message, signature = signed
    key = keys.find(statement["issuer"], kid, leaf["recorded_at"])
    check_signature(key, signature, message, "statement's signature")


def check_digest(statement, body, salt):
    need(isinstance(body, dict) and len(b64u(salt)) == 16, "body is not an object, or salt not 16 bytes")
    need(sha256(b64u(salt) + jcs(body)) == b64u(statement["body"]), "digest of the body")


# Trees, tiles and checkpoints
def leaf_hash(leaf):
    return sha256(b"\0" + leaf)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def root_of(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def inclusion_root(leaf, index, size, path):
    """RFC 9162 section 2.1.3.2."""
    need(index < size, "index beyond the tree")
    at, last, node = index, size - 1, leaf
    for sibling in path:
        need(last > 0 and len(sibling) == 32, "path too long, or not of hashes")
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    need(last == 0, "path too short")
    return node


def open_checkpoint(note, vkey):
    """Signature (C2SP signed-note) and content (C2SP tlog-checkpoint): origin, size, root."""
    name, key_hash, encoded = vkey.strip().split("+", 2)
    key = b64(encoded)
    need(key[0] == 1 and sha256(name.encode() + b"\n" + key)[:4].hex() == key_hash, "verifier key")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    ours = []
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        need(dash == "—", "signature line")
        if signer == name and b64(signature)[:4].hex() == key_hash:
            ours.append(b64(signature)[4:])
    need(ours, "checkpoint is not signed by the register's key")
    for signature in ours:
        check_signature(public_key(key[1:]), signature, text.encode(), "checkpoint's signature")
    origin, size, root = text.split("\n")[:3]
    need(origin == name and re.fullmatch(r"0|[1-9][0-9]*", size, re.ASCII), "checkpoint's origin or size")
    need(len(b64(root)) == 32, "checkpoint's root")
    return origin, int(size), b64(root)


def tile_paths(kind, count):
    """Paths of all tiles that hold `count` items, and how many each holds."""
    for n in range(-(-count // 256)):
        width = min(256, count - 256 * n)
        digits = f"{n:03}".zfill(-(-len(f"{n:03}") // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        path = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
        yield f"tile/{kind}/{path}" + ("" if width == 256 else f".p/{width}"), 256 * n, width


def read_bundle(data, width):
    leaves = []
    while data:
        length = int.from_bytes(data[:2], "big")
        need(len(data) >= 2 + length, "bundle cut short")
        leaves.append(data[2 : 2 + length])
        data = data[2 + length :]
    need(len(leaves) == width, "bundle holds another number of entries")
    return leaves


# What a server serves
class Source:
    def __init__(self, place, token=None, keep=None):
        self.place, self.token, self.keep = place, token, keep

    @staticmethod
    def file(directory, path):
        name = path.replace("?", "@")
        return pathlib.Path(directory, name + "/index.json" if name == "v1/registers" else name)

    def get(self, path):
        try:
            if not re.match("https?://", self.place):
                return self.file(self.place, path).read_bytes()
            request = urllib.request.Request(self.place.rstrip("/") + "/" + path)
            if self.token:
                request.add_header("Authorization", "Bearer " + self.token)
            with urllib.request.urlopen(request, timeout=60) as answer:
                data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            hidden = isinstance(error, urllib.error.HTTPError) and error.code in (401, 403)
            raise (NotForUs if hidden else CouldNotCheck)(f"{path}: {error}") from None
        if self.keep:
            kept = self.file(self.keep, path)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
        return data

    def entries(self, slug):
        """All entries listed, page by page, each page being asked for by the cursor of the one before."""
        cursor = ""
        while cursor is not None:
            page = parse(self.get(f"v1/registers/{slug}/entries?limit={PAGE}{cursor}"))
            yield from page["items"]
            cursor = None if page["next"] is None else f"&after={page['next']}"


class Verifier:
    def __init__(self, source):
        self.source, self.keys, self.index = source, Keys(), None

    def register(self, slug, note):
        """Checks a whole register; says how many entries it has and how many bodies were seen."""
        base, self.index = f"v1/registers/{slug}", None
        vkey = self.source.get(f"{base}/key").decode()
        origin, size, root = open_checkpoint(note, vkey)
        need(origin.endswith(f"/registers/{slug}"), "checkpoint of another register")
        leaves = []
        for path, _, width in tile_paths("entries", size):
            leaves += read_bundle(self.source.get(f"{base}/{path}"), width)
        level, hashes = 0, [leaf_hash(leaf) for leaf in leaves]
        need(root_of(hashes) == root, "root of the leaves is not the checkpoint's")
        while hashes:
            for path, first, width in tile_paths(level, len(hashes)):
                need(self.source.get(f"{base}/{path}") == b"".join(hashes[first : first + width]), f"hash tile {path}")
            hashes = [root_of(hashes[i : i + 256]) for i in range(0, len(hashes) - 255, 256)]
            level += 1
        try:
            listed = list(self.source.entries(slug)) if size else []
        except NotForUs:
            listed = []
        bodies = {item["index"]: item for item in listed if item.get("body") is not None}
        self.entries(slug, leaves, bodies)
        return size, sum(index < size for index in bodies)

    def entries(self, slug, leaves, bodies):
        versions, before = {}, ""
        for self.index, data in enumerate(leaves):
            leaf, statement, signed = read_leaf(data, slug)
            need(leaf["recorded_at"] >= before, "recorded_at decreases")
            before = leaf["recorded_at"]
            expected = versions.get(statement["record"], 0) + 1
            need(statement["version"] == expected, f"version {statement['version']} where {expected} is next")
            versions[statement["record"]] = expected
            item = bodies.get(self.index)
            if item:
                need(item.get("statement", leaf["statement"]) == leaf["statement"], "listed statement is not the leaf's")
                check_digest(statement, item["body"], item["salt"])
            if slug == "departments":
                if not item:
                    raise CouldNotCheck(f"the body of departments entry {self.index} is not served")
                if self.index == 0:  # the root of trust: it is signed with the key that it enrols
                    need(statement["issuer"] == item["body"]["slug"], "entry 0 is not of the issuer's own making")
                    self.keys.apply(statement, leaf["recorded_at"], item["body"])
            check_statement(leaf, statement, signed, self.keys)
            if slug == "departments" and self.index > 0:
                self.keys.apply(statement, leaf["recorded_at"], item["body"])
        self.index = None

    def receipt(self, receipt, vkey):
        self.index = receipt["index"]
        need(set(receipt) == {"leaf", "index", "proof", "body", "salt"}, "receipt's members")
        head, _, note = receipt["proof"].partition("\n\n")
        lines = [line for line in head.split("\n") if not line.startswith("extra ")]
        need(lines[:2] == ["c2sp.org/tlog-proof@v1", f"index {self.index}"], "proof's version or index")
        slug = note.partition("\n")[0].rpartition("/registers/")[2]
        need(re.fullmatch(SLUG, slug), "checkpoint's origin")
        _, size, root = open_checkpoint(note, vkey or self.source.get(f"v1/registers/{slug}/key").decode())
        path, data = [b64(line) for line in lines[2:]], b64u(receipt["leaf"])
        need(inclusion_root(leaf_hash(data), self.index, size, path) == root, "inclusion")
        leaf, statement, signed = read_leaf(data, slug)
        check_statement(leaf, statement, signed, self.keys)
        need((receipt["body"] is None) == (receipt["salt"] is None), "only one of body and salt")
        if receipt["body"] is not None:
            check_digest(statement, receipt["body"], receipt["salt"])
        return f"entry of {slug}, its body {'not shown' if receipt['body'] is None else 'shown'}"


def run(verifier, register, check):
    """Prints what came of a check; true when there is no fault."""
    try:
        said = check()
    except (Fault, *MALFORMED) as error:
        rule = str(error) if isinstance(error, Fault) else f"malformed: {type(error).__name__}: {error}"
        index = "-" if verifier.index is None else verifier.index
        print(f"FAULT register={register} index={index} rule={rule}")
        return False
    print(f"verified {register}: {said}")
    return True


def main(arguments):
    parser = argparse.ArgumentParser(prog="verify.py")
    commands = parser.add_subparsers(dest="command", required=True)
    whole, one = commands.add_parser("url"), commands.add_parser("receipt")
    whole.add_argument("server")
    whole.add_argument("--register")
    one.add_argument("file")
    one.add_argument("--url", required=True, dest="server")
    one.add_argument("--key", help="the register's verifier key")
    for command in (whole, one):
        command.add_argument("--token")
        command.add_argument("--keep", metavar="DIR", help="write here what the server served")
    options = parser.parse_args(arguments)
    source = Source(options.server, options.token, options.keep)
    verifier = Verifier(source)
    slugs = []
    if options.command == "url":
        everything = parse(source.get("v1/registers"))["items"] if options.register is None else []
        slugs = [options.register] if options.register else [item["slug"] for item in everything]
    # `departments` is read last and checked first, so that it holds the keys of every entry read before it.
    others = {slug: source.get(f"v1/registers/{slug}/checkpoint").decode() for slug in slugs if slug != "departments"}
    notes = {"departments": source.get("v1/registers/departments/checkpoint").decode(), **others}
    sound = True
    for slug, note in notes.items():
        report = lambda: "{} entries, {} bodies".format(*verifier.register(slug, note))
        sound = run(verifier, slug, report) and sound
        if slug == "departments" and not sound:
            return 1  # with whose keys would the others be checked?
    if options.command == "receipt":
        try:
            data = pathlib.Path(options.file).read_bytes()
        except OSError as error:
            raise CouldNotCheck(error) from None
        sound = run(verifier, "receipt", lambda: verifier.receipt(parse(data), options.key))
    return 0 if sound else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CouldNotCheck, Fault, *MALFORMED) as reason:
        print(f"could not check: {reason}", file=sys.stderr)
        sys.exit(2)
