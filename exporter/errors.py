# SPDX-License-Identifier: MIT
"""Errors in the input, and checks of its values."""
import json
import os
import stat

MOST_JSON_BYTES = 1 << 26  # an index of tensors takes some 100 KB
MOST_SHOWN = 240           # characters: enough for the values in the config of a Llama model
MOST_NAMED = 8             # names that a message lists


class ExportError(Exception):
    """The reason for a failure, in one line that names the file."""


def printable(text):
    """Replaces characters that control terminals: names of tensors may contain anything."""
    return "".join(c if c.isprintable() else "?" for c in text)


def shown(value):
    """Formats a value of a file for a message: whole, or cut after one of its elements."""
    try:
        text = repr(value)
        if len(text) <= MOST_SHOWN:
            return text
        if isinstance(value, dict):
            return _shown_in_part("{}", [f"{key!r}: {each!r}" for key, each in value.items()])
        if isinstance(value, (list, tuple)):
            return _shown_in_part("[]", [repr(each) for each in value])
    except (ValueError, RecursionError):  # Python does not print numbers of more than 4300 digits
        return "beyond what can be shown"
    return f"{text[:MOST_SHOWN // 2]}... ({len(text)} characters)"


def _shown_in_part(brackets, elements):
    kept, size = [], 0
    for element in elements:
        size += len(element) + 2
        if size > MOST_SHOWN:
            break
        kept.append(element)
    return f"{brackets[0]}{', '.join([*kept, f'... and {len(elements) - len(kept)} more'])}" \
           f"{brackets[1]}"


def named_in_part(names):
    """Formats a list of names, sorted; only the first few if it is long."""
    names = sorted(names)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def open_input(path, mode="rb", **options):
    """Opens a regular file: a pipe may never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ExportError(f"{path}: not a regular file")
    return open(path, mode, **options)


def read_json(path):
    """Reads the object in a JSON file."""
    try:
        with open_input(path, "r", encoding="utf-8") as file:
            text = file.read(MOST_JSON_BYTES)
            if file.read(1):
                raise ExportError(f"{path}: far too large for a JSON file of a model")
            content = json.loads(text)
    except (ValueError, RecursionError) as error:  # a ValueError includes bytes that are not UTF-8
        raise ExportError(f"{path}: not a JSON file: {error}") from None
    if not isinstance(content, dict):
        raise ExportError(f"{path}: not a JSON object")
    return content


def integer_of(values, key, path, default=None, least=1, most=2**28):
    """Returns values[key], which must be an integer in range; `default` if missing or null."""
    value = values.get(key)
    if value is None:
        value = default
    if value is None:
        raise ExportError(f"{path}: there is no '{key}'")
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ExportError(f"{path}: '{key}' is {shown(value)}, not a number from {least} to {most}")
    return value


def epsilon_of(values, key, path, default):
    """Returns values[key], which must be a valid epsilon of norms."""
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ExportError(f"{path}: '{key}' is {shown(value)}, not a small positive number")
    return float(value)
