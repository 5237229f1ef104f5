// SPDX-License-Identifier: MIT
// print_products < CASE: prints the products of a matrix and activations by each kernel table of
// this machine. native_matmul_test.py runs it.
//
// CASE is a line "TYPE ROWS COLS TOKENS ALIGNMENT", where TYPE is a name of kernels/weight_types.h,
// followed by the matrix's bytes, which are stored ALIGNMENT bytes after an aligned address, and by
// the activations, float32 (tokens, cols). Prints, for each table, a line with its name and float32
// (tokens, rows). Fails if computing the rows in two parts gives other results. More cases may
// follow; the output of each ends with an empty line.
#include <cstdio>
#include <cstring>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/weight_types.h"

namespace clamma {
namespace {

struct Case {
  WeightType type = WeightType::kF32;
  uint32_t rows = 0, cols = 0;
  size_t tokens = 0, alignment = 0;
  std::vector<uint8_t> weights;
  std::vector<float> x;
};

bool FindType(const char* name, WeightType* type) {
  for (size_t i = 0; i < kWeightTypes; ++i) {
    *type = static_cast<WeightType>(i);
    if (strcmp(FactsOf(*type).name, name) == 0) return true;
  }
  return false;
}

// Converts between the byte order of files and this machine's.
void ToOrOfFile([[maybe_unused]] void* data, [[maybe_unused]] size_t count) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  uint32_t bits;
  for (auto* p = static_cast<uint8_t*>(data); count > 0; --count, p += sizeof(bits)) {
    memcpy(&bits, p, sizeof(bits));
    bits = __builtin_bswap32(bits);
    memcpy(p, &bits, sizeof(bits));
  }
#endif
}

bool Read(Case* c) {
  char name[17];
  if (scanf("%16s %u %u %zu %zu", name, &c->rows, &c->cols, &c->tokens, &c->alignment) != 5 ||
      getchar() != '\n' || !FindType(name, &c->type)) {
    return false;
  }
  c->weights.resize(RowBytes(c->type, c->cols) * c->rows);
  c->x.resize(c->tokens * c->cols);
  if (fread(c->weights.data(), 1, c->weights.size(), stdin) != c->weights.size() ||
      fread(c->x.data(), sizeof(float), c->x.size(), stdin) != c->x.size()) {
    return false;
  }
  ToOrOfFile(c->x.data(), c->x.size());
  if (c->type == WeightType::kF32) ToOrOfFile(c->weights.data(), c->weights.size() / sizeof(float));
  return true;
}

// Bytes that begin at a multiple of 64.
class AlignedBytes {
 public:
  explicit AlignedBytes(uint64_t size) : bytes_(size + 64) {}
  uint8_t* data() {
    return bytes_.data() + (64 - reinterpret_cast<uintptr_t>(bytes_.data()) % 64) % 64;
  }

 private:
  std::vector<uint8_t> bytes_;
};

// Computes out (tokens, rows) in two parts, split at row `cut`.
void Multiply(const Kernels& table, const Case& c, const Matrix& w, uint32_t cut,
              std::vector<float>* out) {
  Activations x;
  x.x = c.x.data();
  x.n_tokens = c.tokens;
  x.cols = c.cols;
  const ActivationKind kind = KindOf(c.type);
  const Kernels::Quantizer& quantizer = table.quantizers[kind];
  AlignedBytes bytes(kind == ActivationKind::kFloats ? 0 : quantizer.bytes(c.tokens, c.cols, 0));
  if (kind != ActivationKind::kFloats) {
    x.bytes = bytes.data();
    const size_t blocks = c.cols / (kind == ActivationKind::kBlocks256 ? 256 : 32);
    quantizer.quantize(x, 0, blocks / 2);
    quantizer.quantize(x, blocks / 2, blocks);
  }
  table.matmul[c.type](out->data(), c.rows, x, w, 0, cut);
  table.matmul[c.type](out->data(), c.rows, x, w, cut, c.rows);
}

// Whether both are equal to the bit, or both are NaN.
bool Same(const std::vector<float>& a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (memcmp(&a[i], &b[i], sizeof(float)) != 0 && (a[i] == a[i] || b[i] == b[i])) return false;
  }
  return true;
}

bool Print(const Case& c) {
  AlignedBytes bytes(c.weights.size() + c.alignment);
  uint8_t* data = bytes.data() + c.alignment;
  memcpy(data, c.weights.data(), c.weights.size());
  Matrix w;
  w.type = c.type;
  w.data = data;
  w.rows = c.rows;
  w.cols = c.cols;
  w.row_bytes = RowBytes(c.type, c.cols);
  for (size_t i = 0; i < TableCount(); ++i) {
    const Kernels* table = UsableTable(i);
    if (table == nullptr) continue;
    std::vector<float> out(c.tokens * c.rows), parts(c.tokens * c.rows);
    Multiply(*table, c, w, c.rows, &out);
    Multiply(*table, c, w, c.rows / 3, &parts);
    if (!Same(out, parts)) {
      fprintf(stderr, "print_products: %s: rows in two parts differ\n", table->name);
      return false;
    }
    printf("%s\n", table->name);
    ToOrOfFile(out.data(), out.size());
    fwrite(out.data(), sizeof(float), out.size(), stdout);
  }
  printf("\n");
  return true;
}

}  // namespace
}  // namespace clamma

int main() {
  clamma::Case c;
  while (clamma::Read(&c)) {
    if (!clamma::Print(c)) return 1;
  }
  return fflush(stdout) == 0 && feof(stdin) != 0 ? 0 : 1;
}
