#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_langchain_test.py BIN_DIR SOURCE_DIR: LangChain's ChatOpenAI and OpenAIEmbeddings as
clamma-server's clients. Exit code: 0 all checks hold, 1 one does not, 77 no model."""
import asyncio
import tempfile

import pydantic
from clients_harness import Checks, chat_model, serve
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

checks = Checks()


class Person(pydantic.BaseModel):
    """A person."""
    name: str = pydantic.Field(max_length=30)
    age: int = pydantic.Field(ge=0, le=150)


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return "rain in " + city


def model(server, name, **options):
    return ChatOpenAI(base_url=server.url + "/v1", api_key="none", model=name, max_retries=0,
                      **{"temperature": 0, **options})


def test_answers(server):
    talk = [SystemMessage("Tell a story."), HumanMessage("Who is Lily?")]
    llm = model(server, "stories", max_tokens=12, seed=7, temperature=1)
    answer = llm.invoke(talk)
    checks.same("the end", answer.response_metadata["finish_reason"], "length")
    checks.same("usage", answer.usage_metadata["output_tokens"], 12)
    chunks = list(llm.stream(talk))
    checks.same("the same as a stream", "".join(chunk.content for chunk in chunks), answer.content)
    checks.holds("... in pieces", len(chunks) > 5, len(chunks))
    batch = asyncio.run(llm.abatch([talk] * 8))
    checks.same("eight at once are alike", {each.content for each in batch}, {answer.content})
    with_logprobs = llm.bind(logprobs=True, top_logprobs=2).invoke(talk)
    checks.same("logprobs", len(with_logprobs.response_metadata["logprobs"]["content"]), 12)
    responses = model(server, "stories", max_tokens=12, temperature=1, use_responses_api=True,
                      extra_body={"seed": 7})
    checks.same("the Responses API, as a stream too", "".join(
        chunk.text for chunk in responses.stream(talk)), responses.invoke(talk).text)


def test_tools(server):
    for name, llm in (("chat", model(server, "caller")),
                      ("responses", model(server, "caller", use_responses_api=True))):
        llm = llm.bind_tools([weather])
        talk = [HumanMessage("What is the weather in Bergen?")]
        answer = llm.invoke(talk)
        calls = [(call["name"], call["args"]) for call in answer.tool_calls]
        checks.same(f"{name}: a call", calls, [("weather", {"city": "Bergen"})])
        whole = None
        for chunk in llm.stream(talk):
            whole = chunk if whole is None else whole + chunk
        checks.same(f"{name}: a call as a stream", [(c["name"], c["args"]) for c in whole.tool_calls], calls)
        result = weather.invoke(answer.tool_calls[0])
        checks.holds(f"{name}: the result is a message", isinstance(result, ToolMessage), result)
        again = llm.invoke([*talk, answer, result])
        checks.holds(f"{name}: the result is taken", isinstance(again, AIMessage) and again.tool_calls, again)


def test_structured(server):
    llm = model(server, "chat" if chat_model() else "stories", max_tokens=200)
    for method in ("json_schema", "function_calling"):
        person = llm.with_structured_output(Person, method=method).invoke("Anna is 31.")
        checks.holds(f"{method}: a Person", isinstance(person, Person), person)


def test_sense(server):
    answer = model(server, "chat").invoke("What is 2+2?")
    checks.holds("the default model counts", "4" in answer.content, answer)


def test_embeddings(server):
    llm = OpenAIEmbeddings(base_url=server.url + "/v1", api_key="none", model="stories",
                           check_embedding_ctx_length=False)
    one, two = llm.embed_documents(["Lily", "Tom"])
    checks.same("embeddings: each of 64", (len(one), len(two)), (64, 64))
    near = max(abs(a - b) for a, b in zip(llm.embed_query("Lily"), one))
    checks.holds("a query is a document", near < 1e-7, near)


def main():
    with tempfile.TemporaryDirectory() as folder, serve(folder) as server:
        tests = [test_answers, test_tools, test_structured, test_embeddings] + [test_sense] * bool(chat_model())
        checks.run_all([(test, server) for test in tests])
    checks.finish()


main()
