# SPDX-License-Identifier: MIT
"""The tokens that begin and end the texts of a model."""
import os
from typing import NamedTuple, Optional, Tuple

from .errors import ExportError, read_json, shown

MOST_ENDS = 15  # the formats have room for so many


class TextTokens(NamedTuple):
    """The defaults are those that every reader of the formats assumes."""

    bos: Optional[int] = 1  # None: there is none
    ends: Tuple[int, ...] = (2,)

    def __str__(self):
        return (f"texts {'have no begin token' if self.bos is None else f'begin with {self.bos}'}, "
                f"and {'never end' if not self.ends else 'end with '}"
                f"{' or '.join(map(str, self.ends))}")


USUAL = TextTokens()


def read_text_tokens(folder, config, config_path, vocab_size):
    """Returns (TextTokens, warnings) of a folder in the layout of Hugging Face transformers. As in
    its generate(), generation_config.json takes precedence over config.json."""
    warnings = []
    path = os.path.join(folder, "generation_config.json")
    generation = read_json(path) if os.path.exists(path) else {}

    def find(key, default):
        for values, where in ((generation, path), (config, config_path)):
            if values.get(key) is not None:
                return values[key], where
        if key in config:  # null means that there is none
            return None, config_path
        return default, config_path

    def check(key, value, where):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ExportError(f"{where}: '{key}' is {shown(value)}, not the number of a token")
        if 0 <= value < vocab_size:
            return True
        warnings.append(f"{where}: {key} {shown(value)} is no token of the model, which has "
                        f"{vocab_size}: it is left out")
        return False

    bos, where = find("bos_token_id", USUAL.bos)
    if bos is not None and not check("bos_token_id", bos, where):
        bos = None
    ends, where = find("eos_token_id", USUAL.ends[0])
    ends = [] if ends is None else ends if isinstance(ends, list) else [ends]
    ends = tuple(dict.fromkeys(end for end in ends if check("eos_token_id", end, where)))
    if len(ends) > MOST_ENDS:
        raise ExportError(f"{where}: 'eos_token_id' has {len(ends)} tokens, and the formats have "
                          f"room for {MOST_ENDS}")
    return TextTokens(bos, ends), warnings
