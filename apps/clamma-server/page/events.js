// SPDX-License-Identifier: MIT
// Server-sent events from the body of an answer to fetch().

const longestEvent = 1 << 24; // code units; a server that sends more is broken

// Yields {event, data} for each event, as it arrives.
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = "";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      // A \r at the end may be the first half of a line end.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      if (rest.length > longestEvent) throw new Error("an event is too long");
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { event, data: data.join("\n") };
          event = "";
          data = [];
        } else if (!line.startsWith(":")) { // that is a comment, which keeps the connection alive
          const colon = line.indexOf(":");
          const name = colon < 0 ? line : line.slice(0, colon);
          const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
          if (name === "data") data.push(text);
          else if (name === "event") event = text;
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
