// SPDX-License-Identifier: MIT
// The part of Markdown inside a line: emphasis, code, links, escapes. Texts become plain data, which
// markdown.js turns into elements: a string, or {tag, attributes, children}. There is no HTML but <br>,
// and a link is either http(s) or not a link. Takes linear time and bounded depth for any text.

const mostOpen = 20; // delimiters that wait for their partner; older ones are text
const longestRun = 6; // of * or _; a longer one is text
const longestAddress = 2000;

const escapable = /[!-/:-@[-`{-~]/;
const special = /[\\`*_~[\]!<&\n]|https?:\/\//g;
const entity = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,8}));/y;
const entities = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'", nbsp: "\u00a0", copy: "©",
  reg: "®", trade: "™", hellip: "…", mdash: "—", ndash: "–", larr: "←", rarr: "→", times: "×",
  divide: "÷", deg: "°", le: "≤", ge: "≥", ne: "≠", euro: "€", bull: "•", middot: "·" };
const autolink = /<(https?:\/\/[^\s<>]+)>/y;
const lineBreak = /<br ?\/?>/iy;
const bareAddress = /https?:\/\/[^\s<`]{1,2000}/y;

export const make = (tag, children = [], attributes = {}) => ({ tag, attributes, children });

// Matches a sticky expression at a position.
function matchAt(expression, text, at) {
  expression.lastIndex = at;
  return expression.exec(text);
}

// The address if a link may have it, else null.
export function safeAddress(address) {
  if (address.length > longestAddress || !/^https?:\/\//i.test(address)) return null;
  // A browser does not follow an address that has half a character.
  return address.isWellFormed() && URL.canParse(address) ? address : null;
}

const makeLink = (address, children) => make("a", children,
  { href: address, title: address, target: "_blank", rel: "noopener noreferrer nofollow" });

// Where each run of backticks and each pair of brackets is.
function findPairs(text) {
  const runs = new Map(); // length of a run -> where such runs begin
  for (const { 0: run, index } of text.matchAll(/`+/g)) {
    if (!runs.has(run.length)) runs.set(run.length, { starts: [], next: 0 });
    runs.get(run.length).starts.push(index);
  }
  const closers = new Map(); // position of [ -> position of its ]
  const openers = [];
  const marks = /\\[^]|`+|[[\]]/g;
  for (let mark; (mark = marks.exec(text));) {
    const [found] = mark;
    if (found[0] === "`") marks.lastIndex = endOfCode(runs, mark.index, found.length) ?? marks.lastIndex;
    else if (found === "[") openers.push(mark.index);
    else if (found === "]" && openers.length > 0) closers.set(openers.pop(), mark.index);
  }
  for (const run of runs.values()) run.next = 0;
  return { runs, closers };
}

// Where the code that begins with `size` backticks ends, or undefined. Positions must not decrease.
function endOfCode(runs, at, size) {
  const run = runs.get(size);
  if (!run) return undefined;
  while (run.starts[run.next] < at + size) ++run.next;
  return run.next < run.starts.length ? run.starts[run.next] + size : undefined;
}

const isSpace = (char) => char === "" || /\s/u.test(char);
const isPunctuation = (char) => /[\p{P}\p{S}]/u.test(char);

// The character before a position; may consist of two code units.
function charBefore(text, at) {
  const low = text.charCodeAt(at - 1);
  return text.slice(low >= 0xdc00 && low <= 0xdfff ? at - 2 : at - 1, at);
}

const charAt = (text, at) => at < text.length ? String.fromCodePoint(text.codePointAt(at)) : "";

class InlineParser {
  constructor(text, open, links) {
    this.text = text;
    this.open = open; // the text may go on
    this.links = links; // ... and may contain links
    this.at = 0;
    this.out = []; // strings, nodes, and delimiters
    this.waiting = []; // delimiters of `out` that can begin emphasis
    this.pairs = findPairs(text);
  }

  parse() {
    while (this.at < this.text.length) {
      special.lastIndex = this.at;
      const found = special.exec(this.text);
      const next = found ? found.index : this.text.length;
      if (next > this.at) this.out.push(this.text.slice(this.at, next));
      this.at = next;
      if (found) this.parseSpecial(found[0]);
    }
    if (this.open) this.closeStrong();
    return settle(this.out);
  }

  parseSpecial(mark) {
    switch (mark) {
      case "\\": return this.parseEscape();
      case "`": return this.parseCode();
      case "*": case "_": case "~": return this.parseRun(mark);
      case "[": return this.parseLink(false);
      case "!":
        if (this.text[this.at + 1] === "[") return this.parseLink(true);
        return this.take(1);
      case "<": return this.parseAngle();
      case "&": return this.parseEntity();
      case "\n": return this.parseNewline();
      case "]": return this.take(1);
      default: return this.parseAddress();
    }
  }

  // The next `size` code units are text.
  take(size) {
    this.out.push(this.text.slice(this.at, this.at + size));
    this.at += size;
  }

  parseEscape() {
    const next = this.text[this.at + 1] ?? "";
    if (next === "\n") {
      ++this.at; // the newline is a break by itself
    } else if (escapable.test(next)) {
      this.out.push(next);
      this.at += 2;
    } else {
      this.take(1);
    }
  }

  // A model's line ends are meant.
  parseNewline() {
    const last = this.out.length - 1;
    if (typeof this.out[last] === "string") this.out[last] = this.out[last].trimEnd();
    this.out.push(make("br"));
    ++this.at;
    while (this.text[this.at] === " ") ++this.at;
  }

  parseCode() {
    let size = 1;
    while (this.text[this.at + size] === "`") ++size;
    let end = endOfCode(this.pairs.runs, this.at, size);
    let code = this.text.slice(this.at + size, end && end - size);
    if (end === undefined) {
      if (!this.open || size > 2 || code.trim() === "") return this.take(size);
      end = this.text.length; // it will be closed
    }
    code = code.replaceAll("\n", " ");
    if (code.length > 2 && code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "") {
      code = code.slice(1, -1);
    }
    this.out.push(make("code", [code]));
    this.at = end;
    return undefined;
  }

  // [label](address "title"). An image becomes a link to it.
  parseLink(image) {
    const start = this.at + (image ? 1 : 0);
    const close = this.pairs.closers.get(start);
    if (!this.links || close === undefined || this.text[close + 1] !== "(") {
      return this.take(image ? 2 : 1);
    }
    const target = this.targetAt(close + 2);
    if (!target) return this.take(image ? 2 : 1);
    const label = this.text.slice(start + 1, close);
    const children = parseInline(label, false, false);
    if (target.address === null && target.whole) { // not an address for a link
      this.out.push("[", ...children, this.text.slice(close, target.end));
    } else if (target.address === null) {
      this.out.push(...children);
    } else {
      if (label.trim() === "") children.push(target.address);
      if (image) children.unshift("🖼 ");
      this.out.push(makeLink(target.address, children));
    }
    this.at = target.end;
    return undefined;
  }

  // What is between the parentheses of a link: {address, end, whole}. The address is null if it is not
  // allowed, or not whole because the text still grows.
  targetAt(start) {
    const limit = Math.min(this.text.length, start + longestAddress);
    let depth = 1;
    let at = start;
    for (; at < limit; ++at) {
      const char = this.text[at];
      if (char === "\n") return null;
      if (char === "\\") ++at;
      else if (char === "(") ++depth;
      else if (char === ")" && --depth === 0) break;
    }
    if (at >= limit) {
      return this.open && limit === this.text.length ? { address: null, end: limit, whole: false } : null;
    }
    const inside = this.text.slice(start, at).trim();
    const word = inside.startsWith("<") ? inside.slice(1).split(">")[0] : inside.split(/\s/)[0];
    const address = safeAddress(word.replace(/\\([!-/:-@[-`{-~])/g, "$1"));
    return { address, end: at + 1, whole: true };
  }

  parseAngle() {
    const found = matchAt(autolink, this.text, this.at);
    if (found && this.links && safeAddress(found[1])) {
      this.out.push(makeLink(found[1], [found[1]]));
      this.at += found[0].length;
      return;
    }
    const line = matchAt(lineBreak, this.text, this.at);
    if (!line) return this.take(1);
    this.out.push(make("br"));
    this.at += line[0].length;
    return undefined;
  }

  parseEntity() {
    const found = matchAt(entity, this.text, this.at);
    const number = found?.[1] ? Number(found[1]) : parseInt(found?.[2], 16);
    const char = found?.[3] ? entities[found[3]] :
      number > 0 && number <= 0x10ffff && !(number >= 0xd800 && number <= 0xdfff) ?
        String.fromCodePoint(number) : undefined;
    if (char === undefined || !Object.hasOwn(entities, found[3] ?? "amp")) return this.take(1);
    this.out.push(char);
    this.at += found[0].length;
    return undefined;
  }

  parseAddress() {
    if (!this.links) return this.take(4);
    const before = charBefore(this.text, this.at);
    const found = matchAt(bareAddress, this.text, this.at);
    let address = found?.[0] ?? "";
    if (address.length >= longestAddress) return this.take(4);
    let closing = 0; // ) without (
    for (const char of address) closing += char === ")" ? 1 : char === "(" ? -1 : 0;
    for (;;) {
      const last = address.at(-1) ?? "";
      if (last === ")" && closing > 0) --closing;
      else if (!/[?!.,:;*_~'"\]}|]/.test(last)) break;
      address = address.slice(0, -1);
    }
    if (/[\p{L}\p{N}/]/u.test(before) || !safeAddress(address)) return this.take(4);
    this.out.push(makeLink(address, [address]));
    this.at += address.length;
    return undefined;
  }

  // --- Emphasis: a run of delimiters closes earlier ones, and what is left may open ---

  parseRun(char) {
    let size = 1;
    while (this.text[this.at + size] === char) ++size;
    if (size > longestRun || (char === "~" && size !== 2)) return this.take(size);
    const before = charBefore(this.text, this.at);
    const after = charAt(this.text, this.at + size);
    const left = !isSpace(after) && (!isPunctuation(after) || isSpace(before) || isPunctuation(before));
    const right = !isSpace(before) && (!isPunctuation(before) || isSpace(after) || isPunctuation(after));
    const inWord = char === "_";
    const run = { char, size, count: size, index: 0,
      canOpen: left && (!inWord || !right || isPunctuation(before)),
      canClose: right && (!inWord || !left || isPunctuation(after)) };
    this.at += size;
    if (run.canClose) this.close(run);
    if (run.count === 0) return;
    run.index = this.out.length;
    this.out.push(run);
    if (!run.canOpen) return;
    this.waiting.push(run);
    if (this.waiting.length > mostOpen) this.waiting.shift();
  }

  close(run) {
    while (run.count > 0) {
      const at = this.waiting.findLastIndex((other) => other.char === run.char && matches(other, run));
      if (at < 0) return;
      this.waiting.length = at + 1;
      const opener = this.waiting[at];
      const strong = opener.count >= 2 && run.count >= 2;
      run.count -= strong ? 2 : 1;
      this.wrap(opener, strong);
    }
  }

  // What follows the delimiter becomes emphasised.
  wrap(opener, strong) {
    const children = settle(this.out.splice(opener.index + 1));
    opener.count -= strong ? 2 : 1;
    if (opener.count === 0) {
      this.out.pop();
      this.waiting.pop();
    }
    this.out.push(make(opener.char === "~" ? "del" : strong ? "strong" : "em", children));
  }

  // A text that is still growing will close what it has opened.
  closeStrong() {
    while (this.waiting.length > 0) {
      const opener = this.waiting.at(-1);
      if (opener.count === 2 && this.out.length > opener.index + 1) this.wrap(opener, true);
      else this.waiting.pop();
    }
  }
}

// Not if the sum of lengths is a multiple of three and one of them could both open and close.
function matches(opener, closer) {
  if (!opener.canClose && !closer.canOpen) return true;
  return (opener.size + closer.size) % 3 !== 0 || (opener.size % 3 === 0 && closer.size % 3 === 0);
}

// Delimiters that found no partner are text; neighbouring texts become one.
function settle(items) {
  const settled = [];
  for (const item of items) {
    const node = item.char ? item.char.repeat(item.count) : item;
    if (typeof node === "string" && typeof settled.at(-1) === "string") {
      settled[settled.length - 1] += node;
    } else if (node !== "") {
      settled.push(node);
    }
  }
  return settled;
}

// `open`: the text is the end of one that still grows.
export function parseInline(text, open = false, links = true) {
  return new InlineParser(open ? text.replace(/[*_`~]{1,6}$/, "") : text, open, links).parse();
}
