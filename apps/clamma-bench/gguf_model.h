// SPDX-License-Identifier: MIT
// Models of random weights as GGUF files, including their vocabulary.
#ifndef CLAMMA_BENCH_GGUF_MODEL_H_
#define CLAMMA_BENCH_GGUF_MODEL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gguf_types.h"
#include "shape.h"

namespace bench {

class GgufModel {
 public:
  GgufModel(const Shape& shape, const std::string& name, const GgufKind& kind);

  uint64_t file_bytes() const { return data_begin_ + data_bytes_; }
  // The bytes read for a token: every matrix, the norms and a row of the embedding.
  uint64_t bytes_per_token() const { return bytes_per_token_; }

  // Works like WriteLlama2cModel(). `fd` is at the beginning of the file.
  int Write(int fd, const std::function<void(double)>& progress) const;

 private:
  struct Tensor {
    std::string name;
    const GgufType* type;
    uint32_t rows;  // 0: a vector of `cols` floats; for experts: of all experts
    uint32_t cols;
    uint32_t quiet_rows;  // the number of first rows, which belong to unlikely tokens
    float value;          // of a vector
    uint64_t offset, bytes;
    uint32_t experts;  // number of experts; 0: not a matrix of experts
  };

  void AddTensors(const Shape& shape, const GgufKind& kind);
  void AddLayer(const Shape& shape, const GgufKind& kind, uint32_t layer);
  void AddMatrix(const std::string& name, const GgufType& type, uint32_t rows, uint32_t cols,
                 uint32_t quiet_rows = 0);
  void AddNorm(const std::string& name, uint32_t cols, float value);
  void AddAttention(const Shape& shape, const GgufKind& kind, uint32_t layer);
  void AddExperts(const Shape& shape, const GgufKind& kind, uint32_t layer);
  void MakeHeader(const Shape& shape, const std::string& name, const GgufKind& kind);

  std::vector<Tensor> tensors_;
  std::string header_;
  uint64_t data_begin_ = 0;
  uint64_t data_bytes_ = 0;
  uint64_t bytes_per_token_ = 0;
};

}  // namespace bench

#endif  // CLAMMA_BENCH_GGUF_MODEL_H_
