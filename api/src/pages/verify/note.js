// Signed notes, checkpoints, proofs and policies, as C2SP writes them.

const NOTE_BYTES_MAX = 256 * 1024;
const SIGNATURES_MAX = 64;
const PATH_MAX = 63;
const SIZE_MAX = 1n << 62n;
const ED25519 = 1;
const COSIGNATURE = 4;

const isKeyName = (name) => name !== "" && !/[\p{White_Space}\p{Cc}+]/u.test(name);

const keyId = async (name, type, key) =>
  (await sha256(join(utf8(`${name}\n`), Uint8Array.of(type), key))).subarray(0, 4);

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// A verifier key: <name>+<id>+<base64 of type and key>; null when it is none.
async function parseVkey(text) {
  const parts = typeof text === "string" ? /^([^+]*)\+([^+]*)\+(.*)$/s.exec(text) : null;
  if (parts === null || !isKeyName(parts[1])) return null;
  const bytes = sized(base64Bytes(parts[3]), 33);
  if (bytes === null || ![ED25519, COSIGNATURE].includes(bytes[0])) return null;
  const [name, type, key] = [parts[1], bytes[0], bytes.subarray(1)];
  const id = await keyId(name, type, key);
  return hex(id) === parts[2] && !smallOrder(key) ? { name, type, key, id } : null;
}

// A note's text and signature lines; null when it is none.
function parseNote(note) {
  const end = note.lastIndexOf("\n\n");
  if (utf8(note).length > NOTE_BYTES_MAX || end < 0 || !note.endsWith("\n")) return null;
  const text = note.slice(0, end + 1);
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) return null;
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) return null;
  const signatures = [];
  for (const line of lines) {
    const parts = /^— ([^ ]*) (.*)$/s.exec(line);
    const bytes = parts === null || !isKeyName(parts[1]) ? null : base64Bytes(parts[2]);
    if (bytes === null || bytes.length < 5) return null;
    signatures.push({ name: parts[1], id: bytes.subarray(0, 4), signature: bytes.subarray(4) });
  }
  return { text, signatures };
}

// Who signed: "absent" when no line is of this key, "false" when one says so and lies, else the time of a cosignature in
// seconds, or true.
async function signedBy(note, key) {
  let found = "absent";
  for (const { name, id, signature } of note.signatures) {
    if (name !== key.name || !equal(id, key.id)) continue;
    let message = note.text;
    let good = signature;
    found = true;
    if (key.type === COSIGNATURE) {
      if (signature.length !== 72) return "false";
      found = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
      if (found >= 1n << 63n) return "false";
      message = `cosignature/v1\ntime ${found}\n${note.text}`;
      good = signature.subarray(8);
    }
    if (good.length !== 64 || !(await ed25519(key.key, utf8(message), good))) return "false";
  }
  return found;
}

// Origin, size and root of a checkpoint's text; null when it is none.
function parseCheckpoint(text) {
  if (!text.endsWith("\n")) return null;
  const lines = text.slice(0, -1).split("\n");
  if (lines.length < 3 || lines.some((line) => line === "" || /\u007f/.test(line))) return null;
  const size = decimal(lines[1]);
  const root = sized(base64Bytes(lines[2]), 32);
  return size === null || root === null ? null : { origin: lines[0], size, root };
}

// Index, path and checkpoint of a tlog-proof; null when it is none.
function parseProof(text) {
  if (typeof text !== "string" || utf8(text).length > NOTE_BYTES_MAX + 64 * 1024) return null;
  const first = "c2sp.org/tlog-proof@v1\n";
  if (!text.startsWith(first)) return null;
  let rest = text.slice(first.length);
  const line = () => {
    const end = rest.indexOf("\n");
    if (end < 0) return null;
    const taken = rest.slice(0, end);
    rest = rest.slice(end + 1);
    return taken;
  };
  let next = line();
  if (next?.startsWith("extra ")) {
    if (base64Bytes(next.slice(6)) === null) return null;
    next = line();
  }
  const index = next?.startsWith("index ") ? decimal(next.slice(6)) : null;
  if (index === null) return null;
  const path = [];
  for (;;) {
    next = line();
    if (next === "") return { index, path, checkpoint: rest };
    const hash = next === null || path.length === PATH_MAX ? null : sized(base64Bytes(next), 32);
    if (hash === null) return null;
    path.push(hash);
  }
}

// RFC 9162 section 2.1.3.2: the root that a path leads to from a leaf; null when the path has not the length that it must.
async function rootOf(hash, index, size, path) {
  if (size > SIZE_MAX || index >= size) return null;
  let [place, last] = [index, size - 1n];
  for (const sibling of path) {
    if (last === 0n) return null;
    if (place & 1n || place === last) {
      hash = await nodeHash(sibling, hash);
      while (place !== 0n && !(place & 1n)) {
        place >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = await nodeHash(hash, sibling);
    }
    place >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? hash : null;
}
