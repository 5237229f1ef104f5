// SPDX-License-Identifier: MIT
#include "model/files/split.h"

#include <cstring>

#include "platform/format.h"
#include "platform/quoted.h"
#include "platform/sort.h"

namespace clamma {
namespace {

constexpr size_t kDigits = 5;
constexpr size_t kTailBytes = sizeof("-00001-of-00001.gguf") - 1;
static_assert(kMaxSplitFiles < 100000);

void PutNumber(char* out, uint32_t number) {
  for (size_t i = kDigits; i-- > 0; number /= 10) out[i] = static_cast<char>('0' + number % 10);
}

// The end of the path of file `index` of `count`, with a final NUL.
struct Tail {
  char text[kTailBytes + 1] = "-00000-of-00000.gguf";
  Tail(uint32_t index, uint32_t count) {
    PutNumber(text + 1, index + 1);
    PutNumber(text + 1 + kDigits + 4, count);
  }
};

Status CheckOne(const Gguf& file, const SplitInfo& first, uint32_t index, uint32_t n) {
  SplitInfo info;
  CLAMMA_RETURN_IF_ERROR(ReadSplitInfo(file, &info));
  if (info.index != index || info.count != n) {
    return Status::Error(StatusCode::kCorrupt,
                         "the file in place %u of %u of a split GGUF model says that it is file %u "
                         "of %u",
                         static_cast<unsigned>(index + 1), static_cast<unsigned>(n),
                         static_cast<unsigned>(info.index + 1), static_cast<unsigned>(info.count));
  }
  if (info.n_tensors != first.n_tensors) {
    return Status::Error(StatusCode::kCorrupt,
                         "files 1 and %u of a split GGUF model belong to different models: they "
                         "speak of %u and %u tensors in all",
                         static_cast<unsigned>(index + 1), static_cast<unsigned>(first.n_tensors),
                         static_cast<unsigned>(info.n_tensors));
  }
  return Status();
}

struct TensorOfFile {
  std::string_view name;
  uint32_t file;

  static bool Before(const TensorOfFile& a, const TensorOfFile& b) {
    const int order = a.name.compare(b.name);
    return order != 0 ? order < 0 : a.file < b.file;
  }
};

// Checks that the `n_tensors` tensors of all files together have different names.
Status CheckNames(Memory& memory, const Gguf* const* files, uint32_t n, uint64_t n_tensors) {
  Array<TensorOfFile> all;
  CLAMMA_RETURN_IF_ERROR(all.Resize(memory, n_tensors));
  size_t count = 0;
  for (uint32_t i = 0; i < n; ++i) {
    GgufTensor tensor;
    for (Gguf::Tensors tensors(*files[i]); tensors.Next(&tensor);) all[count++] = {tensor.name, i};
  }
  Sort<TensorOfFile, TensorOfFile::Before>(all.data(), count);
  for (size_t i = 1; i < count; ++i) {
    if (all[i].name != all[i - 1].name) continue;
    return Status::Error(StatusCode::kCorrupt,
                         "tensor %s is in files %u and %u of a split GGUF model",
                         Quoted(all[i].name).c_str(), static_cast<unsigned>(all[i - 1].file + 1),
                         static_cast<unsigned>(all[i].file + 1));
  }
  return Status();
}

}  // namespace

Status ReadSplitInfo(const Gguf& gguf, SplitInfo* info) {
  constexpr auto kOptional = Gguf::Presence::kOptional;
  constexpr auto kRequired = Gguf::Presence::kRequired;
  *info = SplitInfo();
  CLAMMA_RETURN_IF_ERROR(
      gguf.GetUint32("split.count", kOptional, {0, kMaxSplitFiles}, &info->count));
  if (info->count <= 1) {
    info->count = 1;
    return Status();
  }
  CLAMMA_RETURN_IF_ERROR(gguf.GetUint32("split.no", kRequired, {0, info->count - 1}, &info->index));
  return gguf.GetUint32("split.tensors.count", kRequired,
                        {1, static_cast<uint32_t>(GgufLimits::kTensors)}, &info->n_tensors);
}

Status SplitPath(std::string_view path, const SplitInfo& info, uint32_t index, char* out,
                 size_t size) {
  const Tail own(info.index, info.count);
  if (!path.ends_with(own.text)) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "%s is file %u of the %u that a GGUF model is split into: the others "
                         "cannot be found, as its name does not end in %s",
                         Quoted(path).c_str(), static_cast<unsigned>(info.index + 1),
                         static_cast<unsigned>(info.count), own.text);
  }
  if (size <= path.size() || index >= info.count) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "no room for the path of a file, or no file");
  }
  const size_t stem = path.size() - kTailBytes;
  std::memcpy(out, path.data(), stem);
  std::memcpy(out + stem, Tail(index, info.count).text, kTailBytes + 1);
  return Status();
}

Status CheckSplit(Memory& memory, const Gguf* const* files, uint32_t n) {
  if (n == 0) return Status();
  SplitInfo first;
  CLAMMA_RETURN_IF_ERROR(ReadSplitInfo(*files[0], &first));
  uint64_t n_tensors = 0;
  for (uint32_t i = 0; i < n; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckOne(*files[i], first, i, n));
    n_tensors += files[i]->n_tensors();
  }
  if (n > 1 && n_tensors != first.n_tensors) {
    return Status::Error(StatusCode::kCorrupt,
                         "the %u files of a split GGUF model have %llu tensors, and say that they "
                         "have %u",
                         static_cast<unsigned>(n), Ull{n_tensors},
                         static_cast<unsigned>(first.n_tensors));
  }
  return CheckNames(memory, files, n, n_tensors);
}

}  // namespace clamma
