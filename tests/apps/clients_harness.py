# SPDX-License-Identifier: MIT
"""What the tests with other people's clients share: clamma-server with models that are there, or made."""
import os
import sys

import scripted_model
from app_harness import Checks, find_default_model, find_models, write_gguf
from server_harness import Server, begin

PROGRAM, _, SOURCE = begin(sys.modules["__main__"].__doc__, "clamma-server")
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}. {% endfor %}assistant:"
# Writes tools and calls between tags, as Hermes' does.
TOOL_TEMPLATE = ("{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}"
                 "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}"
                 "<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}{% endfor %}"
                 "{% if add_generation_prompt %}<|answer|>{% endif %}")
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather of a city.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": False}}}


def chat_model():
    """The default model; None: it is not there."""
    return os.environ.get("CLAMMA_TEST_CHAT_MODEL") or find_default_model()


def stories(folder):
    """stories260K as a GGUF file with a template. What it answers makes no sense."""
    path = os.path.join(folder, "stories.gguf")
    write_gguf(path, find_models(SOURCE), tokenizer__chat_template=TEMPLATE)
    return path


def caller(folder):
    """A model that always calls weather("Bergen"), if the temperature is 0."""
    path = os.path.join(folder, "caller.gguf")
    call = '<tool_call>', '{"name":"weather",', '"arguments":', '{"city":', '"Bergen"}}', '</tool_call>'
    scripted_model.write(path, call, template=TOOL_TEMPLATE, context=2048)
    return path


def serve(folder, *options):
    """clamma-server with the models `stories`, `caller`, and `chat` if it is there."""
    models = ["stories=" + stories(folder), "caller=" + caller(folder)]
    if chat_model():
        models.append("chat=" + chat_model())
    else:
        print("left out: what needs the default model, which is not there", flush=True)
    return Server(PROGRAM, *options, *models)


__all__ = ["Checks", "PROGRAM", "SOURCE", "Server", "WEATHER", "caller", "chat_model", "serve", "stories"]
