# SPDX-License-Identifier: MIT
"""The files with the tensors of a model in the layout of Hugging Face transformers.

They are chosen as in transformers (_get_resolved_checkpoint_files() in
src/transformers/modeling_utils.py of https://github.com/huggingface/transformers): the first that
exists of model.safetensors, its index, pytorch_model.bin, its index. A file that config.json names
as transformers_weights takes precedence."""
import glob
import os

from .errors import ExportError, named_in_part, read_json, shown
from .safetensors_file import open_safetensors
from .torch_file import TorchFile

INDEX = ".index.json"
WHOLE_FILES = ("model.safetensors", "pytorch_model.bin")
# Other files that may contain weights, perhaps in another layout or of an adapter.
WEIGHT_PATTERNS = ("*.safetensors", "pytorch_model*.bin", "adapter_model.bin", "consolidated.*.pth")
# The other files that are read, and their like.
OTHER_PATTERNS = ("*.json", "*.jinja", "tokenizer.model")


def files_of_model(folder):
    """Returns the paths of all files in the folder that belong to a model."""
    return [path for pattern in (*WEIGHT_PATTERNS, *OTHER_PATTERNS)
            for path in glob.glob(os.path.join(glob.escape(folder), pattern))
            if os.path.exists(path)]


class WeightFiles:
    """`tensors` is {name: StoredTensor} of the chosen files; `unused` has lines that name the other
    tensors in the folder."""

    def __init__(self, folder, named=None):
        """`named` is transformers_weights of the config."""
        self._folder = folder
        self._read = {}  # the tensors of each file, by the file's name
        self.unused = []
        self.tensors = self._open(self._choose(named))
        self._find_unused()

    def _choose(self, named):
        if named is not None:
            if not isinstance(named, str) or os.path.basename(named) != named or not named.endswith(
                    (".safetensors", ".safetensors" + INDEX)):
                raise ExportError(f"{self._folder}: transformers_weights is {shown(named)}, not the "
                                  "name of a safetensors file, or of an index, in the folder")
            return named
        for whole in WHOLE_FILES:
            for name in (whole, whole + INDEX):
                if os.path.isfile(os.path.join(self._folder, name)):
                    return name
        raise ExportError(f"{self._folder}: there is no model.safetensors or pytorch_model.bin, nor "
                          "an index (*.index.json) of several of them")

    def _open(self, name):
        if not name.endswith(INDEX):
            return dict(self._open_file(name))
        index = os.path.join(self._folder, name)
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not all(
                isinstance(file, str) and os.path.basename(file) == file and file
                for file in weight_map.values()):
            raise ExportError(f"{index}: no index of tensors: it has no 'weight_map' of file names")
        for file in sorted(set(weight_map.values())):
            path = os.path.join(self._folder, file)
            if not os.path.exists(path):
                raise ExportError(f"{path} is missing, and {name} names it")
            self._open_file(file)
        tensors = {}
        for tensor, file in weight_map.items():
            if tensor not in self._read[file]:
                raise ExportError(f"{os.path.join(self._folder, file)}: tensor '{tensor}' is "
                                  f"missing, and {name} says that it is here")
            tensors[tensor] = self._read[file][tensor]
        return tensors

    def _open_file(self, name):
        self._read[name] = _open_tensors(os.path.join(self._folder, name))
        return self._read[name]

    def _find_unused(self):
        for name, tensors in sorted(self._read.items()):  # an index may omit some tensors
            left = [tensor for tensor, stored in tensors.items()
                    if self.tensors.get(tensor) is not stored]
            if left:
                self.unused.append(f"{name}: {named_in_part(left)}")
        others = {os.path.basename(path) for pattern in WEIGHT_PATTERNS
                  for path in glob.glob(os.path.join(glob.escape(self._folder), pattern))}
        for name in sorted(others - set(self._read)):
            try:
                left = list(_open_tensors(os.path.join(self._folder, name)))
            except (ExportError, OSError) as error:
                self.unused.append(f"{name}: its tensors cannot be read ({error})")
                continue
            self.unused.append(f"{name}: {named_in_part(left)}")


def _open_tensors(path):
    if path.endswith(".safetensors"):
        return open_safetensors(path)
    file = TorchFile(path)
    return file.tensors(file.content)
