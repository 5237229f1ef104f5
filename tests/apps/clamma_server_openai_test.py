#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_openai_test.py BIN_DIR SOURCE_DIR: the official `openai` package as clamma-server's client.
Exit code: 0 all checks hold, 1 one does not, 77 no model."""
import asyncio
import json
import tempfile

import openai
import pydantic
from clients_harness import WEATHER, Checks, chat_model, serve

checks = Checks()
QUESTION = [{"role": "user", "content": "What is 2+2?"}]
STORY = [{"role": "user", "content": "Who is Lily?"}]
SHORT = {"model": "stories", "messages": STORY, "max_tokens": 12, "seed": 7}


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=30)
    age: int = pydantic.Field(ge=0, le=150)
    likes: list[str] = pydantic.Field(max_length=3)


def test_chat(client):
    answer = client.chat.completions.create(**SHORT)
    checks.same("chat: the model", answer.model, "stories")
    checks.same("chat: usage", answer.usage.completion_tokens, 12)
    checks.same("chat: the limit ends it", answer.choices[0].finish_reason, "length")
    again = client.chat.completions.create(**SHORT)
    checks.same("chat: the same seed, the same answer", again.choices[0].message, answer.choices[0].message)
    checks.same("chat: the fingerprint stays", again.system_fingerprint, answer.system_fingerprint)
    three = client.chat.completions.create(**SHORT, n=3)
    checks.same("chat: choices", [choice.index for choice in three.choices], [0, 1, 2])
    checks.same("... the first is that of one", three.choices[0].message, answer.choices[0].message)
    checks.holds("... and each is another", len({c.message.content for c in three.choices}) == 3, three)
    likely = client.chat.completions.create(**SHORT, logprobs=True, top_logprobs=3).choices[0]
    checks.same("chat: logprobs change nothing", likely.message.content, answer.choices[0].message.content)
    tokens = likely.logprobs.content
    checks.same("... one for each token", (len(tokens), {len(t.top_logprobs) for t in tokens}), (12, {3}))
    checks.same("... whose bytes are the text", b"".join(bytes(t.bytes) for t in tokens).decode(),
                likely.message.content)


def test_sense(client):
    answer = client.chat.completions.create(model="chat", messages=QUESTION, temperature=0, max_tokens=40)
    checks.holds("the default model counts", "4" in answer.choices[0].message.content, answer)
    checks.same("... and ends by itself", answer.choices[0].finish_reason, "stop")
    stopped = client.chat.completions.create(model="chat", messages=QUESTION, temperature=0, stop=["math"])
    checks.same("a stop string", stopped.choices[0].message.content,
                answer.choices[0].message.content.split("math")[0])
    answer = client.responses.create(model="chat", input="Name the planet that we live on.", temperature=0)
    checks.holds("responses: it knows where it is", "Earth" in answer.output_text, answer)


def test_stream(client):
    whole = client.chat.completions.create(**SHORT)
    chunks = list(client.chat.completions.create(**SHORT, stream=True,
                                                 stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    checks.same("stream: the role comes first", [d.role for d in deltas if d.role], ["assistant"])
    checks.same("stream: the text", "".join(d.content or "" for d in deltas),
                whole.choices[0].message.content)
    checks.holds("stream: in pieces", len(deltas) > 5, len(deltas))
    checks.same("stream: the end", [c.choices[0].finish_reason for c in chunks if c.choices][-1], "length")
    checks.same("stream: usage in the last chunk alone", [c.usage is not None for c in chunks],
                [False] * (len(chunks) - 1) + [True])
    checks.same("... which is that of the whole", chunks[-1].usage.completion_tokens, 12)
    checks.same("stream: one id", len({chunk.id for chunk in chunks}), 1)
    sentence = {**SHORT, "stop": ["."], "max_tokens": 200}
    with client.chat.completions.stream(**sentence) as stream:
        kinds = [event.type for event in stream]
    checks.same("the stream helper collects the answer",
                stream.get_final_completion().choices[0].message.content,
                client.chat.completions.create(**sentence).choices[0].message.content)
    checks.holds("... from events", "content.delta" in kinds and kinds[-1] == "content.done", kinds)
    with client.chat.completions.create(**{**SHORT, "max_tokens": 400}, stream=True) as stream:
        next(iter(stream))  # and leaves


def test_tools(client):
    messages = [{"role": "user", "content": "What is the weather in Bergen?"}]
    about = {"model": "caller", "tools": [WEATHER], "temperature": 0, "max_tokens": 60}
    answer = client.chat.completions.create(messages=messages, **about).choices[0]
    checks.same("tools: the reason", answer.finish_reason, "tool_calls")
    checks.same("tools: no content", answer.message.content, None)
    calls = [(call.type, call.function.name, call.function.arguments) for call in answer.message.tool_calls]
    checks.same("tools: the call", calls, [("function", "weather", '{"city":"Bergen"}')])
    with client.chat.completions.stream(messages=messages, **about) as stream:
        list(stream)
    streamed = stream.get_final_completion().choices[0].message.tool_calls
    checks.same("tools: the call as a stream", [(c.function.name, c.function.arguments) for c in streamed],
                [("weather", '{"city":"Bergen"}')])
    messages += [answer.message, {"role": "tool", "tool_call_id": answer.message.tool_calls[0].id,
                                  "content": "rain"}]
    more = client.chat.completions.create(messages=messages, **about)
    checks.same("tools: the result is taken", more.choices[0].finish_reason, "tool_calls")
    none = client.chat.completions.create(messages=messages[:1], tool_choice="none", **about)
    checks.same("tools: none", none.choices[0].message.tool_calls, None)
    if chat_model():
        about = {**about, "model": "chat", "tool_choice": {"type": "function", "function": {"name": "weather"}}}
        forced = client.chat.completions.create(messages=messages[:1], **about).choices[0]
        checks.same("tools: a named one", forced.finish_reason, "tool_calls")
        arguments = json.loads(forced.message.tool_calls[0].function.arguments)
        checks.same("... with arguments by its schema", list(arguments), ["city"])


def test_parsed(client):
    model = "chat" if chat_model() else "stories"
    messages = [{"role": "user", "content": "Anna is 31 and likes tea. Give JSON."}]
    answer = client.chat.completions.parse(model=model, messages=messages, response_format=Person,
                                           temperature=0, max_tokens=200)
    person = answer.choices[0].message.parsed
    checks.holds("parsed: a Person", isinstance(person, Person) and person.age >= 0, answer)
    answer = client.responses.parse(model=model, input=messages, text_format=Person, temperature=0,
                                    max_output_tokens=200)
    checks.same("responses: the same Person", answer.output_parsed, person)
    answer = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=300,
                                            response_format={"type": "json_object"}).choices[0]
    if answer.finish_reason == "stop":
        checks.holds("json_object: an object", isinstance(json.loads(answer.message.content), dict), answer)


def test_completions(client):
    about = {"model": "stories", "prompt": "Once upon a time", "temperature": 0, "max_tokens": 8}
    whole = client.completions.create(**about)
    checks.same("completions: usage", whole.usage.completion_tokens, 8)
    parts = "".join(c.choices[0].text for c in client.completions.create(**about, stream=True) if c.choices)
    checks.same("completions: as a stream", parts, whole.choices[0].text)
    echo = client.completions.create(**about, echo=True, logprobs=2).choices[0]
    checks.same("completions: echo", echo.text, "Once upon a time" + whole.choices[0].text)
    checks.same("... with logprobs of all but the first token", [
        value is None for value in echo.logprobs.token_logprobs].count(True), 1)


def test_embeddings(client):
    floats = client.embeddings.create(model="stories", input=["Lily", "Tom"], encoding_format="float")
    packed = client.embeddings.create(model="stories", input=["Lily", "Tom"])  # asks for base64
    checks.same("embeddings: two of 64", [len(each.embedding) for each in floats.data], [64, 64])
    near = max(abs(a - b) for one, other in zip(floats.data, packed.data)
               for a, b in zip(one.embedding, other.embedding))
    checks.holds("embeddings: base64 says the same", near < 1e-7, near)
    checks.holds("embeddings: usage", packed.usage.prompt_tokens > 2, packed.usage)


def test_responses(client):
    about = {"model": "stories", "input": "Who is Lily?", "instructions": "Tell a story.",
             "max_output_tokens": 12, "extra_body": {"seed": 7}}
    whole = client.responses.create(**about)
    checks.same("responses: cut by its limit", (whole.status, whole.incomplete_details.reason),
                ("incomplete", "max_output_tokens"))
    checks.same("responses: usage", whole.usage.output_tokens, 12)
    events = list(client.responses.create(**about, stream=True))
    checks.same("responses: numbers in order", [e.sequence_number for e in events], list(range(len(events))))
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    checks.same("responses: the text as a stream", text, whole.output_text)
    names = list(dict.fromkeys(event.type for event in events))
    checks.same("responses: the order of events", names, [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.content_part.added", "response.output_text.delta", "response.output_text.done",
        "response.content_part.done", "response.output_item.done", "response.incomplete"])
    about = {"model": "caller", "input": "Hello", "temperature": 0}
    with client.responses.stream(**about) as stream:
        list(stream)
    checks.same("responses: the stream helper", stream.get_final_response().output_text,
                client.responses.create(**about).output_text)
    tool = {"type": "function", "strict": True, **WEATHER["function"]}
    answer = client.responses.create(model="caller", input="What is the weather in Bergen?", tools=[tool],
                                     temperature=0)
    call = [item for item in answer.output if item.type == "function_call"][0]
    checks.same("responses: a call", (call.name, call.arguments), ("weather", '{"city":"Bergen"}'))
    more = client.responses.create(model="caller", tools=[tool], temperature=0, input=[
        {"role": "user", "content": "What is the weather in Bergen?"}, *answer.output,
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}])
    checks.same("responses: its result is taken", more.status, "completed")


def fails(name, kind, code, call, **arguments):
    try:
        call(**arguments)
    except openai.APIStatusError as error:
        checks.same(f"{name}: {kind.__name__}, {code}", (type(error), error.code), (kind, code))
        checks.holds("... with a request id", bool(error.request_id), error)
    else:
        checks.holds(name, False, "no error")


def test_errors(client):
    create = client.chat.completions.create
    fails("an unknown model", openai.NotFoundError, "model_not_found", create,
          **{**SHORT, "model": "gpt-4o"})
    fails("too hot", openai.BadRequestError, "invalid_value", create, **SHORT, temperature=3)
    fails("no messages", openai.BadRequestError, "invalid_value", create, model="stories", messages=[])
    fails("too long", openai.BadRequestError, "context_length_exceeded", create, model="stories",
          messages=[{"role": "user", "content": "word " * 2000}])
    fails("an image", openai.BadRequestError, "unsupported_parameter", create, model="stories", messages=[
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}])
    fails("a stored response", openai.BadRequestError, "unsupported_parameter", client.responses.create,
          model="stories", input="x", previous_response_id="resp_1")
    fails("what is not there", openai.NotFoundError, "unknown_url", client.responses.retrieve,
          response_id="resp_1")


def test_key(folder):
    with serve(folder, "--key-file", key_file(folder)) as server:
        wrong = openai.OpenAI(base_url=server.url + "/v1", api_key="wrong", max_retries=0)
        fails("a wrong key", openai.AuthenticationError, "invalid_api_key", wrong.models.list)
        right = openai.OpenAI(base_url=server.url + "/v1", api_key="a-key-of-this-test", max_retries=0)
        checks.holds("the right key", "stories" in [model.id for model in right.models.list()])


def key_file(folder):
    path = folder + "/keys"
    with open(path, "w", encoding="utf-8") as file:
        file.write("a-key-of-this-test\n")
    return path


def test_retries(folder):
    """More requests than the server takes: the client waits as it is told, and comes again."""
    with serve(folder, "--sessions", "1", "--max-waiting", "1") as server:
        async def ask_all(retries):
            async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="none",
                                          max_retries=retries) as client:
                tasks = [client.chat.completions.create(**{**SHORT, "max_tokens": 200}) for _ in range(8)]
                return await asyncio.gather(*tasks, return_exceptions=True)
        refused = [type(each) for each in asyncio.run(ask_all(0)) if isinstance(each, Exception)]
        checks.same("without retries: refused", set(refused), {openai.RateLimitError})
        answers = asyncio.run(ask_all(20))
        checks.same("with retries: all are answered", [each for each in answers if isinstance(each, Exception)],
                    [])
        checks.same("... alike", len({each.choices[0].message.content for each in answers}), 1)


def main():
    with tempfile.TemporaryDirectory() as folder:
        with serve(folder) as server:
            client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
            names = [model.id for model in client.models.list()]
            checks.same("models", names[:2], ["stories", "caller"])
            checks.same("a model", client.models.retrieve("caller").id, "caller")
            tests = [test_chat, test_stream, test_tools, test_parsed, test_completions, test_embeddings,
                     test_responses, test_errors] + [test_sense] * bool(chat_model())
            checks.run_all([(test, client) for test in tests])
        checks.run_all([(test_key, folder), (test_retries, folder)])
    checks.finish()


main()
