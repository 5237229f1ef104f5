// SPDX-License-Identifier: MIT
// What the pages of stories and of a chat share: the status line, the sliders, and the WebSocket.
// See docs/ws-demo.md for the messages.

const shortestWait = 1000;
const longestWait = 30000; // milliseconds between two attempts to connect
const closedIdle = 4000; // the server's code for a visitor who did nothing for long

export const byId = (id) => document.getElementById(id);

const endings = {
  end_of_text: "the end",
  limit: "cut at its greatest length",
  context_full: "the model's context is full",
  stopped: "stopped",
  too_slow: "given up, as this connection was too slow for it",
  error: "failed",
};

export const endingOf = (update) => update.reason ?? endings[update.end] ?? update.end;
export const hasFailed = (update) => update.end === "error" || update.end === "too_slow";

// "12 tokens · 80.5 tokens per second · the end"
export function figuresOf(update) {
  const rate = update.tokens_per_second;
  const parts = [`${update.tokens} ${update.tokens === 1 ? "token" : "tokens"}`];
  if (rate > 0) parts.push(`${rate.toFixed(rate < 100 ? 1 : 0)} tokens per second`);
  if (update.end) parts.push(endings[update.end] ?? update.end);
  if (update.reason) parts.push(update.reason);
  return parts.join(" · ");
}

// Changes a box, which shows its end afterwards, unless the reader has scrolled up.
export function keepingEnd(box, change) {
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  change();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

export const bytesOf = (text) => new TextEncoder().encode(text).length;

export function say(text, trouble = false) {
  const line = byId("status");
  line.classList.toggle("trouble", trouble);
  if (line.textContent !== text) line.textContent = text;
}

// --- Sliders -------------------------------------------------------------------------------------

const sliders = [byId("temperature"), byId("topp")];

function showSlider(slider) {
  byId(slider.id + "-value").textContent = Number(slider.value).toFixed(2);
}

// The values of all sliders, as fields of a message.
export const sampling = () =>
  Object.fromEntries(sliders.map((slider) => [slider.id, Number(slider.value)]));

export function setSliders(values) {
  for (const slider of sliders) {
    slider.value = values[slider.id];
    showSlider(slider);
  }
}

for (const slider of sliders) {
  slider.addEventListener("input", () => showSlider(slider));
  showSlider(slider);
}

// --- The connection ------------------------------------------------------------------------------

// A WebSocket that connects again after it was lost. `handlers` are functions by the type of the
// server's message, and `close`, which gets whether the visitor was idle for too long.
export class Connection {
  constructor(handlers) {
    this.handlers = handlers;
    this.socket = null;
    this.wait = shortestWait;
    this.retry = 0; // timer
    this.greeted = false; // the server has said hello once
    // A browser may keep a page that was left, its socket with it, to come back to: the texts must
    // end all the same.
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

  // Leaves what the server does for this page: nothing of it comes any more.
  renew() {
    if (this.socket) {
      this.socket.onmessage = this.socket.onclose = null;
      this.socket.close();
      this.socket = null;
    }
    this.open();
  }

  // Returns false, and connects, where there is no connection.
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
      return true;
    }
    this.open();
    return false;
  }

  onHello(message) {
    byId("model").textContent = message.model;
    if (!this.greeted) setSliders(message);
    this.greeted = true;
  }

  onClose(event) {
    this.socket = null;
    const idle = event.code === closedIdle;
    this.handlers.close(idle);
    if (idle) return;
    // A bit at random, so that not all who lost a server come back to it at once.
    const delay = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(2 * this.wait, longestWait);
    say(`The connection ${this.greeted ? "broke" : "failed"}. Trying again in ` +
      `${Math.max(1, Math.round(delay / 1000))} s.`, true);
    this.retry = setTimeout(() => this.open(), delay);
  }
}
