#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_page_test.py BIN_DIR SOURCE_DIR: what can be done on clamma-server's page, in Chromium
without a window. The answers are written here, by clamma_server_stand_in.py. Exit code: 0 all checks hold, 1
one does not."""
import json
import threading
import time

import clamma_server_stand_in
from clamma_server_browser import Browser, Chat, Checks, Keys, begin, until

_, _, PAGE = begin(__doc__)
checks = Checks()


def answer(text, **more):
    def script(reply):
        reply.say(text[:1])
        time.sleep(0.1)  # what arrives at once has no rate
        reply.say(text[1:])
        reply.end(**more)
    return script


def test_answer(page, server):
    """A question, its request and its answer."""
    page.forget()
    server.script = answer("The *sea* is wide.", prompt=100, tokens=60)
    page.set("system", "Be brief.")
    page.set("temperature", "0.3")
    page.set("seed", "-7")
    page.set("max_tokens", "99")
    page.set("stop_texts", "END\nSTOP")
    checks.same("the answer", page.ask("What is the sea?"), "The sea is wide.")
    checks.same("... has its emphasis", page.texts(".answer em"), ["sea"])
    request = server.requests[-1]
    checks.same("the request", request, {
        "model": "stand-in", "stream": True, "stream_options": {"include_usage": True},
        "messages": [{"role": "system", "content": "Be brief."},
                     {"role": "user", "content": "What is the sea?"}],
        "temperature": 0.3, "top_p": 0.9, "seed": -7, "max_tokens": 99, "stop": ["END", "STOP"]})
    checks.holds("the figures", "60 tokens" in page.text(".figures") and
                 "tokens/s" in page.text(".figures"), page.text(".figures"))
    checks.same("the seed is shown", page.text(".seed"), "seed -7")
    checks.same("the context meter", page.find("#meter").get_attribute("aria-valuetext"),
                "160 of 4,096 tokens")
    checks.holds("the status says it, with the answer for screen readers",
                 page.said("The answer is complete.The *sea* is wide."), page.status())
    checks.same("the conversation has a name", page.texts(".chat-title"), ["What is the sea?"])
    checks.same("the system prompt stands above", page.text("#system-mark").strip(),
                "System prompt: Be brief.")
    page.set("seed", "")
    page.ask("And the sky?")
    request = server.requests[-1]
    checks.same("the next request has all messages", [m["content"] for m in request["messages"]],
                ["Be brief.", "What is the sea?", "The *sea* is wide.", "And the sky?"])
    seed = request["seed"]
    checks.same("a random seed is shown, too", page.texts(".seed")[-1], f"seed {seed}")
    page.browser.find_elements("css selector", ".seed")[-1].click()
    page.ask("Again")
    checks.same("... and used again by a click", server.requests[-1]["seed"], seed)


def test_reasoning(page, server):
    """Reasoning shows while it grows, and folds when the answer begins."""
    page.forget()
    go = threading.Event()

    def script(reply):
        reply.say("I weigh it.", field="reasoning_content")
        go.wait(60)
        reply.say("Yes.")
        reply.end()
    server.script = script
    page.send("Is it?")
    checks.holds("the reasoning shows", until(lambda: page.text(".thought") == "I weigh it." and
                                              page.seen(".thought"), 60))
    checks.holds("... as the status says", page.said("thinking"), page.status())
    go.set()
    checks.same("the answer", page.answered(), "Yes.")
    checks.holds("... folds it", not page.seen(".thought") and page.seen(".thoughts summary"))
    page.ask("Sure?")
    checks.same("it is not sent back", server.requests[-1]["messages"][1],
                {"role": "assistant", "content": "Yes."})


def test_stop(page, server):
    """Stop ends the request, and keeps what there is."""
    page.forget()

    def script(reply):
        while True:
            reply.say("word ", pause=0.02)
    server.script = script
    for name, stop in (("the button", lambda: page.click("#stop")), ("Escape", lambda: page.press(Keys.ESCAPE))):
        left = server.left
        page.send("Talk")
        until(lambda: len((page.texts(".answer .text") or [""])[-1]) > 10, 60)
        stop()
        page.answered()
        checks.holds(f"{name} stops", until(lambda: server.left == left + 1, 60), server.left)
        checks.holds("... and keeps the text", page.texts(".answer .text")[-1].startswith("word word"))
        checks.holds("... and says so", "stopped" in page.texts(".figures")[-1], page.texts(".figures"))
    checks.same("the focus is in the message box", page.focus(), "prompt")


def test_changes(page, server):
    """Answering again, and editing a message, cut what follows."""
    page.forget()
    server.script = lambda reply: (reply.say(f"Answer {len(server.requests) - first}."), reply.end())
    first = len(server.requests)
    page.ask("One")
    page.ask("Two")
    checks.same("two answers", page.texts(".answer .text"), ["Answer 1.", "Answer 2."])
    page.click(".answer.last [aria-label='Answer again']")
    page.answered()
    checks.same("the last one again", page.texts(".answer .text"), ["Answer 1.", "Answer 3."])
    page.find("#prompt").send_keys(Keys.ARROW_UP)
    checks.same("arrow up edits the last message", page.script("return document.activeElement.value"), "Two")
    page.press(Keys.ESCAPE)
    checks.same("... and Escape leaves it", page.texts(".bubble"), ["One", "Two"])
    page.script("document.querySelector('.user [aria-label=\"Edit the message\"]').click()")
    box = page.find(".editor textarea")
    box.send_keys(" and a half", Keys.ENTER)
    page.answered()
    checks.same("editing the first message", page.texts(".bubble"), ["One and a half"])
    checks.same("... cuts the others", page.texts(".answer .text"), ["Answer 4."])
    checks.same("... from the request, too", server.requests[-1]["messages"],
                [{"role": "user", "content": "One and a half"}])


def test_tools(page, server):
    """A call shows; its result goes back."""
    page.forget()
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    page.set("tools", json.dumps(tools))
    call = {"id": "call_1", "type": "function",
            "function": {"name": "weather", "arguments": '{"city":"Bergen","days":[1.0,2]}'}}

    def script(reply):
        if reply.request["messages"][-1]["role"] == "tool":
            reply.say("It rains.")
            reply.end()
            return
        reply.chunk({"role": "assistant", "tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                                                          "function": {"name": "weather", "arguments": ""}}]})
        text = call["function"]["arguments"]
        for at in range(0, len(text), 5):
            reply.chunk({"tool_calls": [{"index": 0, "function": {"arguments": text[at:at + 5]}}]})
        reply.end("tool_calls")
    server.script = script
    page.ask("Weather in Bergen?")
    checks.same("the tools are sent", server.requests[-1]["tools"], tools)
    checks.same("the call", page.text(".call-name"), "Calls weather")
    checks.same("... and its arguments, as they were written", page.text(".call code + code, .call pre code"),
                '{\n  "city": "Bergen",\n  "days": [\n    1.0,\n    2\n  ]\n}')
    page.find(".card textarea").send_keys("rain")
    page.click(".card button")
    until(lambda: page.texts(".answer .text")[-1:] == ["It rains."], 60)
    checks.same("the result goes back with the call", server.requests[-1]["messages"][1:], [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"}])
    checks.same("the answer to it", page.texts(".answer .text")[-1], "It rains.")


def test_json(page, server):
    """JSON by a schema, and what of it was not enforced."""
    page.forget()
    server.script = answer('{"a":[],"b":{"c":1.50}}')
    schema = {"type": "object", "properties": {"a": {"type": "array"}}}
    page.set("format", "json_schema")
    page.set("schema", "{")
    page.send("Give JSON")
    checks.holds("a wrong schema opens the drawer", until(lambda: page.seen("#field-error"), 60))
    checks.holds("... and says why", "JSON schema: this is not JSON" in page.text("#field-error"),
                 page.text("#field-error"))
    checks.same("... where it is", page.focus(), "schema")
    page.set("schema", json.dumps(schema))
    page.press(Keys.ESCAPE)
    checks.holds("Escape closes the drawer", until(lambda: not page.seen("#drawer"), 60))
    page.click(".card button")  # the question has no answer yet
    until(lambda: page.texts(".answer pre.json"), 60)
    page.answered()
    checks.same("the schema is sent", server.requests[-1]["response_format"],
                {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}})
    checks.same("the answer, line by line", page.text(".answer pre.json"),
                '{\n  "a": [],\n  "b": {\n    "c": 1.50\n  }\n}')
    checks.same("the composer shows the format", page.texts(".badge"), ["JSON by a schema"])


def test_errors(page, server):
    """An error says what happened, and can be tried again."""
    page.forget()
    server.script = lambda reply: reply.error(429, "The queue is full.", "queue_full", retry_after=3)
    page.ask("Hello?")
    checks.same("the message", page.text(".failure-text"), "The queue is full.")
    checks.holds("... with the time to wait", "wait 3 seconds" in page.text(".failure"))
    server.script = lambda reply: reply.error(400, "Too many tokens: 5000.", "context_length_exceeded")
    page.click(".failure button")
    checks.holds("too long a conversation: what to do", until(
        lambda: "Begin a new one" in (page.text(".failure") or ""), 60), page.text(".failure"))
    server.script = lambda reply: reply.say("Half an ans")
    page.click(".failure button")
    until(lambda: page.texts(".answer .text") == ["Half an ans"] and page.seen(".failure"), 60)
    checks.holds("a stream that is cut keeps its text", page.texts(".answer .text") == ["Half an ans"] and
                 "ended before" in (page.text(".failure-text") or ""), page.text(".failure"))

    def breaks(reply):
        reply.say("Half")
        reply.event('{"error": {"message": "The model broke.", "code": "internal"}}')
    server.script = breaks
    page.click(".failure button")
    until(lambda: page.text(".failure-text") == "The model broke.", 60)
    checks.same("an error in the stream", page.text(".failure-text"), "The model broke.")
    server.script = answer("Whole.")
    page.click(".failure button")
    until(lambda: page.texts(".answer .text") == ["Whole."], 60)
    checks.same("another attempt replaces the parts", page.texts(".answer .text"), ["Whole."])
    checks.same("... and the error", page.seen(".failure"), False)
    server.script = lambda reply: reply.event("not JSON")
    page.ask("Again")
    checks.same("an event that is no JSON", page.text(".failure-text"), "The server sent what is not JSON.")


def test_lines(page, server):
    """Events are read however they are cut and ended."""
    page.forget()
    event = 'data: {"choices": [{"index": 0, "delta": {"content": "h\u00e9\U0001f600"}}]}'.encode()

    def script(reply):
        reply.event('{"choices": []}')
        stream = b": a comment\r\n\r\n" + event + b"\r\n\r\n" + event + b"\n\n:\n\ndata: [DONE]\n\n"
        for at in range(0, len(stream), 3):
            reply.raw(stream[at:at + 3])
    server.script = script
    checks.same("characters that are cut", page.ask("Hello"), "hé😀hé😀")


def test_conversations(page, server):
    """Several conversations are kept in the browser; one goes on while another is shown."""
    page.forget()
    go = threading.Event()
    server.script = answer("First answer.")
    page.ask("First")
    page.click("#new")
    checks.same("a new one is empty", page.texts(".turn"), [])
    server.script = lambda reply: (reply.say("Slow "), go.wait(60), reply.say("answer."), reply.end())
    page.send("Second")
    until(lambda: page.texts(".answer .text") == ["Slow "] or page.texts(".answer .text") == ["Slow"], 60)
    page.script("[...document.querySelectorAll('.chat')].find(e => e.title === 'First').click()")
    checks.same("the first one", page.texts(".answer .text"), ["First answer."])
    go.set()
    until(lambda: page.texts(".running") == [], 60)
    checks.same("... stays when the other is answered", page.texts(".answer .text"), ["First answer."])
    page.open()
    checks.same("a reload shows it again", page.texts(".answer .text"), ["First answer."])
    page.script("[...document.querySelectorAll('.chat')].find(e => e.title === 'Second').click()")
    checks.same("the other has its answer", page.texts(".answer .text"), ["Slow answer."])
    page.script("document.querySelector('[aria-label=\"Delete: Second\"]').click()")
    checks.same("deleting asks first; Cancel has the focus", page.focus(), "button")
    page.click("#confirm-yes")
    until(lambda: page.texts(".chat-title") == ["First"], 60)
    checks.same("one is left", page.texts(".chat-title"), ["First"])
    checks.same("... in the storage, too", page.script(
        "return Object.keys(localStorage).filter(k => k.startsWith('clamma.chat.')).length"), 1)
    page.script("localStorage.setItem('clamma.chat.bad', '{\"title\": 1}'); "
                "localStorage.setItem('clamma.chat.worse', '{')")
    page.open()
    checks.same("damaged entries are ignored", page.texts(".chat-title"), ["First"])


def test_bounds(page, _):
    """The storage is bounded: the oldest conversations make room."""
    page.forget()
    page.script("""
        for (let i = 0; i < 250; ++i) localStorage.setItem("clamma.chat." + i, JSON.stringify({
          title: "Chat " + i, system: "", updated: i + 1, messages: [{ role: "user", content: "x" }] }));""")
    page.open()
    page.ask("One more")
    checks.same("200 conversations are kept", len(page.texts(".chat-title")), 200)
    checks.same("... the newest", page.texts(".chat-title")[:2], ["One more", "Chat 249"])


def test_key(browser):
    """A server with a key: the page asks for it, and keeps it for the tab only."""
    with clamma_server_stand_in.StandIn(PAGE, key="open sesame") as server:
        browser.get(server.url + "/")
        page = Chat.__new__(Chat)
        page.browser, page.url = browser, server.url
        checks.holds("the page asks for a key", until(lambda: page.seen("#key-dialog"), 60))
        checks.same("... into which one can type", page.focus(), "key")
        page.press("wrong", Keys.ENTER)
        checks.holds("a wrong key: it asks again", until(
            lambda: page.seen("#key-dialog") and page.find("#key").get_property("value") == "", 60))
        page.press("open sesame", Keys.ENTER)
        checks.holds("the right one opens", page.ready())
        checks.same("an answer", page.ask("Hello"), "Hello.")
        checks.same("the key is kept for the tab", page.script(
            "return [JSON.stringify(localStorage).includes('sesame'), sessionStorage.getItem('clamma.key')]"),
                    [False, "open sesame"])
        server.key = "another"
        page.send("Again")
        checks.holds("a key that is withdrawn: it asks", until(lambda: page.seen("#key-dialog"), 60))
        page.press("another", Keys.ENTER)
        until(lambda: len(page.texts(".answer")) == 2 and not page.busy(), 60)
        checks.same("... and the question is answered", page.texts(".answer .text"), ["Hello.", "Hello."])


def test_models(browser):
    """With several models there is a choice."""
    with clamma_server_stand_in.StandIn(PAGE, models=("small", "large")) as server:
        page = Chat(browser, server.url)
        checks.same("the models", page.texts("#model option"), ["small", "large"])
        page.script("const e = document.getElementById('model'); e.value = 'large';"
                    "e.dispatchEvent(new Event('change'))")
        page.ask("Hello")
        checks.same("the one that is chosen answers", server.requests[-1]["model"], "large")
        checks.same("... as the answer says", page.text(".answer h2"), "large")


def test_requests(page, server):
    """The page asks for nothing but its files and the API, all on its own server."""
    page.forget()
    server.script = answer("![x](https://example.org/x.png) <img src='https://example.org/y.png'>")
    page.ask("Hello")
    names = page.script("return performance.getEntriesByType('resource').map(e => e.name)")
    checks.same("requests to other servers", [n for n in names if not n.startswith(server.url + "/")], [])
    unknown = [path for path in server.paths if path not in ("/", "/v1/models", "/props") and
               path[1:] not in server.page]
    checks.same("paths that do not exist", unknown, [])


def main():
    with clamma_server_stand_in.StandIn(PAGE) as server, Browser() as browser:
        page = Chat(browser, server.url)
        tests = (test_answer, test_reasoning, test_stop, test_changes, test_tools, test_json, test_errors,
                 test_lines, test_conversations, test_bounds, test_requests)
        checks.run_all([(test, page, server) for test in tests])
        checks.run_all([(test_key, browser), (test_models, browser)])
        checks.same("the console is quiet", page.complaints(), [])
    checks.finish()


main()
