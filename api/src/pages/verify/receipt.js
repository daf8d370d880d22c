// A receipt examined step by step, by the same rule as `reestr verify receipt`: what one accepts, the other accepts.

const STEPS = ["receipt", "leaf", "path", "root", "checkpoint", "witnesses", "statement", "key", "body"];
const LEAF_BYTES_MAX = 65_535;
const BEGIN = "-----BEGIN REESTR RECEIPT-----";
const END = "-----END REESTR RECEIPT-----";

const isSlug = (text) => typeof text === "string" && /^[a-z][a-z0-9-]{1,62}$/.test(text);
const isType = (text) => typeof text === "string" && /^[a-z][a-z0-9-]{0,62}$/.test(text);
const isUuid = (text) =>
  typeof text === "string" && /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text);

// The JSON of a receipt in what a person has: the JSON itself, or a text or page with the first receipt between its marks.
// Null when there is none.
function findReceipt(bytes) {
  const text = utf8Text(bytes);
  if (text?.replace(/^\ufeff/, "").trimStart().startsWith("{")) return text.replace(/^\ufeff/, "");
  const ascii = text ?? new TextDecoder("latin1").decode(bytes);
  const begin = ascii.indexOf(BEGIN);
  const end = ascii.indexOf(END, begin + BEGIN.length);
  if (begin < 0 || end < 0) return null;
  const inner = base64urlBytes(ascii.slice(begin + BEGIN.length, end).replace(/[ \t\r\n\f]/g, ""));
  return inner === null ? null : (utf8Text(inner) ?? "");
}

// The document of `GET /v1/keys`, read strictly; null when it is none.
async function parseKeyring(text) {
  const whole = exactly(parseJson(text)?.value, ["log_name", "registers", "departments", "witness_policy"]);
  const [registers, departments] = [whole?.get("registers"), whole?.get("departments")];
  if (typeof whole?.get("log_name") !== "string" || !Array.isArray(registers) || !Array.isArray(departments)) return null;
  const keyring = { logName: whole.get("log_name"), registers: new Map(), departments: new Map(), policy: null };
  const term = (key, name) => {
    const member = exactly(key, [name, "from", "until", "compromised_since"]);
    const times = ["from", "until", "compromised_since"].map((time) => member?.get(time));
    const fits = isTime(times[0]) && times.slice(1).every((time) => time === null || isTime(time));
    return fits ? { from: times[0], until: times[1], since: times[2] } : null;
  };
  const owners = async (list, kind, keys, read) => {
    for (const item of list) {
      const owner = exactly(item, [kind, "keys"]);
      const slug = owner?.get(kind);
      if (!isSlug(slug) || keys.has(slug) || !Array.isArray(owner.get("keys"))) return false;
      const found = [];
      for (const key of owner.get("keys")) found.push(await read(slug, key));
      if (found.includes(null)) return false;
      keys.set(slug, found);
    }
    return true;
  };
  const registerKey = async (register, key) => {
    const [terms, vkey] = [term(key, "vkey"), await parseVkey(key instanceof Map ? key.get("vkey") : null)];
    const fits = terms !== null && vkey?.name === `${keyring.logName}/registers/${register}`;
    return fits ? { ...terms, vkey } : null;
  };
  const departmentKey = async (_, key) => {
    const terms = term(key, "jwk");
    const jwk = terms === null ? null : key.get("jwk");
    const member = (name, value) => !jwk.has(name) || jwk.get(name) === value;
    if (!(jwk instanceof Map) || jwk.get("kty") !== "OKP" || jwk.get("crv") !== "Ed25519") return null;
    const bytes = sized(base64urlBytes(jwk.get("x")), 32);
    const known = ["kty", "crv", "x", "kid", "use", "alg"];
    if (bytes === null || smallOrder(bytes) || [...jwk.keys()].some((name) => !known.includes(name))) return null;
    const kid = base64url(await sha256(utf8(`{"crv":"Ed25519","kty":"OKP","x":"${jwk.get("x")}"}`)));
    const fits = member("kid", kid) && member("use", "sig") && member("alg", "EdDSA");
    return fits ? { ...terms, bytes, kid } : null;
  };
  if (!(await owners(registers, "register", keyring.registers, registerKey))) return null;
  if (!(await owners(departments, "department", keyring.departments, departmentKey))) return null;
  const policy = whole.get("witness_policy");
  if (policy !== null) {
    keyring.policy = typeof policy === "string" ? await parsePolicy(policy) : null;
    if (keyring.policy === null) return null;
  }
  return keyring;
}

// A statement: who says it, and of what.
function parseStatement(jws) {
  const refuse = (code) => {
    throw new Fault("leaf", code);
  };
  const parts = jws.split(".");
  if (parts.length !== 3) refuse("statement-form");
  const [header, payload, signature] = parts.map(base64urlBytes);
  if (header === null || payload === null || signature?.length !== 64) refuse("statement-form");
  const protectedHeader = exactly(parseJson(utf8Text(header) ?? "")?.value, ["alg", "kid", "typ"]);
  if (protectedHeader?.get("alg") !== "EdDSA" || protectedHeader.get("typ") !== "reestr-statement.v1+jws") {
    refuse("statement-form");
  }
  const kid = protectedHeader.get("kid");
  if (sized(base64urlBytes(kid), 32) === null) refuse("statement-form");
  const names = ["body", "effective_at", "issuer", "record", "register", "type", "version"];
  const text = utf8Text(payload) ?? "";
  const says = exactly(parseJson(text)?.value, names);
  if (says === null) refuse("statement-form");
  const version = says.get("version");
  const fits =
    sized(base64urlBytes(says.get("body")), 32) !== null &&
    isTime(says.get("effective_at")) &&
    [says.get("issuer"), says.get("register")].every(isSlug) &&
    isUuid(says.get("record")) &&
    isType(says.get("type")) &&
    version instanceof Numeral &&
    version.integer &&
    version.value >= 1;
  if (!fits || canonicalJson(says) !== text) refuse("statement-form");
  return { ...Object.fromEntries(says), version: version.value, kid, signed: `${parts[0]}.${parts[1]}`, signature };
}

// Every step of an examination, and what they come to. `policy` is the reader's own rule on witnesses, or null.
async function examine(json, keyring, policy) {
  const steps = [];
  const note = (outcome, step, code, ...values) => steps.push({ step, outcome, code, values });
  const pass = (step, code, ...values) => note("passed", step, code, ...values);
  let proven = null;
  try {
    proven = await walk(json, keyring, policy, note, pass);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    note("failed", fault.step, fault.code, ...fault.values);
  }
  for (const step of STEPS.slice(steps.length)) note("unchecked", step, "not-looked");
  const doubtful = steps.some(({ outcome }) => outcome === "doubtful");
  return { verdict: proven === null ? "faulty" : doubtful ? "doubtful" : "verified", steps, proven };
}

async function walk(json, keyring, policy, note, pass) {
  const receipt = exactly(parseJson(json)?.value, ["leaf", "index", "proof", "body", "salt"]);
  const leafBytes = base64urlBytes(receipt?.get("leaf"));
  const proof = parseProof(receipt?.get("proof"));
  const [index, salt] = [receipt?.get("index"), receipt?.get("salt")];
  const indexFits = index instanceof Numeral && index.integer && index.value >= 0;
  const saltBytes = salt === null ? null : sized(base64urlBytes(salt), 16);
  if (receipt === null || leafBytes === null || proof === null || !indexFits || (salt !== null && saltBytes === null)) {
    throw new Fault("receipt", "receipt-form");
  }
  if (proof.index !== BigInt(index.value)) throw new Fault("receipt", "receipt-index");
  const signed = parseNote(proof.checkpoint);
  const checkpoint = signed === null ? null : parseCheckpoint(signed.text);
  if (checkpoint === null) throw new Fault("receipt", "checkpoint-form");
  pass("receipt", "receipt-good");

  const written = /^\{"recorded_at":"([^"\\]*)","statement":"([^"\\]*)"\}$/.exec(utf8Text(leafBytes) ?? "");
  if (leafBytes.length > LEAF_BYTES_MAX || written === null || !isTime(written[1])) throw new Fault("leaf", "leaf-form");
  const [recordedAt, statement] = [written[1], parseStatement(written[2])];
  const { issuer, type, version, record, register } = statement;
  pass("leaf", "leaf-good", issuer, type, version, record, register, recordedAt);

  const root = await rootOf(await leafHash(leafBytes), proof.index, checkpoint.size, proof.path);
  if (root === null) throw new Fault("path", "path-length");
  pass("path", "path-good", proof.path.length, proof.index, checkpoint.size);
  if (!equal(root, checkpoint.root)) throw new Fault("root", "root-other");
  pass("root", "root-good", base64(checkpoint.root));

  const rule = policy ?? keyring.policy;
  const asked = rule === null ? null : await askPolicy(rule, signed);
  await checkCheckpoint({ keyring, register, recordedAt, signed, checkpoint, rule, asked }, pass);
  checkWitnesses(policy, asked, rule, note, pass);
  await checkStatement(keyring, statement, recordedAt, note, pass);

  const body = receipt.get("body");
  if ((body === null) !== (salt === null)) throw new Fault("body", "body-half");
  if (body === null) note("absent", "body", "body-absent");
  else {
    if (!(body instanceof Map)) throw new Fault("body", "body-kind");
    const digest = base64url(await sha256(join(saltBytes, utf8(canonicalJson(body)))));
    if (digest !== statement.body) throw new Fault("body", "body-other");
    pass("body", "body-good");
  }
  return { issuer, type, version, record, register, recordedAt, index: proof.index, body };
}

async function checkCheckpoint({ keyring, register, recordedAt, signed, checkpoint, rule, asked }, pass) {
  const origin = `${keyring.logName}/registers/${register}`;
  if (checkpoint.origin !== origin) throw new Fault("checkpoint", "checkpoint-origin", checkpoint.origin, origin);
  let signers = [];
  for (const key of keyring.registers.get(register) ?? []) {
    const found = await signedBy(signed, key.vkey);
    if (found === "false" || (found !== "absent" && key.vkey.type !== ED25519)) {
      throw new Fault("checkpoint", "checkpoint-signature");
    }
    if (found !== "absent") signers.push(key);
  }
  if (signers.length === 0) throw new Fault("checkpoint", "checkpoint-unknown");
  // Times have one form, in which the earlier is the lesser text.
  signers = signers.filter(({ until }) => until === null || recordedAt <= until);
  if (signers.length === 0) throw new Fault("checkpoint", "checkpoint-retired");
  const whole = signers.find(({ since }) => since === null);
  if (whole !== undefined) return pass("checkpoint", "checkpoint-good", origin, hex(whole.vkey.id));
  const witnessed = ({ since }) => {
    const before = (name) => asked.cosigned.has(name) && asked.cosigned.get(name) * 1000n < BigInt(Date.parse(since));
    return rule !== null && rule.quorum !== null && asked.lies.length === 0 && quorumMet(rule, before);
  };
  const older = signers.find(witnessed);
  if (older === undefined) throw new Fault("checkpoint", "checkpoint-compromised", signers[0].since);
  return pass("checkpoint", "checkpoint-older", origin, hex(older.vkey.id), older.since);
}

const seconds = (time) => {
  const date = new Date(Number(time) * 1000);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
};

function checkWitnesses(policy, asked, rule, note, pass) {
  if (rule === null) return note("absent", "witnesses", "witnesses-none");
  const times = [...asked.cosigned].sort(([, one], [, other]) => (one < other ? -1 : one > other ? 1 : 0));
  const names = times.map(([name, time]) => `${name} (${seconds(time)})`).join(", ");
  if (asked.lies.length > 0) throw new Fault("witnesses", "witnesses-false", asked.lies.join(", "));
  if (policy !== null && !asked.log) throw new Fault("witnesses", "witnesses-log");
  if (policy !== null && !quorumMet(rule, (name) => asked.cosigned.has(name))) {
    throw new Fault("witnesses", "witnesses-few", names || "—");
  }
  if (times.length === 0) return note("absent", "witnesses", "witnesses-absent");
  return pass("witnesses", "witnesses-good", names, seconds(times[0][1]));
}

async function checkStatement(keyring, statement, recordedAt, note, pass) {
  const { issuer, kid } = statement;
  const key = keyring.departments.get(issuer)?.find((known) => known.kid === kid);
  if (key === undefined) throw new Fault("statement", "statement-unknown", issuer, kid);
  if (!(await ed25519(key.bytes, utf8(statement.signed), statement.signature))) {
    throw new Fault("statement", "statement-signature");
  }
  pass("statement", "statement-good", issuer, kid);
  if (recordedAt < key.from || (key.until !== null && key.until < recordedAt)) {
    throw new Fault("key", "key-term", key.from, key.until ?? "…");
  }
  if (key.since !== null && key.since <= recordedAt) note("doubtful", "key", "key-doubtful", key.since);
  else pass("key", "key-good");
}
