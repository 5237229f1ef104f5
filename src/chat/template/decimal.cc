// SPDX-License-Identifier: MIT
#include "chat/template/decimal.h"

#include <cfloat>
#include <cstdint>
#include <cstring>
#include <limits>

namespace clamma {
namespace {

constexpr int kMantissaBits = 52;
constexpr int kMinExponent = -1074;  // of the last bit of a subnormal
constexpr size_t kMaxDigits = 800;   // more than any tie between two doubles has
constexpr bool kHasPlainDoubles = FLT_EVAL_METHOD == 0;  // double arithmetic has no extra precision
constexpr int kMaxDecimalExponent = 400;                 // numbers beyond it are 0 or infinite

// A natural number of up to 5000 bits.
class Big {
 public:
  explicit Big(uint64_t value) {
    while (value != 0) {
      words_[n_++] = static_cast<uint32_t>(value);
      value >>= 32;
    }
  }
  bool IsZero() const { return n_ == 0; }

  void MultiplyAdd(uint32_t factor, uint32_t addend) {
    uint64_t carry = addend;
    for (size_t i = 0; i < n_; ++i) {
      carry += static_cast<uint64_t>(words_[i]) * factor;
      words_[i] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) Push(static_cast<uint32_t>(carry));
  }
  void MultiplyByPowerOfTen(int exponent) {
    for (; exponent >= 9; exponent -= 9) MultiplyAdd(1000000000, 0);
    for (; exponent > 0; --exponent) MultiplyAdd(10, 0);
  }
  void ShiftLeft(int bits) {
    for (; bits >= 31; bits -= 31) MultiplyAdd(uint32_t{1} << 31, 0);
    if (bits > 0) MultiplyAdd(uint32_t{1} << bits, 0);
  }
  void Add(const Big& other) {
    uint64_t carry = 0;
    for (size_t i = 0; i < n_ || i < other.n_; ++i) {
      if (i == n_) Push(0);
      carry += words_[i];
      if (i < other.n_) carry += other.words_[i];
      words_[i] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) Push(static_cast<uint32_t>(carry));
  }
  void Subtract(const Big& other) {  // `other` must not be larger
    int64_t borrow = 0;
    for (size_t i = 0; i < n_; ++i) {
      borrow += static_cast<int64_t>(words_[i]) - (i < other.n_ ? other.words_[i] : 0);
      words_[i] = static_cast<uint32_t>(borrow);
      borrow >>= 32;
    }
    while (n_ > 0 && words_[n_ - 1] == 0) --n_;
  }
  int Compare(const Big& other) const {
    if (n_ != other.n_) return n_ < other.n_ ? -1 : 1;
    for (size_t i = n_; i-- > 0;) {
      if (words_[i] != other.words_[i]) return words_[i] < other.words_[i] ? -1 : 1;
    }
    return 0;
  }
  int Bits() const {
    if (n_ == 0) return 0;
    return static_cast<int>(32 * n_) - __builtin_clz(words_[n_ - 1]);
  }
  // Returns this / other, which must be below 10, and keeps the remainder.
  unsigned TakeDigit(const Big& other) {
    unsigned digit = 0;
    for (; Compare(other) >= 0; ++digit) Subtract(other);
    return digit;
  }

 private:
  void Push(uint32_t word) {
    if (n_ < kWords) words_[n_++] = word;  // kWords is enough for everything this file computes
  }

  static constexpr size_t kWords = 160;
  uint32_t words_[kWords];
  size_t n_ = 0;
};

double FromBits(uint64_t bits) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

struct Parts {  // value = mantissa * 2^exponent
  bool is_negative;
  uint64_t mantissa;
  int exponent;
};

Parts Split(double value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  const int biased = static_cast<int>(bits >> kMantissaBits & 0x7ff);
  uint64_t mantissa = bits & ((uint64_t{1} << kMantissaBits) - 1);
  if (biased != 0) mantissa |= uint64_t{1} << kMantissaBits;
  return {bits >> 63 != 0, mantissa, (biased == 0 ? 1 : biased) - 1 + kMinExponent};
}

// The double nearest to numerator / denominator.
double Divide(Big numerator, Big denominator) {
  // Scale so that the quotient has 53 bits, or fewer if it is subnormal.
  int exponent = numerator.Bits() - denominator.Bits() - (kMantissaBits + 1);
  if (exponent < kMinExponent) exponent = kMinExponent;
  if (exponent < 0) numerator.ShiftLeft(-exponent);
  if (exponent > 0) denominator.ShiftLeft(exponent);
  uint64_t quotient = 0;
  Big shifted = denominator;
  constexpr int kQuotientBits = kMantissaBits + 2;
  shifted.ShiftLeft(kQuotientBits);
  for (int i = 0; i <= kQuotientBits; ++i) {  // compare numerator with denominator * 2^(54 - i)
    quotient <<= 1;
    if (numerator.Compare(shifted) >= 0) {
      numerator.Subtract(shifted);
      quotient |= 1;
    }
    numerator.ShiftLeft(1);
  }
  // The remainder is numerator / (denominator * 2^55) of a unit of the quotient.
  bool half = false, above_half = false;
  if (quotient >> (kMantissaBits + 1) != 0) {  // a bit too many: round it away
    half = (quotient & 1) != 0;
    above_half = half && !numerator.IsZero();
    quotient >>= 1;
    exponent += 1;
  } else {
    const int order = numerator.Compare(shifted);
    half = order >= 0;
    above_half = order > 0;
  }
  if (above_half || (half && (quotient & 1) != 0)) ++quotient;
  if (quotient >> (kMantissaBits + 1) != 0) {
    quotient >>= 1;
    exponent += 1;
  }
  if (quotient >> kMantissaBits == 0) return FromBits(quotient);  // subnormal, or 0
  const int biased = exponent - kMinExponent + 1;
  if (biased >= 0x7ff) return std::numeric_limits<double>::infinity();
  return FromBits(static_cast<uint64_t>(biased) << kMantissaBits |
                  (quotient & ((uint64_t{1} << kMantissaBits) - 1)));
}

bool IsDigitChar(char c) { return c >= '0' && c <= '9'; }

struct Shortest {
  char digits[20];
  size_t n;
  int point;  // 0.d1d2d3... * 10^point
};

// Steele and White's free-format algorithm (Dragon4): generates digits until the remainder is
// within half the distance to a neighbour.
void FindShortest(const Parts& parts, Shortest* out) {
  const bool is_even = (parts.mantissa & 1) == 0;
  const bool is_boundary = parts.mantissa == uint64_t{1} << kMantissaBits &&
                           parts.exponent > kMinExponent;  // the lower neighbour is nearer
  Big r(parts.mantissa), s(1), above(1), below(1);
  r.ShiftLeft((is_boundary ? 2 : 1) + (parts.exponent > 0 ? parts.exponent : 0));
  s.ShiftLeft((is_boundary ? 2 : 1) + (parts.exponent < 0 ? -parts.exponent : 0));
  if (parts.exponent > 0) below.ShiftLeft(parts.exponent);
  above = below;
  if (is_boundary) above.ShiftLeft(1);
  // An estimate of the power of ten, too large by at most one.
  const int bits = Big(parts.mantissa).Bits() + parts.exponent - 1;
  int k = static_cast<int>(static_cast<double>(bits) * 0.30102999566398120 - 1e-10);
  if (bits > 0 && static_cast<double>(k) < static_cast<double>(bits) * 0.30102999566398120) ++k;
  if (k > 0) s.MultiplyByPowerOfTen(k);
  if (k < 0) {
    r.MultiplyByPowerOfTen(-k);
    above.MultiplyByPowerOfTen(-k);
    below.MultiplyByPowerOfTen(-k);
  }
  for (;;) {  // until (r + above) / s < 1, or <= 1 if the bound itself parses to another value
    Big high = r;
    high.Add(above);
    const int order = high.Compare(s);
    if (order < 0 || (order == 0 && !is_even)) break;
    s.MultiplyAdd(10, 0);
    ++k;
  }
  for (;;) {  // until (r + above) * 10 / s >= 1
    Big high = r;
    high.Add(above);
    high.MultiplyAdd(10, 0);
    const int order = high.Compare(s);
    if (order > 0 || (order == 0 && is_even)) break;
    r.MultiplyAdd(10, 0);
    above.MultiplyAdd(10, 0);
    below.MultiplyAdd(10, 0);
    --k;
  }
  out->point = k;
  out->n = 0;
  for (;;) {
    r.MultiplyAdd(10, 0);
    above.MultiplyAdd(10, 0);
    below.MultiplyAdd(10, 0);
    unsigned digit = r.TakeDigit(s);
    const int to_low = r.Compare(below);
    Big high = r;
    high.Add(above);
    const int to_high = high.Compare(s);
    const bool low = to_low < 0 || (to_low == 0 && is_even);
    const bool up = to_high > 0 || (to_high == 0 && is_even);
    if (low || up || out->n == 17) {
      r.MultiplyAdd(2, 0);
      const int half = r.Compare(s);
      if (up && (!low || half > 0 || (half == 0 && (digit & 1) != 0))) ++digit;
      out->digits[out->n++] = static_cast<char>('0' + digit);
      return;
    }
    out->digits[out->n++] = static_cast<char>('0' + digit);
  }
}

size_t Copy(const char* text, char* out) {
  const size_t n = std::strlen(text);
  for (size_t i = 0; i < n; ++i) out[i] = text[i];
  return n;
}

bool WriteSpecial(double value, char* out, size_t* n) {
  if (!(value == value)) {
    *n = Copy("nan", out);
    return true;
  }
  if (value == std::numeric_limits<double>::infinity()) {
    *n = Copy("inf", out);
    return true;
  }
  if (value == -std::numeric_limits<double>::infinity()) {
    *n = Copy("-inf", out);
    return true;
  }
  return false;
}

size_t WriteExponent(int exponent, char* out) {
  size_t n = 0;
  out[n++] = 'e';
  out[n++] = exponent < 0 ? '-' : '+';
  const int size = exponent < 0 ? -exponent : exponent;
  if (size >= 100) out[n++] = static_cast<char>('0' + size / 100);
  out[n++] = static_cast<char>('0' + size / 10 % 10);
  out[n++] = static_cast<char>('0' + size % 10);
  return n;
}

// Python writes exponents of 10 from -4 to 15 without "e".
size_t WriteShortest(const Shortest& s, char* out) {
  size_t n = 0;
  const int digits = static_cast<int>(s.n);
  if (s.point > 16 || s.point < -3) {
    out[n++] = s.digits[0];
    if (digits > 1) out[n++] = '.';
    for (int i = 1; i < digits; ++i) out[n++] = s.digits[i];
    return n + WriteExponent(s.point - 1, out + n);
  }
  if (s.point <= 0) {
    out[n++] = '0';
    out[n++] = '.';
    for (int i = s.point; i < 0; ++i) out[n++] = '0';
    for (int i = 0; i < digits; ++i) out[n++] = s.digits[i];
    return n;
  }
  for (int i = 0; i < s.point || i < digits; ++i) {
    if (i == s.point) out[n++] = '.';
    out[n++] = i < digits ? s.digits[i] : '0';
  }
  if (digits <= s.point) {
    out[n++] = '.';
    out[n++] = '0';
  }
  return n;
}

}  // namespace

double DoubleFromDecimal(std::string_view digits, int exponent) {
  size_t i = 0;
  while (i < digits.size() && digits[i] == '0') ++i;
  const size_t n = digits.size() - i;
  if (n == 0) return 0;
  if (n <= 15 && exponent >= -22 && exponent <= 22) {  // both factors are exact: one rounding
    uint64_t mantissa = 0;
    for (size_t k = i; k < digits.size(); ++k) {
      mantissa = mantissa * 10 + static_cast<uint64_t>(digits[k] - '0');
    }
    double power = 1;
    for (int k = exponent < 0 ? -exponent : exponent; k > 0; --k) power *= 10;
    const auto whole = static_cast<double>(mantissa);
    if (kHasPlainDoubles) return exponent < 0 ? whole / power : whole * power;
  }
  const size_t kept = n < kMaxDigits ? n : kMaxDigits;
  const int64_t scale = static_cast<int64_t>(exponent) + static_cast<int64_t>(n - kept);
  const int64_t magnitude = scale + static_cast<int64_t>(kept);
  if (magnitude > kMaxDecimalExponent) return std::numeric_limits<double>::infinity();
  if (magnitude < -kMaxDecimalExponent) return 0;
  Big numerator(0), denominator(1);
  for (size_t k = 0; k < kept; ++k) {
    if (numerator.IsZero()) {
      numerator = Big(static_cast<uint64_t>(digits[i + k] - '0'));
    } else {
      numerator.MultiplyAdd(10, static_cast<uint32_t>(digits[i + k] - '0'));
    }
  }
  if (kept < n) {  // the other digits only decide ties
    bool has_more = false;
    for (size_t k = kept; k < n; ++k) has_more = has_more || digits[i + k] != '0';
    numerator.MultiplyAdd(10, has_more ? 1 : 0);
    denominator = Big(10);
  }
  if (scale > 0) numerator.MultiplyByPowerOfTen(static_cast<int>(scale));
  if (scale < 0) denominator.MultiplyByPowerOfTen(static_cast<int>(-scale));
  return Divide(numerator, denominator);
}

bool ParseDouble(std::string_view text, double* value) {
  size_t i = 0;
  const bool is_negative = i < text.size() && text[i] == '-';
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  char digits[kMaxDigits + 2];
  size_t n = 0, seen = 0;
  int64_t exponent = 0;
  bool behind_point = false, has_more = false;
  for (; i < text.size() && (IsDigitChar(text[i]) || (text[i] == '.' && !behind_point)); ++i) {
    if (text[i] == '.') {
      behind_point = true;
      continue;
    }
    ++seen;
    if (n > 0 || text[i] != '0') {
      if (n < kMaxDigits) {
        digits[n++] = text[i];
      } else {
        has_more = has_more || text[i] != '0';
        ++exponent;
      }
    }
    if (behind_point) --exponent;
  }
  if (seen == 0) return false;
  if (has_more) {
    digits[n++] = '1';
    --exponent;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    const bool down = i < text.size() && text[i] == '-';
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (i == text.size()) return false;
    int64_t written = 0;
    for (; i < text.size() && IsDigitChar(text[i]); ++i) {
      if (written < (int64_t{1} << 40)) written = written * 10 + (text[i] - '0');
    }
    exponent += down ? -written : written;
  }
  if (i != text.size()) return false;
  constexpr int64_t kBound = 1 << 30;
  exponent = exponent < -kBound ? -kBound : exponent > kBound ? kBound : exponent;
  const double size = DoubleFromDecimal({digits, n}, static_cast<int>(exponent));
  *value = is_negative ? -size : size;
  return true;
}

size_t ReprDouble(double value, char out[kMaxReprBytes]) {
  size_t n = 0;
  if (WriteSpecial(value, out, &n)) return n;
  const Parts parts = Split(value);
  if (parts.is_negative) out[n++] = '-';
  if (parts.mantissa == 0) return n + Copy("0.0", out + n);
  Shortest shortest;
  FindShortest(parts, &shortest);
  return n + WriteShortest(shortest, out + n);
}

size_t FixedDouble(double value, unsigned precision, char out[kMaxFixedBytes]) {
  size_t n = 0;
  if (WriteSpecial(value, out, &n)) return n;
  const Parts parts = Split(value);
  // value * 10^precision = r / s, rounded to the nearest integer, ties to even.
  Big r(parts.mantissa), s(1);
  r.MultiplyByPowerOfTen(static_cast<int>(precision));
  if (parts.exponent > 0) r.ShiftLeft(parts.exponent);
  if (parts.exponent < 0) s.ShiftLeft(-parts.exponent);
  // Decimal digits of the quotient, most significant first.
  char digits[kMaxFixedBytes];
  size_t n_digits = 0;
  int power = 0;
  while (r.Compare(s) >= 0) {
    s.MultiplyAdd(10, 0);
    ++power;
  }
  // r / s < 1 holds here, and the quotient has `power` digits.
  for (; power > 0; --power) {
    r.MultiplyAdd(10, 0);
    digits[n_digits++] = static_cast<char>('0' + r.TakeDigit(s));
  }
  r.MultiplyAdd(2, 0);
  const int half = r.Compare(s);
  const bool is_odd = n_digits > 0 && ((digits[n_digits - 1] - '0') & 1) != 0;
  bool carry = half > 0 || (half == 0 && is_odd);
  for (size_t i = n_digits; carry && i-- > 0;) {
    carry = digits[i] == '9';
    digits[i] = carry ? '0' : static_cast<char>(digits[i] + 1);
  }
  if (parts.is_negative) out[n++] = '-';
  const size_t all = n_digits + (carry ? 1 : 0);
  const size_t width = all > precision ? all : precision + 1;
  for (size_t i = 0; i < width; ++i) {
    if (i + precision == width) out[n++] = '.';
    const size_t missing = width - all;
    if (i < missing) {
      out[n++] = '0';
    } else if (carry && i == missing) {
      out[n++] = '1';
    } else {
      out[n++] = digits[i - missing - (carry ? 1 : 0)];
    }
  }
  return n;
}

double Floor(double value) {
  if (!(value > -4503599627370496.0 && value < 4503599627370496.0)) return value;
  const auto whole = static_cast<double>(static_cast<int64_t>(value));
  const double floor = whole > value ? whole - 1 : whole;
  return floor == 0 && value == 0 ? value : floor;
}

double Remainder(double a, double b) {
  if (!(a == a) || !(b == b) || a - a != 0 || b == 0)
    return std::numeric_limits<double>::quiet_NaN();
  if (b - b != 0) return a;
  const Parts x = Split(a);
  const Parts y = Split(b);
  if (x.mantissa == 0) return a;
  uint64_t rest = x.mantissa;
  int exponent = x.exponent;
  uint64_t divisor = y.mantissa;
  if (exponent < y.exponent) {  // use the smaller exponent; a is smaller than b, or nearly so
    const int up = y.exponent - exponent;
    if (up > 10) return a;
    divisor <<= up;  // at most 63 bits
    rest %= divisor;
  } else {
    rest %= divisor;
    for (; exponent > y.exponent; --exponent) rest = (rest << 1) % divisor;
  }
  // rest * 2^exponent is exact, because it has at most 53 bits.
  auto result = static_cast<double>(rest);
  for (; exponent > 0; --exponent) result *= 2;
  for (; exponent < 0; ++exponent) result /= 2;
  return x.is_negative ? -result : result;
}

}  // namespace clamma
