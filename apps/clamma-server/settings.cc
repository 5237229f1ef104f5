// SPDX-License-Identifier: MIT
#include "settings.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "free_memory.h"
#include "models.h"
#include "prompt_settings.h"

namespace server {
namespace {

constexpr uint64_t kMaxDefaultCache = uint64_t{2} << 30;

void DeclareModels(options::CommandLine& line, Settings& o) {
  line.Add(
      "--model,model", o.models,
      "Models, each PATH or NAME=PATH: a file or a name of clamma-get's, and what clients call "
      "it (default: the model that \"clamma-get default\" downloads)");
  line.Add("-h,--threads", o.service.threads, "Compute threads, 0 = all usable cores")
      .WholeNumber()
      .ShowDefault();
  line.Add("--sessions", o.service.sessions, "Texts that are generated at the same time")
      .WholeNumber()
      .In(1, 4096)
      .ShowDefault();
  line.Add("-c,--context", o.service.context,
           "Most tokens of a prompt and its answer, 0 = as many as the model was trained for")
      .WholeNumber()
      .ShowDefault();
  line.AddKvType(o.kv);
  line.Add(
          "--prefix-cache", o.service.prefix_cache_bytes,
          "Bytes of keys and values that are kept for prompts that begin alike, 0 = none (default: "
          "an eighth of the free memory, at most 2gb)")
      .Size();
}

void DeclarePrompts(options::CommandLine& line, Settings& o) {
  line.Add("--date", o.date,
           "Date that chat templates see: YYYY-MM-DD, and THH:MM if wanted (default: the clock's)");
  line.Add("--shared-prefix", o.shared_prefix,
           "File of a text, such as a system prompt, that is no secret: prompts that begin with it "
           "share it in the prefix cache, whatever their keys");
}

void DeclareSockets(options::CommandLine& line, Settings& o) {
  line.Add("--host", o.host, "Address to listen on").ShowDefault();
  line.Add("--port", o.port, "TCP port, 0 = any free port")
      .WholeNumber()
      .In(0, 65535)
      .ShowDefault();
  line.Add("--unix", o.unix_path, "Listen on this Unix socket instead of an address");
  line.Add("--tls-cert", o.tls_certificate,
           "Certificate chain (PEM), for TLS 1.2 or later; read again on SIGHUP");
  line.Add("--tls-key", o.tls_key, "The certificate's key (PEM)").Needs(line.Find("--tls-cert"));
  line.Find("--tls-cert").Needs(line.Find("--tls-key"));
  line.Add("--allow-origin", o.origins,
           "Further origin to serve, such as https://chat.example.org; may be repeated")
      .OneEach();
  line.Add("--cors", o.cors,
           "Origin whose pages may use the API, * = any (without keys only); may be repeated")
      .OneEach();
}

void DeclareKeys(options::CommandLine& line, Settings& o) {
  line.Add("--key-file", o.key_file,
           "File of API keys, one per line; requests=N and tokens=N may follow a key");
  line.Add("--key-requests", o.key_limits.requests,
           "Most requests per minute for a key, 0 = any number")
      .WholeNumber()
      .ShowDefault();
  line.Add("--key-tokens", o.key_limits.tokens,
           "Most tokens per minute for a key, in prompts and answers, 0 = any number")
      .WholeNumber()
      .ShowDefault();
  line.Add("--no-auth", o.no_auth,
           "Serve a public address without keys, to everybody who can reach it");
}

void DeclareLimits(options::CommandLine& line, Settings& o) {
  line.Add("--max-tokens", o.service.max_tokens,
           "Most tokens of an answer, 0 = as many as fit into the context")
      .WholeNumber()
      .ShowDefault();
  line.Add("--max-waiting", o.service.max_waiting, "Most requests that wait for a session")
      .WholeNumber()
      .ShowDefault();
  line.Add("--max-body", o.service.max_body_bytes, "Most bytes of a request's body")
      .Size()
      .ShowDefault();
  web::Declare(line, o.limits.connections);
  line.Add("--drain", o.limits.drain, "Seconds that answers may continue after a signal")
      .WholeNumber()
      .In(0, 3600)
      .ShowDefault();
}

std::string ReadKeys(const Settings& o, KeyRing& keys) {
  if (const char* const key = std::getenv("CLAMMA_API_KEY"); key != nullptr && *key != '\0') {
    const std::string wrong = keys.Add(key, o.key_limits);
    if (!wrong.empty()) return "CLAMMA_API_KEY: " + wrong;
  }
  return o.key_file.empty() ? "" : keys.AddFile(o.key_file, o.key_limits);
}

std::string ReadOrigins(const Settings& o, Access& access) {
  for (const std::string& origin : o.origins) {
    if (const std::string wrong = access.AddOrigin(origin); !wrong.empty()) {
      return "--allow-origin: " + wrong;
    }
  }
  for (const std::string& origin : o.cors) {
    if (const std::string wrong = access.AddCors(origin); !wrong.empty()) return "--cors: " + wrong;
  }
  if (access.cors_is_open() && !access.keys().empty()) {
    return "--cors '*' would give every page the use of a key: name the origins";
  }
  return "";
}

// What clients call a model: the name of its file, without its end.
std::string IdOf(const std::string& path) { return std::filesystem::path(path).stem().string(); }

}  // namespace

void Declare(options::CommandLine& line, Settings& o) {
  line.TakeConfigFile("--config", "File of options: NAME=VALUE on each line, names without dashes");
  DeclareModels(line, o);
  DeclarePrompts(line, o);
  DeclareSockets(line, o);
  DeclareKeys(line, o);
  DeclareLimits(line, o);
  line.Add("--log", o.log, "Form of the line that is logged for each request")
      .OneOf({"text", "json", "off"})
      .ShowDefault();
  line.Add("--log-content", o.log_content, "Also log the contents of requests and answers");
}

std::string Complete(const options::CommandLine& line, Settings& o, Access& access) {
  o.service.kv_type = options::KvTypeOf(o.kv);
  if (!line.IsGiven("--prefix-cache")) {
    o.service.prefix_cache_bytes = std::min(FreeMemory() / 8, kMaxDefaultCache);
  }
  o.service.prefix_cache_bytes /= std::max<size_t>(o.models.size(), 1);
  if (!o.date.empty() && !ReadDate(o.date, &o.service.date)) {
    return "--date " + o.date + " is no date from 1971-01-01 on: YYYY-MM-DD or YYYY-MM-DDTHH:MM";
  }
  if (!o.shared_prefix.empty()) {
    std::string wrong = ReadSharedPrefix(o.shared_prefix, &o.service.shared_prefix);
    if (!wrong.empty()) return wrong;
  }
  if (std::string wrong = ReadKeys(o, access.keys()); !wrong.empty()) return wrong;
  return ReadOrigins(o, access);
}

std::string FindModels(const std::vector<std::string>& names,
                       std::vector<openai::Service::Model>* models) {
  static const std::vector<std::string> default_model = {""};
  for (const std::string& name : names.empty() ? default_model : names) {
    const size_t equals = name.find('=');
    const bool has_id = equals != std::string::npos && equals > 0;
    openai::Service::Model model;
    model.path = has_id ? name.substr(equals + 1) : name;
    std::string vocabulary;
    std::string resolved = model.path;
    std::string wrong = models::Resolve(&resolved, &vocabulary);
    if (!wrong.empty()) return wrong;
    model.id = has_id ? name.substr(0, equals) : IdOf(resolved);
    const bool is_taken = std::any_of(models->begin(), models->end(),
                                      [&model](const auto& other) { return other.id == model.id; });
    if (is_taken) return "two models are called " + model.id + ": name them NAME=PATH";
    models->push_back(std::move(model));
  }
  return "";
}

}  // namespace server
