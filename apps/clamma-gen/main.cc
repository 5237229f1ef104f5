// SPDX-License-Identifier: MIT
// clamma-gen: continues a text. The story goes to stdout as it comes, all else to stderr.
//
// Exit codes: 0 the text ended or reached its limit; 1 the model could not be set up; 2 the command
// line is wrong; 3 generation failed on the way; 130 interrupted.
#include <clamma-extra.h>
#include <clamma.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "options.h"
#include "text_output.h"

namespace {

using options::kExitGeneration;
using options::kExitInterrupted;
using options::kExitSetup;

struct Options {
  options::Model model;
  options::Sampling sampling;
  std::string prompt;
  bool has_prompt = false;
  std::string system;
  bool quiet = false;
};

int Parse(int argc, char** argv, Options& o) {
  CLI::App app("Continues a text with a Llama model.", "clamma-gen");
  app.footer(
      "Files are looked for in the working directory, then in the model directory.\n"
      "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 generation failed,\n"
      "130 interrupted.");
  options::Add(app, o.model);
  options::Add(app, o.sampling);
  app.add_option("-i,--prompt", o.prompt, "Text to continue; \"\" = begin a text with nothing");
  app.add_option("-y,--system", o.system, "Text that goes before the prompt on a line of its own");
  app.add_flag("-q,--quiet", o.quiet, "No banner and no figures on stderr");
  const int code = options::Parse(app, argc, argv);
  o.has_prompt = app.count("--prompt") > 0;
  return code;
}

struct Story {
  TextOutput output{stdout};
  clamma_done_t why = CLAMMA_DONE_ERROR;
};

volatile std::sig_atomic_t interrupted = 0;
void OnInterrupt(int) { interrupted = 1; }

int OnText(void* opaque, const char* text) {
  return static_cast<Story*>(opaque)->output.Write(text) && interrupted == 0 ? 0 : 1;
}

void OnDone(void* opaque, clamma_done_t why) { static_cast<Story*>(opaque)->why = why; }

void OnLog(void*, const char* message) { std::fprintf(stderr, "clamma-gen: %s\n", message); }

clamma_txf_info_t MakeInfo(const Options& o, Story& story, char* desc, size_t desc_max) {
  clamma_txf_info_t info = options::MakeInfo(o.model);
  options::Apply(o.sampling, info);
  info.desc = desc;
  info.desc_max = desc_max;
  info.log_cb = OnLog;
  info.issue_cb = OnText;
  info.done_cb = OnDone;
  info.opaque_user_pointer = &story;
  info.system = o.system.empty() ? nullptr : o.system.c_str();
  info.prompt = o.has_prompt ? o.prompt.c_str() : nullptr;
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
  const bool flushed = std::fflush(stdout) == 0 && !story.output.failed();
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
  Options o;
  if (const int code = Parse(argc, argv, o); code >= 0) return code;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of writing, not the end of us
  struct sigaction on_interrupt = {};
  on_interrupt.sa_handler = OnInterrupt;
  on_interrupt.sa_flags = static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends at once
  sigaction(SIGINT, &on_interrupt, nullptr);

  Story story;
  char desc[1024] = "";
  clamma_txf_info_t info = MakeInfo(o, story, desc, sizeof(desc));
  const std::unique_ptr<txf, decltype(&clamma_txf_destroy)> model(clamma_txf_construct(&info),
                                                                  &clamma_txf_destroy);
  if (model == nullptr) return kExitSetup;  // OnLog told why
  txf_session* session = clamma_session_construct(model.get());
  info.desc = nullptr;  // keep the model's
  if (session == nullptr || clamma_session_query(session, &info) != 0) return kExitSetup;
  if (!o.quiet) std::fprintf(stderr, "%s\n", desc);
  story.output.Write(o.prompt.c_str());
  const double seconds = Generate(session);
  clamma_session_facts_t facts = {};
  clamma_session_facts(session, &facts);
  return Finish(o, story, facts, seconds);
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
