// SPDX-License-Identifier: MIT
// The page of stories: the server generates two of them at once. What the model writes is only ever
// put in as text.
import { Connection, byId, bytesOf, endingOf, figuresOf, hasFailed, keepingEnd, sampling, say }
  from "./common.js";

const prompt = byId("prompt");
const stop = byId("stop");
const stories = Array.from(document.querySelectorAll(".story"), (section) => ({
  section,
  title: section.querySelector("h2").textContent,
  text: section.querySelector(".text"),
  figures: section.querySelector(".figures"),
  words: null, // the text node that grows
  running: false,
}));

let wanted = true; // begin as soon as there is a connection
let waiting = false; // in the server's queue
let maxPrompt = 4096;

// --- What is shown -------------------------------------------------------------------------------

function showStop() {
  const possible = waiting || stories.some((story) => story.running);
  stop.setAttribute("aria-disabled", String(!possible));
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
  // The model opens with empty lines where it begins by itself.
  const opens = story.words.length === 0 && story.words.previousSibling === null;
  keepingEnd(story.text, () => story.words.appendData(opens ? text.trimStart() : text));
}

// --- Messages of the server ----------------------------------------------------------------------

function onHello(message) {
  maxPrompt = message.max_prompt;
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
  for (const update of message.stories) {
    const story = stories[update.story];
    append(story, update.text);
    story.figures.textContent = figuresOf(update);
    if (!update.end) continue;
    setRunning(story, false);
    failed ||= hasFailed(update);
    ended.push(`${story.title}: ${endingOf(update)}.`);
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

function onClose(idle) {
  wanted = wanted || waiting;
  waiting = false;
  for (const story of stories.filter((story) => story.running)) {
    setRunning(story, false);
    story.figures.textContent += " · cut off";
  }
  showStop();
  if (idle) {
    say("You have been away for long, and the server has hung up. Press Again to go on.");
  }
}

const connection = new Connection({
  hello: onHello,
  waiting: onWaiting,
  begin: onBegin,
  progress: onProgress,
  error: onError,
  drain: onDrain,
  close: onClose,
});

// --- What the visitor does -----------------------------------------------------------------------

function begin() {
  const text = prompt.value;
  const size = bytesOf(text);
  if (size > maxPrompt) {
    say(`The beginning has ${size} bytes; at most ${maxPrompt} are allowed.`, true);
    prompt.focus();
    return;
  }
  wanted = true;
  connection.send({ type: "begin", prompt: text === "" ? null : text, ...sampling() });
}

byId("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  begin();
});
stop.addEventListener("click", () => {
  if (stop.getAttribute("aria-disabled") === "false") connection.send({ type: "stop" });
});
say("Connecting …");
connection.open();
