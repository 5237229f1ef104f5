// SPDX-License-Identifier: MIT
// The page of a chat. The conversation is kept here and sent as a whole with each question. What
// user and model write is only ever put in as text.
import { Connection, byId, bytesOf, endingOf, figuresOf, hasFailed, keepingEnd, sampling, say }
  from "./common.js";

const conversation = byId("conversation");
const welcome = byId("welcome");
const prompt = byId("prompt");
const sendButton = byId("send");
const stopButton = byId("stop");

let messages = []; // of the turns that are complete: {role, content}
let question = null; // the turn that has no complete answer: {element, content}
let answer = null; // the turn that grows: {element, words, figures, content}
let boundary = null; // the line between forgotten messages and the others
let unsent = false; // the question waits for a connection
let waiting = false; // ... or in the server's queue
let maxBytes = 0; // of all messages together
let maxMessages = 0;

// --- What is shown -------------------------------------------------------------------------------

function showButtons() {
  sendButton.setAttribute("aria-disabled", String(question !== null));
  stopButton.setAttribute("aria-disabled", String(question === null));
}

function makeElement(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

function addTurn(className, title, text) {
  const element = makeElement("article", `turn ${className}`);
  const words = document.createTextNode(text);
  const box = makeElement("div", "text");
  box.append(words);
  const figures = makeElement("p", "figures");
  element.append(makeElement("h2", "", title), box);
  if (className === "answer") element.append(figures);
  element.setAttribute("aria-label", title);
  conversation.append(element);
  return { element, words, figures };
}

// The first so many messages that were sent are beyond what the model can take.
function showForgotten(count) {
  boundary?.remove();
  boundary = null;
  if (count === 0) return;
  const turns = conversation.querySelectorAll(".turn:not(.unanswered)");
  boundary = makeElement("p", "boundary", "The model no longer sees what stands above.");
  turns[count]?.before(boundary);
}

function fitPrompt() {
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight + 2}px`; // and its borders
}

// --- Turns ---------------------------------------------------------------------------------------

// The latest of all messages that the server takes at once, from a question on.
function latest(all) {
  let first = 0;
  let size = all.reduce((sum, message) => sum + bytesOf(message.content), 0);
  while (first + 2 < all.length && (size > maxBytes || all.length - first > maxMessages)) {
    size -= bytesOf(all[first].content) + bytesOf(all[first + 1].content);
    first += 2;
  }
  return all.slice(first);
}

function ask(content) {
  if (question) {
    say("The answer is not complete yet. Press Stop to end it.");
    return;
  }
  if (content.trim() === "") return;
  const size = bytesOf(content);
  if (maxBytes > 0 && size > maxBytes) {
    say(`The message has ${size} bytes; at most ${maxBytes} are allowed.`, true);
    return;
  }
  prompt.value = "";
  fitPrompt();
  welcome.hidden = true;
  question = { ...addTurn("user", "You", content), content };
  conversation.scrollTop = conversation.scrollHeight;
  say("");
  showButtons();
  sendQuestion();
}

function sendQuestion() {
  const list = latest([...messages, { role: "user", content: question.content }]);
  question.unsentMessages = messages.length + 1 - list.length;
  unsent = !connection.send({ type: "begin", messages: list, ...sampling() });
}

// Ends the question without an answer. Its text goes back to where it can be edited and sent again,
// unless there is another one by now.
function giveUp() {
  answer?.element.remove();
  if (prompt.value === "") {
    prompt.value = question.content;
    fitPrompt();
    question.element.remove();
    welcome.hidden = conversation.querySelector(".turn") !== null;
  } else {
    question.element.classList.add("unanswered");
  }
  endTurn();
}

function endTurn() {
  question = null;
  answer = null;
  unsent = false;
  waiting = false;
  showButtons();
}

function endAnswer() {
  answer.element.setAttribute("aria-busy", "false");
  const content = answer.content;
  if (content === "") {
    giveUp();
    return;
  }
  messages.push({ role: "user", content: question.content }, { role: "assistant", content });
  endTurn();
}

function startAnew() {
  if (question) connection.renew();
  messages = [];
  endTurn();
  showForgotten(0);
  for (const turn of conversation.querySelectorAll(".turn")) turn.remove();
  welcome.hidden = false;
  say("");
  prompt.focus();
}

// --- Messages of the server ----------------------------------------------------------------------

function onHello(message) {
  maxBytes = message.max_prompt;
  maxMessages = message.max_messages;
  byId("name").textContent = message.model.split(": ")[0];
  say("");
  if (unsent) sendQuestion();
}

function onWaiting(message) {
  if (!question) return;
  waiting = message.place > 0;
  if (waiting) {
    say(`All seats are taken. You are number ${message.place} in the queue.`);
  } else {
    giveUp();
    say("You have left the queue.");
  }
}

function onBegin() {
  if (!question) return;
  waiting = false;
  keepingEnd(conversation, () => {
    answer = { ...addTurn("answer", "Model", ""), content: "" };
    answer.element.setAttribute("aria-busy", "true");
  });
  say("The model reads.");
}

function onProgress(message) {
  if (!answer) return;
  const [update] = message.stories;
  if (answer.content === "" && update.text !== "") {
    showForgotten(question.unsentMessages + (update.forgotten ?? 0));
    say("The model answers.");
  }
  keepingEnd(conversation, () => {
    answer.content += update.text;
    answer.words.data = answer.content.trimStart();
    answer.figures.textContent = figuresOf(update);
  });
  if (!update.end) return;
  const complete = update.end === "end_of_text";
  say(complete ? "The answer is complete." : `The answer has ended: ${endingOf(update)}.`,
    hasFailed(update));
  endAnswer();
}

function onError(message) {
  if (question && !answer) giveUp();
  say(`The server says: ${message.reason}.`, true);
}

function onDrain(message) {
  if (waiting) unsent = true; // for the next server
  waiting = false;
  say(`The server is about to end. Answers have ${message.seconds} seconds left.`, true);
}

function onClose(idle) {
  if (answer) {
    answer.figures.textContent += " · cut off";
    endAnswer();
  } else if (question) {
    unsent = true;
    waiting = false;
  }
  if (idle) say("You have been away for long, and the server has hung up. Ask to go on.");
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

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(prompt.value);
});
prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask(prompt.value);
});
prompt.addEventListener("input", fitPrompt);
stopButton.addEventListener("click", () => {
  if (!question) return;
  if (unsent) giveUp();
  else connection.send({ type: "stop" });
});
byId("new").addEventListener("click", startAnew);
for (const example of document.querySelectorAll(".example")) {
  example.addEventListener("click", () => ask(example.textContent));
}
addEventListener("keydown", (event) => {
  const settings = byId("settings");
  if (event.key === "Escape" && settings.open) settings.open = false;
});
fitPrompt();
say("Connecting …");
connection.open();
