// SPDX-License-Identifier: MIT
// Shows Markdown that may still grow. Blocks at the beginning, which no further text can change, are
// parsed and shown once; of the rest only what differs is changed in the document. Elements are
// created one by one and texts are set as texts: there is no way for a text to become markup.
import { parseLines, splitLines } from "./markdown_blocks.js";
import { make, parseInline } from "./markdown_inline.js";

// --- From blocks to nodes ---

const tasks = { "[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ " };

function codeNode({ info, text, unclosed, mark }, open) {
  const language = info.split(/[\s,{]/)[0].slice(0, 30);
  if (open && unclosed) { // hide the beginning of the closing fence
    const last = text.lastIndexOf("\n") + 1;
    const rest = text.slice(last);
    if (rest !== "" && mark.startsWith(rest.trim())) text = text.slice(0, Math.max(0, last - 1));
  }
  return make("div", [
    make("div", [
      make("span", [language || "text"]),
      make("button", ["Copy"], { type: "button", class: "copy-code", "aria-label": "Copy the code" }),
    ], { class: "code-head" }),
    make("pre", [make("code", [text])], { tabindex: "0" }),
  ], { class: "code" });
}

function itemNode(blocks, open) {
  const [first] = blocks;
  const task = first?.type === "paragraph" ? tasks[first.text.slice(0, 4)] : undefined;
  if (task === undefined) return make("li", blockNodes(blocks, open));
  const text = { ...first, text: task + first.text.slice(4) };
  return make("li", blockNodes([text, ...blocks.slice(1)], open), { class: "task" });
}

function listNode({ ordered, start, loose, items }, open) {
  const attributes = {};
  if (loose) attributes.class = "loose";
  if (ordered && start !== 1) attributes.start = String(start);
  const nodes = items.map((blocks, i) => itemNode(blocks, open && i === items.length - 1));
  return make(ordered ? "ol" : "ul", nodes, attributes);
}

function tableNode({ columns, rows }, open) {
  const row = (cells, tag, last) => make("tr", cells.map((cell, i) => make(tag,
    parseInline(cell, open && last && i === cells.length - 1),
    columns[i] ? { class: `to-${columns[i]}` } : {})));
  const [head, ...body] = rows;
  const nodes = [make("thead", [row(head, "th", false)])];
  if (body.length > 0) {
    nodes.push(make("tbody", body.map((cells, i) => row(cells, "td", i === body.length - 1))));
  }
  return make("div", [make("table", nodes)], { class: "table", tabindex: "0" });
}

// `open`: the block is the last one of a text that still grows.
function blockNode(block, open) {
  switch (block.type) {
    case "heading": // below the title of the turn, which is an h2
      return make(`h${Math.min(6, block.level + 2)}`, parseInline(block.text, open),
        { class: `level-${block.level}` });
    case "code": return codeNode(block, open);
    case "rule": return make("hr");
    case "quote": return make("blockquote", blockNodes(block.blocks, open));
    case "list": return listNode(block, open);
    case "table": return tableNode(block, open);
    default: return make("p", parseInline(block.text, open));
  }
}

function blockNodes(blocks, open) {
  return blocks.map((block, i) => blockNode(block, open && i === blocks.length - 1));
}

// The nodes of a whole text.
export const parseMarkdown = (text) => blockNodes(parseLines(splitLines(text)), false);

// --- From nodes to the document ---

function build(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const element = document.createElement(node.tag);
  for (const [name, value] of Object.entries(node.attributes)) element.setAttribute(name, value);
  element.append(...node.children.map(build));
  return element;
}

function sameAttributes(a, b) {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

// Changes the children of `parent` from number `first` on, which show `old`, so that they show `now`.
function patch(parent, first, old, now) {
  let child = parent.childNodes[first] ?? null;
  now.forEach((node, i) => {
    const before = old[i];
    const next = child?.nextSibling ?? null;
    if (before === undefined) {
      parent.append(build(node));
    } else if (typeof node === "string" && typeof before === "string") {
      if (node.startsWith(before)) {
        if (node.length > before.length) child.appendData(node.slice(before.length));
      } else {
        child.data = node;
      }
    } else if (node.tag !== undefined && node.tag === before.tag &&
               sameAttributes(node.attributes, before.attributes)) {
      patch(child, 0, before.children, node.children);
    } else {
      child.replaceWith(build(node));
    }
    child = next;
  });
  for (let i = now.length; i < old.length; ++i) parent.lastChild.remove();
}

export class MarkdownView {
  constructor(element) {
    this.element = element;
    this.source = "";
    this.done = 0; // where the part that may change begins
    this.final = 0; // how many blocks are shown before it
    this.shown = []; // the nodes behind them
  }

  append(text) {
    this.source += text;
    this.show(true);
  }

  // No more text follows.
  finish() {
    this.show(false);
  }

  show(open) {
    const lines = splitLines(this.source.slice(this.done));
    const blocks = parseLines(lines);
    const nodes = blockNodes(blocks, open);
    patch(this.element, this.final, this.shown, nodes);
    this.shown = nodes;
    // The block before the last one is complete when the first two lines of the last one are.
    const last = blocks.at(-1);
    if (blocks.length < 2 || last.line + 2 >= lines.length) return;
    for (let i = 0; i < last.line; ++i) this.done = this.source.indexOf("\n", this.done) + 1;
    this.final += nodes.length - 1;
    this.shown = nodes.slice(-1);
  }
}
