// SPDX-License-Identifier: MIT
#include "model/model_files.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "model/files/file_kind.h"
#include "model/files/gguf_model.h"
#include "model/files/llama2c.h"
#include "model/files/split.h"

namespace clamma {
namespace {

// How many bytes of a header are read at first: enough for most files. The other files of a split
// model contain little more than the places of tensors.
constexpr uint64_t kFirstHeaderBytes = uint64_t{1} << 20;
constexpr uint64_t kFirstOtherBytes = uint64_t{1} << 15;

// Parses the header of a GGUF file. If the file is not in memory, the header is read into `header`.
Status ParseHeader(Memory& memory, const ByteSource& source, const uint8_t* plan_bytes,
                   uint64_t first_bytes, const GgufRoom& room, Gguf* gguf, Array<uint8_t>* header) {
  uint64_t wanted = 0;
  if (source.base != nullptr) {
    return gguf->Parse(memory, source.base, source.size, source.size, &wanted, room);
  }
  const uint64_t most = std::min(source.size, room.header_bytes);
  for (uint64_t size = std::min(most, first_bytes);;) {
    header->Reset();
    CLAMMA_RETURN_IF_ERROR(header->Resize(memory, size));
    const uint8_t* bytes = plan_bytes;
    if (!memory.is_plan()) {
      CLAMMA_RETURN_IF_ERROR(source.Read(0, header->data(), static_cast<size_t>(size)));
      bytes = header->data();
    }
    CLAMMA_RETURN_IF_ERROR(gguf->Parse(memory, bytes, size, source.size, &wanted, room));
    if (wanted == 0) return Status();
    size = std::min(most, std::max(wanted, 2 * size));
  }
}

}  // namespace

ModelFiles::~ModelFiles() {
  for (size_t i = 0; i < others_.size() && others_.data() != nullptr; ++i) {
    if (others_[i] == nullptr) continue;
    others_[i]->~Part();
    memory_->Free(others_[i], sizeof(Part));
  }
}

Status ModelFiles::OpenPart(const char* path, const char* model_dir, bool map, Part* part) {
  CLAMMA_RETURN_IF_ERROR(part->file.Open(path, model_dir));
  part->source = {.base = nullptr, .file = &part->file, .size = part->file.size()};
  if (map) CLAMMA_RETURN_IF_ERROR(Locate(path, part->file.Map(&part->source.base)));
  return Locate(path, ParsePart(part));
}

// Parses the header, if the part is a GGUF file.
Status ModelFiles::ParsePart(Part* part) {
  const ByteSource& source = part->source;
  uint8_t front[kFileKindBytes];
  const auto n = static_cast<size_t>(std::min<uint64_t>(source.size, sizeof(front)));
  CLAMMA_RETURN_IF_ERROR(source.Read(0, front, n));
  part->has_magic = Gguf::HasMagic(front, n);
  if (part->has_magic && !kHasGguf) {
    return Status::Error(StatusCode::kCorrupt,
                         "a GGUF model, and this build reads none (LIBCLAMMA_FORMATS)");
  }
  if (!part->IsGguf()) return Status();
  // A plan provides no memory to read into.
  const uint8_t* plan_bytes = nullptr;
  if (memory_->is_plan() && source.base == nullptr) {
    CLAMMA_RETURN_IF_ERROR(part->file.Map(&plan_bytes));
  }
  const uint64_t first_bytes = part == &named_ ? kFirstHeaderBytes : kFirstOtherBytes;
  CLAMMA_RETURN_IF_ERROR(
      ParseHeader(*memory_, source, plan_bytes, first_bytes, room_, &part->gguf, &part->header));
  room_.header_bytes -= std::max<uint64_t>(part->gguf.header_bytes(), part->header.size());
  room_.keys -= part->gguf.n_keys();
  room_.tensors -= part->gguf.n_tensors();
  return Status();
}

Status ModelFiles::Open(Memory& memory, const char* path, const char* model_dir, bool map) {
  memory_ = &memory;
  CLAMMA_RETURN_IF_ERROR(OpenPart(path, model_dir, map, &named_));
  if (!named_.IsGguf()) return Status();
  SplitInfo info;
  CLAMMA_RETURN_IF_ERROR(Locate(path, ReadSplitInfo(named_.gguf, &info)));
  if (info.count == 1) return Status();
  return OpenOthers(path, model_dir, map, info);
}

Status ModelFiles::OpenPartOf(Memory& memory, int descriptor, uint64_t offset, uint64_t length,
                              bool map) {
  memory_ = &memory;
  CLAMMA_RETURN_IF_ERROR(named_.file.OpenPart(descriptor, offset, length));
  named_.source = {.base = nullptr, .file = &named_.file, .size = named_.file.size()};
  if (map) CLAMMA_RETURN_IF_ERROR(named_.file.Map(&named_.source.base));
  CLAMMA_RETURN_IF_ERROR(ParsePart(&named_));
  return RefuseSplit("by a descriptor");
}

Status ModelFiles::OpenAt(Memory& memory, const uint8_t* base, uint64_t size) {
  memory_ = &memory;
  allow_trailing_ = true;  // a flash partition is larger than what it holds
  named_.source = {.base = base, .file = nullptr, .size = size};
  CLAMMA_RETURN_IF_ERROR(ParsePart(&named_));
  return RefuseSplit("at an address");
}

// Refuses a split model where the other files cannot be found.
Status ModelFiles::RefuseSplit(const char* where) const {
  if (!named_.IsGguf()) return Status();
  SplitInfo info;
  CLAMMA_RETURN_IF_ERROR(ReadSplitInfo(named_.gguf, &info));
  if (info.count == 1) return Status();
  return Status::Error(StatusCode::kInvalidArgument,
                       "a GGUF model that is split into %u files cannot be used %s: name one of "
                       "its files, or make one file of them",
                       static_cast<unsigned>(info.count), where);
}

// Opens the other files of a set, beside the one that was named.
Status ModelFiles::OpenOthers(const char* path, const char* model_dir, bool map,
                              const SplitInfo& info) {
  if (memory_->is_plan() || memory_->arena() != nullptr) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "%s: a GGUF model that is split into files cannot be opened in an arena: "
                         "make one file of them",
                         path);
  }
  CLAMMA_RETURN_IF_ERROR(others_.Resize(*memory_, info.count));
  CLAMMA_RETURN_IF_ERROR(sources_.Resize(*memory_, info.count));
  CLAMMA_RETURN_IF_ERROR(ggufs_.Resize(*memory_, info.count));
  for (uint32_t i = 0; i < info.count; ++i) {
    if (i != info.index) CLAMMA_RETURN_IF_ERROR(OpenOther(path, model_dir, map, info, i));
    const Part& part = i == info.index ? named_ : *others_[i];
    sources_[i] = part.source;
    ggufs_[i] = &part.gguf;
  }
  return Locate(path, CheckSplit(*memory_, ggufs_.data(), info.count));
}

Status ModelFiles::OpenOther(const char* path, const char* model_dir, bool map,
                             const SplitInfo& info, uint32_t index) {
  void* place = nullptr;
  CLAMMA_RETURN_IF_ERROR(memory_->Allocate(sizeof(Part), &place));
  Part* const part = others_[index] = new (place) Part;
  const std::string_view name(path);
  Array<char> other;
  CLAMMA_RETURN_IF_ERROR(other.Resize(*memory_, name.size() + 1));
  CLAMMA_RETURN_IF_ERROR(SplitPath(name, info, index, other.data(), other.size()));
  CLAMMA_RETURN_IF_ERROR(OpenPart(other.data(), model_dir, map, part));
  if (part->IsGguf()) return Status();
  return Status::Error(StatusCode::kCorrupt, "%s: not a GGUF file, as %s is", other.data(), path);
}

Status ModelFiles::ReadModel(ModelFile* model) const {
  const Gguf* const single[] = {&named_.gguf};
  if constexpr (kHasGguf) {
    if (named_.IsGguf()) {
      return ReadGgufModel(*memory_, ggufs_.size() == 0 ? single : ggufs_.data(), count(), model);
    }
  }
  const ByteSource& source = named_.source;
  uint8_t front[kFileKindBytes];
  const auto n = static_cast<size_t>(std::min<uint64_t>(source.size, sizeof(front)));
  CLAMMA_RETURN_IF_ERROR(source.Read(0, front, n));
  const Status status = ParseLlama2c(*memory_, front, std::min(n, kLlama2cHeaderBytes), source.size,
                                     allow_trailing_, model);
  // Recognising other kinds of files takes 6 KB of code, which builds for boards leave out.
  if (status.ok() || !kHasGguf) return status;
  // Only after parsing failed: a checkpoint without a magic number may look like anything.
  CLAMMA_RETURN_IF_ERROR(ExplainForeign(front, n, source.size));
  return status;
}

}  // namespace clamma
