// SPDX-License-Identifier: MIT
#include "api/metadata_text.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "chat/template/decimal.h"
#include "platform/endian.h"
#include "platform/format.h"

namespace clamma {
namespace {

class Writer {
 public:
  Writer(char* text, size_t max) : text_(text), max_(max) {}
  size_t size() const { return size_; }

  void Add(std::string_view part) {
    if (size_ < max_) {
      std::copy_n(part.data(), std::min(part.size(), max_ - size_), text_ + size_);
    }
    size_ += part.size();
  }

  void AddQuoted(std::string_view text) {
    Add("\"");
    for (const char& c : text) {
      const auto byte = static_cast<uint8_t>(c);
      if (c == '"' || c == '\\') Add("\\");
      if (byte >= 0x20) {
        Add({&c, 1});
        continue;
      }
      char escaped[8];
      Format(escaped, sizeof(escaped), "\\u00%x%x", unsigned{byte} >> 4, unsigned{byte} & 15);
      Add(escaped);
    }
    Add("\"");
  }

  void AddFloat(double value) {
    char digits[kMaxReprBytes];
    Add(std::isfinite(value) ? std::string_view(digits, ReprDouble(value, digits)) : "null");
  }

 private:
  char* text_;
  size_t max_;
  size_t size_ = 0;
};

// The double with the fewest digits that converts to this float. (0x3dcccccd is 0.1; converted
// directly it would be 0.10000000149011612.)
double Shortest(float value) {
  char digits[kMaxFixedBytes];
  for (unsigned precision = 0; precision <= kMaxPrecision; ++precision) {
    double shorter = 0;
    const size_t n = FixedDouble(static_cast<double>(value), precision, digits);
    if (ParseDouble({digits, n}, &shorter) && static_cast<float>(shorter) == value) return shorter;
  }
  return static_cast<double>(value);
}

void AddNumber(const GgufValue& value, uint64_t i, Writer* out) {
  char text[32];
  int64_t whole = 0;
  uint64_t natural = 0;
  bool yes = false;
  float real = 0;
  if (value.type == GgufType::kBool) {
    value.Bool(i, &yes);
    out->Add(yes ? "true" : "false");
  } else if (value.type == GgufType::kFloat64) {
    out->AddFloat(__builtin_bit_cast(double, ReadLe64(value.data + 8 * i)));
  } else if (value.is_float()) {
    value.Float(i, &real);
    out->AddFloat(Shortest(real));
  } else if (value.Uint(i, &natural)) {
    Format(text, sizeof(text), "%llu", Ull{natural});
    out->Add(text);
  } else {
    value.Int(i, &whole);  // negative
    Format(text, sizeof(text), "-%llu", Ull{uint64_t{0} - static_cast<uint64_t>(whole)});
    out->Add(text);
  }
}

void AddArray(const GgufValue& value, Writer* out) {
  out->Add("[");
  GgufStrings strings(value);
  std::string_view text;
  for (uint64_t i = 0; i < value.count; ++i) {
    if (i > 0) out->Add(", ");
    if (value.type != GgufType::kString) {
      AddNumber(value, i, out);
    } else if (strings.Next(&text)) {
      out->AddQuoted(text);
    }
  }
  out->Add("]");
}

}  // namespace

size_t MetadataText(const GgufValue& value, char* text, size_t max) {
  Writer out(text, max);
  std::string_view whole;
  if (value.is_array) {
    AddArray(value, &out);
  } else if (value.String(&whole)) {
    out.Add(whole);
  } else {
    AddNumber(value, 0, &out);
  }
  return out.size();
}

}  // namespace clamma
