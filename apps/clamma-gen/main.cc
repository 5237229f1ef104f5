// SPDX-License-Identifier: MIT
// clamma-gen: continues a text. The story goes to stdout as it comes, all else to stderr.
//
// Exit codes: 0 the text ended or reached its limit; 1 the model could not be set up; 2 the command
// line is wrong; 3 generation failed on the way; 130 interrupted.
#include <clamma-extra.h>
#include <clamma.h>

#include <cstdio>
#include <exception>
#include <string>

#include "command_line.h"
#include "standard_streams.h"
#include "story.h"

namespace {

using options::kExitGeneration;
using options::kExitInterrupted;
using options::kExitSetup;

struct Options {
  options::Model model;
  options::Sampling sampling;
  options::Prompt prompt;
  bool quiet = false;
};

int Parse(int argc, char** argv, Options& o) {
  options::CommandLine line(
      "clamma-gen", "Continues a text with a Llama model.",
      "Files are looked for in the working directory, then in the model directory.\n"
      "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 generation failed,\n"
      "130 interrupted.");
  line.Add(o.model);
  line.Add(o.sampling);
  line.Add(o.prompt);
  line.Add("-q,--quiet", o.quiet, "No banner and no figures on stderr");
  return line.Parse(argc, argv);
}

void OnLog(void*, const char* message) { std::fprintf(stderr, "clamma-gen: %s\n", message); }

int Finish(const Options& o, const Story& story) {
  std::fputc('\n', stdout);
  const bool flushed = std::fflush(stdout) == 0 && story.output->error() == 0;
  if (!o.quiet) {
    const clamma_session_facts_t facts = story.Facts();
    const double speed = story.Speed(facts.generated_tokens);
    if (speed > 0) std::fprintf(stderr, "achieved tok/s: %.1f\n", speed);
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
  return story.why() == CLAMMA_DONE_ERROR ? kExitGeneration : 0;
}

int Run(int argc, char** argv) {
  Options o;
  if (const int code = Parse(argc, argv, o); code >= 0) return code;
  KeepStandardStreams();
  HandleSignals();

  std::string desc;
  const options::ModelPtr model = options::Open(o.model, OnLog, &desc);
  if (model == nullptr) return kExitSetup;  // OnLog told why
  clamma_txf_info_t info = options::MakeInfo(o.model);
  options::Apply(o.sampling, info);
  options::Apply(o.prompt, info);
  txf_session* session = clamma_session_construct(model.get());
  Story story;
  if (session == nullptr || !story.Start(session, info)) return kExitSetup;
  if (!o.quiet) std::fprintf(stderr, "%s\n", desc.c_str());
  story.output.emplace(stdout);
  story.output->Write(o.prompt.text.c_str());
  while (clamma_sessions_step_next() != 0) {
    if (interrupted != 0) clamma_sessions_query_cancel(session);
    story.Watch();
  }
  return Finish(o, story);
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
