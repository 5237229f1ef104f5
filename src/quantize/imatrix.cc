// SPDX-License-Identifier: MIT
#include "quantize/imatrix.h"

#include <cstring>

#include "platform/endian.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

bool IsGood(float value) { return value >= 0 && value < __builtin_inff(); }

Status Damaged(const char* what) {
  return Status::Error(StatusCode::kCorrupt, "not an importance matrix, or damaged: %s", what);
}

Status BadNumber(std::string_view tensor) {
  return Status::Error(StatusCode::kCorrupt,
                       "the importance matrix has numbers for tensor %s that are negative or not "
                       "finite",
                       Quoted(tensor).c_str());
}

Status WrongSize(std::string_view tensor, uint64_t found, uint64_t cols, uint64_t matrices) {
  return Status::Error(StatusCode::kCorrupt,
                       "the importance matrix has %llu numbers for tensor %s, which has %llu "
                       "columns in %llu matrices: it is of another model",
                       Ull{found}, Quoted(tensor).c_str(), Ull{cols}, Ull{matrices});
}

// Joins NAME and ".in_sum2" or ".counts". Returns false if the name is longer than any in a file.
bool Join(std::string_view name, std::string_view end, char (&out)[320], std::string_view* joined) {
  if (name.size() + end.size() > sizeof(out)) return false;
  std::memcpy(out, name.data(), name.size());
  std::memcpy(out + name.size(), end.data(), end.size());
  *joined = {out, name.size() + end.size()};
  return true;
}

bool EndsWith(std::string_view text, std::string_view end) {
  if (text.size() <= end.size()) return false;
  text.remove_prefix(text.size() - end.size());
  return text == end;
}

}  // namespace

Status Imatrix::Open(Memory& memory, const char* path) {
  memory_ = &memory;
  CLAMMA_RETURN_IF_ERROR(file_.Open(path, ""));
  const uint64_t size = file_.size();
  if (size > kMaxFileBytes) {
    return Locate(path, Status::Error(StatusCode::kLimit, "too large for an importance matrix"));
  }
  if (size < 8) return Locate(path, Damaged("it is too short"));
  CLAMMA_RETURN_IF_ERROR(Locate(path, file_.Map(&bytes_)));
  is_gguf_ = Gguf::HasMagic(bytes_, size);
  if (!is_gguf_) return Locate(path, ParseDat(bytes_, size));
  uint64_t wanted = 0;
  CLAMMA_RETURN_IF_ERROR(Locate(path, gguf_.Parse(memory, bytes_, size, size, &wanted)));
  if (wanted != 0) return Locate(path, Damaged("its header is too long"));
  return Locate(path, CountGguf());
}

Status Imatrix::CountGguf() {
  std::string_view type;
  CLAMMA_RETURN_IF_ERROR(gguf_.GetString("general.type", Gguf::Presence::kOptional, &type));
  if (type != "imatrix") {
    return Status::Error(StatusCode::kCorrupt,
                         "a GGUF file, but not an importance matrix: its general.type is %s",
                         Quoted(type).c_str());
  }
  GgufTensor tensor;
  for (Gguf::Tensors tensors(gguf_); tensors.Next(&tensor);) {
    if (EndsWith(tensor.name, kSums)) ++n_entries_;
  }
  return n_entries_ > 0 ? Status() : Damaged("it has no tensor whose name ends in .in_sum2");
}

Status Imatrix::ParseDat(const uint8_t* bytes, uint64_t size) {
  uint64_t at = 0;
  bool whole = true;
  const auto take = [&](uint64_t n) -> const uint8_t* {
    if (!whole || n > size - at) {
      whole = false;
      return nullptr;
    }
    const uint8_t* p = bytes + at;
    at += n;
    return p;
  };
  const auto number = [&]() -> uint64_t {
    const uint8_t* p = take(4);
    if (p == nullptr) return 0;
    const int32_t value = ReadLe32Signed(p);
    if (value < 0) whole = false;
    return value < 0 ? 0 : static_cast<uint64_t>(value);
  };
  const uint64_t count = number();
  if (count == 0 || count > kMaxEntries) return Damaged("it begins with no number of entries");
  CLAMMA_RETURN_IF_ERROR(dat_.Resize(*memory_, count));
  for (size_t i = 0; i < count; ++i) {
    const uint64_t length = number();
    const uint8_t* name = take(length);
    number();  // calls
    const uint64_t n = number();
    const uint8_t* values = take(4 * n);
    if (!whole || length == 0 || length > GgufLimits::kTensorNameBytes || n == 0) {
      return Damaged("an entry is not whole");
    }
    dat_[i] = {{reinterpret_cast<const char*>(name), static_cast<size_t>(length)}, values, n};
  }
  n_entries_ = static_cast<size_t>(count);
  return Status();
}

Status Imatrix::Read(std::string_view tensor, uint64_t cols, uint64_t matrices,
                     Array<float>* importance) const {
  importance->Reset();
  if (is_gguf_) return ReadGguf(tensor, cols, matrices, importance);
  for (size_t i = 0; i < n_entries_; ++i) {
    const Entry& entry = dat_[i];
    if (entry.name != tensor) continue;
    // Some files have one matrix for all experts.
    const bool fits =
        entry.count % cols == 0 && (entry.count / cols == matrices || entry.count / cols == 1);
    if (!fits) return WrongSize(tensor, entry.count, cols, matrices);
    CLAMMA_RETURN_IF_ERROR(importance->Resize(*memory_, cols * matrices));
    for (uint64_t k = 0; k < cols * matrices; ++k) {
      const float value = ReadLeF32(entry.values + 4 * (k % entry.count));
      if (!IsGood(value)) return BadNumber(tensor);
      (*importance)[static_cast<size_t>(k)] = value;
    }
    return Status();
  }
  return Status();
}

Status Imatrix::ReadGguf(std::string_view tensor, uint64_t cols, uint64_t matrices,
                         Array<float>* importance) const {
  char text[320];
  std::string_view name;
  GgufTensor sums;
  if (!Join(tensor, kSums, text, &name) || !gguf_.FindTensor(name, &sums)) return Status();
  const uint64_t found = sums.bytes / 4;
  if (std::string_view(sums.type->name) != "F32" || sums.dims[0] != cols || found % cols != 0 ||
      (found / cols != matrices && found / cols != 1)) {
    return WrongSize(tensor, found, cols, matrices);
  }
  GgufTensor counts;
  const bool has_counts = Join(tensor, kCounts, text, &name) && gguf_.FindTensor(name, &counts) &&
                          std::string_view(counts.type->name) == "F32" &&
                          counts.bytes / 4 == found / cols;
  CLAMMA_RETURN_IF_ERROR(importance->Resize(*memory_, cols * matrices));
  for (uint64_t m = 0; m < matrices; ++m) {
    const uint64_t from = found / cols == 1 ? 0 : m;
    const float count = has_counts ? ReadLeF32(bytes_ + counts.offset + 4 * from) : 1.0f;
    if (!IsGood(count)) return BadNumber(tensor);
    for (uint64_t k = 0; k < cols; ++k) {
      const float sum = ReadLeF32(bytes_ + sums.offset + 4 * (from * cols + k));
      // Nothing is known about an expert that the text never used.
      const float value = count > 0 ? sum / count : 1.0f;
      if (!IsGood(sum) || !IsGood(value)) return BadNumber(tensor);
      (*importance)[static_cast<size_t>(m * cols + k)] = value;
    }
  }
  return Status();
}

}  // namespace clamma
