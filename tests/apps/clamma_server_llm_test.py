#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_llm_test.py BIN_DIR SOURCE_DIR: the command `llm` with its OpenAI plugin as clamma-server's
client, set up by the file that its documentation describes for servers like this one. Exit code: 0 all checks
hold, 1 one does not, 77 no model."""
import json
import os
import tempfile

from click.testing import CliRunner
from clients_harness import Checks, chat_model, serve
from llm.cli import cli

checks = Checks()
MODEL = """- model_id: local-{name}
  model_name: {name}
  api_base: "{url}/v1"
  supports_schema: true
  supports_tools: true
"""


TEXT_MODEL = """- model_id: local-text
  model_name: stories
  api_base: "{url}/v1"
  completion: true
"""
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 30},
                                           "age": {"type": "integer", "minimum": 0, "maximum": 150}},
          "required": ["name", "age"], "additionalProperties": False}


def set_up(folder, url, names):
    """Gives the command a folder of its own for what it keeps."""
    os.environ["LLM_USER_PATH"] = folder
    with open(os.path.join(folder, "extra-openai-models.yaml"), "w", encoding="utf-8") as file:
        file.writelines(MODEL.format(name=name, url=url) for name in names)
        file.write(TEXT_MODEL.format(url=url))


def llm(*words, text=None):
    """What the command prints. It runs in this process, because to start takes it seconds."""
    return CliRunner().invoke(cli, words, input=text).output


def test_prompts():
    prompt = "prompt", "-m", "local-stories", "-o", "seed", "7", "-o", "max_tokens", "12", "Who is Lily?"
    whole = llm(*prompt, "--no-stream")
    checks.holds("an answer", len(whole) > 10 and "Error" not in whole, whole)
    checks.same("the same as a stream", llm(*prompt), whole)
    logged = json.loads(llm("logs", "--json", "-n", "1"))[0]
    checks.same("the tokens are logged", logged["output_tokens"], 12)
    checks.holds("it can be continued", len(llm("prompt", "-c", "-o", "max_tokens", "5", "And Tom?")) > 3)
    checks.holds("a text is continued", len(llm(
        "prompt", "-m", "local-text", "-o", "max_tokens", "5", "Once upon a time")) > 3)


def test_tools():
    function = "def weather(city: str) -> str:\n    'The weather of a city.'\n    return 'rain in ' + city\n"
    answer = llm("prompt", "-m", "local-caller", "-o", "temperature", "0", "--functions", function,
                 "--chain-limit", "2", "--td", "What is the weather in Bergen?")
    called = "Tool call: weather({'city': 'Bergen'})\n  rain in Bergen"
    checks.holds("a tool is called", called in answer, answer)
    checks.holds("... and its result sent, to a model that calls it again", "Chain limit of 2" in answer, answer)


def test_sense():
    question = "prompt", "-o", "temperature", "0"
    checks.holds("the default model counts", "4" in llm(*question, "-m", "local-chat", "What is 2+2?"))
    text = llm(*question, "-m", "local-chat", "--schema", json.dumps(SCHEMA), "Anna is 31. Give JSON.")
    checks.same("a schema is kept", list(json.loads(text)), ["name", "age"])
    chat = llm("chat", "-m", "local-chat", "-o", "temperature", "0", text="What is 2+2?\nquit\n")
    checks.holds("a chat", "4" in chat, chat)


def test_errors():
    answer = llm("prompt", "-m", "local-stories", "word " * 2000)
    checks.holds("an error is shown", "maximum context length is 512 tokens" in answer, answer[:300])


def main():
    with tempfile.TemporaryDirectory() as folder, serve(folder) as server:
        set_up(folder, server.url, ["stories", "caller", "chat"])
        tests = [test_prompts, test_tools, test_errors] + [test_sense] * bool(chat_model())
        checks.run_all([(test, ) for test in tests])
    checks.finish()


main()
