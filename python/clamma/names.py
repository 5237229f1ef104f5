# SPDX-License-Identifier: MIT
"""Models by name. The catalogue and the folder of downloaded models are those of clamma-get."""

from __future__ import annotations

import os

from . import _core


class ModelNotFound(_core.Error):
    """There is no such file, or the model of this name is not downloaded. The reason names the
    command that downloads it."""


ModelNotFound.__module__ = "clamma"


def find(model: str | os.PathLike[str] = "", tokenizer: str = "") -> tuple[str, str]:
    """Returns the paths of a model and of its vocabulary.

    `model` is a path, a name of the catalogue (`python -m clamma get --list`), a name of the hub
    (`hf:OWNER/REPOSITORY`, and if need be `:FILE` or `:QUANTISATION` behind it), or an https address;
    "" is the default model. The vocabulary is "" if it is part of the model's file, or is looked for
    beside it. Nothing is downloaded: raises `ModelNotFound` with the command that does.
    """
    name = os.fspath(model)
    if not isinstance(name, str):
        raise TypeError("a model's path must be str or os.PathLike[str], not bytes")
    try:
        path, vocabulary = _core.resolve(name, tokenizer)
    except _core.Error as error:
        raise ModelNotFound(str(error)) from None
    found = _core.found_path(path)
    if not os.path.exists(found):
        raise ModelNotFound(
            f'there is no file "{path}", and no model of this name '
            '("python -m clamma get --list" shows the names)'
        )
    return found, vocabulary
