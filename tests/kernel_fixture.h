// SPDX-License-Identifier: MIT
// For the tests of kernels: every table that this machine can run, and buffers whose end is the end
// of what may be read.
#ifndef CLAMMA_TESTS_KERNEL_FIXTURE_H_
#define CLAMMA_TESTS_KERNEL_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace clamma_test {

constexpr double kRounding = 0x1p-24;  // largest relative error of one rounding to float
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Memory that ends where a page begins that nobody may touch: AddressSanitizer does not see what
// masked vector loads read.
template <typename T>
struct GuardedAllocator {
  using value_type = T;
  GuardedAllocator() = default;
  template <typename U>
  GuardedAllocator(const GuardedAllocator<U>&) {}

  static size_t Page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
  static size_t WholePages(size_t bytes) { return (bytes + Page() - 1) / Page() * Page(); }

  T* allocate(size_t n) {
    const size_t bytes = n * sizeof(T);
    const size_t size = WholePages(bytes);
    void* pages =
        mmap(nullptr, size + Page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) std::abort();
    auto* begin = static_cast<uint8_t*>(pages);
    if (mprotect(begin + size, Page(), PROT_NONE) != 0) std::abort();
    return reinterpret_cast<T*>(begin + (size - bytes));
  }
  void deallocate(T* p, size_t n) {
    const size_t bytes = n * sizeof(T);
    const size_t size = WholePages(bytes);
    munmap(reinterpret_cast<uint8_t*>(p) - (size - bytes), size + Page());
  }
  friend bool operator==(const GuardedAllocator&, const GuardedAllocator&) { return true; }
};

template <typename T>
using Guarded = std::vector<T, GuardedAllocator<T>>;
using Floats = Guarded<float>;
using Bytes = Guarded<uint8_t>;

// The numbers of rows that are not packed, as amx packs them: four columns of each token of a pack,
// then the next four.
inline Guarded<int8_t> PackedByFour(const clamma::QuantizedRows& rows) {
  const size_t size = clamma::PackSize(rows.n_tokens);
  Guarded<int8_t> packed(clamma::InPacks(rows.n_tokens) * rows.cols);
  for (size_t g = 0; g < rows.cols / rows.group; ++g) {
    for (size_t t = 0; t < rows.n_tokens; ++t) {
      int8_t* pack = &packed[(g * clamma::InPacks(rows.n_tokens) + t / size * size) * rows.group];
      for (size_t k = 0; k < rows.group; ++k) {
        pack[(k / 4 * size + t % size) * 4 + k % 4] =
            rows.q[(g * rows.n_tokens + t) * rows.group + k];
      }
    }
  }
  return packed;
}

// As avx2 packs them: in 16 bits, of 32 columns first those at even places.
inline Guarded<int8_t> PackedWide(const clamma::QuantizedRows& rows) {
  const size_t n = rows.n_tokens * rows.cols;
  Guarded<int8_t> packed(2 * n);
  for (size_t k = 0; k < n; ++k) {
    const int16_t wide = rows.q[k];
    std::memcpy(&packed[2 * (k / 32 * 32 + k % 2 * 16 + k % 32 / 2)], &wide, sizeof(wide));
  }
  return packed;
}

// As the table packs them.
inline Guarded<int8_t> Packed(const clamma::Kernels& kernels, const clamma::QuantizedRows& rows) {
  return kernels.packed_bytes == 2 ? PackedWide(rows) : PackedByFour(rows);
}

inline std::vector<const clamma::Kernels*> Tables() {
  const clamma::Kernels* usable[clamma::kMostTables];
  clamma::UsableKernels(usable);
  std::vector<const clamma::Kernels*> tables;
  for (const clamma::Kernels* table : usable) {
    if (table != nullptr) tables.push_back(table);
  }
  return tables;
}

// While this lives, CLAMMA_CPU is what it is told, at first nothing; then what it was before.
class CpuChoice {
 public:
  CpuChoice() {
    if (const char* set = std::getenv(kName)) before_ = set;
    Set(nullptr);
  }
  ~CpuChoice() { Set(before_ ? before_->c_str() : nullptr); }
  CpuChoice(const CpuChoice&) = delete;
  CpuChoice& operator=(const CpuChoice&) = delete;

  void Set(const char* table) {
    if (table == nullptr) {
      unsetenv(kName);
    } else {
      setenv(kName, table, 1);
    }
  }

 private:
  static constexpr char kName[] = "CLAMMA_CPU";
  std::optional<std::string> before_;
};

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  size_t Below(size_t n) { return engine_() % n; }
  float Normal(float deviation = 1) { return deviation * normal_(engine_); }
  Floats Normals(size_t n, float deviation = 1) {
    Floats values(n);
    for (float& value : values) value = Normal(deviation);
    return values;
  }
  // All of int8's range, or that of quantised activations.
  Guarded<int8_t> Int8s(size_t n, int lowest = -128) {
    Guarded<int8_t> values(n);
    for (int8_t& value : values) {
      value =
          static_cast<int8_t>(lowest + static_cast<int>(Below(static_cast<size_t>(128 - lowest))));
    }
    return values;
  }
  // What arithmetic finds hard, among ordinary numbers.
  Floats Hostile(size_t n, size_t one_in) {
    const float hostile[] = {kNaN,   -kNaN,   kInfinity, -kInfinity, 3.4e38f, -3.4e38f,
                             1e-45f, -1e-45f, 1e-38f,    0,          -0.0f,   -1e-38f};
    Floats values = Normals(n);
    for (float& value : values) {
      if (Below(one_in) == 0) value = hostile[Below(std::size(hostile))];
    }
    return values;
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;
};

constexpr size_t kLine = 64;  // bytes of the cache's

// What values have in memory; with an offset, at so many bytes behind the beginning of a line, and
// with 1 bits around them, instead of right before what may not be read.
template <typename T>
Bytes BytesOf(const Guarded<T>& values, size_t offset = 0) {
  const size_t size = values.size() * sizeof(T);
  Bytes bytes(offset == 0 ? size : (offset + size + kLine - 1) / kLine * kLine, 0xff);
  if (size > 0) std::memcpy(bytes.data() + offset, values.data(), size);
  return bytes;
}

inline size_t PlaceInLine(const uint8_t* p) { return reinterpret_cast<uintptr_t>(p) % kLine; }

// A NaN's sign and payload are not defined: they depend on the order of a sum's operands.
inline bool SameBits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

inline void ExpectSameBits(const Floats& actual, const Floats& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(SameBits(actual[i], expected[i]))
        << "element " << i << ": " << std::hexfloat << actual[i] << ", expected " << expected[i];
  }
}

class KernelsTest : public testing::TestWithParam<const clamma::Kernels*> {
 protected:
  const clamma::Kernels& kernels_ = *GetParam();
  const clamma::Kernels& scalar_ = clamma::kScalarKernels;
};

inline std::string NameOf(const testing::TestParamInfo<const clamma::Kernels*>& table) {
  std::string name = table.param->name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_KERNEL_FIXTURE_H_
