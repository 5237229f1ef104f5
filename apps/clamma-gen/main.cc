// SPDX-License-Identifier: MIT
// clamma-gen: continues a text. The text goes to stdout as it is generated, all other output to
// stderr.
//
// Exit codes: 0 the text ended or reached its limit; 1 the model could not be set up; 2 the command
// line is wrong; 3 generation failed; 130 interrupted.
#include <clamma-extra.h>
#include <clamma.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "chat_setup.h"
#include "command_line.h"
#include "constraint_options.h"
#include "draft_options.h"
#include "prompt_line.h"
#include "receipt_facts.h"
#include "receipt_output.h"
#include "standard_streams.h"
#include "text_generation.h"
#include "text_input.h"
#include "tty.h"

namespace {

using options::kExitGeneration;
using options::kExitInterrupted;
using options::kExitSetup;

struct Options {
  options::Model model;
  options::Sampling sampling;
  options::Prompt prompt;
  bool from_stdin = false;
  std::string file;  // contains the prompt
  ConstraintOptions constraint;
  DraftOptions drafts;
  bool chat = false;
  bool quiet = false;
  ReceiptOptions receipt;
};

void Declare(options::CommandLine& line, Options& o) {
  line.Add(o.model);
  line.AddStdin(o.from_stdin);
  line.Add("-f,--file", o.file, "File that contains the prompt; \"-\" is stdin");
  line.Add("--chat", o.chat,
           "The prompt is a user's turn in the model's chat format, and the text is the answer");
  options::AddTemplate(line, o.model);
  line.Find("--template").Needs(line.Find("--chat"));
  line.Add(o.sampling);
  Declare(line, o.constraint);
  Declare(line, o.drafts);
  line.Add(o.prompt);
  line.Find("--file").Excludes(line.Find("--prompt"));
  line.Add("-q,--quiet", o.quiet, "No banner and no figures on stderr");
  Declare(line, o.receipt);
  // A receipt does not record them, and its verifier samples from all tokens.
  for (const char* name : kConstraintOptions) line.Find("--receipt").Excludes(line.Find(name));
}

// Reads the prompt, if it comes from a file or stdin. Returns "" or the reason of a failure.
std::string ReadPrompt(Options* o) {
  if (o->from_stdin && (o->prompt.given || !o->file.empty())) {
    return "only one of -, --prompt and --file can be given";
  }
  const std::string path = o->from_stdin ? "-" : o->file;
  if (path.empty()) return "";
  std::string wrong = ReadText(path, &o->prompt.text);
  if (!wrong.empty()) return wrong;
  o->prompt.given = true;
  // The newline at the end of the last line is not part of the prompt.
  if (o->prompt.text.ends_with('\n')) o->prompt.text.pop_back();
  if (o->prompt.text.ends_with('\r')) o->prompt.text.pop_back();
  return "";
}

void OnLog(void*, const char* message) { std::fprintf(stderr, "clamma-gen: %s\n", message); }

// Writes the receipt, if there is to be one. Returns false on failure.
bool WriteReceipt(const Options& o, const TextGeneration& generation, ReceiptOutput* receipt) {
  if (o.receipt.path.empty() || generation.why() == CLAMMA_DONE_ERROR) return true;
  const std::string wrong = receipt->Write(o.receipt.path);
  if (!wrong.empty()) OnLog(nullptr, wrong.c_str());
  return wrong.empty();
}

int Finish(const Options& o, const TextGeneration& generation, ReceiptOutput* receipt) {
  std::fputc('\n', stdout);
  const bool flushed = std::fflush(stdout) == 0 && generation.output->error() == 0;
  if (!o.quiet) {
    const clamma_session_facts_t facts = generation.Facts();
    const double speed = generation.Speed(facts.generated_tokens);
    if (speed > 0) std::fprintf(stderr, "achieved tok/s: %.1f\n", speed);
    std::fprintf(stderr, "%zu tokens of prompt, %zu generated, seed %llu, session %.1f MB\n",
                 facts.prompt_tokens, facts.generated_tokens,
                 static_cast<unsigned long long>(facts.rng_seed),
                 static_cast<double>(facts.memory_bytes) / 1e6);
    const clamma_query_facts_t query = generation.QueryFacts();
    if (query.drafted_tokens > 0) {
      std::fprintf(stderr, "%zu tokens drafted, %zu of them right\n", query.drafted_tokens,
                   query.accepted_tokens);
    }
  }
  const bool has_receipt = WriteReceipt(o, generation, receipt);
  if (interrupted != 0) return kExitInterrupted;  // an interrupted write is not a failure
  if (!flushed) {
    std::fprintf(stderr, "clamma-gen: cannot write to stdout\n");
    return kExitGeneration;
  }
  return generation.why() == CLAMMA_DONE_ERROR || !has_receipt ? kExitGeneration : 0;
}

// Starts the query: for a text, or for a user's turn.
bool Start(const Options& o, const clamma_txf_info_t& info, txf_session* session,
           TextGeneration* generation) {
  if (!o.chat) return generation->Start(session, info);
  const receipt::Query query = receipt::QueryOf(o.prompt, o.chat);
  const std::vector<clamma_message_t> messages = receipt::Messages(query);
  return generation->StartChat(session, info, messages.data(), messages.size());
}

// Runs the query to its end.
void RunQuery(const Options& o, txf_session* session, TextGeneration& generation) {
  if (!generation.on_progress && !o.chat) generation.output->Write(o.prompt.text.c_str());
  while (clamma_sessions_step_next() != 0) {
    if (interrupted != 0) clamma_sessions_query_cancel(session);
    generation.Watch();
  }
}

// The options, and where they are silent those that the model suggests for chats.
options::Sampling SamplingOf(const Options& o, const options::CommandLine& line, const txf* model) {
  options::Sampling sampling = o.sampling;
  if (o.chat) {
    if (!line.IsGiven("--temperature")) sampling.temperature = options::kChatTemperature;
    options::TakeModelSampling(model, line, &sampling);
  }
  return sampling;
}

// On a terminal, lets the generation show how far its prompt has been processed.
void ShowProgress(const Options& o, TextGeneration* generation,
                  std::optional<PromptLine>* prompt_line) {
  if (o.quiet || !tty::TakesEscapes(STDERR_FILENO)) return;
  prompt_line->emplace();
  generation->on_progress = [&o, generation, prompt_line](size_t processed, size_t total) {
    (*prompt_line)->Show(processed, total);
    // The text of the prompt comes after that line, and its continuation right behind it.
    if (processed == total && !o.chat) generation->output->Write(o.prompt.text.c_str());
  };
}

int Generate(const Options& o, const options::CommandLine& line) {
  std::string desc;
  const options::ModelPtr model = options::Open(o.model, OnLog, &desc);
  if (model == nullptr) return kExitSetup;  // OnLog() has printed the reason
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model.get(), &facts);
  if (facts.warning != nullptr) OnLog(nullptr, facts.warning);
  options::ModelPtr draft(nullptr, &clamma_txf_destroy);
  if (!OpenDraftModel(o.drafts, o.model, OnLog, &draft)) return kExitSetup;
  const options::Sampling sampling = SamplingOf(o, line, model.get());
  clamma_txf_info_t info = options::MakeInfo(o.model);
  options::Apply(sampling, info);
  options::Apply(o.prompt, info);
  Apply(line, o.constraint, info);
  Apply(o.drafts, draft.get(), info);
  txf_session* session = clamma_session_construct(model.get());
  TextGeneration generation;
  std::optional<PromptLine> prompt_line;
  ShowProgress(o, &generation, &prompt_line);
  ReceiptOutput receipt(o.receipt);
  if (receipt.wanted()) {
    generation.on_logit_hash = [&receipt](tok_id_t id, uint64_t hash) { receipt.Add(id, hash); };
    const std::string wrong =
        receipt.Prepare(o.model, model.get(), receipt::QueryOf(o.prompt, o.chat), sampling);
    if (!wrong.empty()) {
      OnLog(nullptr, wrong.c_str());
      return kExitSetup;
    }
  }
  if (session == nullptr || !Start(o, info, session, &generation)) return kExitSetup;
  if (receipt.wanted()) receipt.Begin(session);
  if (!o.quiet) {
    const clamma_session_facts_t session_facts = generation.Facts();
    std::fprintf(stderr, "%s\nSession: %s\n", options::Banner(desc).c_str(),
                 options::DescribeSession(session_facts, sampling, session_facts.rng_seed).c_str());
  }
  generation.output.emplace(stdout);
  RunQuery(o, session, generation);
  prompt_line.reset();
  return Finish(o, generation, &receipt);
}

int Run(int argc, char** argv) {
  Options o;
  options::CommandLine line(
      "clamma-gen", "Continues a text with a model, or answers a prompt.",
      "Files are looked for in the working directory, then in the model directory.\n"
      "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 generation failed,\n"
      "130 interrupted.");
  Declare(line, o);
  if (const int code = line.Parse(argc, argv); code >= 0) return code;
  std::string wrong = options::ReadTemplate(&o.model);
  if (wrong.empty()) wrong = ReadPrompt(&o);
  if (wrong.empty()) wrong = ReadConstraint(&o.constraint);
  if (wrong.empty() && o.chat && !o.prompt.given) wrong = "--chat needs a prompt";
  if (!wrong.empty()) {
    OnLog(nullptr, wrong.c_str());
    return options::kExitUsage;
  }
  KeepStandardStreams();
  HandleSignals();
  return Generate(o, line);
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
