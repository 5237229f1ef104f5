// SPDX-License-Identifier: MIT
// Small helpers for elements. Texts are set as texts, never as HTML.

export const byId = (id) => document.getElementById(id);

// makeElement("p", { class: "note", hidden: true }, "text", element ...): true is an attribute without a
// value; false and undefined are none.
export function makeElement(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const svg = "http://www.w3.org/2000/svg";

// One of the symbols of index.html.
export function makeIcon(name) {
  const icon = document.createElementNS(svg, "svg");
  const use = document.createElementNS(svg, "use");
  icon.setAttribute("class", "icon");
  icon.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  icon.append(use);
  return icon;
}

// A button with an icon; its label is for screen readers and shows when the pointer rests on it.
export function makeIconButton(icon, label, onClick) {
  const button = makeElement("button", { type: "button", class: "icon-button", "aria-label": label,
    title: label }, makeIcon(icon));
  button.addEventListener("click", onClick);
  return button;
}

// Shows a line of status. Screen readers announce it, and `more` behind it, which is not shown.
export function say(text, { trouble = false, more = "" } = {}) {
  const line = byId("status");
  line.classList.toggle("trouble", trouble);
  line.replaceChildren(text, makeElement("span", { class: "unseen" }, more));
}

async function writeClipboard(text) {
  if (navigator.clipboard) { // exists only on pages from this machine or with https
    await navigator.clipboard.writeText(text);
    return;
  }
  const box = makeElement("textarea", { class: "unseen" });
  box.value = text;
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  if (!done) throw new Error("the browser did not copy");
}

// Copies, and says so in the status line; moves no focus.
export async function copy(text, button) {
  try {
    await writeClipboard(text);
    say("Copied.");
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  } catch {
    say("The browser does not allow copying.", { trouble: true });
  }
  button.focus({ preventScroll: true });
}

// Offers a text as a file to keep.
export function saveFile(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  makeElement("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// Asks in a dialog; resolves to whether the user agreed.
export function confirm(question, action) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = question;
  byId("confirm-yes").textContent = action;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
