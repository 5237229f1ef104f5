# SPDX-License-Identifier: MIT
"""What goes wrong by the input's fault."""
import json

MOST_JSON_BYTES = 1 << 26  # an index of tensors takes some 100 KB


class ExportError(Exception):
    """The reason, in one line that names the file."""


def shown(value):
    """What a value of a file looks like, in at most 60 characters."""
    try:
        return f"{value!r:.60}"
    except (ValueError, RecursionError):  # Python prints no number of more than 4300 digits
        return "beyond what can be shown"


def read_json(path):
    """The object in a JSON file."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MOST_JSON_BYTES)
            if file.read(1):
                raise ExportError(f"{path}: far too large for a JSON file of a model")
            content = json.loads(text)
    except (ValueError, RecursionError) as error:  # bytes that are no UTF-8 are a ValueError, too
        raise ExportError(f"{path}: not a JSON file: {error}") from None
    if not isinstance(content, dict):
        raise ExportError(f"{path}: not a JSON object")
    return content


def integer_of(values, key, path, default=None, least=1, most=2**28):
    """values[key], which must be a whole number in range; `default` if it is missing or null."""
    value = values.get(key)
    if value is None:
        value = default
    if value is None:
        raise ExportError(f"{path}: there is no '{key}'")
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ExportError(f"{path}: '{key}' is {shown(value)}, not a number from {least} to {most}")
    return value


def epsilon_of(values, key, path, default):
    """values[key], which must be what norms can add to a mean of squares."""
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ExportError(f"{path}: '{key}' is {shown(value)}, not a small positive number")
    return float(value)
