// SPDX-License-Identifier: MIT
// Parses any bytes as a GGUF file, as a whole, in pieces and as a plan, which must agree, and reads
// everything in it by every getter. Also takes the bytes as a file of an unknown kind.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "model/files/file_kind.h"
#include "model/files/gguf.h"
#include "model/files/split.h"
#include "platform/memory.h"

namespace {

using clamma::Gguf;
using clamma::GgufStrings;
using clamma::GgufTensor;
using clamma::GgufValue;
using clamma::Memory;
using clamma::Status;

// An assert that is on in every build.
void Demand(bool holds) {
  if (!holds) std::abort();
}

// Reads each byte, for the sanitizer; the sum is not used.
volatile unsigned sink = 0;
void Touch(std::string_view text) {
  unsigned sum = 0;
  for (const char c : text) sum += static_cast<uint8_t>(c);
  sink = sum;
}

void CheckReason(const Status& status) {
  const std::string_view message = status.message();
  Demand(status.ok() == message.empty() && message.size() < Status::kMaxMessage);
  for (const char c : message) Demand(c >= 0x20 && c < 0x7f);
}

void ReadElements(const GgufValue& value) {
  int64_t integer = 0;
  uint64_t natural = 0;
  float real = 0;
  bool flag = false;
  std::string_view text;
  for (uint64_t i = 0; i <= value.count; ++i) {  // also one after the last
    const bool is_there = i < value.count;
    Demand(!value.Int(i, &integer) || is_there);
    Demand(!value.Uint(i, &natural) || is_there);
    Demand(!value.Float(i, &real) || is_there);
    Demand(!value.Bool(i, &flag) || is_there);
  }
  if (value.String(&text)) Touch(text);
  uint64_t n = 0;
  for (GgufStrings texts(value); texts.Next(&text); ++n) Touch(text);
  Demand(n == (value.type == clamma::GgufType::kString ? value.count : 0));
}

void ReadByName(const Gguf& gguf, std::string_view key) {
  for (const auto presence : {Gguf::Presence::kOptional, Gguf::Presence::kRequired}) {
    uint32_t number = 0;
    float real = 0;
    bool flag = false;
    std::string_view text;
    GgufValue value;
    CheckReason(gguf.GetUint32(key, presence, {1, 1000}, &number));
    CheckReason(gguf.GetFloat(key, presence, &real));
    CheckReason(gguf.GetBool(key, presence, &flag));
    CheckReason(gguf.GetString(key, presence, &text));
    Touch(text);
    for (const Gguf::Layer layer : {Gguf::Layer{0, 1}, Gguf::Layer{2, 3}}) {
      CheckReason(gguf.GetUint32(key, layer, presence, {}, &number));
      CheckReason(gguf.GetFloat(key, layer, presence, &real));
      CheckReason(gguf.GetBool(key, layer, presence, &flag));
    }
    for (const auto elements :
         {Gguf::Elements::kIntegers, Gguf::Elements::kNumbers, Gguf::Elements::kStrings}) {
      CheckReason(gguf.GetArray(key, elements, presence, &value));
    }
  }
}

void ReadAll(const Gguf& gguf, const Gguf& plan, uint64_t file_size) {
  uint64_t n = 0;
  std::string_view key;
  GgufValue value, found;
  for (Gguf::Keys keys(gguf); keys.Next(&key, &value); ++n) {
    Touch(key);
    Demand(gguf.Find(key, &found) && found.data == value.data && found.count == value.count);
    if (n < 64) {  // each lookup of a plan is a walk
      Demand(plan.Find(key, &found) && found.data == value.data);
      ReadByName(gguf, key);
      ReadElements(value);
    }
  }
  Demand(n == gguf.n_keys());
  GgufTensor tensor, same;
  n = 0;
  for (Gguf::Tensors tensors(gguf); tensors.Next(&tensor); ++n) {
    Touch(tensor.name);
    Demand(tensor.offset >= gguf.data_begin() && tensor.offset % gguf.alignment() == 0);
    Demand(tensor.bytes > 0 && tensor.bytes <= file_size &&
           tensor.offset <= file_size - tensor.bytes);
    Demand(gguf.FindTensor(tensor.name, &same) && same.offset == tensor.offset);
    if (n < 64) Demand(plan.FindTensor(tensor.name, &same) && same.offset == tensor.offset);
  }
  Demand(n == gguf.n_tensors());
  Demand(!gguf.FindTensor("no such tensor", &tensor) || n > 0);
}

void ReadSplit(Memory& memory, const Gguf& gguf) {
  clamma::SplitInfo info;
  const Status status = ReadSplitInfo(gguf, &info);
  CheckReason(status);
  char path[64] = "";
  if (status.ok()) {
    CheckReason(SplitPath("model-00001-of-00003.gguf", info, info.count - 1, path, sizeof(path)));
  }
  const Gguf* const files[] = {&gguf, &gguf};
  CheckReason(CheckSplit(memory, files, 1));
  CheckReason(CheckSplit(memory, files, 2));
}

// Parses as a program does that reads a file and does not map it.
Status ParseInPieces(Memory& memory, const uint8_t* bytes, size_t n, uint64_t file_size,
                     std::unique_ptr<uint8_t[]>* piece, Gguf* gguf, uint64_t* wanted) {
  uint64_t size = 24;
  for (;;) {
    if (size > n) size = n;
    piece->reset(new uint8_t[size]);
    std::memcpy(piece->get(), bytes, size);
    const Status status = gguf->Parse(memory, piece->get(), size, file_size, wanted);
    if (!status.ok() || *wanted == 0 || size == n) return status;
    Demand(*wanted > size && *wanted <= file_size);
    size = *wanted > 2 * size ? *wanted : 2 * size;
  }
}

void Read(const uint8_t* bytes, size_t n, uint64_t file_size) {
  Memory memory, pieces_memory;
  Memory plan_memory((Memory::Plan()));
  Gguf gguf, pieces, plan;
  uint64_t wanted = 0, pieces_wanted = 0, plan_wanted = 0;
  std::unique_ptr<uint8_t[]> piece;
  const Status status = gguf.Parse(memory, bytes, n, file_size, &wanted);
  CheckReason(status);
  Demand(memory.bytes_in_use() <= size_t{1} << 20);
  Demand(wanted == 0 || (status.ok() && wanted > n && wanted <= file_size));
  const Status in_pieces =
      ParseInPieces(pieces_memory, bytes, n, file_size, &piece, &pieces, &pieces_wanted);
  Demand(in_pieces.code() == status.code() && pieces_wanted == wanted);
  if (!status.ok() || wanted > 0) return;
  Demand(plan.Parse(plan_memory, bytes, n, file_size, &plan_wanted).ok() && plan_wanted == 0);
  ReadAll(gguf, plan, file_size);
  ReadSplit(memory, gguf);
  CheckReason(gguf.CheckTensorTypes());
  CheckReason(CheckGgufIsModel(gguf));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n) {
  Read(bytes, n, n);
  Read(bytes, n, uint64_t{1} << 40);  // tensors may lie beyond the bytes
  CheckReason(clamma::ExplainForeign(bytes, n, n));
  if (n > 0 && n < 300) {
    char path[300];
    const std::string_view text(reinterpret_cast<const char*>(bytes), n);
    CheckReason(clamma::SplitPath(text, {0, 3, 1}, 2, path, sizeof(path)));
  }
  return 0;
}
