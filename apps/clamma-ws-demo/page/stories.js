// SPDX-License-Identifier: MIT
// The page of stories: the server generates two of them side by side. Texts of the model are inserted
// only as text, never as HTML.
import { Connection, Follower, byId, bytesOf, endingOf, figuresOf, hasFailed, listen, makeCopyButton,
  makeElement, queueOf, sampling, say } from "./common.js";

const prompt = byId("prompt");
const again = byId("again");
const stopButton = byId("stop");
const stories = Array.from(document.querySelectorAll(".story"), (section) => {
  const title = section.querySelector("h2");
  const text = section.querySelector(".text");
  title.after(makeCopyButton(() => text.textContent));
  return {
    section,
    title: title.textContent,
    text,
    follower: new Follower(text),
    figures: section.querySelector(".figures"),
    words: null, // the text node that grows
    running: false,
  };
});

let wanted = true; // begin as soon as there is a connection
let waiting = false; // in the server's queue
let maxPrompt = 4096;

// --- Display ---

function showStop() {
  const possible = waiting || stories.some((story) => story.running);
  stopButton.setAttribute("aria-disabled", String(!possible));
}

function setRunning(story, running) {
  story.running = running;
  story.section.setAttribute("aria-busy", String(running));
  showStop();
}

function clear(story, beginning) {
  story.text.textContent = "";
  if (beginning) story.text.append(makeElement("span", "beginning", beginning));
  story.words = document.createTextNode("");
  story.text.append(story.words);
  story.follower.restart();
  story.figures.textContent = "";
  setRunning(story, true);
}

function append(story, text) {
  // A story that the model begins itself starts with empty lines.
  const opens = story.words.length === 0 && story.words.previousSibling === null;
  story.words.appendData(opens ? text.trimStart() : text);
  story.follower.show();
}

// --- Messages of the server ---

function onHello(message) {
  maxPrompt = message.max_prompt;
  if (wanted) {
    begin();
  } else {
    say(`Connected again. Press ${again.textContent} for two new stories.`);
  }
}

function onWaiting(message) {
  waiting = message.place > 0;
  say(waiting ? queueOf(message) : "You have left the queue.");
  showStop();
}

function onBegin(message) {
  waiting = false;
  wanted = false;
  again.textContent = "Again";
  for (const story of stories) clear(story, message.prompt);
  say("Two stories are being generated.");
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
  wanted = wanted || waiting; // ask the next server for them
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
    say("The server closed the connection because you were idle. " +
      `Press ${again.textContent} to continue.`);
  }
}

const connection = new Connection({ hello: onHello, waiting: onWaiting, begin: onBegin,
  progress: onProgress, error: onError, drain: onDrain, close: onClose });

// --- Input ---

function begin() {
  const text = prompt.value;
  const size = bytesOf(text);
  if (size > maxPrompt) {
    say(`The beginning has ${size} bytes; at most ${maxPrompt} are allowed.`, true);
    prompt.focus();
    return;
  }
  const settings = sampling();
  if (!settings) return;
  wanted = true;
  connection.send({ type: "begin", prompt: text === "" ? null : text, ...settings });
}

listen(begin, () => {
  if (stopButton.getAttribute("aria-disabled") === "false") connection.send({ type: "stop" });
});
say("Connecting …");
connection.open();
