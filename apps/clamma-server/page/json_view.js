// SPDX-License-Identifier: MIT
// Shows JSON that may still grow, with a line for each value. Numbers and strings stay as they were
// written, which they would not after JSON.parse().

// One walk over the text, which need not be whole or valid.
export function indentJson(text) {
  let out = "";
  let depth = 0;
  let inString = false;
  const newline = () => "\n" + "  ".repeat(Math.min(depth, 40));
  for (let i = 0; i < text.length; ++i) {
    const char = text[i];
    if (inString) {
      out += char;
      if (char === "\\") out += text[++i] ?? "";
      else if (char === "\"") inString = false;
    } else if (char === "\"") {
      out += char;
      inString = true;
    } else if (char === "{" || char === "[") {
      const closing = /[}\]\S]/.exec(text.slice(i + 1, i + 40))?.[0];
      ++depth;
      out += closing === (char === "{" ? "}" : "]") ? char : char + newline();
    } else if (char === "}" || char === "]") {
      depth = Math.max(0, depth - 1);
      out += /[{[]$/.test(out) ? char : newline() + char;
    } else if (char === ",") {
      out += char + newline();
    } else if (char === ":") {
      out += ": ";
    } else if (!/\s/.test(char)) {
      out += char;
    }
  }
  return out;
}

export class JsonView {
  constructor(element) {
    this.source = "";
    this.text = document.createTextNode("");
    const pre = document.createElement("pre");
    pre.className = "json";
    pre.tabIndex = 0;
    const code = document.createElement("code");
    code.append(this.text);
    pre.append(code);
    element.append(pre);
  }

  append(text) {
    this.source += text;
    this.text.data = indentJson(this.source);
  }

  finish() {}
}
