"""The bytes of docs/format.md: JSON, statements, trees and tiles, notes and policies, archives. Shares no code with the server."""
import base64, hashlib, json, re, tarfile
from datetime import datetime
from decimal import Decimal
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SLUG, TYPE = "[a-z][a-z0-9-]{1,62}", "[a-z][a-z0-9-]{0,62}"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FORMS = {"register": SLUG, "record": UUID, "type": TYPE, "issuer": SLUG, "effective_at": ".{24}", "body": ".{43}"}
# Ed25519: the field's prime, and the y coordinates of the points of small order.
P, Y8 = 2**255 - 19, 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER = {0, 1, P - 1, Y8, P - Y8}

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

def kid_of(jwk):
    need(jwk["kty"] == "OKP" and jwk["crv"] == "Ed25519", "key's type")
    thumbprint = sha256(jcs({name: jwk[name] for name in ("crv", "kty", "x")}))
    return base64.urlsafe_b64encode(thumbprint).decode().rstrip("=")

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

def read_vkey(vkey, kind):
    """Name, id and key of a C2SP verifier key of a kind: 1 signs notes, 4 cosigns checkpoints."""
    name, key_id, encoded = vkey.split("+", 2)
    key = b64(encoded)
    need(len(key) == 33 and key[0] == kind, "verifier key's type")
    need(sha256(name.encode(), b"\n", key)[:4].hex() == key_id, "verifier key's id")
    return name, key_id, public_key(key[1:])

class Note:
    def __init__(self, note):
        text, blank, lines = note.decode().rpartition("\n\n")
        need(blank and lines.endswith("\n"), "note has no signatures")
        self.text, self.lines = text + "\n", [re.fullmatch("— ([^ +]+) ([^ ]+)", line) for line in lines[:-1].split("\n")]
        need(all(self.lines), "note's signature lines")
        self.lines = [(line[1], b64(line[2])) for line in self.lines]
        self.origin, size, root = self.text.split("\n")[:3]
        need(re.fullmatch("0|[1-9][0-9]*", size), "checkpoint's size")
        self.size, self.root = int(size), b64(root)

    def signed_with(self, vkey, kind=1):
        """Whether this key signed it. A line that says so and does not verify spoils the note."""
        name, key_id, key = read_vkey(vkey, kind)
        found = [blob[4:] for who, blob in self.lines if who == name and blob[:4].hex() == key_id]
        for signature in found:
            message = self.text.encode()
            if kind == 4:
                time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
                message = f"cosignature/v1\ntime {time}\n".encode() + message
            check_signature(key, signature, message, "checkpoint's signature")
        return bool(found)

def check_policy(policy, note):
    """Whether a C2SP tlog-policy takes a checkpoint."""
    logs, met, keys, quorums = [], {"none": True}, set(), 0
    for line in policy.decode("utf-8", "surrogateescape").split("\n"):
        what, *words = line.split() or ["#"]
        if what.startswith("#"):
            continue
        if what in ("log", "witness"):
            vkey = words[0 if what == "log" else 1]
            need((what, vkey.split("+", 2)[2]) not in keys, "policy names a key twice")
            keys.add((what, vkey.split("+", 2)[2]))
        if what == "log":
            logs.append(vkey)
        elif what == "witness":
            need(words[0] not in met, "policy defines a name twice")
            met[words[0]] = note.signed_with(vkey, 4)
        elif what == "group":
            name, least, *members = words
            need(name not in met and members and len(set(members)) == len(members), "policy's group")
            need("none" not in members, "policy's group")
            least = {"any": 1, "all": len(members)}.get(least) or int(least)
            need(1 <= least <= len(members), "policy's threshold")
            met[name] = sum(met[member] for member in members) >= least
        else:
            need(what == "quorum" and len(words) == 1, "policy's line")
            quorums += 1
            need(met[words[0]], "witnesses that cosigned are fewer than the quorum")
    need(quorums == 1, "policy has one quorum")
    of_log = [vkey for vkey in logs if vkey.split("+")[0] == note.origin]
    need(not logs or any(note.signed_with(vkey) for vkey in of_log), "checkpoint is of no log of the policy")

# Archives
ROOTS = ("departments", "registers")

class Archive:
    """A register in one file, as what a server would have served of it."""
    def __init__(self, path):
        self.members, end = {}, 0
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                self.plain(info, end)
                self.members[info.name] = tar.extractfile(info).read()
                end = info.offset_data + -(-info.size // 512) * 512
        with open(path, "rb") as file:
            file.seek(end)
            rest = file.read()
        need(rest == bytes(1024), "archive ends in two blocks of zeros")
        self.slug = Note(self.members["checkpoint"]).origin.rpartition("/")[2]
        need(list(self.members) == list(self.expected()), "archive's members, or their order")

    def plain(self, info, end):
        need(info.name not in self.members, f"member {info.name} stands twice")
        need(info.offset == end and info.offset_data == end + 512, f"something stands before {info.name}")
        need(info.type == tarfile.REGTYPE and not info.linkname, f"{info.name} is not a plain file")
        found = (info.mode, info.uid, info.gid, info.uname, info.gname, info.mtime)
        need(found == (0o644, 0, 0, "", "", 0), f"mode, owner or time of {info.name}")

    def name(self, slug, what):
        return what if slug == self.slug else f"{slug}/{what}"

    def expected(self):
        slugs = [slug for slug in ROOTS if slug != self.slug] + [self.slug]
        yield from (self.name(slug, "checkpoint") for slug in slugs[-1:] + slugs[:-1])
        yield "definition.json"
        for slug in slugs:
            size = Note(self.members[self.name(slug, "checkpoint")]).size
            yield from (self.name(slug, path) for path, _, _ in tiles("entries", size))
            level, count = 0, size
            while count:
                yield from (self.name(slug, path) for path, _, _ in tiles(level, count))
                level, count = level + 1, count // 256
            yield self.name(slug, "bodies.ndjson")

    def get(self, path):
        _, _, slug, what = path.split("/", 3)
        need(slug in (*ROOTS, self.slug), f"archive is not of {slug}")
        return self.members[self.name(slug, what)]

    def listed(self, slug):
        lines = self.members[self.name(slug, "bodies.ndjson")].split(b"\n")
        need(lines.pop() == b"", "bodies.ndjson is cut short")
        items = [parse(line) for line in lines]
        need([jcs(item) for item in items] == lines, "bodies.ndjson is not canonical")
        need(all(set(item) == {"body", "index", "salt"} for item in items), "members in bodies.ndjson")
        need([item["index"] for item in items] == list(range(len(items))), "indexes in bodies.ndjson")
        return dict(enumerate(items))
