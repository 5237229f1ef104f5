// SPDX-License-Identifier: MIT
// clamma-gen: continues a text. The story goes to stdout as it comes, all else to stderr.
//
// Exit codes: 0 the text ended or reached its limit; 1 the model could not be set up; 2 the command
// line is wrong; 3 generation failed on the way; 130 interrupted.
#include <clamma-extra.h>
#include <clamma.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

namespace {

constexpr int kExitSetup = 1;
constexpr int kExitUsage = 2;
constexpr int kExitGeneration = 3;
constexpr int kExitInterrupted = 130;

struct Options {
  std::string checkpoint;
  std::string tokenizer = "tokenizer.bin";
  float temperature = 1.0f;
  float topp = 0.9f;
  uint64_t seed = 0;
  size_t steps = 256;
  std::string prompt;
  bool has_prompt = false;
  std::string system;
  unsigned threads = 0;
  int mode = 0;
  size_t cache_limit = 0;
  std::string kv = "f32";
  unsigned top_k = 0;
  float min_p = 0;
  float repetition_penalty = 0;
  bool quiet = false;
};

// Without these checks CLI11 takes -1 for a huge unsigned number, 010 for 8, and nan for an amount.
std::string WholeNumber(const std::string& text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stop == end) return std::to_string(value);
  throw CLI::ValidationError(text + " is not a whole number from 0 to 2^64-1");
}

// As above, with a unit such as kb or mb behind it if wanted.
std::string CheckSize(const std::string& text) {
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0) return text + " is not a size";
  WholeNumber(text.substr(0, digits));
  return "";
}

std::string CheckAmount(const std::string& text) {
  char* stop = nullptr;
  const float value = std::strtof(text.c_str(), &stop);
  const bool good = !text.empty() && *stop == '\0' && std::isfinite(value) && value >= 0;
  return good ? "" : text + " is not a number from 0";
}

std::string CheckShare(const std::string& text) {
  const std::string wrong = CheckAmount(text);
  return wrong.empty() && std::strtof(text.c_str(), nullptr) > 1 ? text + " is more than 1" : wrong;
}

void Declare(CLI::App& app, Options& o) {
  app.add_option("checkpoint", o.checkpoint, "Model checkpoint (llama2.c format, float or int8)")
      ->required();
  app.add_option("-z,--tokenizer", o.tokenizer, "Token dictionary")->capture_default_str();
  app.add_option("-t,--temperature", o.temperature, "0 = always the likeliest token")
      ->check(CheckAmount)
      ->capture_default_str();
  app.add_option("-p,--topp", o.topp, "Nucleus sampling: share of probability kept, 0 or 1 = off")
      ->check(CheckShare)
      ->capture_default_str();
  app.add_option("-s,--seed", o.seed, "Random seed, 0 = from the clock")
      ->transform(WholeNumber)
      ->capture_default_str();
  app.add_option("-n,--steps", o.steps, "Most tokens to generate, 0 = until the context is full")
      ->transform(WholeNumber)
      ->capture_default_str();
  app.add_option("-i,--prompt", o.prompt, "Text to continue; \"\" = begin a text with nothing");
  app.add_option("-y,--system", o.system, "Text that goes before the prompt on a line of its own");
  app.add_option("-h,--threads", o.threads, "Compute threads, 0 = all usable cores")
      ->transform(WholeNumber)
      ->capture_default_str();
  app.add_option("-m,--mode", o.mode, "Weights: 0 = mmap, 1 = malloc cache")
      ->check(CLI::Range(0, 1))
      ->capture_default_str();
  app.add_option("--cache-limit", o.cache_limit, "With -m 1: most bytes of weights held, 0 = all")
      ->check(CheckSize)
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--kv", o.kv, "Keys and values in f32 or f16")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  app.add_option("--top-k", o.top_k, "Keep the so many likeliest tokens, 0 = off")
      ->transform(WholeNumber)
      ->capture_default_str();
  app.add_option("--min-p", o.min_p, "Keep tokens this likely relative to the likeliest, 0 = off")
      ->check(CheckShare)
      ->capture_default_str();
  app.add_option("--repetition-penalty", o.repetition_penalty, "Weaken repeated tokens, 0 = off")
      ->check(CheckAmount)
      ->capture_default_str();
  app.add_flag("-q,--quiet", o.quiet, "No banner and no figures on stderr");
}

// Returns -1 to go on, else the exit code. -h has always been the threads, so help is --help alone.
int Parse(int argc, char** argv, Options& o) {
  CLI::App app("Continues a text with a Llama model.", "clamma-gen");
  app.set_help_flag("--help", "Print this help and exit");
  app.set_version_flag("--version", std::string("clamma-gen ") + clamma_version());
  app.footer(
      "Files are looked for in the working directory, then in the model directory.\n"
      "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 generation failed,\n"
      "130 interrupted.");
  Declare(app, o);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    app.exit(e);
    return 0;
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "clamma-gen: %s (see clamma-gen --help)\n", e.what());
    return kExitUsage;
  }
  o.has_prompt = app.count("--prompt") > 0;
  return -1;
}

struct Story {
  bool to_terminal = false;
  bool write_failed = false;
  clamma_done_t why = CLAMMA_DONE_ERROR;
};

volatile std::sig_atomic_t interrupted = 0;
void OnInterrupt(int) { interrupted = 1; }

// Whether a character steers a terminal: C0 (but for newline and tab), DEL, and C1, which is C2 80
// to C2 9F.
bool IsControl(const char* c) {
  const auto byte = static_cast<unsigned char>(c[0]);
  const auto next = static_cast<unsigned char>(byte == 0 ? 0 : c[1]);
  if (byte == 0xc2) return next >= 0x80 && next < 0xa0;
  return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
}

// A model's output must not steer a terminal; files and pipes get every byte.
bool Write(Story& story, const char* text) {
  for (const char* c = text; *c != '\0'; ++c) {
    if (story.to_terminal && IsControl(c)) {
      if (*c == '\xc2') ++c;
      continue;
    }
    if (std::fputc(*c, stdout) == EOF) story.write_failed = true;
  }
  if (std::fflush(stdout) != 0) story.write_failed = true;
  return !story.write_failed;
}

int OnText(void* opaque, const char* text) {
  return Write(*static_cast<Story*>(opaque), text) && interrupted == 0 ? 0 : 1;
}

void OnDone(void* opaque, clamma_done_t why) { static_cast<Story*>(opaque)->why = why; }

void OnLog(void*, const char* message) { std::fprintf(stderr, "clamma-gen: %s\n", message); }

clamma_txf_info_t MakeInfo(const Options& o, Story& story, char* desc, size_t desc_max) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = o.checkpoint.c_str();
  info.tokenizer_path = o.tokenizer.c_str();
  info.model_access = o.mode == 1 ? CLAMMA_MODEL_ACCESS_MALLOC_CACHE : CLAMMA_MODEL_ACCESS_MMAP;
  info.cache_limit = o.cache_limit;
  info.threads = o.threads;
  info.kv_type = o.kv == "f16" ? CLAMMA_KV_F16 : CLAMMA_KV_F32;
  info.desc = desc;
  info.desc_max = desc_max;
  info.log_cb = OnLog;
  info.issue_cb = OnText;
  info.done_cb = OnDone;
  info.opaque_user_pointer = &story;
  info.system = o.system.empty() ? nullptr : o.system.c_str();
  info.prompt = o.has_prompt ? o.prompt.c_str() : nullptr;
  info.limit = o.steps;
  info.temperature = o.temperature;
  info.topp = o.topp;
  info.rng_seed = o.seed;
  info.top_k = o.top_k;
  info.min_p = o.min_p;
  info.repetition_penalty = o.repetition_penalty;
  return info;
}

// Steps until the query ends. Returns the seconds between the first token and the last.
double Generate(txf_session* session) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point first;
  bool started = false;
  clamma_session_facts_t facts = {};
  while (clamma_sessions_step_next() != 0) {
    if (interrupted != 0) clamma_sessions_query_cancel(session);
    if (started) continue;
    clamma_session_facts(session, &facts);
    if (facts.generated_tokens == 0) continue;
    started = true;
    first = Clock::now();
  }
  return started ? std::chrono::duration<double>(Clock::now() - first).count() : 0;
}

int Finish(const Options& o, const Story& story, const clamma_session_facts_t& facts,
           double seconds) {
  std::fputc('\n', stdout);
  const bool flushed = std::fflush(stdout) == 0 && !story.write_failed;
  if (!o.quiet) {
    if (facts.generated_tokens > 1 && seconds > 0) {
      std::fprintf(stderr, "achieved tok/s: %.1f\n",
                   static_cast<double>(facts.generated_tokens - 1) / seconds);
    }
    std::fprintf(stderr, "%zu tokens of prompt, %zu generated, seed %llu, session %.1f MB\n",
                 facts.prompt_tokens, facts.generated_tokens,
                 static_cast<unsigned long long>(facts.rng_seed),
                 static_cast<double>(facts.memory_bytes) / 1e6);
  }
  if (interrupted != 0) return kExitInterrupted;  // and a write that it cut short is no failure
  if (!flushed) {
    std::fprintf(stderr, "clamma-gen: cannot write to stdout\n");
    return kExitGeneration;
  }
  return story.why == CLAMMA_DONE_ERROR ? kExitGeneration : 0;
}

int Run(int argc, char** argv) {
  Options options;
  if (const int code = Parse(argc, argv, options); code >= 0) return code;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of writing, not the end of us
  struct sigaction on_interrupt = {};
  on_interrupt.sa_handler = OnInterrupt;
  on_interrupt.sa_flags = static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends at once
  sigaction(SIGINT, &on_interrupt, nullptr);

  Story story;
  story.to_terminal = isatty(STDOUT_FILENO) != 0;
  char desc[1024] = "";
  clamma_txf_info_t info = MakeInfo(options, story, desc, sizeof(desc));
  const std::unique_ptr<txf, decltype(&clamma_txf_destroy)> model(clamma_txf_construct(&info),
                                                                  &clamma_txf_destroy);
  if (model == nullptr) return kExitSetup;  // OnLog told why
  txf_session* session = clamma_session_construct(model.get());
  info.desc = nullptr;  // keep the model's
  if (session == nullptr || clamma_session_query(session, &info) != 0) return kExitSetup;
  if (!options.quiet) std::fprintf(stderr, "%s\n", desc);
  Write(story, options.prompt.c_str());
  const double seconds = Generate(session);
  clamma_session_facts_t facts = {};
  clamma_session_facts(session, &facts);
  return Finish(options, story, facts, seconds);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "clamma-gen: %s\n", e.what());
    return kExitSetup;
  }
}
