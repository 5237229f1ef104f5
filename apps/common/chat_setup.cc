// SPDX-License-Identifier: MIT
#include "chat_setup.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <vector>

#include "text_file.h"

namespace options {
namespace {

constexpr size_t kMaxTemplateBytes = size_t{1} << 20;  // the longest in use have about 20,000

// Reads a number in the model's metadata.
std::optional<double> Number(const txf* model, const char* key) {
  char text[64] = "";
  size_t size = 0;
  if (clamma_txf_metadata(model, key, text, sizeof(text) - 1, &size) != 0) return std::nullopt;
  if (size >= sizeof(text)) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  return end == text || *end != '\0' ? std::nullopt : std::optional<double>(value);
}

// Reads a system file: the number of bytes in its line "NAME NUMBER kB" or, if `name` is empty, its
// first number. Returns UINT64_MAX if there is none.
uint64_t ReadAmount(const char* path, const std::string& name) {
  std::ifstream file(path);
  std::string word;
  uint64_t amount = 0;
  if (name.empty()) return file >> amount ? amount : UINT64_MAX;
  while (file >> word) {
    if (word == name) return file >> amount ? amount * 1024 : UINT64_MAX;
  }
  return UINT64_MAX;
}

}  // namespace

void AddTemplate(CommandLine& line, Model& o) {
  line.Add(
      "--template", o.chat_template,
      "Chat template: a file, or a name: of one in the model's file, or llama2, llama3, chatml, "
      "zephyr, mistral, gemma, phi3, deepseek (default: the model's own)");
}

std::string ReadTemplate(Model* o) {
  const std::string path = o->chat_template;
  const bool is_path = path.find('/') != std::string::npos && path.find('{') == std::string::npos;
  std::error_code error;
  const std::filesystem::file_status there = std::filesystem::status(path, error);
  if (std::filesystem::is_directory(there)) return path + ": is a folder";
  if (!std::filesystem::exists(there) && !is_path) return "";  // a template's name or text
  std::string text;
  if (std::string wrong = ReadTextFile(path, kMaxTemplateBytes, &text); !wrong.empty()) {
    return wrong;
  }
  if (text.size() > kMaxTemplateBytes || text.find('\0') != std::string::npos) {
    return path + ": is no template";
  }
  // A text without tags is also a template.
  const bool has_tags =
      text.find("{{") != std::string::npos || text.find("{%") != std::string::npos;
  o->chat_template = has_tags ? text : text + "{{ '' }}";
  return "";
}

// The keys are those of llama.cpp (gguf-py, constants.py).
void TakeModelSampling(const txf* model, const CommandLine& line, Sampling* o) {
  const struct {
    const char* key;
    const char* option;
    float Sampling::*value;
    double most;
  } numbers[] = {
      {"general.sampling.temp", "--temperature", &Sampling::temperature, 100},
      {"general.sampling.top_p", "--topp", &Sampling::topp, 1},
      {"general.sampling.min_p", "--min-p", &Sampling::min_p, 1},
      {"general.sampling.penalty_repeat", "--repetition-penalty", &Sampling::repetition_penalty,
       100},
  };
  for (const auto& number : numbers) {
    const std::optional<double> value = Number(model, number.key);
    if (line.IsGiven(number.option) || !value || !(*value >= 0) || *value > number.most) continue;
    o->*number.value = static_cast<float>(*value);
  }
  const std::optional<double> top_k = Number(model, "general.sampling.top_k");
  if (!line.IsGiven("--top-k") && top_k && *top_k >= 0 && *top_k < 1e9) {
    o->top_k = static_cast<unsigned>(*top_k);
  }
}

uint64_t AvailableMemory() {
  uint64_t available = ReadAmount("/proc/meminfo", "MemAvailable:");
  // The limit of a container, minus the memory in use. Without a limit, the files do not exist, or
  // contain "max".
  const uint64_t limit = ReadAmount("/sys/fs/cgroup/memory.max", "");
  const uint64_t used = ReadAmount("/sys/fs/cgroup/memory.current", "");
  if (limit != UINT64_MAX && used != UINT64_MAX) {
    available = std::min(available, limit - std::min(limit, used));
  }
  return available;
}

size_t FittingContext(const txf* model, const txf_session* session) {
  clamma_txf_facts_t facts = {};
  clamma_session_facts_t now = {};
  if (clamma_txf_facts(model, &facts) != 0 || clamma_session_facts(session, &now) != 0) return 0;
  const uint64_t room = AvailableMemory() / 5 * 4;
  const uint64_t full = now.memory_bytes_at_full_context;
  if (full <= room) return facts.context;
  const double share = static_cast<double>(room) / static_cast<double>(full);
  return std::max<size_t>(64, static_cast<size_t>(share * facts.context));
}

bool BeginsInThoughts(const txf* model, const Model& o, const char* arguments) {
  clamma_txf_info_t info = MakeInfo(o);
  info.chat_arguments = arguments;
  clamma_message_t message = {};
  message.role = "user";
  message.content = "x";
  std::string text;
  size_t size = 0;
  do {
    text.resize(size);
    if (clamma_chat_render(model, &info, &message, 1, 1, text.data(), text.size(), &size) != 0) {
      return false;  // the first prompt will fail, too, and report the reason
    }
  } while (size != text.size());
  const size_t last = text.find_last_not_of(" \n");
  return last != std::string::npos && text.substr(0, last + 1).ends_with("<think>");
}

}  // namespace options
