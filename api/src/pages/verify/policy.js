// C2SP tlog-policy: whose cosignatures suffice.

const POLICY_BYTES_MAX = 256 * 1024;
const LINES_MAX = 1024;

// A policy's text read; null when it is refused.
async function parsePolicy(text) {
  if (utf8(text).length > POLICY_BYTES_MAX || /[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) return null;
  if (text !== "" && !text.endsWith("\n")) return null;
  const policy = { logs: [], witnesses: [], groups: [], quorum: undefined };
  const names = new Map();
  const seen = { logs: new Set(), witnesses: new Set(), members: new Set() };
  const define = (name, member) => {
    if (name === "none" || names.has(name)) return false;
    names.set(name, member);
    return true;
  };
  const key = async (list, text, type) => {
    const vkey = await parseVkey(text);
    if (vkey === null || vkey.type !== type || policy[list].length === LINES_MAX) return null;
    const bytes = hex(vkey.key);
    if (seen[list].has(bytes)) return null;
    seen[list].add(bytes);
    return vkey;
  };
  const group = (name, threshold, members) => {
    const found = [];
    for (const member of members) {
      if (!names.has(member) || seen.members.has(member)) return false;
      seen.members.add(member);
      found.push(names.get(member));
    }
    const number = decimal(threshold) ?? 0n;
    const needed = threshold === "all" ? found.length : threshold === "any" ? 1 : Number(number);
    if (needed < 1 || needed > found.length || policy.groups.length === LINES_MAX) return false;
    const index = policy.groups.push({ needed, members: found }) - 1;
    return define(name, { group: index });
  };
  for (const line of text.split("\n")) {
    const [first, ...words] = line.split(/[ \t]+/).filter((word) => word !== "");
    if (first === undefined || first.startsWith("#")) continue;
    if (first === "log" && [1, 2].includes(words.length)) {
      const vkey = await key("logs", words[0], ED25519);
      if (vkey === null) return null;
      policy.logs.push(vkey);
    } else if (first === "witness" && [2, 3].includes(words.length)) {
      const vkey = await key("witnesses", words[1], COSIGNATURE);
      if (vkey === null || !define(words[0], { witness: policy.witnesses.length })) return null;
      policy.witnesses.push({ name: words[0], vkey });
    } else if (first === "group" && words.length >= 3) {
      if (!group(words[0], words[1], words.slice(2))) return null;
    } else if (first === "quorum" && words.length === 1 && policy.quorum === undefined) {
      policy.quorum = words[0] === "none" ? null : names.get(words[0]);
      if (policy.quorum === undefined) return null;
    } else {
      return null;
    }
  }
  return policy.quorum === undefined ? null : policy;
}

// Is the quorum met when the witnesses cosigned for whom `signed` holds?
function quorumMet(policy, signed) {
  const groups = [];
  const holds = (member) =>
    member.witness === undefined ? groups[member.group] : signed(policy.witnesses[member.witness].name);
  for (const { needed, members } of policy.groups) groups.push(members.filter(holds).length >= needed);
  return policy.quorum === null || holds(policy.quorum);
}

// Which witnesses of the policy cosigned a note, and when (in seconds); whose line is false; did one of its logs sign?
async function askPolicy(policy, note) {
  const asked = { cosigned: new Map(), lies: [], log: policy.logs.length === 0 };
  for (const { name, vkey } of policy.witnesses) {
    const found = await signedBy(note, vkey);
    if (found === "false") asked.lies.push(name);
    else if (found !== "absent") asked.cosigned.set(name, found);
  }
  const origin = note.text.split("\n", 1)[0];
  for (const vkey of policy.logs) asked.log ||= vkey.name === origin && (await signedBy(note, vkey)) === true;
  return asked;
}
