// SPDX-License-Identifier: MIT
// Code for the pages of stories and of a chat: the status line, the settings, growing boxes of text,
// the keyboard, and the WebSocket. docs/ws-demo-protocol.md describes the messages.

const shortestWait = 1000;
const longestWait = 30000; // milliseconds between two attempts to connect
const closedIdle = 4000; // the server's close code for an idle visitor

export const byId = (id) => document.getElementById(id);
export const bytesOf = (text) => new TextEncoder().encode(text).length;

export function makeElement(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

export function say(text, trouble = false) {
  const line = byId("status");
  line.classList.toggle("trouble", trouble);
  if (line.textContent !== text) line.textContent = text;
}

// --- Progress and end of a text ---

const endings = {
  end_of_text: "the end",
  limit: "cut off at the maximum length",
  context_full: "the model's context is full",
  stopped: "stopped",
  too_slow: "stopped because this connection was too slow",
  error: "failed",
};

export const endingOf = (update) => update.reason ?? endings[update.end] ?? update.end;
export const hasFailed = (update) => update.end === "error" || update.end === "too_slow";
export const queueOf = (message) =>
  `All seats are taken. You are number ${message.place} in the queue.`;

// "12 tokens · 80.5 tokens per second · seed 7 · the end"
export function figuresOf(update) {
  if (update.prompt_tokens && !update.end) {
    return `reading the prompt: ${update.read_tokens} of ${update.prompt_tokens} tokens`;
  }
  const rate = update.tokens_per_second;
  const parts = [`${update.tokens} ${update.tokens === 1 ? "token" : "tokens"}`];
  if (rate > 0) parts.push(`${rate.toFixed(rate < 100 ? 1 : 0)} tokens per second`);
  if (update.tokens > 0) parts.push(`seed ${update.seed}`);
  if (update.end) parts.push(endings[update.end] ?? update.end);
  if (update.reason) parts.push(update.reason);
  return parts.join(" · ");
}

// Keeps the end of a box in view while its text grows, unless the reader has scrolled up.
export class Follower {
  constructor(box) {
    this.box = box;
    this.follows = true;
    this.top = 0; // where the box was last seen
    box.addEventListener("scroll", () => this.look());
    new ResizeObserver(() => this.show()).observe(box);
  }

  look() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    if (scrollHeight - scrollTop - clientHeight < 40) this.follows = true;
    else if (scrollTop < this.top) this.follows = false;
    this.top = scrollTop;
  }

  // Call it when the text has changed. The reader may have scrolled since the last event.
  show() {
    this.look();
    if (!this.follows) return;
    this.box.scrollTop = this.box.scrollHeight;
    this.top = this.box.scrollTop;
  }

  restart() {
    this.follows = true;
    this.top = 0;
    this.show();
  }
}

// --- Copying ---

async function copy(text) {
  if (navigator.clipboard) { // exists only on pages from this machine or with https
    await navigator.clipboard.writeText(text);
    return;
  }
  const box = makeElement("textarea", "unseen");
  box.value = text;
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  if (!done) throw new Error("the browser does not copy");
}

// A button that copies the result of `textOf`.
export function makeCopyButton(textOf) {
  const button = makeElement("button", "copy", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    try {
      await copy(textOf());
      button.textContent = "Copied";
      setTimeout(() => button.textContent = "Copy", 1500);
    } catch {
      say("The browser does not allow the page to copy.", true);
    }
    button.focus();
  });
  return button;
}

// --- Settings ---

const settings = byId("settings");
const sliders = [byId("temperature"), byId("topp")];
const numbers = [byId("length"), byId("seed")]; // empty: the server chooses

function showSlider(slider) {
  byId(slider.id + "-value").textContent = Number(slider.value).toFixed(2);
}

// The settings as fields of a message; null, after a message to the user, if a number is invalid.
export function sampling() {
  for (const number of numbers) {
    if (number.checkValidity()) continue;
    settings.open = true;
    number.focus();
    const most = number.max ? ` to ${number.max}` : " on";
    say(`The ${number.id} is not a whole number from ${number.min}${most}.`, true);
    return null;
  }
  return Object.fromEntries([...sliders, ...numbers.filter((number) => number.value !== "")].map(
    (input) => [input.id, Number(input.value)]));
}

function setUp(hello) {
  for (const slider of sliders) {
    slider.value = hello[slider.id];
    showSlider(slider);
  }
}

for (const slider of sliders) {
  slider.addEventListener("input", () => showSlider(slider));
  showSlider(slider);
}

// --- Keyboard ---

const prompt = byId("prompt");

// The prompt grows with its text, as far as the style lets it.
export function fitPrompt() {
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight + 2}px`; // and its borders
}

// Enter in the prompt sends; Shift+Enter starts a new line. Escape closes the settings, or stops.
export function listen(send, stop) {
  const submit = (event) => {
    event.preventDefault();
    settings.open = false; // an invalid setting opens them again
    send();
  };
  byId("composer").addEventListener("submit", submit);
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  });
  prompt.addEventListener("input", fitPrompt);
  byId("stop").addEventListener("click", stop);
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    if (!settings.open) {
      stop();
      return;
    }
    settings.open = false;
    settings.querySelector("summary").focus();
  });
  fitPrompt();
}

// --- Connection ---

// A WebSocket that reconnects. `handlers` are functions by the type of the server's message, and
// `close`, which receives whether the visitor was idle for too long.
export class Connection {
  constructor(handlers) {
    this.handlers = handlers;
    this.socket = null;
    this.wait = shortestWait;
    this.retry = 0; // timer
    this.greeted = false; // the server has said hello once
    // A browser may keep a page and its socket after the user has left it, in order to return to it.
    // The texts must still end.
    addEventListener("pagehide", () => this.socket?.close());
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.open();
    });
  }

  open() {
    clearTimeout(this.retry);
    if (this.socket) return;
    const address = new URL("stories", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address);
    this.socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      this.wait = shortestWait; // it works
      if (message.type === "hello") this.onHello(message);
      this.handlers[message.type]?.(message);
    };
    this.socket.onclose = (event) => this.onClose(event);
  }

  // Ends the server's work for this page by closing the socket.
  renew() {
    if (this.socket) {
      this.socket.onmessage = this.socket.onclose = null;
      this.socket.close();
      this.socket = null;
    }
    this.open();
  }

  // Returns false, and connects, if there is no connection.
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
      return true;
    }
    this.open();
    return false;
  }

  onHello(message) {
    byId("name").textContent = message.model.split(": ")[0];
    byId("model").textContent = message.model;
    const length = byId("length");
    length.max = message.max_length || "";
    length.placeholder = message.max_length ? `at most ${message.max_length}` :
      "until the context is full";
    if (!this.greeted) setUp(message);
    this.greeted = true;
  }

  onClose(event) {
    this.socket = null;
    const idle = event.code === closedIdle;
    this.handlers.close(idle);
    if (idle) return;
    // A random part of the delay keeps all pages from reconnecting at the same time.
    const delay = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(2 * this.wait, longestWait);
    say(`The connection ${this.greeted ? "broke" : "failed"}. Trying again in ` +
      `${Math.max(1, Math.round(delay / 1000))} s.`, true);
    this.retry = setTimeout(() => this.open(), delay);
  }
}
