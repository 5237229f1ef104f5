// SPDX-License-Identifier: MIT
// The part of Markdown that is made of lines: paragraphs, headings, lists, quotes, code and tables. The
// result is plain data: {type, line, ...}. What is nested deeper than `deepest` is text.

const deepest = 12;
const mostColumns = 64;

const fenceLine = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const headingLine = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const quoteLine = /^ {0,3}>/;
const markerLine = /^( {0,3})([-*+]|\d{1,9}[.)])(?= |$)/;
const setextLine = /^ {0,3}(?:=+|-+) *$/;

const isBlank = (line) => line.trim() === "";

function indentOf(line) {
  let size = 0;
  while (line[size] === " ") ++size;
  return size;
}

// Tabs in an indentation become spaces up to the next column that is a multiple of four.
export function splitLines(text) {
  return text.split("\n").map((line) => {
    if (line.endsWith("\r")) line = line.slice(0, -1);
    if (!/^ *(?:\t|[-*+>] ?\t)/.test(line)) return line;
    let wide = "";
    for (let i = 0; i < line.length; ++i) {
      if (line[i] === "\t") wide += " ".repeat(4 - wide.length % 4);
      else if (/[ \-*+>]/.test(line[i])) wide += line[i];
      else return wide + line.slice(i);
    }
    return wide;
  });
}

// {mark, info} if the line begins code between fences.
function fenceOf(line) {
  const found = fenceLine.exec(line);
  if (!found || (found[1][0] === "`" && found[2].includes("`"))) return null;
  return { mark: found[1], info: found[2].trim() };
}

function closesFence(line, mark) {
  const found = fenceLine.exec(line);
  return found !== null && found[1][0] === mark[0] && found[1].length >= mark.length && isBlank(found[2]);
}

function isRule(line) {
  return indentOf(line) < 4 && /^(?:\*{3,}|-{3,}|_{3,})$/.test(line.replace(/[ \t]/g, ""));
}

// {indent, kind, start, offset} of a list's item; offset is where its text begins.
function markerOf(line) {
  const found = markerLine.exec(line);
  if (!found || isRule(line)) return null;
  const indent = found[1].length;
  const width = indent + found[2].length;
  const spaces = indentOf(line.slice(width));
  const empty = width + spaces >= line.length;
  return { indent, kind: found[2].at(-1), ordered: found[2].length > 1, start: parseInt(found[2], 10),
    offset: width + (spaces > 4 || empty ? 1 : spaces), empty };
}

// The cells of a table's row, as it is written.
function cellsOf(line) {
  let row = line.trim();
  if (row.startsWith("|")) row = row.slice(1);
  if (row.endsWith("|") && !row.endsWith("\\|")) row = row.slice(0, -1);
  const cells = [""];
  for (let i = 0; i < row.length; ++i) {
    if (row[i] === "\\" && row[i + 1] === "|") cells[cells.length - 1] += row[++i];
    else if (row[i] === "|") cells.push("");
    else cells[cells.length - 1] += row[i];
  }
  return cells.map((cell) => cell.trim());
}

// The alignments of the columns if the two lines begin a table, else null.
function tableAt(lines, at) {
  const [head, rule] = [lines[at], lines[at + 1]];
  if (rule === undefined || !head.includes("|") || !/^[ |:-]*-[ |:-]*$/.test(rule) ||
      indentOf(head) > 3 || indentOf(rule) > 3) {
    return null;
  }
  const marks = cellsOf(rule);
  if (marks.length > mostColumns || cellsOf(head).length !== marks.length ||
      !marks.every((mark) => /^:?-+:?$/.test(mark))) {
    return null;
  }
  return marks.map((mark) => mark.endsWith(":") ? (mark.startsWith(":") ? "center" : "right") :
    mark.startsWith(":") ? "left" : "");
}

// Whether a line ends the paragraph before it.
function interrupts(lines, at, deep) {
  const line = lines[at];
  if (isBlank(line) || headingLine.test(line) || fenceOf(line) || isRule(line)) return true;
  if (tableAt(lines, at)) return true;
  if (!deep) return false;
  if (quoteLine.test(line)) return true;
  const marker = markerOf(line);
  return marker !== null && !marker.empty && (!marker.ordered || marker.start === 1);
}

class BlockParser {
  constructor(lines, depth) {
    this.lines = lines;
    this.depth = depth;
    this.at = 0;
    this.blocks = [];
  }

  parse() {
    let gap = false; // blank lines before the block
    while (this.at < this.lines.length) {
      if (isBlank(this.lines[this.at])) {
        gap = true;
        ++this.at;
        continue;
      }
      const line = this.at;
      const block = this.parseBlock();
      this.blocks.push({ ...block, line, gap: gap && this.blocks.length > 0 });
      gap = false;
    }
    return this.blocks;
  }

  parseBlock() {
    const line = this.lines[this.at];
    if (indentOf(line) >= 4) return this.parseIndented();
    const fence = fenceOf(line);
    if (fence) return this.parseFence(fence, indentOf(line));
    if (headingLine.test(line)) return this.parseHeading();
    if (isRule(line)) {
      ++this.at;
      return { type: "rule" };
    }
    const columns = tableAt(this.lines, this.at);
    if (columns) return this.parseTable(columns);
    if (this.depth < deepest) {
      if (quoteLine.test(line)) return this.parseQuote();
      const marker = markerOf(line);
      if (marker) return this.parseList(marker);
    }
    return this.parseParagraph();
  }

  parseIndented() {
    const code = [];
    for (; this.at < this.lines.length; ++this.at) {
      const line = this.lines[this.at];
      if (!isBlank(line) && indentOf(line) < 4) break;
      code.push(line.slice(4));
    }
    while (isBlank(code.at(-1))) code.pop();
    return { type: "code", info: "", text: code.join("\n") };
  }

  parseFence({ mark, info }, indent) {
    const code = [];
    let closed = false;
    while (++this.at < this.lines.length && !closed) {
      const line = this.lines[this.at];
      closed = closesFence(line, mark);
      if (!closed) code.push(line.slice(Math.min(indent, indentOf(line))));
    }
    return { type: "code", info, text: code.join("\n"), unclosed: !closed, mark };
  }

  parseHeading() {
    const line = this.lines[this.at++].trim();
    const level = indexOfOther(line, "#");
    let text = line.slice(level).trim();
    let end = text.length;
    while (text[end - 1] === "#") --end;
    if (end < text.length && (end === 0 || text[end - 1] === " ")) text = text.slice(0, end).trimEnd();
    return { type: "heading", level, text };
  }

  parseTable(columns) {
    const rows = [];
    const start = this.at;
    for (; this.at < this.lines.length; ++this.at) {
      if (this.at === start + 1) continue; // the rule
      if (this.at > start + 1 && interrupts(this.lines, this.at, this.depth < deepest)) break;
      const cells = cellsOf(this.lines[this.at]);
      rows.push(columns.map((_, column) => cells[column] ?? ""));
    }
    return { type: "table", columns, rows };
  }

  parseQuote() {
    const inner = [];
    let fence = null; // open code
    for (; this.at < this.lines.length; ++this.at) {
      let line = this.lines[this.at];
      if (quoteLine.test(line)) {
        line = line.slice(line.indexOf(">") + 1);
        if (line.startsWith(" ")) line = line.slice(1);
      } else if (fence || isBlank(inner.at(-1)) || interrupts(this.lines, this.at, true)) {
        break;
      }
      fence = nextFence(fence, line);
      inner.push(line);
    }
    return { type: "quote", blocks: parseLines(inner, this.depth + 1) };
  }

  parseList(first) {
    const items = [];
    let loose = false;
    for (let marker = first; marker;) {
      const { lines, blank } = this.readItem(marker);
      const blocks = parseLines(lines, this.depth + 1);
      items.push(blocks);
      loose ||= blocks.some((block) => block.gap);
      const line = this.lines[this.at];
      marker = line === undefined ? null : markerOf(line);
      if (marker && (marker.kind !== first.kind || marker.ordered !== first.ordered)) marker = null;
      if (marker && blank) loose = true;
    }
    return { type: "list", ordered: first.ordered, start: first.start, loose, items };
  }

  // The lines of one item without their indentation; `blank`: they ended with a blank line.
  readItem(marker) {
    const lines = [this.lines[this.at].slice(marker.offset)];
    let { offset } = marker;
    let fence = nextFence(null, lines[0]);
    let end = ++this.at; // behind the last line that is not blank
    let blank = false;
    for (; this.at < this.lines.length; ++this.at) {
      const line = this.lines[this.at];
      if (isBlank(line)) {
        blank = true;
        lines.push("");
        continue;
      }
      const indent = indentOf(line);
      // Models indent a list below "1." by two columns, too.
      if (indent < offset && marker.ordered && indent >= marker.indent + 2 && !fence &&
          markerOf(line.trimStart())) {
        offset = indent;
      }
      const lazy = indent < offset;
      if (lazy && (blank || fence || markerOf(line) || interrupts(this.lines, this.at, true))) break;
      const text = lazy ? line : line.slice(offset);
      fence = nextFence(fence, text);
      lines.push(text);
      end = this.at + 1;
      blank = false;
    }
    lines.length -= this.at - end;
    return { lines, blank };
  }

  parseParagraph() {
    const text = [this.lines[this.at].trim()];
    while (++this.at < this.lines.length) {
      const line = this.lines[this.at];
      if (setextLine.test(line)) {
        ++this.at;
        return { type: "heading", level: line.includes("=") ? 1 : 2, text: text.join("\n") };
      }
      if (interrupts(this.lines, this.at, this.depth < deepest)) break;
      text.push(line.trimStart());
    }
    return { type: "paragraph", text: text.join("\n").trimEnd() };
  }
}

function indexOfOther(text, char) {
  let at = 0;
  while (text[at] === char) ++at;
  return at;
}

// The mark of the code that is open behind a line.
function nextFence(fence, line) {
  if (fence) return closesFence(line, fence) ? null : fence;
  return fenceOf(line)?.mark ?? null;
}

export function parseLines(lines, depth = 0) {
  return new BlockParser(lines, depth).parse();
}
