// SPDX-License-Identifier: MIT
// The page of a chat. It keeps the conversation and sends all of it with each question. Texts of the
// user and the model are inserted only as text, never as HTML.
import { Connection, Follower, byId, bytesOf, endingOf, figuresOf, fitPrompt, hasFailed, listen,
  makeCopyButton, makeElement, queueOf, sampling, say } from "./common.js";

const conversation = byId("conversation");
const follower = new Follower(conversation);
const welcome = byId("welcome");
const prompt = byId("prompt");
const sendButton = byId("send");
const stopButton = byId("stop");

let messages = []; // of the complete turns: {role, content}
let question = null; // the turn without a complete answer: {element, content}
let answer = null; // the growing turn: {element, words, figures, thoughts, content}
let boundary = null; // the line between forgotten messages and the others
let unsent = false; // the question waits for a connection
let waiting = false; // ... or in the server's queue
let maxBytes = 0; // of all messages together
let maxMessages = 0;
let thinks = false; // the chat template opens the model's reasoning

// --- Display ---

function showButtons() {
  sendButton.setAttribute("aria-disabled", String(question !== null));
  stopButton.setAttribute("aria-disabled", String(question === null));
}

function addTurn(className, title, text) {
  const element = makeElement("article", `turn ${className}`);
  const words = document.createTextNode(text);
  const box = makeElement("div", "text");
  box.append(words);
  element.append(makeElement("h2", "", title), box);
  element.setAttribute("aria-label", title);
  conversation.append(element);
  return { element, box, words };
}

// The model's reasoning comes before its answer: fainter, and folded when the answer begins.
function addAnswer() {
  const turn = addTurn("answer", "Model", "");
  const thoughts = makeElement("details", "thoughts");
  const summary = makeElement("summary", "", "Thoughts");
  const figures = makeElement("p", "figures");
  const text = makeElement("div", "thought");
  thoughts.append(summary, text);
  thoughts.hidden = true;
  thoughts.open = true;
  turn.box.before(thoughts);
  const foot = makeElement("div", "foot");
  foot.append(figures, makeCopyButton(() => turn.words.data));
  turn.element.append(foot);
  turn.element.setAttribute("aria-busy", "true");
  return { ...turn, figures, thoughts, summary, thought: text, content: "" };
}

// Splits an answer at <think> and </think>. The first mark is missing if the template contains it.
// `whole`: the answer is complete, so its end cannot be the beginning of a mark.
function partsOf(content, whole) {
  const open = "<think>";
  const close = "</think>";
  let text = content.trimStart();
  if (text.startsWith(open)) {
    text = text.slice(open.length);
  } else if (!thinks) {
    const maybe = !whole && open.startsWith(text);
    return { thought: "", said: maybe ? "" : content, thinking: false };
  }
  const end = text.indexOf(close);
  if (end >= 0) {
    const said = text.slice(end + close.length).trimStart();
    return { thought: text.slice(0, end).trim(), said, thinking: false };
  }
  for (let size = whole ? 0 : close.length - 1; size > 0; --size) {
    if (!text.endsWith(close.slice(0, size))) continue;
    text = text.slice(0, -size);
    break;
  }
  return { thought: text.trimStart(), said: "", thinking: true };
}

function showAnswer(whole) {
  const { thought, said, thinking } = partsOf(answer.content, whole);
  answer.thoughts.hidden = thought === "";
  answer.thought.textContent = thought;
  answer.summary.textContent = thinking && !whole ? "Thinking …" : "Thoughts";
  answer.words.data = said.trimStart();
  if (said !== "" && !answer.said) answer.thoughts.open = false;
  answer.said = said;
  return thinking;
}

// Marks the first `count` messages, for which the model's context has no room.
function showForgotten(count) {
  boundary?.remove();
  boundary = null;
  if (count === 0) return;
  const turns = conversation.querySelectorAll(".turn:not(.unanswered)");
  boundary = makeElement("p", "boundary", "The model no longer sees the text above.");
  turns[count]?.before(boundary);
}

// --- Turns ---

// The latest messages, from a question on, that the server accepts at once.
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
  const settings = sampling();
  if (!settings) return;
  prompt.value = "";
  fitPrompt();
  welcome.hidden = true;
  question = { ...addTurn("user", "You", content), content, settings };
  follower.restart();
  say("");
  showButtons();
  sendQuestion();
}

function sendQuestion() {
  const list = latest([...messages, { role: "user", content: question.content }]);
  question.unsentMessages = messages.length + 1 - list.length;
  unsent = !connection.send({ type: "begin", messages: list, ...question.settings });
}

// Ends the question without an answer. Its text goes back to the prompt, to be edited and sent again,
// unless the prompt has another text.
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
  if (answer.content === "") {
    giveUp();
    return;
  }
  showAnswer(true);
  if (answer.said === "") { // only reasoning, which is not sent back to the model
    question.element.classList.add("unanswered");
    answer.element.classList.add("unanswered");
  } else {
    // The reasoning is not sent back.
    messages.push({ role: "user", content: question.content },
      { role: "assistant", content: answer.said });
  }
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

// --- Messages of the server ---

function onHello(message) {
  maxBytes = message.max_prompt;
  maxMessages = message.max_messages;
  thinks = message.thinks;
  say("");
  if (unsent) sendQuestion();
}

function onWaiting(message) {
  if (!question) return;
  waiting = message.place > 0;
  if (waiting) {
    say(queueOf(message));
  } else {
    giveUp();
    say("You have left the queue.");
  }
}

function onBegin() {
  if (!question) return;
  waiting = false;
  answer = addAnswer();
  follower.show();
  say("The model reads the prompt.");
}

function onProgress(message) {
  if (!answer) return;
  const [update] = message.stories;
  if (answer.content === "" && update.text !== "") {
    showForgotten(question.unsentMessages + (update.forgotten ?? 0));
  }
  answer.content += update.text;
  const thinking = showAnswer(false);
  const doing = thinking ? "The model thinks." : "The model answers.";
  if (answer.content !== "" && answer.doing !== doing) {
    answer.doing = doing;
    say(doing);
  }
  answer.figures.textContent = figuresOf(update);
  follower.show();
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
  if (waiting) unsent = true; // to be sent to the next server
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
  if (idle) say("The server closed the connection because you were idle. Ask to continue.");
}

const connection = new Connection({ hello: onHello, waiting: onWaiting, begin: onBegin,
  progress: onProgress, error: onError, drain: onDrain, close: onClose });

// --- Input ---

listen(() => ask(prompt.value), () => {
  if (!question) return;
  if (unsent) giveUp();
  else connection.send({ type: "stop" });
});
byId("new").addEventListener("click", startAnew);
for (const example of document.querySelectorAll(".example")) {
  example.addEventListener("click", () => ask(example.textContent));
}
say("Connecting …");
connection.open();
