// Bytes, base64, hashes and signatures. Each text has one encoding; any other is refused.

// What is wrong with a receipt, by the step that finds it. `code` is a key of the page's words.
class Fault extends Error {
  constructor(step, code, ...values) {
    super(`${step}: ${code}`);
    Object.assign(this, { step, code, values });
  }
}

const utf8 = (text) => new TextEncoder().encode(text);

// Text of bytes; null when they are not UTF-8.
function utf8Text(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function join(...parts) {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const equal = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

const base64url = (bytes) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// Standard base64 with padding; null when it is not the one encoding of its bytes.
function base64Bytes(text) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  let binary;
  try {
    binary = atob(text);
  } catch {
    return null;
  }
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return base64(bytes) === text ? bytes : null;
}

// base64url without padding; null when it is not the one encoding of its bytes.
function base64urlBytes(text) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const padding = "=".repeat((4 - (text.length % 4)) % 4);
  return base64Bytes(text.replaceAll("-", "+").replaceAll("_", "/") + padding);
}

// Exactly so many bytes, or null.
const sized = (bytes, length) => (bytes !== null && bytes.length === length ? bytes : null);

// A decimal below 2^64 without leading zeroes, or null.
function decimal(text) {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(text)) return null;
  const number = BigInt(text);
  return number < 1n << 64n ? number : null;
}

// A moment as YYYY-MM-DDTHH:MM:SS.mmmZ that there is.
function isTime(text) {
  if (typeof text !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return false;
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString() === text;
}

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const leafHash = (leaf) => sha256(join(Uint8Array.of(0), leaf));
const nodeHash = (left, right) => sha256(join(Uint8Array.of(1), left, right));

// y of the points of small order, little-endian, the sign of x left out: a signature whose R is one of them is refused by
// whoever checks strictly, and so it is here.
const SMALL_ORDER = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

function smallOrder(point) {
  const masked = Uint8Array.from(point);
  masked[31] &= 0x7f;
  const hex = Array.from(masked, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return SMALL_ORDER.includes(hex);
}

// RFC 8032, strictly. A key that is none verifies nothing.
async function ed25519(key, message, signature) {
  if (smallOrder(key) || smallOrder(signature.subarray(0, 32))) return false;
  try {
    const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
  } catch {
    return false;
  }
}

// Can this browser check a signature at all? Test 1 of RFC 8032, section 7.1.
async function knowsEd25519() {
  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  const key = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const signature = bytes(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  );
  return Boolean(globalThis.crypto?.subtle) && (await ed25519(key, new Uint8Array(), signature));
}
