// SPDX-License-Identifier: MIT
// The page: which conversation is shown, which answers are being written, and what the user does.
import { complete, listModels, readProperties, setKey } from "./api.js";
import { ChatList, titleOf } from "./chat_list.js";
import { byId, copy, makeElement, say } from "./dom.js";
import { badges, listenToSettings, openSettings, readSettings, setSeed } from "./settings.js";
import { findChat, keepChat, listChats, makeChat, watchChats } from "./store.js";
import { AnswerView, makeFailure, makeQuestion, makeResult, makeResultForm } from "./turns.js";

const conversation = byId("conversation");
const turns = byId("turns");
const prompt = byId("prompt");
const currentName = "clamma.current";
const longestTitle = 60;
const longestAnnounced = 400; // code units of an answer that screen readers hear
const keepEvery = 3000; // milliseconds between two saves of a growing answer

let chat = makeChat(listChats()[0]?.system);
let models = [];
let properties = {};
const runs = new Map(); // id of a conversation -> {chat, message, view, controller, ...} of its answer
const failures = new Map(); // id of a conversation -> ApiError

const modelName = () => byId("model").value || models[0]?.id || "";

// --- The end of the conversation stays in view, unless the reader has scrolled up ---

let follows = true;
let seen = { top: 0, height: 0, window: 0 };

function lookAtScroll() {
  const { scrollTop, scrollHeight, clientHeight } = conversation;
  const resized = clientHeight !== seen.window || scrollHeight < seen.height;
  if (scrollHeight - scrollTop - clientHeight < 60) follows = true;
  else if (scrollTop < seen.top && !resized) follows = false;
  seen = { top: scrollTop, height: scrollHeight, window: clientHeight };
  byId("to-end").hidden = follows;
}

function showEnd(force = false) {
  lookAtScroll();
  if (force) follows = true;
  if (!follows) return;
  conversation.scrollTop = conversation.scrollHeight;
  seen.top = conversation.scrollTop;
  byId("to-end").hidden = true;
}

// --- Display ---

function showMeter() {
  const context = properties.models?.find((model) => model.id === modelName())?.context;
  const usage = chat.messages.findLast((message) => message.usage)?.usage;
  const used = usage ? usage.prompt_tokens + usage.completion_tokens : 0;
  const meter = byId("meter");
  meter.hidden = !(context > 0);
  if (meter.hidden) return;
  const share = Math.min(100, Math.round(100 * used / context));
  meter.setAttribute("aria-valuenow", String(share));
  const text = `${used.toLocaleString("en")} of ${context.toLocaleString("en")} tokens`;
  meter.setAttribute("aria-valuetext", text);
  meter.title = `The conversation takes ${text} of the model's context`;
  byId("meter-text").textContent = `${used.toLocaleString("en")} / ${context.toLocaleString("en")}`;
  byId("meter-fill").style.width = `${share}%`;
  meter.classList.toggle("full", share >= 90);
}

function showBadges() {
  byId("badges").replaceChildren(...badges().map((text) => {
    const badge = makeElement("button", { type: "button", class: "badge" }, text);
    badge.addEventListener("click", () => openSettings());
    return badge;
  }));
}

function showButtons() {
  const running = runs.has(chat.id);
  const hadFocus = document.activeElement === byId(running ? "send" : "stop");
  byId("send").hidden = running;
  byId("stop").hidden = !running;
  if (hadFocus) prompt.focus();
}

function showSystem() {
  byId("system-mark").hidden = chat.system.trim() === "";
  byId("system-button").textContent = `System prompt: ${chat.system.trim().slice(0, 200)}`;
  byId("system").value = chat.system;
}

function makeMessage(message, index) {
  if (message.role === "user") {
    return makeQuestion(message.content, {
      onEdit: (text) => editQuestion(index, text),
      follows: () => index + 1 < chat.messages.length,
    });
  }
  if (message.role === "tool") return makeResult(message.name ?? "a tool", message.content);
  const view = makeAnswer(message, index);
  view.finish();
  return view.element;
}

function makeAnswer(message, index) {
  const id = chat.id;
  return new AnswerView(message, { onSeed: setSeed,
    onRegenerate: () => id === chat.id && answerAgain(index) });
}

// What the end of the conversation asks for: results of calls, or another attempt.
function makeEnd() {
  if (runs.has(chat.id) || chat.messages.length === 0) return null;
  const last = chat.messages.at(-1);
  const failure = failures.get(chat.id);
  if (failure) return makeFailure(failure, () => answerAgain());
  if (last.role !== "assistant") return makeFailure(null, () => answerAgain());
  if (last.tool_calls?.length > 0) return makeResultForm(last.tool_calls, sendResults);
  return null;
}

function showChat() {
  byId("welcome").hidden = chat.messages.length > 0;
  const run = runs.get(chat.id);
  const elements = chat.messages.map(makeMessage);
  if (run) elements.push(run.view.element);
  else elements.push(makeEnd() ?? "");
  turns.replaceChildren(...elements);
  const answers = turns.querySelectorAll(".turn");
  answers[answers.length - 1]?.classList.add("last");
  document.title = chat.messages.length > 0 ? `${titleOf(chat)} – Clamma` : "Clamma";
  showSystem();
  showMeter();
  showButtons();
}

function keep(kept) {
  const removed = keepChat(kept);
  if (kept.id === chat.id) remember();
  if (removed > 0) {
    say(`${removed === 1 ? "The oldest conversation was" : `The ${removed} oldest conversations were`} ` +
      "removed to make room.", { trouble: true });
  } else if (removed < 0) {
    say("The browser has no room to keep this conversation.", { trouble: true });
  }
  chatList.show();
}

// A reload shows this conversation again.
function remember() {
  try {
    sessionStorage.setItem(currentName, chat.id);
  } catch {
    // A reload begins a new conversation.
  }
}

function openChat(next) {
  chat = next;
  remember();
  showChat();
  chatList.show();
  say("");
  showEnd(true);
  prompt.focus();
}

const beginChat = () => openChat(makeChat(chat.system));

// --- Answers ---

// A message as the server takes it: without reasoning and figures.
function plainMessage({ role, content, tool_calls, tool_call_id }) {
  if (role === "tool") return { role, tool_call_id, content };
  if (role !== "assistant" || !tool_calls?.length) return { role, content };
  return { role, content: content === "" ? null : content, tool_calls };
}

function makeRequest(settings) {
  const messages = chat.messages.map(plainMessage);
  if (chat.system.trim() !== "") messages.unshift({ role: "system", content: chat.system });
  return { model: modelName(), messages, stream: true, stream_options: { include_usage: true },
    ...settings };
}

function addCallDelta(message, delta) {
  message.tool_calls ??= [];
  const call = message.tool_calls[delta.index ?? message.tool_calls.length] ??=
    { id: "", type: "function", function: { name: "", arguments: "" } };
  if (delta.id) call.id = delta.id;
  call.function.name += delta.function?.name ?? "";
  call.function.arguments += delta.function?.arguments ?? "";
}

function onChunk(run, chunk) {
  const { message } = run;
  if (chunk.usage) message.usage = chunk.usage;
  const [choice] = chunk.choices ?? [];
  if (!choice) return;
  const delta = choice.delta ?? {};
  const reasoning = delta.reasoning_content ?? "";
  const content = delta.content ?? "";
  message.reasoning += reasoning;
  message.content += content;
  for (const call of delta.tool_calls ?? []) addCallDelta(message, call);
  if (choice.finish_reason) message.finish = choice.finish_reason;
  if (reasoning || content || delta.tool_calls) {
    run.last = performance.now();
    run.first ||= run.last;
    const answers = run.message.content !== "" || run.message.tool_calls?.length > 0;
    const state = answers ? "The model is answering." : "The model is thinking.";
    if (state !== run.state && run.chat === chat) say(state);
    run.state = state;
  }
  run.view.grow();
  if (performance.now() - run.kept > keepEvery) {
    run.kept = performance.now();
    keepRun(run);
  }
}

// Keeps what there is of an answer, in case the user leaves the page.
function keepRun(run) {
  if (!hasAnswer(run.message)) return;
  keep({ ...run.chat, messages: [...run.chat.messages, { ...run.message, finish: "stopped" }] });
}

const hasAnswer = (message) => message.content !== "" || message.reasoning !== "" ||
  message.tool_calls?.length > 0;

function measure(run) {
  const { message } = run;
  if (run.first) message.first = Math.round(run.first - run.begin) / 1000;
  const tokens = message.usage?.completion_tokens ?? 0;
  // What arrives at once, such as a call of a tool, has no rate.
  if (tokens > 1 && run.last - run.first > 20) message.rate = 1000 * (tokens - 1) / (run.last - run.first);
}

function announce(run, failure) {
  if (run.chat !== chat) return;
  if (failure) {
    say("The answer is not complete.", { trouble: true, more: failure.message });
  } else if (run.message.finish === "stopped") {
    say("Stopped.");
  } else {
    const { content } = run.message;
    say("The answer is complete.", { more: content.length <= longestAnnounced ? content : "" });
  }
}

function endRun(run, failure) {
  runs.delete(run.chat.id);
  measure(run);
  const gone = findChat(run.chat.id) === undefined; // deleted
  if (failure) run.message.finish = "failed";
  if (hasAnswer(run.message) && run.message.tool_calls?.some((call) => call === undefined)) {
    run.message.tool_calls = run.message.tool_calls.filter(Boolean);
  }
  if (run.message.finish === "stopped" || failure) delete run.message.tool_calls; // not whole
  if (hasAnswer(run.message)) run.chat.messages.push(run.message);
  if (failure) failures.set(run.chat.id, failure);
  run.view.finish();
  if (!gone) keep(run.chat);
  if (run.chat === chat) {
    showChat();
    showEnd();
  }
  announce(run, failure);
  chatList.show();
  if (failure?.status === 401) askForKey(true, () => answerAgain());
}

async function answer() {
  const settings = readSettings();
  if (!settings) {
    showChat();
    return;
  }
  const message = { role: "assistant", content: "", reasoning: "", model: modelName(),
    seed: settings.seed };
  if (settings.response_format) message.json = true;
  const run = { chat, message, controller: new AbortController(), begin: performance.now(), first: 0,
    last: 0, kept: performance.now() };
  run.view = makeAnswer(message, chat.messages.length);
  run.view.onShow = () => run.chat === chat && showEnd();
  run.view.grow();
  failures.delete(chat.id);
  runs.set(chat.id, run);
  const request = makeRequest(settings);
  showChat();
  showEnd(true);
  chatList.show();
  say("Waiting for the model.");
  try {
    await complete(request, run.chat.id, { signal: run.controller.signal,
      onBegin: (headers) => message.loosened = headers.get("x-clamma-loosened") ?? undefined,
      onChunk: (chunk) => onChunk(run, chunk) });
    endRun(run, null);
  } catch (error) {
    if (error.name === "AbortError") message.finish = "stopped";
    endRun(run, error.name === "AbortError" ? null : error);
  }
}

function stop() {
  runs.get(chat.id)?.controller.abort();
}

// --- Questions ---

function ask(text) {
  if (text.trim() === "") return;
  if (runs.has(chat.id)) {
    say("The answer is not complete yet. Esc stops it.");
    return;
  }
  if (models.length === 0) {
    say("There is no connection yet.", { trouble: true });
    return;
  }
  prompt.value = "";
  chat.title ||= text.trim().replace(/\s+/g, " ").slice(0, longestTitle);
  chat.messages.push({ role: "user", content: text });
  keep(chat);
  answer();
}

function cutAt(index) {
  stop();
  runs.delete(chat.id);
  failures.delete(chat.id);
  chat.messages.length = index;
}

function editQuestion(index, text) {
  cutAt(index);
  if (index === 0) chat.title = "";
  ask(text);
}

// Answers the latest question, or what comes before message `index`, again.
function answerAgain(index = chat.messages.length) {
  while (chat.messages[index - 1]?.role === "assistant") --index;
  cutAt(index);
  keep(chat);
  answer();
}

function sendResults(texts) {
  const calls = chat.messages.at(-1).tool_calls;
  calls.forEach((call, i) => chat.messages.push({ role: "tool", tool_call_id: call.id,
    name: call.function.name, content: texts[i] }));
  keep(chat);
  answer();
}

// --- The server ---

function askForKey(refused, then) {
  const dialog = byId("key-dialog");
  if (dialog.open) return;
  byId("key-text").textContent = `${refused ? "The key is missing, or the server does not accept it. " :
    ""}The key is kept until you close this tab.`;
  byId("key").value = "";
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes") return;
    setKey(byId("key").value.trim());
    then();
  }, { once: true });
  dialog.showModal();
}

function showModels() {
  const select = byId("model");
  const before = select.value;
  select.replaceChildren(...models.map(({ id }) => makeElement("option", { value: id }, id)));
  if (models.some(({ id }) => id === before)) select.value = before;
  select.hidden = models.length < 2;
  byId("model-name").classList.toggle("unseen", models.length > 1);
  byId("model-name").textContent = modelName();
  showFacts();
  showMeter();
}

function showFacts() {
  const facts = properties.models?.find((model) => model.id === modelName()) ?? {};
  const parts = [modelName()];
  if (facts.architecture) parts.push(facts.architecture);
  if (facts.parameters > 0) parts.push(`${(facts.parameters / 1e6).toFixed(1)} M parameters`);
  if (facts.file_type) parts.push(facts.file_type);
  if (properties.version) parts.push(`clamma ${properties.version}`);
  byId("facts").textContent = parts.join(" · ");
  const most = properties.max_tokens;
  if (most > 0) byId("max_tokens").placeholder = `at most ${most}`;
}

async function connect(wait = 1000) {
  try {
    models = await listModels();
    properties = await readProperties();
    if (models.length === 0) throw new Error("It has no model.");
    showModels();
    say("");
  } catch (error) {
    if (error.status === 401) {
      say("The server needs a key.");
      askForKey(false, () => connect());
      return;
    }
    say(`${error.message} Trying again in ${Math.round(wait / 1000)} s.`, { trouble: true });
    setTimeout(() => connect(Math.min(2 * wait, 30000)), wait * (0.75 + Math.random() / 2));
  }
}

// --- Events ---

const chatList = new ChatList({
  open: (id) => openChat(runs.get(id)?.chat ?? findChat(id)),
  removed: (id) => {
    runs.get(id)?.controller.abort();
    failures.delete(id);
    if (id === chat.id) beginChat();
    else chatList.show();
  },
  isRunning: (id) => runs.has(id),
  current: () => chat.id,
});

function fitPrompt() {
  if (CSS.supports("field-sizing", "content")) return;
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight}px`;
}

function onPromptKey(event) {
  if (event.isComposing) return;
  const touch = matchMedia("(pointer: coarse)").matches;
  if (event.key === "Enter" && !event.shiftKey && !touch) {
    event.preventDefault();
    ask(prompt.value);
    fitPrompt();
  } else if (event.key === "ArrowUp" && prompt.value === "") {
    const edits = turns.querySelectorAll(".user .foot button:last-child");
    edits[edits.length - 1]?.click();
    event.preventDefault();
  }
}

function listen() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(prompt.value);
    fitPrompt();
  });
  prompt.addEventListener("keydown", onPromptKey);
  prompt.addEventListener("input", fitPrompt);
  byId("stop").addEventListener("click", stop);
  byId("new").addEventListener("click", () => {
    if (byId("chats").matches(":popover-open")) byId("chats").hidePopover();
    beginChat();
  });
  byId("to-end").addEventListener("click", () => showEnd(true));
  byId("system-button").addEventListener("click", () => openSettings("system"));
  byId("model").addEventListener("change", showModels);
  byId("key-cancel").addEventListener("click", () => byId("key-dialog").close());
  byId("change-key").addEventListener("click", () => askForKey(false, () => connect()));
  conversation.addEventListener("scroll", lookAtScroll);
  new ResizeObserver(() => showEnd()).observe(conversation);
  turns.addEventListener("click", ({ target }) => {
    const button = target.closest(".copy-code");
    if (button) copy(button.closest(".code").querySelector("pre").textContent, button);
  });
  addEventListener("keydown", (event) => {
    const open = document.querySelector("dialog[open], [popover]:popover-open");
    if (event.key === "Escape" && !event.isComposing && !open) stop();
  });
  addEventListener("pagehide", () => runs.forEach(keepRun));
  for (const example of document.querySelectorAll(".example")) {
    example.addEventListener("click", () => ask(example.textContent));
  }
  watchChats((id) => {
    if (id === chat.id && !runs.has(id)) {
      chat = findChat(id) ?? makeChat();
      showChat();
    }
    chatList.show();
  });
}

function restore() {
  try {
    chat = findChat(sessionStorage.getItem(currentName)) ?? chat;
  } catch {
    // No storage: a new conversation.
  }
}

listenToSettings(showBadges, (system) => {
  chat.system = system;
  if (chat.messages.length > 0) keep(chat);
  showSystem();
});
listen();
restore();
showBadges();
showChat();
chatList.show();
showEnd(true);
connect();
