// The page: takes a receipt, has it examined, and says what was found. It asks nothing of any server.

const byId = (id) => document.getElementById(id);
let language = document.documentElement.lang;
let shown = null;

function words(code, values = []) {
  const text = WORDS[language][code] ?? code;
  return text.replace(/\{([0-9])\}/g, (_, at) => String(values[Number(at)]));
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className !== undefined) made.className = className;
  return made;
}

// JSON for people: numbers as they are canonically, members in the order in which they stand.
function pretty(value, indent = "") {
  const deeper = `${indent}  `;
  if (value instanceof Map && value.size > 0) {
    const members = [...value].map(([name, member]) => `${deeper}${JSON.stringify(name)}: ${pretty(member, deeper)}`);
    return `{\n${members.join(",\n")}\n${indent}}`;
  }
  if (Array.isArray(value) && value.length > 0) {
    return `[\n${value.map((item) => `${deeper}${pretty(item, deeper)}`).join(",\n")}\n${indent}]`;
  }
  return canonicalJson(value);
}

function provenList(proven) {
  const list = element("dl");
  const add = (code, value) => list.append(element("dt", words(code)), value);
  const text = (value) => element("dd", String(value));
  add("proven-register", text(proven.register));
  add("proven-index", text(proven.index));
  add("proven-issuer", text(proven.issuer));
  add("proven-type", text(proven.type));
  add("proven-record", text(`${proven.record}, ${proven.version}`));
  add("proven-recorded", text(proven.recordedAt));
  if (proven.body === null) add("proven-body", text(words("body-hidden")));
  else {
    const body = element("dd");
    body.append(element("pre", pretty(proven.body)));
    add("proven-body", body);
  }
  return list;
}

function stepItem({ step, outcome, code, values }) {
  const item = element("li", undefined, outcome);
  item.dataset.step = step;
  item.dataset.outcome = outcome;
  const outcomeWord = words(outcome === "doubtful" ? "outcome-doubtful" : outcome);
  item.append(element("strong", `${words(`step-${step}`)}: ${outcomeWord}. `), words(code, values));
  return item;
}

function show(result) {
  shown = result;
  const { verdict, steps, proven } = result;
  const parts = [element("h2", words(verdict))];
  if (result.detail !== undefined) parts.push(element("p", words(result.detail)));
  if (proven) parts.push(provenList(proven));
  if (steps) {
    const list = element("ol");
    list.append(...steps.map(stepItem));
    parts.push(list);
  }
  const place = byId("result");
  place.replaceChildren(...parts);
  place.className = verdict;
  // Whoever waits for the verdict finds it here, when all of it is there.
  place.dataset.verdict = verdict;
}

const problem = (verdict) => ({ verdict, detail: `${verdict}-detail` });

async function check(bytes) {
  delete byId("result").dataset.verdict;
  const ownKeys = byId("keys-text").value.trim();
  const keyring = await parseKeyring(ownKeys === "" ? byId("keys").textContent : ownKeys);
  if (keyring === null) return show(problem("keys-bad"));
  const rule = byId("policy-text").value;
  const policy = rule.trim() === "" ? null : await parsePolicy(rule.endsWith("\n") ? rule : `${rule}\n`);
  if (policy === null && rule.trim() !== "") return show(problem("policy-bad"));
  const json = findReceipt(bytes);
  return show(json === null ? problem("none") : await examine(json, keyring, policy));
}

async function checkFile(file) {
  if (file === undefined) return;
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    show({ verdict: "none", detail: "unreadable" });
    return;
  }
  await check(bytes);
}

function speak(chosen) {
  language = chosen;
  document.documentElement.lang = chosen;
  for (const button of document.querySelectorAll("button[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === chosen));
  }
  document.title = byId(`title-${chosen}`).textContent;
  if (shown !== null) show(shown);
}

async function begin() {
  for (const button of document.querySelectorAll("button[data-language]")) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  speak(language);
  if (!(await knowsEd25519())) {
    byId(globalThis.isSecureContext ? "too-old" : "insecure").hidden = false;
    byId("starting").hidden = true;
    return;
  }
  byId("starting").hidden = true;
  byId("form").hidden = false;
  byId("file").addEventListener("change", (event) => checkFile(event.target.files[0]));
  byId("check").addEventListener("click", () => check(utf8(byId("text").value)));
  byId("keys-file").addEventListener("change", async (event) => {
    const file = event.target.files[0];
    if (file !== undefined) byId("keys-text").value = await file.text();
  });
  // A file dropped beside the place for it must not open in place of the page.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    return checkFile(event.dataTransfer.files[0]);
  });
  document.body.dataset.ready = "";
}

begin();
