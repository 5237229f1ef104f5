// SPDX-License-Identifier: MIT
// The code that the tests of kernels share: every table that this machine can run, including those
// of the compiler's vectors, and buffers that end at an inaccessible page.
#ifndef CLAMMA_TESTS_SUPPORT_KERNEL_FIXTURE_H_
#define CLAMMA_TESTS_SUPPORT_KERNEL_FIXTURE_H_

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
#include "vector_tables/vector_tables.h"

namespace clamma_test {

constexpr double kRounding = 0x1p-24;  // largest relative error of one rounding to float
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Memory that ends at an inaccessible page, because AddressSanitizer does not see what masked
// vector loads read.
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

inline std::vector<const clamma::Kernels*> Tables() {
  std::vector<const clamma::Kernels*> tables;
  for (size_t i = 0; i < clamma::TableCount(); ++i) {
    const clamma::Kernels* table = clamma::UsableTable(i);
    if (table != nullptr) tables.push_back(table);
  }
  return tables;
}

// Includes tables that only tests have.
inline std::vector<const clamma::Kernels*> AllTables() {
  std::vector<const clamma::Kernels*> tables = Tables();
  for (const VectorTableOfLanes& own : VectorTables()) tables.push_back(own.table);
  return tables;
}

// x (n_tokens, cols) as a table quantises it for int8 matrices, in memory that ends at an
// inaccessible page. Groups that are quantised again are read from x.
class Quantized {
 public:
  Quantized(const clamma::Kernels& kernels, const float* x, size_t n_tokens, size_t cols,
            size_t group)
      : quantizer_(kernels.quantizers[clamma::ActivationKind::kInt8Groups]),
        bytes_(quantizer_.bytes(n_tokens, cols, group), 0xa5),
        activations_{
            .x = x, .bytes = bytes_.data(), .n_tokens = n_tokens, .cols = cols, .group = group} {
    Quantize(0, cols / group);
  }
  Quantized(const Quantized&) = delete;
  Quantized& operator=(const Quantized&) = delete;

  void Quantize(size_t begin, size_t end) { quantizer_.quantize(activations_, begin, end); }
  const clamma::Activations& operator*() const { return activations_; }

 private:
  const clamma::Kernels::Quantizer& quantizer_;
  Bytes bytes_;
  clamma::Activations activations_;
};

// Sets CLAMMA_CPU (at first, to nothing), and restores it at the end.
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
  // Numbers of int8's whole range, or of that of quantised activations.
  Guarded<int8_t> Int8s(size_t n, int lowest = -128) {
    Guarded<int8_t> values(n);
    for (int8_t& value : values) {
      value =
          static_cast<int8_t>(lowest + static_cast<int>(Below(static_cast<size_t>(128 - lowest))));
    }
    return values;
  }
  // Ordinary numbers, and some that are difficult for arithmetic.
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

constexpr size_t kLine = 64;  // bytes of a cache line

// Values in memory that ends at an inaccessible page; or with an offset, this number of bytes after
// the beginning of a cache line, with 1 bits around them.
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

inline const clamma::OrderKernels& OrderOf(const clamma::Kernels& kernels) {
  return *kernels.orders[clamma::SumOrder::kLlama2c];
}

class KernelsTest : public testing::TestWithParam<const clamma::Kernels*> {
 protected:
  const clamma::Kernels& kernels_ = *GetParam();
  const clamma::Kernels& scalar_ = clamma::kScalarKernels;
};

// Letters and digits only, as GoogleTest requires.
inline std::string NameInTests(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}
inline std::string NameOf(const testing::TestParamInfo<const clamma::Kernels*>& table) {
  return NameInTests(table.param->name);
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_KERNEL_FIXTURE_H_
