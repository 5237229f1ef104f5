// SPDX-License-Identifier: MIT
#include "chat/template/text_builder.h"

#include <cstring>

#include "model/utf8.h"

namespace clamma {
namespace {

constexpr size_t kMinShared = 256;  // bytes from which a text gets a growing buffer

void CopyOrigins(uint8_t* to, const Str& text) {
  if (text.origins != nullptr) {
    std::memcpy(to, text.origins, text.size);
  } else {
    std::memset(to, static_cast<int>(text.origin), text.size);
  }
}

StrBuffer* NewBuffer(Bump& bump, size_t capacity) {
  auto* const buffer = bump.New<StrBuffer>();
  auto* const data = bump.New<char>(capacity);
  auto* const origins = bump.New<uint8_t>(capacity);
  if (buffer == nullptr || data == nullptr || origins == nullptr) return nullptr;
  *buffer = StrBuffer{data, origins, 0, capacity};
  return buffer;
}

void Append(StrBuffer* buffer, const Str& text) {
  if (text.size == 0) return;
  std::memcpy(buffer->data + buffer->used, text.data, text.size);
  CopyOrigins(buffer->origins + buffer->used, text);
  buffer->used += text.size;
}

}  // namespace

bool TextBuilder::Reserve(size_t more) {
  if (!ok_) return false;
  if (more <= capacity_ - size_) return true;
  if (more > max_size_ - size_) {
    is_too_long_ = true;
    return ok_ = false;
  }
  size_t capacity = capacity_ < 64 ? 64 : 2 * capacity_;
  if (capacity > max_size_) capacity = max_size_;
  if (capacity < size_ + more) capacity = size_ + more;
  auto* const data = bump_.New<char>(capacity);
  auto* const origins = bump_.New<uint8_t>(capacity);
  if (data == nullptr || origins == nullptr) return ok_ = false;
  if (size_ > 0) {
    std::memcpy(data, data_, size_);
    std::memcpy(origins, origins_, size_);
  }
  data_ = data;
  origins_ = origins;
  capacity_ = capacity;
  return true;
}

void TextBuilder::Add(std::string_view text, Origin origin) {
  if (text.empty() || !Reserve(text.size())) return;
  std::memcpy(data_ + size_, text.data(), text.size());
  std::memset(origins_ + size_, static_cast<int>(origin), text.size());
  if (origin == Origin::kCaller) n_caller_ += text.size();
  size_ += text.size();
}

void TextBuilder::Add(const Str& text) {
  if (text.origins == nullptr) {
    Add(text.view(), text.origin);
    return;
  }
  if (text.size == 0 || !Reserve(text.size)) return;
  std::memcpy(data_ + size_, text.data, text.size);
  std::memcpy(origins_ + size_, text.origins, text.size);
  for (size_t i = 0; i < text.size; ++i) n_caller_ += text.origins[i];
  size_ += text.size;
}

void TextBuilder::AddRepeated(char c, size_t n, Origin origin) {
  if (n == 0 || !Reserve(n)) return;
  std::memset(data_ + size_, c, n);
  std::memset(origins_ + size_, static_cast<int>(origin), n);
  if (origin == Origin::kCaller) n_caller_ += n;
  size_ += n;
}

void TextBuilder::AddCharacter(uint32_t code_point, Origin origin) {
  char bytes[4];
  Add({bytes, EncodeUtf8(code_point, bytes)}, origin);
}

void TextBuilder::AddInt(int64_t value, Origin origin) {
  char digits[20];
  size_t n = 0;
  uint64_t rest =
      value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  do {
    digits[n++] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (value < 0) digits[n++] = '-';
  while (n > 0) Add(digits[--n], origin);
}

Str* TextBuilder::Finish() {
  if (!ok_) return nullptr;
  auto* const str = bump_.New<Str>();
  if (str == nullptr) {
    ok_ = false;
    return nullptr;
  }
  const bool is_mixed = n_caller_ > 0 && n_caller_ < size_;
  *str = Str{data_,
             is_mixed ? origins_ : nullptr,
             size_,
             nullptr,
             n_caller_ > 0 ? Origin::kCaller : Origin::kTemplate,
             false};
  return str;
}

Str* Concatenate(Bump& bump, const Str& a, const Str& b) {
  const size_t size = a.size + b.size;
  auto* const str = bump.New<Str>();
  if (str == nullptr) return nullptr;
  StrBuffer* buffer = a.buffer;
  const bool is_latest = buffer != nullptr && a.data + a.size == buffer->data + buffer->used;
  size_t begin = 0;
  if (is_latest && b.size <= buffer->capacity - buffer->used) {
    begin = buffer->used - a.size;
  } else {
    buffer = NewBuffer(bump, size < kMinShared ? size : 2 * size);
    if (buffer == nullptr) return nullptr;
    Append(buffer, a);
  }
  Append(buffer, b);
  *str = Str{buffer->data + begin, buffer->origins + begin, size, buffer, a.origin, false};
  const bool is_uniform = a.origins == nullptr && b.origins == nullptr &&
                          (a.origin == b.origin || a.size == 0 || b.size == 0);
  if (is_uniform) {
    str->origins = nullptr;
    str->origin = a.size == 0 ? b.origin : a.origin;
  }
  return str;
}

}  // namespace clamma
