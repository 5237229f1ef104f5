// SPDX-License-Identifier: MIT
// The page: one WebSocket, over which the server tells two stories. See docs/ws-demo.md for the
// messages. What the model says is only ever put in as text.
"use strict";

const shortestWait = 1000;
const longestWait = 30000; // milliseconds between two attempts to connect
const closedIdle = 4000; // the server's code for a visitor who did nothing for long

const byId = (id) => document.getElementById(id);
const form = byId("settings");
const prompt = byId("prompt");
const sliders = [byId("temperature"), byId("topp")];
const stop = byId("stop");
const statusLine = byId("status");
const stories = Array.from(document.querySelectorAll(".story"), (section) => ({
  section,
  title: section.querySelector("h2").textContent,
  text: section.querySelector(".text"),
  figures: section.querySelector(".figures"),
  words: null, // the text node that grows
  running: false,
}));

const endings = {
  end_of_text: "the end",
  limit: "cut at its greatest length",
  context_full: "the model's context is full",
  stopped: "stopped",
  too_slow: "given up, as this connection was too slow for it",
  error: "failed",
};

let socket = null;
let wait = shortestWait;
let retry = 0; // timer
let greeted = false; // the server's defaults have been taken over
let wanted = true; // begin as soon as there is a connection
let waiting = false; // in the server's queue
let maxPrompt = 4096;

// --- What is shown -------------------------------------------------------------------------------

function say(text, trouble = false) {
  statusLine.classList.toggle("trouble", trouble);
  if (statusLine.textContent !== text) statusLine.textContent = text;
}

function showStop() {
  const possible = waiting || stories.some((story) => story.running);
  stop.setAttribute("aria-disabled", String(!possible));
}

function showSlider(slider) {
  byId(slider.id + "-value").textContent = Number(slider.value).toFixed(2);
}

function setRunning(story, running) {
  story.running = running;
  story.section.setAttribute("aria-busy", String(running));
  showStop();
}

function clear(story, beginning) {
  story.text.textContent = "";
  if (beginning) {
    const given = document.createElement("span");
    given.className = "beginning";
    given.textContent = beginning;
    story.text.append(given);
  }
  story.words = document.createTextNode("");
  story.text.append(story.words);
  story.text.scrollTop = 0;
  story.figures.textContent = "";
  setRunning(story, true);
}

function append(story, text) {
  const box = story.text;
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  // The model opens with empty lines where it begins by itself.
  const opens = story.words.length === 0 && story.words.previousSibling === null;
  story.words.appendData(opens ? text.trimStart() : text);
  if (atEnd) box.scrollTop = box.scrollHeight; // unless the reader has scrolled up
}

function rate(tokensPerSecond) {
  return tokensPerSecond.toFixed(tokensPerSecond < 100 ? 1 : 0);
}

function showFigures(story, news) {
  const parts = [`${news.tokens} ${news.tokens === 1 ? "token" : "tokens"}`];
  if (news.tokens_per_second > 0) parts.push(`${rate(news.tokens_per_second)} tokens per second`);
  if (news.end) parts.push(endings[news.end] ?? news.end);
  if (news.reason) parts.push(news.reason);
  story.figures.textContent = parts.join(" · ");
}

// --- What the server says ------------------------------------------------------------------------

function onHello(message) {
  byId("model").textContent = message.model;
  maxPrompt = message.max_prompt;
  if (!greeted) {
    greeted = true;
    for (const slider of sliders) {
      slider.value = message[slider.id];
      showSlider(slider);
    }
  }
  if (wanted) {
    begin();
  } else {
    say("Connected again. Press Again for two new stories.");
  }
}

function onWaiting(message) {
  waiting = message.place > 0;
  say(waiting ? `All seats are taken. You are number ${message.place} in the queue.` :
    "You have left the queue.");
  showStop();
}

function onBegin(message) {
  waiting = false;
  wanted = false;
  for (const story of stories) clear(story, message.prompt);
  say("Two stories are being told.");
}

function onProgress(message) {
  const ended = [];
  let failed = false;
  for (const news of message.stories) {
    const story = stories[news.story];
    append(story, news.text);
    showFigures(story, news);
    if (!news.end) continue;
    setRunning(story, false);
    failed ||= news.end === "error" || news.end === "too_slow";
    ended.push(`${story.title}: ${news.reason ?? endings[news.end]}.`);
  }
  if (ended.length === 0) return;
  const goesOn = stories.some((story) => story.running);
  if (!failed && !goesOn) ended.splice(0, 2, "Both stories are over.");
  say(ended.join(" ") + (goesOn ? " The other one goes on." : " Press Again for two new ones."),
    failed);
}

function onError(message) {
  waiting = false;
  wanted = false;
  say(`The server says: ${message.reason}.`, true);
  showStop();
}

function onDrain(message) {
  wanted = wanted || waiting; // of the next server
  waiting = false;
  say(`The server is about to end. Stories have ${message.seconds} seconds left.`, true);
  showStop();
}

const handlers = {
  hello: onHello,
  waiting: onWaiting,
  begin: onBegin,
  progress: onProgress,
  error: onError,
  drain: onDrain,
};

// --- The connection ------------------------------------------------------------------------------

function send(message) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

function begin() {
  const text = prompt.value;
  const size = new TextEncoder().encode(text).length;
  if (size > maxPrompt) {
    say(`The beginning has ${size} bytes; at most ${maxPrompt} are allowed.`, true);
    prompt.focus();
    return;
  }
  const message = { type: "begin", prompt: text === "" ? null : text };
  for (const slider of sliders) message[slider.id] = Number(slider.value);
  wanted = true;
  if (!send(message)) connect();
}

function onClose(event) {
  socket = null;
  wanted = wanted || waiting;
  waiting = false;
  const cut = stories.filter((story) => story.running);
  for (const story of cut) {
    setRunning(story, false);
    story.figures.textContent += " · cut off";
  }
  showStop();
  if (event.code === closedIdle) {
    say("You have been away for long, and the server has hung up. Press Again to go on.");
    return;
  }
  // A bit at random, so that not all who lost a server come back to it at once.
  const delay = wait * (0.75 + Math.random() / 2);
  wait = Math.min(2 * wait, longestWait);
  say(`The connection ${greeted ? "broke" : "failed"}. Trying again in ` +
    `${Math.max(1, Math.round(delay / 1000))} s.`, true);
  retry = setTimeout(connect, delay);
}

function connect() {
  clearTimeout(retry);
  if (socket) return;
  const address = new URL("stories", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(address);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    wait = shortestWait; // it works
    handlers[message.type]?.(message);
  };
  socket.onclose = onClose;
}

// --- What the visitor does -----------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  begin();
});
stop.addEventListener("click", () => {
  if (stop.getAttribute("aria-disabled") === "false") send({ type: "stop" });
});
for (const slider of sliders) {
  slider.addEventListener("input", () => showSlider(slider));
  showSlider(slider);
}
// A browser may keep a page that was left, its socket with it, to come back to: the stories must end
// all the same.
addEventListener("pagehide", () => socket?.close());
addEventListener("pageshow", (event) => {
  if (event.persisted) connect();
});
say("Connecting …");
connect();
