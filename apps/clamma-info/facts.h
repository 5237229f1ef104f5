// SPDX-License-Identifier: MIT
// Facts about a model file.
#ifndef CLAMMA_INFO_FACTS_H_
#define CLAMMA_INFO_FACTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/files/gguf.h"
#include "model/model_file.h"
#include "model/model_files.h"

namespace info {

struct TensorFacts {
  std::string name;
  std::string type;
  std::vector<uint64_t> shape;  // columns first
  uint64_t bytes = 0;
  uint64_t offset = 0;  // in its file
  size_t file = 0;
};

// Texts are those of the file and may be any bytes. "" and no value mean that the file has none.
struct Facts {
  std::string format;  // "GGUF version 3", "llama2.c version 1" ...
  size_t files = 1;
  uint64_t file_bytes = 0;  // of all files
  std::string kind;         // general.type, if it is not a model
  std::string name;
  std::string architecture;
  std::string unsupported;  // why the library cannot run it; "": it can
  uint64_t parameters = 0;
  std::string file_type;
  double bits_per_weight = 0;
  std::vector<std::pair<std::string, uint64_t>> types;  // with the number of weights of each
  std::optional<uint64_t> context, width, layers, heads, kv_heads, hidden, experts, experts_used;
  bool layers_differ = false;  // heads, kv_heads and hidden are then those of the widest layer
  std::string tokenizer;       // its model: "llama", "gpt2" ...
  std::string pre_tokenizer;
  std::optional<uint64_t> tokens;
  std::vector<std::pair<std::string, uint64_t>> special_tokens;  // names such as "bos", and ids
  std::string chat_template;                                     // its family; "": there is none
  std::vector<std::string> named_templates;
  std::string licence;
  std::vector<TensorFacts> tensors;
};

// Element i of an array of floats, 32-bit or 64-bit.
double Real(const clamma::GgufValue& value, uint64_t i);

// `model` is the result of reading the files, if `status` is ok.
Facts CollectFacts(const clamma::ModelFiles& files, const clamma::ModelFile& model,
                   const clamma::Status& status);

}  // namespace info

#endif  // CLAMMA_INFO_FACTS_H_
