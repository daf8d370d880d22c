// JSON read strictly (RFC 7493), and its canonical form (RFC 8785). Objects are Maps: no name in them means anything to the
// language. Numbers keep whether they were written as integers.

const DEPTH_MAX = 64;
const SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

class Numeral {
  constructor(text) {
    this.value = Number(text);
    this.integer = /^-?[0-9]+$/.test(text) && text !== "-0";
  }
}

// The value of a text, or null for none: not JSON, a name twice in an object, a number outside ±(2^53−1), a lone surrogate,
// nested deeper than 64.
function parseJson(text) {
  let at = 0;
  const refuse = () => {
    throw new SyntaxError("refused");
  };
  const skip = () => {
    while (at < text.length && " \t\n\r".includes(text[at])) at += 1;
  };
  const take = (character) => {
    skip();
    if (text[at] !== character) refuse();
    at += 1;
  };
  const matched = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) refuse();
    at = pattern.lastIndex;
    return found[0];
  };
  const string = () => {
    const written = matched(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    const value = JSON.parse(written);
    return SURROGATE.test(value) ? refuse() : value;
  };
  const number = () => {
    const numeral = new Numeral(matched(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y));
    return Math.abs(numeral.value) <= Number.MAX_SAFE_INTEGER ? numeral : refuse();
  };
  const array = (depth) => {
    const items = [];
    take("[");
    skip();
    if (text[at] === "]") at += 1;
    else {
      for (;;) {
        items.push(value(depth));
        skip();
        if (text[at] === "]") break;
        take(",");
      }
      at += 1;
    }
    return items;
  };
  const object = (depth) => {
    const members = new Map();
    take("{");
    skip();
    if (text[at] === "}") at += 1;
    else {
      for (;;) {
        skip();
        const name = string();
        if (members.has(name)) refuse();
        take(":");
        members.set(name, value(depth));
        skip();
        if (text[at] === "}") break;
        take(",");
      }
      at += 1;
    }
    return members;
  };
  const value = (depth) => {
    skip();
    const first = text[at];
    if (first === '"') return string();
    if (first === "{" || first === "[") {
      if (depth === DEPTH_MAX) refuse();
      return first === "{" ? object(depth + 1) : array(depth + 1);
    }
    for (const [word, meaning] of [["true", true], ["false", false], ["null", null]]) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    return number();
  };
  try {
    const whole = value(0);
    skip();
    return at === text.length ? { value: whole } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function canonicalJson(value) {
  if (value instanceof Numeral) return String(value.value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value instanceof Map) {
    // The language compares strings by UTF-16 code units, which is the order that RFC 8785 asks for.
    const names = [...value.keys()].sort((one, other) => (one < other ? -1 : 1));
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(value.get(name))}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

// The members of an object of exactly these names, or null.
function exactly(value, names) {
  const fits = value instanceof Map && value.size === names.length && names.every((name) => value.has(name));
  return fits ? value : null;
}
