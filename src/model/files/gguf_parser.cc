// SPDX-License-Identifier: MIT
#include "model/files/gguf_parser.h"

#include <algorithm>
#include <cstdarg>

#include "platform/clock.h"
#include "platform/endian.h"
#include "platform/format.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

constexpr uint64_t kPreambleBytes = 24;
// The sizes of the shortest entries: a name of one byte and a value of one byte; a name of one byte
// and one dimension.
constexpr uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

}  // namespace

Status GgufParser::Run(uint64_t* wanted) {
  *wanted = 0;
  if (Walk()) return Status();
  *wanted = wanted_;
  return status_;
}

bool GgufParser::Walk() {
  return ReadPreamble() && CheckCounts() && ReadKeys() && ReadAlignment() && ReadTensors() &&
         PlaceTensors() && (in_order_ || CheckOverlaps());
}

bool GgufParser::Fail(StatusCode code, const char* format, ...) {
  char reason[Status::kMaxMessage];
  va_list args;
  va_start(args, format);
  FormatList(reason, sizeof(reason), format, args);
  va_end(args);
  if (place_.has_name) {
    status_ = Status::Error(code, "%s %s of the GGUF file %s", place_.what,
                            Quoted(place_.name).c_str(), reason);
  } else if (place_.count > 0) {
    status_ = Status::Error(code, "%s %llu of %llu of the GGUF file %s", place_.what,
                            Ull{place_.index + 1}, Ull{place_.count}, reason);
  } else {
    status_ = Status::Error(code, "the GGUF file %s", reason);
  }
  wanted_ = 0;
  return false;
}

bool GgufParser::Check(const Status& status) {
  if (status.ok()) return true;
  status_ = status;
  return false;
}

bool GgufParser::Need(uint64_t n) {
  if (n <= size_ - at_) return true;
  if (n > file_size_ - at_) {
    return Fail(StatusCode::kCorrupt,
                "is cut short, or damaged: from byte %llu on at least %llu bytes are needed, and "
                "%llu are there: %llu are missing",
                Ull{at_}, Ull{n}, Ull{file_size_ - at_}, Ull{n - (file_size_ - at_)});
  }
  if (at_ + n > room_.header_bytes) {
    return Fail(StatusCode::kLimit,
                "ends beyond byte %llu: the headers of a model's files are read up to %llu bytes "
                "in all",
                Ull{room_.header_bytes}, Ull{GgufLimits::kHeaderBytes});
  }
  wanted_ = at_ + n;
  return false;
}

bool GgufParser::Uint32(uint32_t* out) {
  if (!Need(4)) return false;
  *out = ReadLe32(bytes_ + at_);
  at_ += 4;
  return true;
}

bool GgufParser::Uint64(uint64_t* out) {
  if (!Need(8)) return false;
  *out = ReadLe64(bytes_ + at_);
  at_ += 8;
  return true;
}

bool GgufParser::String(const char* what, uint64_t max, std::string_view* out) {
  uint64_t length = 0;
  if (!Uint64(&length)) return false;
  if (length > max) {
    return Fail(StatusCode::kLimit, "has a %s of %llu bytes: at most %llu are read", what,
                Ull{length}, Ull{max});
  }
  if (!Need(length)) return false;
  *out = {reinterpret_cast<const char*>(bytes_ + at_), static_cast<size_t>(length)};
  at_ += length;
  return true;
}

bool GgufParser::Name(const char* what, uint64_t max, Gguf::Index* index, std::string_view* out) {
  const uint64_t entry = at_;
  if (!String(what, max, out)) return false;
  if (out->empty()) return Fail(StatusCode::kCorrupt, "has an empty %s", what);
  place_.name = *out;
  place_.has_name = true;
  if (index->data() == nullptr) return true;  // a plan
  // At most half of the slots are taken, so this ends.
  size_t slot = gguf_.FirstSlot(*index, *out);
  for (; (*index)[slot] != 0; slot = (slot + 1) & (index->size() - 1)) {
    const uint8_t* other = bytes_ + (*index)[slot];
    if (*out == std::string_view(reinterpret_cast<const char*>(other + 8),
                                 static_cast<size_t>(ReadLe64(other)))) {
      return Fail(StatusCode::kCorrupt, "is there twice");
    }
  }
  (*index)[slot] = static_cast<uint32_t>(entry);
  return true;
}

bool GgufParser::ReadPreamble() {
  if (!Need(8)) return false;
  if (!Gguf::HasMagic(bytes_, size_)) {
    return Fail(StatusCode::kCorrupt, "is none: it does not begin with \"GGUF\"");
  }
  if (!CheckVersion(ReadLe32(bytes_ + 4)) || !Need(kPreambleBytes)) return false;
  gguf_.bytes_ = bytes_;
  gguf_.n_tensors_ = ReadLe64(bytes_ + 8);
  gguf_.n_keys_ = ReadLe64(bytes_ + 16);
  gguf_.keys_ = bytes_ + kPreambleBytes;
  at_ = kPreambleBytes;
  return true;
}

bool GgufParser::CheckVersion(uint32_t version) {
  gguf_.version_ = version;
  if (version == 2 || version == 3) return true;
  if (version != 0 && (version & 0xffff) == 0) {
    return Fail(StatusCode::kCorrupt,
                "is big-endian, and only little-endian ones are read: gguf-convert-endian, of "
                "PyPI's package gguf, converts it");
  }
  return Fail(StatusCode::kCorrupt, "has version %u: 2 and 3 are read%s",
              static_cast<unsigned>(version),
              version == 1 ? "; get or convert the model anew" : "");
}

// Added where the other files of a split model have used a part of a limit.
constexpr char kBesideOthers[] = " beside those of the model's other files";

bool GgufParser::CheckCounts() {
  if (gguf_.n_keys_ > room_.keys) {
    return Fail(StatusCode::kLimit, "has %llu keys: at most %llu are read%s", Ull{gguf_.n_keys_},
                Ull{room_.keys}, room_.keys < GgufLimits::kKeys ? kBesideOthers : "");
  }
  if (gguf_.n_tensors_ > room_.tensors) {
    return Fail(StatusCode::kLimit, "has %llu tensors: at most %llu are read%s",
                Ull{gguf_.n_tensors_}, Ull{room_.tensors},
                room_.tensors < GgufLimits::kTensors ? kBesideOthers : "");
  }
  // Checked before anything is allocated for them.
  const uint64_t needed =
      kPreambleBytes + gguf_.n_keys_ * kMinKeyBytes + gguf_.n_tensors_ * kMinTensorBytes;
  if (needed > file_size_) {
    return Fail(
        StatusCode::kCorrupt,
        "is cut short, or damaged: %llu keys and %llu tensors take at least %llu bytes, and "
        "it has %llu: %llu are missing",
        Ull{gguf_.n_keys_}, Ull{gguf_.n_tensors_}, Ull{needed}, Ull{file_size_},
        Ull{needed - file_size_});
  }
  if (!Need(needed - at_)) return false;
  gguf_.hash_seed_ = SeedFromClock();
  return ReserveIndex(&gguf_.keys_by_name_, gguf_.n_keys_) &&
         ReserveIndex(&gguf_.tensors_by_name_, gguf_.n_tensors_);
}

bool GgufParser::ReserveIndex(Gguf::Index* index, uint64_t names) {
  uint64_t slots = 16;
  while (slots < 2 * names) slots *= 2;
  if (index->size() != slots && !Check(index->Resize(memory_, slots))) return false;
  if (index->data() == nullptr) return true;  // a plan
  std::fill(index->data(), index->data() + index->size(), 0u);
  return true;
}

bool GgufParser::ReadKeys() {
  for (uint64_t i = 0; i < gguf_.n_keys_; ++i) {
    place_ = {"key", i, gguf_.n_keys_, {}, false};
    std::string_view name;
    if (!Name("name", GgufLimits::kKeyBytes, &gguf_.keys_by_name_, &name) || !ReadValue()) {
      return false;
    }
  }
  place_ = Place();
  return true;
}

bool GgufParser::ReadValue() {
  uint32_t type = 0;
  if (!Uint32(&type)) return false;
  if (type >= kGgufTypes) {
    return Fail(StatusCode::kCorrupt, "has a value of type %u: types 0 to %u are known",
                static_cast<unsigned>(type), static_cast<unsigned>(kGgufTypes - 1));
  }
  const auto known = static_cast<GgufType>(type);
  if (known == GgufType::kArray) return ReadArray();
  if (known == GgufType::kString) {
    std::string_view text;
    return String("string", GgufLimits::kStringBytes, &text);
  }
  const uint64_t bytes = GgufTypeBytes(known);
  if (!Need(bytes)) return false;
  at_ += bytes;
  return true;
}

bool GgufParser::ReadArray() {
  uint32_t type = 0;
  uint64_t count = 0;
  if (!Uint32(&type) || !Uint64(&count)) return false;
  if (type == static_cast<uint32_t>(GgufType::kArray)) {
    return Fail(StatusCode::kCorrupt, "is an array of arrays, which are not read");
  }
  if (type >= kGgufTypes) {
    return Fail(StatusCode::kCorrupt, "is an array of type %u: types 0 to %u are known",
                static_cast<unsigned>(type), static_cast<unsigned>(kGgufTypes - 1));
  }
  if (count > GgufLimits::kArrayCount) {
    return Fail(StatusCode::kLimit, "is an array of %llu elements: at most %llu are read",
                Ull{count}, Ull{GgufLimits::kArrayCount});
  }
  const auto known = static_cast<GgufType>(type);
  if (known == GgufType::kString) return SkipStrings(count);
  const uint64_t bytes = count * GgufTypeBytes(known);
  if (!Need(bytes)) return false;
  at_ += bytes;
  return true;
}

bool GgufParser::SkipStrings(uint64_t count) {
  if (!Need(8 * count)) return false;
  std::string_view text;
  for (uint64_t i = 0; i < count; ++i) {
    if (!String("string", GgufLimits::kStringBytes, &text)) return false;
  }
  return true;
}

bool GgufParser::ReadAlignment() {
  gguf_.tensors_ = bytes_ + at_;
  gguf_.alignment_ = 32;
  GgufValue value;
  if (!gguf_.Find("general.alignment", &value)) return true;
  uint64_t alignment = 0;
  if (value.is_array || !value.Uint(0, &alignment) || alignment < GgufLimits::kMinAlignment ||
      alignment > GgufLimits::kMaxAlignment || (alignment & (alignment - 1)) != 0) {
    return Fail(StatusCode::kCorrupt,
                "has a general.alignment of %llu: a power of two from %llu to %llu is expected",
                Ull{alignment}, Ull{GgufLimits::kMinAlignment}, Ull{GgufLimits::kMaxAlignment});
  }
  gguf_.alignment_ = alignment;
  return true;
}

bool GgufParser::ReadTensors() {
  for (uint64_t i = 0; i < gguf_.n_tensors_; ++i) {
    place_ = {"tensor", i, gguf_.n_tensors_, {}, false};
    GgufTensor tensor;
    if (!ReadTensor(&tensor)) return false;
    // tensor.offset counts from the beginning of the data, which is not known yet.
    uint64_t end = 0;
    if (!CheckedAdd(tensor.offset, tensor.bytes, &end)) {
      return Fail(StatusCode::kCorrupt, "lies beyond any file: its offset is %llu",
                  Ull{tensor.offset});
    }
    in_order_ = in_order_ && tensor.offset >= end_;
    if (end > end_) {
      end_ = end;
      end_name_ = tensor.name;
    }
  }
  place_ = Place();
  return true;
}

bool GgufParser::ReadTensor(GgufTensor* tensor) {
  if (!Name("name", GgufLimits::kTensorNameBytes, &gguf_.tensors_by_name_, &tensor->name) ||
      !ReadDimensions(tensor) || !ReadType(tensor) || !Uint64(&tensor->offset)) {
    return false;
  }
  if (tensor->offset % gguf_.alignment_ != 0) {
    return Fail(StatusCode::kCorrupt, "has offset %llu, no multiple of the file's alignment %llu",
                Ull{tensor->offset}, Ull{gguf_.alignment_});
  }
  return true;
}

bool GgufParser::ReadDimensions(GgufTensor* tensor) {
  if (!Uint32(&tensor->n_dims)) return false;
  if (tensor->n_dims < 1 || tensor->n_dims > 4) {
    return Fail(StatusCode::kCorrupt, "has %u dimensions: 1 to 4 are expected",
                static_cast<unsigned>(tensor->n_dims));
  }
  for (uint32_t i = 0; i < tensor->n_dims; ++i) {
    if (!Uint64(&tensor->dims[i])) return false;
    if (tensor->dims[i] == 0) return Fail(StatusCode::kCorrupt, "has a dimension of 0");
  }
  return true;
}

bool GgufParser::ReadType(GgufTensor* tensor) {
  uint32_t id = 0;
  if (!Uint32(&id)) return false;
  tensor->type = FindGgmlType(id);
  if (tensor->type == nullptr || tensor->type->block_cols == 0) {
    return Check(UnsupportedGgmlType(tensor->name, id));
  }
  const GgmlType& type = *tensor->type;
  if (tensor->dims[0] % type.block_cols != 0) {
    return Fail(StatusCode::kCorrupt, "has rows of %llu columns, which %s stores in blocks of %u",
                Ull{tensor->dims[0]}, type.name, static_cast<unsigned>(type.block_cols));
  }
  uint64_t bytes = 0;
  bool fits = CheckedMultiply(tensor->dims[0] / type.block_cols, type.block_bytes, &bytes);
  for (size_t i = 1; i < 4; ++i) fits = fits && CheckedMultiply(bytes, tensor->dims[i], &bytes);
  if (!fits) {
    return Fail(StatusCode::kCorrupt,
                "is larger than any file: (%llu, %llu, %llu, %llu) columns "
                "first",
                Ull{tensor->dims[0]}, Ull{tensor->dims[1]}, Ull{tensor->dims[2]},
                Ull{tensor->dims[3]});
  }
  tensor->bytes = bytes;
  return true;
}

bool GgufParser::PlaceTensors() {
  gguf_.header_bytes_ = at_;
  gguf_.data_begin_ = (at_ + gguf_.alignment_ - 1) & ~(gguf_.alignment_ - 1);
  gguf_.data_end_ = gguf_.data_begin_;
  if (gguf_.n_tensors_ == 0) return true;
  if (!CheckedAdd(gguf_.data_begin_, end_, &gguf_.data_end_) || gguf_.data_end_ > file_size_) {
    const uint64_t there = file_size_ < gguf_.data_begin_ ? 0 : file_size_ - gguf_.data_begin_;
    return Fail(StatusCode::kCorrupt,
                "is cut short, or damaged: its tensors (the last is %s) take %llu bytes from byte "
                "%llu on, and %llu are there: %llu are missing",
                Quoted(end_name_).c_str(), Ull{end_}, Ull{gguf_.data_begin_}, Ull{there},
                Ull{end_ - there});
  }
  return true;
}

bool GgufParser::CheckOverlaps() {
  struct Extent {
    uint64_t begin;
    uint64_t end;
    std::string_view name;
  };
  Array<Extent> extents;
  if (!Check(extents.Resize(memory_, gguf_.n_tensors_))) return false;
  if (extents.data() == nullptr) return true;  // a plan
  Extent* const all = extents.data();
  size_t n = 0;
  GgufTensor tensor;
  for (Gguf::Tensors tensors(gguf_); tensors.Next(&tensor);) {
    all[n++] = {tensor.offset, tensor.offset + tensor.bytes, tensor.name};
  }
  std::sort(all, all + n, [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < n; ++i) {
    if (all[i].begin >= all[i - 1].end) continue;
    return Fail(StatusCode::kCorrupt, "is damaged: its tensors %s and %s overlap",
                Quoted(all[i - 1].name).c_str(), Quoted(all[i].name).c_str());
  }
  return true;
}

}  // namespace clamma
