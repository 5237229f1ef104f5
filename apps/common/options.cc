// SPDX-License-Identifier: MIT
#include "options.h"

#include <charconv>
#include <chrono>
#include <cstdio>

namespace options {

clamma_txf_info_t MakeInfo(const Model& o) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = o.checkpoint.c_str();
  info.tokenizer_path = o.tokenizer.empty() ? nullptr : o.tokenizer.c_str();
  info.model_access = o.mode == 1 ? CLAMMA_MODEL_ACCESS_MALLOC_CACHE : CLAMMA_MODEL_ACCESS_MMAP;
  info.cache_limit = o.cache_limit;
  info.threads = o.threads;
  info.chat_template = o.chat_template.empty() ? nullptr : o.chat_template.c_str();
  info.pre_tokenizer = o.pre_tokenizer.empty() ? nullptr : o.pre_tokenizer.c_str();
  info.context = o.context;
  info.kv_type = KvTypeOf(o.kv);
  return info;
}

uint64_t SeedFromClock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return now == 0 ? 1 : static_cast<uint64_t>(now);
}

ModelPtr Open(const Model& o, clamma_log_cb_t log, std::string* desc, clamma_model_type_t type) {
  char text[1024] = "";
  clamma_txf_info_t info = MakeInfo(o);
  info.model_type = type;
  info.log_cb = log;
  info.desc = text;
  info.desc_max = sizeof(text);
  ModelPtr model(clamma_txf_construct(&info), &clamma_txf_destroy);
  *desc = text;
  return model;
}

std::string Banner(const std::string& description) { return "☙ Clamma ❧ " + description; }

std::string Written(float number) {
  char text[64];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), number);
  return {text, end.ptr};
}

std::string DescribeSession(const clamma_session_facts_t& facts, const Sampling& o, uint64_t seed) {
  char size[32];
  std::snprintf(size, sizeof(size), "%.3f MB",
                static_cast<double>(facts.memory_bytes_at_full_context) / 1e6);
  return std::string(size) + ", temperature " + Written(o.temperature) + ", top-p " +
         Written(o.topp) + ", seed " + std::to_string(seed);
}

void Apply(const Prompt& o, clamma_txf_info_t& info) {
  info.system = o.system.empty() ? nullptr : o.system.c_str();
  info.prompt = o.given ? o.text.c_str() : nullptr;
}

void Apply(const Sampling& o, clamma_txf_info_t& info) {
  info.limit = o.steps;
  info.temperature = o.temperature;
  info.topp = o.topp;
  info.rng_seed = o.seed;
  info.top_k = o.top_k;
  info.min_p = o.min_p;
  info.repetition_penalty = o.repetition_penalty;
  info.frequency_penalty = o.frequency_penalty;
  info.presence_penalty = o.presence_penalty;
}

}  // namespace options
