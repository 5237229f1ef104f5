// SPDX-License-Identifier: MIT
// The list of conversations at the side, and what can be done with them: open, export, delete.
import { byId, confirm, makeElement, makeIconButton, saveFile } from "./dom.js";
import { findChat, listChats, removeChat, sizeOfAll } from "./store.js";

const panel = byId("chats");

export const titleOf = (chat) => chat.title || "New conversation";

function exportChats(chats, name) {
  const data = chats.map(({ title, system, updated, messages }) =>
    ({ title, system, updated: new Date(updated).toISOString(), messages }));
  saveFile(`${name}.json`, "application/json", JSON.stringify({ conversations: data }, null, 2) + "\n");
}

function fileName(chat) {
  const words = titleOf(chat).normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return words.slice(0, 40) || "conversation";
}

// "14:05" for today, "3 Mar" for other days, as the browser's language has it.
function timeOf(stamp) {
  const time = new Date(stamp);
  const today = time.toDateString() === new Date().toDateString();
  const text = today ? time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) :
    time.toLocaleDateString([], { day: "numeric", month: "short" });
  return makeElement("time", { datetime: time.toISOString() }, text);
}

// `actions` has open(id), removed(id), isRunning(id), current().
export class ChatList {
  constructor(actions) {
    this.actions = actions;
    byId("export-all").addEventListener("click", () => exportChats(listChats(), "conversations"));
    byId("delete-all").addEventListener("click", () => this.removeAll());
    this.show();
  }

  show() {
    const focused = document.activeElement?.closest("#chat-list li")?.dataset.id;
    const chats = listChats();
    byId("chat-list").replaceChildren(...chats.map((chat) => this.makeRow(chat)));
    const kilobytes = Math.ceil(sizeOfAll() / 1000);
    byId("chats-size").textContent = chats.length === 0 ? "No conversation yet." :
      `${chats.length} ${chats.length === 1 ? "conversation" : "conversations"}, ${kilobytes} kB`;
    for (const id of ["export-all", "delete-all"]) byId(id).disabled = chats.length === 0;
    if (focused) document.querySelector(`#chat-list li[data-id="${focused}"] button`)?.focus();
  }

  makeRow(chat) {
    const current = chat.id === this.actions.current();
    const running = this.actions.isRunning(chat.id);
    const title = titleOf(chat);
    const open = makeElement("button", { type: "button", class: "chat", "aria-current": current && "true",
      title }, makeElement("span", { class: "chat-title" }, title),
    running ? makeElement("span", { class: "running" }, "answering") : timeOf(chat.updated));
    open.addEventListener("click", () => {
      if (panel.matches(":popover-open")) panel.hidePopover();
      this.actions.open(chat.id);
    });
    return makeElement("li", { "data-id": chat.id }, open,
      makeIconButton("export", `Export: ${title}`, () => exportChats([findChat(chat.id)], fileName(chat))),
      makeIconButton("delete", `Delete: ${title}`, () => this.remove(chat)));
  }

  async remove(chat) {
    if (!await confirm(`Delete the conversation “${titleOf(chat)}”?`, "Delete")) return;
    removeChat(chat.id);
    this.actions.removed(chat.id);
  }

  async removeAll() {
    const chats = listChats();
    const what = chats.length === 1 ? "the conversation" : `all ${chats.length} conversations`;
    if (!await confirm(`Delete ${what} in this browser?`, "Delete all")) return;
    for (const chat of chats) {
      removeChat(chat.id);
      this.actions.removed(chat.id);
    }
  }
}
