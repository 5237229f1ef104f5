// SPDX-License-Identifier: MIT
#include "openai/sampling.h"

#include <atomic>
#include <charconv>
#include <random>

namespace openai {
namespace {

constexpr size_t kMaxBiases = 1024;

// SplitMix64's finish.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The request's own salt, combined with that of its key.
uint64_t Combine(uint64_t salt, const std::string* own) {
  if (own == nullptr || own->empty()) return salt;
  uint64_t hash = 0xcbf29ce484222325u ^ Mix(salt);
  for (const char c : *own) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return Mix(hash);
}

void ReadLogitBias(Fields& fields, const Model& model, Sampling* sampling) {
  const Value* const biases = fields.Object("logit_bias");
  if (biases == nullptr) return;
  if (biases->object()->size() > kMaxBiases) {
    throw fields.Wrong("logit_bias", "must have at most " + std::to_string(kMaxBiases) + " tokens");
  }
  for (const Member& member : *biases->object()) {
    int token = -1;
    const char* const end = member.name.data() + member.name.size();
    const auto [stopped, error] = std::from_chars(member.name.data(), end, token);
    if (error != std::errc() || stopped != end || !model.HasToken(token)) {
      throw fields.Wrong("logit_bias", "has a key that is not a token of this model");
    }
    const double bias = member.value.number();
    if (!member.value.is_number() || !(bias >= -100 && bias <= 100)) {
      throw fields.Wrong("logit_bias", "must have numbers from -100 to 100");
    }
    sampling->logit_bias.push_back({token, static_cast<float>(bias)});
  }
}

float Float(std::optional<double> value, float otherwise) {
  return value.has_value() ? static_cast<float>(*value) : otherwise;
}

}  // namespace

int64_t RandomSeed() {
  static const uint64_t begin = [] {
    std::random_device device;
    return (uint64_t{device()} << 32) | device();
  }();
  static std::atomic<uint64_t> count{0};
  return static_cast<int64_t>(Mix(begin + 0x9e3779b97f4a7c15u * ++count) >> 11) | 1;
}

uint64_t SeedOf(int64_t seed, size_t choice) {
  const auto own = static_cast<uint64_t>(seed);
  if (choice == 0 && own != 0) return own;
  const uint64_t derived = Mix(own + 0x9e3779b97f4a7c15u * (choice + 1));
  return derived == 0 ? 1 : derived;
}

Sampling ReadSampling(Fields& fields, const Model& model, uint64_t salt) {
  Sampling sampling;
  sampling.temperature = Float(fields.Number("temperature", 0, 2), 1);
  sampling.top_p = Float(fields.Number("top_p", 0, 1), 1);
  const int64_t top_k = fields.Whole("top_k", -1, INT32_MAX).value_or(0);
  sampling.top_k = top_k < 0 ? 0 : static_cast<unsigned>(top_k);
  // Only the likeliest token: the library takes 0 as off.
  if (sampling.top_p == 0) {
    sampling.top_p = 1;
    sampling.top_k = 1;
  }
  sampling.min_p = Float(fields.Number("min_p", 0, 1), 0);
  sampling.frequency_penalty = Float(fields.Number("frequency_penalty", -2, 2), 0);
  sampling.presence_penalty = Float(fields.Number("presence_penalty", -2, 2), 0);
  sampling.repetition_penalty = Float(fields.Number("repetition_penalty", 0, 100), 0);
  const std::optional<int64_t> seed = fields.Whole("seed", INT64_MIN, INT64_MAX);
  sampling.seed = seed.has_value() ? *seed : RandomSeed();
  ReadLogitBias(fields, model, &sampling);
  sampling.salt = Combine(salt, fields.Text("cache_salt"));
  return sampling;
}

std::vector<std::string> ReadStops(Fields& fields) {
  const Value* const value = fields.Find("stop");
  if (value == nullptr) return {};
  std::vector<std::string> stops;
  if (const std::string* stop = value->text()) {
    stops.push_back(*stop);
  } else if (const Value::Array* list = value->array()) {
    if (list->size() > kMaxStops) {
      throw fields.Wrong("stop", "must have at most " + std::to_string(kMaxStops) + " strings");
    }
    for (const Value& item : *list) {
      if (item.text() == nullptr) {
        throw fields.Wrong("stop", "must be a string or a list of strings");
      }
      stops.push_back(*item.text());
    }
  } else {
    throw fields.Wrong("stop", "must be a string or a list of strings");
  }
  for (const std::string& stop : stops) {
    if (stop.empty()) throw fields.Wrong("stop", "must not have an empty string");
    if (stop.size() > kMaxStopBytes) {
      throw fields.Wrong(
          "stop", "must have at most " + std::to_string(kMaxStopBytes) + " bytes in a string");
    }
  }
  return stops;
}

void Sampling::Apply(clamma_txf_info_t* info) const {
  info->temperature = temperature;
  info->topp = top_p;
  info->top_k = top_k;
  info->min_p = min_p;
  info->frequency_penalty = frequency_penalty;
  info->presence_penalty = presence_penalty;
  info->repetition_penalty = repetition_penalty;
  info->logit_bias = logit_bias.data();
  info->logit_bias_count = logit_bias.size();
  info->limit = max_tokens;
  info->prefix_salt = salt;
}

}  // namespace openai
