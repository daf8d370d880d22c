"""Makes the seeds in fuzz/corpus: of fixtures, of a running demo, and of what is signed with the key that the checks know.

python3 fuzz/seeds.py URL TOKEN     (python3 needs `cryptography`; TOKEN is the demo's auditor's)

Seeds that a run of the fuzzer found stand beside them, and stay.
"""

import base64
import hashlib
import json
import pathlib
import sys
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz/corpus"
ORIGIN = "reestr.localhost/registers/permits"
KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64(data):
    return base64.b64encode(data).decode()


def jcs(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def statement(version, digest):
    jwk = jcs({"crv": "Ed25519", "kty": "OKP", "x": b64u(PUBLIC)})
    header = {"alg": "EdDSA", "kid": b64u(sha256(jwk)), "typ": "reestr-statement.v1+jws"}
    payload = {
        "body": b64u(digest), "effective_at": "2026-01-31T09:00:00.000Z", "issuer": "gibdd", "register": "permits",
        "record": "0190a5b2-7c3d-7e4f-8a1b-2c3d4e5f6a7b", "type": "issued", "version": version,
    }
    signed = f"{b64u(jcs(header))}.{b64u(jcs(payload))}"
    return f"{signed}.{b64u(KEY.sign(signed.encode()))}"


def key_id(name, kind):
    return sha256(name.encode(), b"\n", kind, PUBLIC)[:4]


def signed_note(text, cosigned=False):
    line = f"\u2014 {ORIGIN} {b64(key_id(ORIGIN, bytes([1])) + KEY.sign(text.encode()))}\n"
    if cosigned:
        message = f"cosignature/v1\ntime 1795881008\n{text}"
        signature = (1795881008).to_bytes(8) + KEY.sign(message.encode())
        line += f"\u2014 {ORIGIN} {b64(key_id(ORIGIN, bytes([4])) + signature)}\n"
    return f"{text}\n{line}"


def ours():
    """What the checks' own key has signed: a receipt that verifies, requests to a witness that it may grant."""
    body, salt = {"number": "77 01 000001", "holder": "\u041f\u0440\u0438\u043c\u0435\u0440\u043e\u0432"}, bytes(range(16))
    jws = statement(1, sha256(salt, jcs(body)))
    leaf = jcs({"recorded_at": "2026-02-01T09:00:00.000Z", "statement": jws})
    others = [sha256(b"\x00", bytes([n])) for n in range(2)]
    node = lambda left, right: sha256(b"\x01", left, right)
    first = node(sha256(b"\x00", leaf), others[0])
    root = node(first, others[1])
    text = f"{ORIGIN}\n3\n{b64(root)}\n"
    path = "\n".join(map(b64, others))
    proof = f"c2sp.org/tlog-proof@v1\nindex 0\n{path}\n\n{signed_note(text)}"
    for name, shown in [("ours", (body, b64u(salt))), ("ours-withheld", (None, None))]:
        receipt = {"leaf": b64u(leaf), "index": 0, "proof": proof, "body": shown[0], "salt": shown[1]}
        put("receipt", name, json.dumps(receipt, ensure_ascii=False))
    put("statement", "ours", jws)
    put("leaf", "ours", leaf)
    put("inclusion", "ours", proof)
    put("checkpoint", "ours-cosigned", signed_note(text, cosigned=True))
    put("checkpoint", "ours-bare", text + "an extension line\n")
    put("witness-request", "ours-first", f"old 0\n\n{signed_note(text)}")
    put("witness-request", "ours-same", f"old 3\n\n{signed_note(text)}")
    put("witness-request", "ours-grown", f"old 2\n{b64(others[1])}\n\n{signed_note(text)}")
    grown = [sha256(b"\x00", n.to_bytes(8)) for n in range(3)]
    put("consistency", "two-to-three", bytes([2, 3]) + grown[2])
    put("consistency", "one-to-two", bytes([1, 2]) + grown[1])
    put("consistency", "three-to-three", bytes([3, 3]))
    put("consistency", "five-to-sixty", bytes([5, 60]) + bytes(32 * 7))
    for kind in [1, 4]:
        vkey = f"{ORIGIN}+{key_id(ORIGIN, bytes([kind])).hex()}+{b64(bytes([kind]) + PUBLIC)}"
        put("verifier-key", f"type-{kind}", vkey)
    put("names", "jwk", json.dumps({"kty": "OKP", "crv": "Ed25519", "x": b64u(PUBLIC), "use": "sig", "alg": "EdDSA"}))
    for number, text in enumerate(["driving-licences", "2026-01-31T09:00:00.000Z", "2026-01-31", b64(root), b64u(root), b64u(salt),
                                   "2026-01-31T12:00:00+03:00", "key-enrolled", "0000-01-01T00:00:00.000Z"]):
        put("names", f"text-{number}", text)
    # Witnesses' keys are points of the curve, each another: the same scalar times small numbers will do.
    keys = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32).public_key() for n in range(3, 6)]
    lines = ["# three witnesses, two of which suffice", ""]
    for number, key in enumerate(keys):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        name = f"w{number}.example"
        identity = sha256(name.encode(), b"\n\x04", raw)[:4].hex()
        lines.append(f"witness w{number} {name}+{identity}+{b64(bytes([4]) + raw)} https://{name}/")
    put("policy", "two-of-three", "\n".join([*lines, "group g 2 w0 w1 w2", "quorum g", ""]))
    put("policy", "nested", "\n".join([*lines, "group a all w0 w1", "group b any a w2", "quorum b", ""]))
    put("policy", "none", "quorum none\n")
    put("policy", "lines", "".join(f"\u2014 {ORIGIN} {b64(bytes(range(n)))}\n" for n in (5, 72)))


def archives():
    """Archives whose form is right. What is in their tiles and lines is for an audit, not for the reader."""
    def member(name, content):
        header = bytearray(512)
        fields = [(0, name.encode()), (100, b"0000644"), (108, b"0000000"), (116, b"0000000"), (124, b"%011o" % len(content)),
                  (136, b"00000000000"), (148, b" " * 8), (156, b"0"), (257, b"ustar"), (263, b"00")]
        for at, field in fields:
            header[at:at + len(field)] = field
        header[148:156] = b"%07o\0" % sum(header)
        return bytes(header) + content + bytes(-len(content) % 512)

    def log(prefix, size):
        salt = b64u(bytes(range(16)))
        lines = [jcs({"body": {"number": str(n)} if n % 3 else None, "index": n, "salt": salt if n % 3 else None}) for n in range(size)]
        tiles = [(f"tile/entries/000.p/{size}", bytes([0, 1, 65]) * size), (f"tile/0/000.p/{size}", bytes(32) * size)] if size else []
        files = [*tiles, ("bodies.ndjson", b"".join(line + b"\n" for line in lines))]
        return b"".join(member(prefix + name, content) for name, content in files)

    def note(slug, size):
        origin = f"reestr.localhost/registers/{slug}"
        text = f"{origin}\n{size}\n{b64(bytes(32))}\n"
        return f"{text}\n\u2014 {origin} {b64(key_id(origin, bytes([1])) + KEY.sign(text.encode()))}\n".encode()

    definition = member("definition.json", jcs({"slug": "permits"}) + b"\n")
    for name, slug, sizes in [("empty", "permits", (1, 1, 0)), ("three", "permits", (2, 1, 3)), ("platform", "departments", (0, 2, 2))]:
        logs = [("departments/", "departments", sizes[0]), ("registers/", "registers", sizes[1]), ("", slug, sizes[2])]
        logs = [one for one in logs if one[0] != f"{slug}/"]
        order = [logs[-1], *logs[:-1]]
        heads = b"".join(member(prefix + "checkpoint", note(of, size)) for prefix, of, size in order)
        rest = b"".join(log(prefix, size) for prefix, _, size in logs)
        put("archive", name, heads + definition + rest + bytes(1024))
    put("archive", "cut", (CORPUS / "archive/three").read_bytes()[:-1536])
    put("archive", "claims-more", (CORPUS / "archive/three").read_bytes().replace(b"permits\n3\n", b"permits\n9\n"))


def served(url, token):
    """What a demo serves."""
    def get(path, binary=False):
        headers = {"Authorization": f"Bearer {token}", "Purpose": "seeds", "Legal-Basis": "none at all"}
        with urllib.request.urlopen(urllib.request.Request(url + path, headers=headers)) as answer:
            data = answer.read()
        return data if binary else data.decode()

    for register in ["driving-licences", "registers", "departments", "country", "tax-notices"]:
        base = f"/v1/registers/{register}"
        checkpoint = get(f"{base}/checkpoint")
        size = int(checkpoint.split("\n")[1])
        put("checkpoint", register, checkpoint)
        put("verifier-key", register, get(f"{base}/key").strip())
        part = f".p/{size}" if size < 256 else ""
        put("tile", f"{register}-hashes", get(f"{base}/tile/0/000{part}", binary=True))
        put("tile-path", register, f"tile/entries/000{part}")
        bundle = get(f"{base}/tile/entries/000{part}", binary=True)
        if len(bundle) < 80_000:
            put("tile", f"{register}-entries", bundle)
        put("tile", f"{register}-entry", bundle[: 2 + int.from_bytes(bundle[:2])])
        items = json.loads(get(f"{base}/entries?limit=12"))["items"]
        for item in items[:3]:
            put("statement", f"{register}-{item['index']}", item["statement"])
            put("leaf", f"{register}-{item['index']}", jcs({"recorded_at": item["recorded_at"], "statement": item["statement"]}))
        for item in items[:6]:
            if item["body"] and len(jcs(item["body"])) < 8_000:
                put("body", f"{register}-{item['index']}", json.dumps(item["body"], ensure_ascii=False))
        receipt = get(f"{base}/entries/{size // 2}/receipt")
        if len(receipt) < 12_000:
            put("receipt", register, receipt)
        put("inclusion", register, json.loads(receipt)["proof"])
    for register in ["births", "real-estate"]:
        for item in json.loads(get(f"/v1/registers/{register}/entries?limit=4"))["items"]:
            put("body", f"{register}-{item['index']}", json.dumps(item["body"], ensure_ascii=False))
    for path in ["tile/0/000", "tile/5/000.p/1", "tile/1/x001/x234/067.p/255", "tile/entries/x999/999"]:
        put("tile-path", path.replace("/", "-"), path)


def fixtures():
    """What the clone has: definitions, rules and their expressions, files of GOV.UK."""
    for name in ["country", "registers", "departments", "driving-licences", "real-estate", "births", "offers", "passports",
                 "powers-of-attorney", "tax-notices"]:
        path = ROOT / f"fixtures/registers/{name}.json"
        if path.exists():
            put("definition", name, path.read_bytes())
    rules = sorted((ROOT / "fixtures/triggers").glob("*.json"))
    expressions = set()
    for path in rules:
        rule = json.loads(path.read_text())
        expressions.add(rule.get("when", "true"))
        expressions.update(entry["is"] for entry in rule.get("let", []))
        for service in rule["effect"].get("set", {}).get("services", []) + [rule["effect"].get("offer", {})]:
            expressions.update(service.get("values", {}).values())
    for path in rules[::5]:
        put("rule", path.stem, path.read_bytes())
    for number, expression in enumerate(sorted(expressions)):
        put("expression", f"fixture-{number:03}", expression)
    vectors = json.loads((ROOT / "fixtures/vectors/receipts/receipts.json").read_text())
    for name in ["plain", "witnessed", "rotated", "issuer-key-compromised-then"]:
        document = vectors["keys"][name]
        put("keyring", name, document if isinstance(document, str) else json.dumps(document, ensure_ascii=False))
    for case in vectors["cases"][::6]:
        document = case["document"]
        text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
        name = "".join(letter if letter.isalnum() else "-" for letter in case["name"])
        put("receipt", f"vector-{name}"[:60], text)
    small = (ROOT / "fixtures/real/country.rsf").read_text().split("\n")
    put("rsf", "country-head", "\n".join(small[:12]) + "\n")
    put("rsf", "empty", f"assert-root-hash\tsha-256:{hashlib.sha256().hexdigest()}\n")
    items, entries = [], []
    leaves = []
    for number in (1, 2):
        item = jcs({"country": str(number), "name": "\u0421\u0442\u0440\u0430\u043d\u0430"})
        name, at = sha256(item).hex(), "2016-04-05T13:23:05Z"
        items.append(f"add-item\t{item.decode()}\n")
        entries.append(f"append-entry\tuser\t{number}\t{at}\tsha-256:{name}\n")
        leaf = (f'{{"index-entry-number":"{number}","entry-number":"{number}","entry-timestamp":"{at}",'
                f'"key":"{number}","item-hash":["sha-256:{name}"]}}')
        leaves.append(sha256(b"\x00", leaf.encode()))
    root = sha256(b"\x01", *leaves).hex()
    put("rsf", "two", "".join(items + entries) + f"assert-root-hash\tsha-256:{root}\n")
    for number, text in enumerate(['{"a":[1,2.5,-0.0,1e21,1E-7,true,null],"\u044f":"\\u20ac\\ud83d\\ude00","":{}}',
                                   "9007199254740991", '"\\ud800"', '{"a":1,"a":2}', "[" * 64 + "]" * 64, "[" * 65 + "]" * 65,
                                   '{"\u20ac":"Euro","\\r":"CR","\ufb33":"dalet","1":"One","\\u0080":"control","\U0001f600":"smile"}']):
        put("json", f"text-{number}", text)


if __name__ == "__main__":
    ours()
    archives()
    fixtures()
    served(*sys.argv[1:])
