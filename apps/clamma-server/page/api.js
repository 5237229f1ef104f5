// SPDX-License-Identifier: MIT
// Access to the server: models, properties, and chat completions as a stream.
import { readEvents } from "./events.js";

const keyName = "clamma.key";

// What went wrong with a request. `status` is 0 if there was no answer; `wait` is in seconds.
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", wait = 0 } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.wait = wait;
  }
}

let key = "";
try {
  key = sessionStorage.getItem(keyName) ?? "";
} catch {
  // No storage: the key lives as long as the page.
}

export const hasKey = () => key !== "";

export function setKey(text) {
  key = text;
  try {
    if (text === "") sessionStorage.removeItem(keyName);
    else sessionStorage.setItem(keyName, text);
  } catch {
    // As above.
  }
}

async function errorOf(response) {
  const wait = Math.min(Math.max(Number(response.headers.get("retry-after")) || 0, 0), 3600);
  const details = { status: response.status, wait };
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text);
    return new ApiError(String(error.message), { ...details, code: String(error.code ?? error.type ?? "") });
  } catch {
    const type = response.headers.get("content-type") ?? "";
    const plain = type.startsWith("text/plain") ? text.trim().slice(0, 300) : "";
    return new ApiError(plain || response.statusText || "no reason is given", details);
  }
}

async function send(path, options = {}) {
  const headers = { ...options.headers };
  if (key !== "") headers.authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer.");
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

export async function listModels() {
  const { data } = await (await send("v1/models")).json();
  return data.map((model) => ({ ...model, id: String(model.id) }));
}

// What the server says about itself and its models, or {}.
export async function readProperties() {
  try {
    return await (await send("props")).json();
  } catch {
    return {};
  }
}

// Sends a chat request of a conversation, whose id lets a proxy choose the replica that has it cached.
// Calls onBegin(headers) when it is admitted, then onChunk(chunk) for each event.
// Throws ApiError, or AbortError after signal.
export async function complete(request, conversation, { signal, onBegin, onChunk }) {
  const response = await send("v1/chat/completions", { method: "POST", signal,
    headers: { "content-type": "application/json", accept: "text/event-stream",
      "x-conversation-id": conversation },
    body: JSON.stringify(request) });
  onBegin(response.headers);
  let whole = false;
  try {
    for await (const { data } of readEvents(response.body)) {
      if (data === "[DONE]") {
        whole = true;
        break;
      }
      const chunk = JSON.parse(data);
      if (chunk.error) {
        throw new ApiError(String(chunk.error.message), { status: 500, code: String(chunk.error.code ?? "") });
      }
      onChunk(chunk);
    }
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    if (error instanceof SyntaxError) throw new ApiError("The server sent what is not JSON.");
    throw new ApiError("The connection was lost.");
  }
  if (!whole) throw new ApiError("The connection ended before the answer.");
}
