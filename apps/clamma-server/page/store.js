// SPDX-License-Identifier: MIT
// Conversations, kept in the browser's local storage: one entry each, so that several windows do not
// overwrite each other's. Bounded: the oldest ones make room for new ones.

const prefix = "clamma.chat.";
const mostChats = 200;
const mostUnits = 4_000_000; // code units in all; browsers allow about 5 million

let storage = null;
try {
  storage = localStorage;
  storage.getItem(prefix);
} catch {
  storage = null; // conversations live as long as the page
}

const chats = new Map(); // id -> {id, title, system, updated, messages, size}

const isText = (value) => typeof value === "string";
const isMessage = (value) => value !== null && typeof value === "object" && isText(value.content) &&
  ["user", "assistant", "tool"].includes(value.role);

// Reads an entry; one that another program wrote, or a damaged one, is ignored.
function parseChat(id, text) {
  try {
    const { title, system, updated, messages } = JSON.parse(text);
    if (!isText(title) || !isText(system) || !Number.isFinite(updated) ||
        !Array.isArray(messages) || !messages.every(isMessage)) {
      return null;
    }
    return { id, title, system, updated, messages, size: text.length };
  } catch {
    return null;
  }
}

function load() {
  for (let i = 0; storage && i < storage.length; ++i) {
    const name = storage.key(i);
    if (!name.startsWith(prefix)) continue;
    const chat = parseChat(name.slice(prefix.length), storage.getItem(name));
    if (chat) chats.set(chat.id, chat);
  }
}

load();

export const listChats = () => [...chats.values()].sort((a, b) => b.updated - a.updated);
export const findChat = (id) => chats.get(id);
export const sizeOfAll = () => listChats().reduce((sum, chat) => sum + chat.size, 0);

export function makeChat(system = "") {
  const id = [...crypto.getRandomValues(new Uint8Array(8))].map(
    (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { id, title: "", system, updated: Date.now(), messages: [], size: 0 };
}

export function removeChat(id) {
  chats.delete(id);
  storage?.removeItem(prefix + id);
}

// Keeps a conversation. Returns how many older ones were removed for it, or -1 if there is no room.
export function keepChat(chat) {
  chat.updated = Date.now();
  const text = JSON.stringify({ title: chat.title, system: chat.system, updated: chat.updated,
    messages: chat.messages });
  chat.size = text.length;
  chats.set(chat.id, chat);
  if (text.length > mostUnits) return -1;
  let removed = 0;
  for (;;) {
    const older = listChats().filter((other) => other.id !== chat.id);
    const fits = older.length < mostChats && sizeOfAll() <= mostUnits;
    if (fits || older.length === 0) {
      try {
        storage?.setItem(prefix + chat.id, text);
        return storage ? removed : -1;
      } catch {
        if (older.length === 0) return -1;
      }
    }
    removeChat(older.at(-1).id);
    ++removed;
  }
}

// Calls `onChange` with the id of a conversation that another window has changed or removed.
export function watchChats(onChange) {
  addEventListener("storage", ({ key: name, newValue }) => {
    if (!name?.startsWith(prefix)) return;
    const id = name.slice(prefix.length);
    const chat = newValue === null ? null : parseChat(id, newValue);
    if (chat) chats.set(id, chat);
    else chats.delete(id);
    onChange(id);
  });
}
