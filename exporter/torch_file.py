# SPDX-License-Identifier: MIT
"""Reads the content of a file by torch.save(), without torch.

Such a file is a zip archive whose entries are not compressed: NAME/data.pkl, a pickle of the
object, and NAME/data/KEY for each storage, the elements of one or more tensors. In the pickle, a
storage is a persistent id ('storage', type, KEY, device, elements), and a tensor is a call of
torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...); see torch/serialization.py and
torch/_utils.py of https://github.com/pytorch/pytorch.

A pickle may name any Python object and call it. Here it may only name those listed in _Unpickler,
and a file that names others is refused, so that reading a file never runs its code. This is why
torch.load() is not used; besides, torch need not be installed, and rows are only read on demand."""
import collections
import io
import os
import pickle
import pickletools
import stat
import struct
import zipfile
from typing import NamedTuple

from .errors import ExportError, shown
from .stored_tensor import NUMPY_TYPES, StoredTensor, check_extent

STORAGE_TYPES = {"DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16",
                 "BFloat16Storage": "BF16"}
# The types of optimizer states and counters, which a file may contain, but not as weights.
OTHER_STORAGE_TYPES = ("LongStorage", "IntStorage", "ShortStorage", "CharStorage", "ByteStorage",
                       "BoolStorage")
MOST_PICKLE_BYTES = 1 << 24  # the names and shapes of a model take some 100 KB


class _Storage(NamedTuple):
    type: str
    key: str


class _Tensor(NamedTuple):
    # These two have no __dict__, so that no pickle can change them.
    storage: _Storage
    offset: int  # elements
    shape: tuple
    stride: tuple


class _Unpickler(pickle.Unpickler):
    def __init__(self, data):
        super().__init__(io.BytesIO(data), encoding="utf-8")

    def find_class(self, module, name):
        if module in ("torch", "torch.storage"):
            if name in STORAGE_TYPES:
                return STORAGE_TYPES[name]
            if name in OTHER_STORAGE_TYPES:
                return name
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return self._rebuild_parameter
        raise ExportError(f"it names the Python object '{module}.{name}', and only tensors and "
                          "plain values are read")

    def persistent_load(self, pid):
        kind, storage_type, key = pid[:3]
        if kind != "storage" or not isinstance(storage_type, str) or not isinstance(key, str):
            raise ValueError("an unknown kind of storage")
        return _Storage(storage_type, key)

    @staticmethod
    def _rebuild_tensor(storage, offset, shape, stride, *_):
        numbers = (offset, *shape, *stride)
        if not isinstance(storage, _Storage) or len(shape) != len(stride) or not all(
                type(n) is int and n >= 0 for n in numbers):
            raise ValueError("a tensor without a place")
        return _Tensor(storage, offset, tuple(shape), tuple(stride))

    @staticmethod
    def _rebuild_parameter(data, *_):
        return data


class TorchFile:
    """A file by torch.save(). `content` is the saved object, with handles in place of tensors, for
    tensors()."""

    def __init__(self, path):
        self.path = path
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):  # a device may never end
                raise ExportError("not a regular file")
            with zipfile.ZipFile(path) as archive:
                self._entries = {entry.filename: entry for entry in archive.infolist()}
                data = self._read_pickle(archive)
            self.content = _Unpickler(data).load()
        except ExportError as error:
            raise ExportError(f"{path}: {error}") from None
        except OSError:
            raise
        except zipfile.BadZipFile:
            raise ExportError(f"{path}: {self._why_no_archive()}") from None
        except Exception as error:  # a damaged pickle can raise any exception
            raise ExportError(f"{path}: not a file by torch.save(), or damaged: {error}") from None

    def _why_no_archive(self):
        with open(self.path, "rb") as file:
            start = file.read(4)
        if start[:2] == b"PK":
            return "damaged or cut short: the archive's directory is missing"
        if start[:1] == b"\x80":
            return "in the form of torch before 1.6: load it with a current torch and save it again"
        return "not a file by torch.save()"

    def _read_pickle(self, archive):
        names = [name for name in self._entries if name.count("/") == 1 and
                 name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ExportError("not a file by torch.save(): it has no data.pkl")
        self._folder = names[0][:-len("data.pkl")]
        order = self._entries.get(self._folder + "byteorder")
        if order is not None:
            with archive.open(order) as file:
                if file.read(len("little") + 1) != b"little":
                    raise ExportError("written on a big-endian machine, which is not supported")
        if self._entries[names[0]].file_size > MOST_PICKLE_BYTES:
            raise ExportError("its data.pkl is far too large for a model")
        data = archive.read(names[0])
        # pickle allocates as many objects, and as many bytes, as the numbers in the file say.
        # genops() compares lengths with the data.
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > len(data):
                raise ExportError(f"damaged: its data.pkl numbers an object {argument}")
            if opcode.name == "FRAME" and argument > len(data):
                raise ExportError(f"damaged: its data.pkl has a frame of {argument} bytes")
        return data

    def tensors(self, state):
        """Returns {name: StoredTensor} of a state dict that is part of `content`. Names that are no
        strings are converted."""
        if not isinstance(state, dict):
            raise ExportError(f"{self.path}: no state dict: save model.state_dict()")
        with open(self.path, "rb") as file:
            texts = ((name if isinstance(name, str) else shown(name), tensor)
                     for name, tensor in dict.items(state) if isinstance(tensor, _Tensor))
            return {name: self._place(file, name, tensor) for name, tensor in texts}

    def _place(self, file, name, tensor):
        storage = tensor.storage
        expected = 1
        for size, step in zip(reversed(tensor.shape), reversed(tensor.stride)):
            if size != 1 and step != expected:
                raise ExportError(f"{self.path}: tensor '{name}' is not row-major: save it as "
                                  "contiguous")
            expected *= size
        entry = self._entries.get(f"{self._folder}data/{storage.key}")
        if entry is None or entry.compress_type != zipfile.ZIP_STORED:
            raise ExportError(f"{self.path}: damaged: the data of tensor '{name}' is "
                              f"{'missing' if entry is None else 'compressed'}")
        # An entry's data follows its header of 30 bytes, a name and an extra field.
        file.seek(entry.header_offset)
        header = file.read(30)
        if len(header) != 30 or header[:4] != b"PK\3\4":
            raise ExportError(f"{self.path}: damaged at the data of tensor '{name}'")
        begin = entry.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
        width = int(NUMPY_TYPES.get(storage.type, "<u1")[-1])
        offset = begin + tensor.offset * width
        check_extent(self.path, name, storage.type, tensor.shape, offset, begin + entry.file_size)
        file.seek(0, io.SEEK_END)
        check_extent(self.path, name, storage.type, tensor.shape, offset, file.tell())
        return StoredTensor(self.path, name, storage.type, tensor.shape, offset)
