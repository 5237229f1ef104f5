// SPDX-License-Identifier: MIT
// What a conversation looks like: questions, answers with their reasoning and their calls of tools, the
// results of these, and what to do when there is no answer.
import { copy, makeElement, makeIconButton } from "./dom.js";
import { JsonView, indentJson } from "./json_view.js";
import { MarkdownView } from "./markdown.js";

function makeTurn(kind, title, ...children) {
  return makeElement("article", { class: `turn ${kind}`, "aria-label": title },
    makeElement("h2", {}, title), ...children);
}

// --- Questions ---

// A text box in place of the question; what follows the question will be cut.
function makeEditor(text, follows, onSend, onCancel) {
  const box = makeElement("textarea", { "aria-label": "Your message", rows: "3" });
  box.value = text;
  const cancel = makeElement("button", { type: "button", class: "plain-button" }, "Cancel");
  const send = makeElement("button", { type: "submit", class: "main-button" }, "Send");
  const note = makeElement("p", { class: "note" }, follows ? "What follows is replaced." : "");
  const form = makeElement("form", { class: "editor" }, box,
    makeElement("div", { class: "row end" }, note, cancel, send));
  cancel.addEventListener("click", onCancel);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (box.value.trim() !== "") onSend(box.value);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      onCancel();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  return { form, box };
}

// `onEdit(text)` sends the question again; `follows()` returns whether something stands below it.
export function makeQuestion(text, { onEdit, follows }) {
  const bubble = makeElement("div", { class: "bubble" }, text);
  const edit = makeIconButton("edit", "Edit the message", () => {
    const close = () => {
      editor.form.replaceWith(bubble);
      foot.hidden = false;
      edit.focus();
    };
    const editor = makeEditor(text, follows(), (now) => {
      close();
      onEdit(now);
    }, close);
    bubble.replaceWith(editor.form);
    foot.hidden = true;
    editor.box.focus();
  });
  const copier = makeIconButton("copy", "Copy the message", () => copy(text, copier));
  const foot = makeElement("div", { class: "foot" }, copier, edit);
  return makeTurn("user", "You", bubble, foot);
}

// --- Answers ---

const endings = { length: "cut off at the length limit", content_filter: "filtered",
  stopped: "stopped", failed: "cut off" };

const round = (number) => number.toFixed(number < 100 ? 1 : 0);
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

// "128 tokens · 23.4 tokens/s · 0.4 s to the first"
function figuresOf({ usage, rate, first, finish, loosened }) {
  const parts = [];
  if (usage?.completion_tokens !== undefined) parts.push(plural(usage.completion_tokens, "token"));
  if (rate > 0) parts.push(`${round(rate)} tokens/s`);
  if (first >= 0) parts.push(`${round(first)} s to the first`);
  if (endings[finish]) parts.push(endings[finish]);
  if (loosened) parts.push(`not enforced: ${loosened}`);
  return parts.join(" · ");
}

function makeCall(call) {
  const { name, arguments: text } = call.function;
  return makeElement("div", { class: "call" },
    makeElement("p", { class: "call-name" }, "Calls ", makeElement("code", {}, name || "…")),
    makeElement("pre", { class: "json", tabindex: "0" }, makeElement("code", {}, indentJson(text))));
}

// An answer that may still grow. Its message is {content, reasoning, tool_calls, ...}; show() shows what it
// has now, at most once a frame.
export class AnswerView {
  constructor(message, { onRegenerate, onSeed }) {
    this.message = message;
    this.onSeed = onSeed;
    this.frame = 0;
    this.thought = document.createTextNode("");
    this.summary = makeElement("summary", {}, "Reasoning");
    this.thoughts = makeElement("details", { class: "thoughts", hidden: true }, this.summary,
      makeElement("div", { class: "thought" }, this.thought));
    this.body = makeElement("div", { class: "text" });
    this.view = message.json ? null : new MarkdownView(this.body);
    this.calls = makeElement("div", { class: "calls" });
    this.shownCalls = "";
    this.figures = makeElement("span", { class: "figures" });
    this.seed = makeElement("button", { type: "button", class: "seed", title: "Use this seed again" });
    this.seed.addEventListener("click", () => this.onSeed(this.message.seed));
    const copier = makeIconButton("copy", "Copy the answer", () => copy(this.message.content, copier));
    this.again = makeIconButton("again", "Answer again", onRegenerate);
    this.foot = makeElement("div", { class: "foot" }, copier, this.again, this.figures, this.seed);
    this.element = makeTurn("answer", message.model || "Model", this.thoughts, this.body, this.calls,
      this.foot);
  }

  grow() {
    this.element.setAttribute("aria-busy", "true");
    if (document.hidden) this.show(false); // without frames
    else this.frame ||= requestAnimationFrame(() => this.show(false));
  }

  showReasoning(whole) {
    const { reasoning = "", content } = this.message;
    if (reasoning === "") return;
    this.thoughts.hidden = false;
    const shown = this.thought.data.length;
    if (reasoning.length > shown) this.thought.appendData(reasoning.slice(shown));
    const thinks = !whole && content === "";
    if (thinks && shown === 0) this.thoughts.open = true;
    if (!thinks && this.thinks) this.thoughts.open = false;
    this.thinks = thinks;
    this.summary.textContent = thinks ? "Reasoning …" : "Reasoning";
  }

  showCalls() {
    const calls = this.message.tool_calls ?? [];
    const text = JSON.stringify(calls);
    if (text === this.shownCalls || calls.length === 0) return;
    this.shownCalls = text;
    this.calls.replaceChildren(...calls.map(makeCall));
  }

  show(whole) {
    this.frame = 0;
    this.showReasoning(whole);
    const { content } = this.message;
    if (content !== "") this.view ??= new JsonView(this.body);
    const shown = this.view?.source.length ?? 0;
    if (content.length > shown) this.view.append(content.slice(shown));
    this.showCalls();
    this.onShow?.();
  }

  finish() {
    cancelAnimationFrame(this.frame);
    this.show(true);
    this.view?.finish();
    this.element.setAttribute("aria-busy", "false");
    this.figures.textContent = figuresOf(this.message);
    this.seed.hidden = this.message.seed === undefined;
    this.seed.textContent = `seed ${this.message.seed}`;
    this.foot.classList.add("whole");
  }
}

// --- Tools ---

export function makeResult(name, text) {
  return makeTurn("result", `Result of ${name}`,
    makeElement("pre", { tabindex: "0" }, makeElement("code", {}, text)));
}

// Where the user writes the results of calls; `onSend` takes a text for each.
export function makeResultForm(calls, onSend) {
  const boxes = calls.map((call) => makeElement("textarea", { rows: "2", class: "code-input",
    "aria-label": `Result of ${call.function.name}`, placeholder: `Result of ${call.function.name}` }));
  const form = makeElement("form", { class: "card" }, makeElement("p", {},
    calls.length === 1 ? "The model is waiting for the result of its call." :
      `The model is waiting for the results of its ${calls.length} calls.`), ...boxes,
  makeElement("div", { class: "row end" },
    makeElement("button", { type: "submit", class: "main-button" },
      calls.length === 1 ? "Send the result" : "Send the results")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onSend(boxes.map((box) => box.value));
  });
  return form;
}

// --- No answer ---

const advice = {
  context_length_exceeded: "The conversation is too long for the model. Begin a new one, or edit an " +
    "earlier message.",
  model_not_found: "Choose another model.",
};

function explain({ status, code, wait }) {
  if (advice[code]) return advice[code];
  if (status === 401) return "The server needs a key.";
  if (status === 429 || status === 503) {
    return wait > 0 ? `The server asks you to wait ${plural(wait, "second")}.` : "The server is busy.";
  }
  return "";
}

// `failure` is an ApiError, or null if the page was left before an answer came.
export function makeFailure(failure, onRetry) {
  const again = makeElement("button", { type: "button", class: "main-button" }, "Try again");
  again.addEventListener("click", onRetry);
  const card = makeElement("div", { class: failure ? "card failure" : "card" });
  if (!failure) {
    card.append(makeElement("p", {}, "This message has no answer yet."));
    again.textContent = "Ask again";
  } else {
    const codes = [failure.status > 0 ? `HTTP ${failure.status}` : "", failure.code].filter(Boolean);
    card.append(makeElement("p", { class: "failure-text" }, failure.message));
    const more = explain(failure);
    if (more) card.append(makeElement("p", {}, more));
    if (codes.length > 0) card.append(makeElement("p", { class: "note" }, codes.join(" · ")));
  }
  card.append(makeElement("div", { class: "row end" }, again));
  return card;
}
