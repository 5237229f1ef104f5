// SPDX-License-Identifier: MIT
#include "platform/format.h"

#include <cassert>
#include <cstdint>

namespace clamma {
namespace {

// Counts all characters, and writes those that fit.
class Output {
 public:
  Output(char* text, size_t size) : text_(text), size_(size) {}
  void Put(char c) {
    if (length_ + 1 < size_) text_[length_] = c;
    ++length_;
  }
  void Put(const char* text) {
    for (; *text != '\0'; ++text) Put(*text);
  }
  void Put(uint64_t number, unsigned base) {
    char digits[20];  // enough for 2^64 - 1
    size_t n = 0;
    do {
      digits[n++] = "0123456789abcdef"[number % base];
      number /= base;
    } while (number != 0);
    while (n > 0) Put(digits[--n]);
  }
  size_t End() {
    if (size_ > 0) text_[length_ < size_ ? length_ : size_ - 1] = '\0';
    return length_;
  }

 private:
  char* text_;
  size_t size_;
  size_t length_ = 0;
};

}  // namespace

size_t Format(char* text, size_t size, const char* format, ...) {
  va_list args;
  va_start(args, format);
  const size_t length = FormatList(text, size, format, args);
  va_end(args);
  return length;
}

size_t FormatList(char* text, size_t size, const char* format, va_list args) {
  Output out(text, size);
  for (const char* f = format; *f != '\0'; ++f) {
    if (*f != '%') {
      out.Put(*f);
      continue;
    }
    ++f;
    const bool is_size = *f == 'z';
    const bool is_long_long = *f == 'l';
    if (is_size) f += 1;
    if (is_long_long) f += 2;
    assert(!is_long_long || f[-1] == 'l');
    switch (*f) {
      case 's':
        out.Put(va_arg(args, const char*));
        break;
      case 'd': {
        assert(!is_size && !is_long_long);
        const int number = va_arg(args, int);
        if (number < 0) out.Put('-');
        out.Put(number < 0 ? uint64_t{0} - static_cast<uint64_t>(number)
                           : static_cast<uint64_t>(number),
                10);
        break;
      }
      case 'u':
      case 'x': {
        const uint64_t number = is_size        ? va_arg(args, size_t)
                                : is_long_long ? va_arg(args, unsigned long long)
                                               : va_arg(args, unsigned);
        out.Put(number, *f == 'x' ? 16 : 10);
        break;
      }
      default:
        assert(*f == '%');
        out.Put('%');
        break;
    }
  }
  return out.End();
}

}  // namespace clamma
