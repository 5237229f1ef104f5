// SPDX-License-Identifier: MIT
#include "command_line.h"

#include <clamma.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "models.h"
#include "printable.h"

namespace options {
namespace {

// Without these checks CLI11 reads -1 as a huge unsigned number, 010 as 8, and nan as an amount.
std::string CheckWholeNumber(const std::string& text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stop == end) return std::to_string(value);
  throw CLI::ValidationError(text + " is not a whole number from 0 to 2^64-1");
}

std::string CheckSize(const std::string& text) {
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0) return text + " is not a size";
  CheckWholeNumber(text.substr(0, digits));
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

// Returns the error in a command line. For -h without a number the message explains the option, as
// the user may have meant --help.
std::string ReasonOf(const CLI::ParseError& error) {
  std::string what = error.what();
  const std::string threads = "--threads: ";
  if (!what.starts_with(threads)) return what;
  const bool is_missing = dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr;
  return "-h, --threads is the number of compute threads: " +
         (is_missing ? "a number must follow" : what.substr(threads.size()));
}

}  // namespace

Option& Option::ShowDefault() {
  option_->capture_default_str();
  return *this;
}

Option& Option::Describe(const char* what) {
  option_->description(what);
  return *this;
}

Option& Option::TypeName(const char* name) {
  option_->type_name(name);
  return *this;
}

Option& Option::Required(bool required) {
  option_->required(required);
  return *this;
}

Option& Option::Needs(const Option& other) {
  option_->needs(other.option_);
  return *this;
}

Option& Option::Excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Option& Option::OneEach() {
  option_->allow_extra_args(false);
  return *this;
}

Option& Option::WholeNumber() {
  option_->transform(CheckWholeNumber);
  return *this;
}

Option& Option::Size() {
  option_->check(CheckSize)->transform(CLI::AsSizeValue(false));
  return *this;
}

Option& Option::Amount() {
  option_->check(CheckAmount);
  return *this;
}

Option& Option::Share() {
  option_->check(CheckShare);
  return *this;
}

Option& Option::In(int min, int max) {
  option_->check(CLI::Range(min, max));
  return *this;
}

Option& Option::In(unsigned min, unsigned max) {
  option_->check(CLI::Range(min, max));
  return *this;
}

Option& Option::OneOf(std::vector<std::string> values) {
  option_->check(CLI::IsMember(std::move(values)));
  return *this;
}

Option& Option::Check(std::string (*wrong)(const std::string&)) {
  option_->check(wrong);
  return *this;
}

CommandLine::CommandLine(const char* program, const char* purpose, const char* footer)
    : app_(std::make_unique<CLI::App>(purpose, program)) {
  app_->set_help_flag("--help", "Print this help and exit");
  app_->footer(footer);
}

CommandLine::~CommandLine() = default;

Option CommandLine::Add(const char* names, std::string& value, const char* what) {
  return Option(app_->add_option(names, value, what));
}

Option CommandLine::Add(const char* names, std::vector<std::string>& values, const char* what) {
  return Option(app_->add_option(names, values, what));
}

Option CommandLine::Add(const char* names, int& value, const char* what) {
  return Option(app_->add_option(names, value, what));
}

Option CommandLine::Add(const char* names, unsigned& value, const char* what) {
  return Option(app_->add_option(names, value, what));
}

// NOLINTNEXTLINE(google-runtime-int)
Option CommandLine::Add(const char* names, unsigned long& value, const char* what) {
  return Option(app_->add_option(names, value, what));
}

// NOLINTNEXTLINE(google-runtime-int)
Option CommandLine::Add(const char* names, unsigned long long& value, const char* what) {
  return Option(app_->add_option(names, value, what));
}

Option CommandLine::Add(const char* names, float& value, const char* what) {
  return Option(app_->add_option(names, value, what));
}

Option CommandLine::Add(const char* names, bool& value, const char* what) {
  return Option(app_->add_flag(names, value, what));
}

void CommandLine::Add(Model& o) {
  FindModel(o.checkpoint, o.tokenizer, true);
  Add("checkpoint", o.checkpoint,
      "Model: a file (GGUF, or llama2.c's formats), or a name of clamma-get's (default: the model "
      "that \"clamma-get default\" gets)");
  Add("-z,--tokenizer", o.tokenizer,
      "Vocabulary (default: the one inside the checkpoint or beside it, else tokenizer.bin)");
  Add("-h,--threads", o.threads, "Compute threads, 0 = all usable cores")
      .WholeNumber()
      .ShowDefault();
  Add("-m,--mode", o.mode, "Weights: 0 = mmap, 1 = malloc cache").In(0, 1).ShowDefault();
  Add("--cache-limit", o.cache_limit, "With -m 1: most bytes of weights held, 0 = all")
      .Size()
      .ShowDefault();
  Add("--pre", o.pre_tokenizer,
      "How a byte-level vocabulary splits texts into words, as llama-bpe (default: as the file "
      "says)");
  AddKvType(o.kv);
}

void CommandLine::AddKvType(std::string& name) {
  Add("--kv", name, "Keys and values in f32, f16 or q8 (auto: f16 for GGUF models, else f32)")
      .OneOf({"auto", "f32", "f16", "q8"})
      .ShowDefault();
}

void CommandLine::Add(Prompt& o) {
  const auto set = [&o](const std::string& text) {
    o.text = text;
    o.given = true;
  };
  app_->add_option_function<std::string>("-i,--prompt", set,
                                         "Text to continue; \"\" = begin a text with nothing");
  Add("-y,--system", o.system, "Text that goes before the prompt on a line of its own");
}

void CommandLine::Add(Sampling& o) {
  Add("-t,--temperature", o.temperature, "0 = always the likeliest token").Amount().ShowDefault();
  Add("-p,--topp", o.topp, "Nucleus sampling: share of probability kept, 0 or 1 = off")
      .Share()
      .ShowDefault();
  Add("-s,--seed", o.seed, "Random seed, 0 = from the clock").WholeNumber().ShowDefault();
  Add("-n,--steps", o.steps, "Most tokens to generate, 0 = until the context is full")
      .WholeNumber()
      .ShowDefault();
  Add("--top-k", o.top_k, "Keep the so many likeliest tokens, 0 = off").WholeNumber().ShowDefault();
  Add("--min-p", o.min_p, "Keep tokens this likely relative to the likeliest, 0 = off")
      .Share()
      .ShowDefault();
  Add("--repetition-penalty", o.repetition_penalty, "Weaken repeated tokens, 0 = off")
      .Amount()
      .ShowDefault();
  Add("--frequency-penalty", o.frequency_penalty,
      "Weaken generated tokens each time that they come, 0 = off")
      .Amount()
      .ShowDefault();
  Add("--presence-penalty", o.presence_penalty, "Weaken generated tokens once, 0 = off")
      .Amount()
      .ShowDefault();
}

void CommandLine::FindModel(std::string& checkpoint, std::string& tokenizer, bool has_default) {
  checkpoint_ = &checkpoint;
  tokenizer_ = &tokenizer;
  has_default_ = has_default;
}

Option CommandLine::AddStdin(bool& from_stdin) {
  from_stdin_ = &from_stdin;
  return Add("from", stdin_mark_, "\"-\": the prompt is what comes from stdin").TypeName("-");
}

void CommandLine::TakeConfigFile(const char* names, const char* what) {
  app_->set_config(names, "", what);
  app_->allow_config_extras(CLI::config_extras_mode::error);
}

Option CommandLine::Find(const char* name) { return Option(app_->get_option(name)); }

bool CommandLine::IsGiven(const char* name) const { return app_->get_option(name)->count() > 0; }

int CommandLine::Parse(int argc, char** argv) {
  const std::string name = app_->get_name();
  std::string version = "--version";
  for (const char* short_name : {"-v", "-V"}) {  // those that the app does not use
    if (app_->get_option_no_throw(short_name) == nullptr) {
      version.insert(0, short_name + std::string(","));
    }
  }
  app_->set_version_flag(version, name + " " + clamma_version());
  try {
    app_->parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    app_->exit(e);
    return 0;
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "%s: %s (see %s --help)\n", name.c_str(), ReasonOf(e).c_str(),
                 name.c_str());
    return kExitUsage;
  }
  if (!stdin_mark_.empty() && stdin_mark_ != "-") {
    std::fprintf(
        stderr,
        "%s: \"%s\" is one argument too many: --prompt TEXT and --file FILE give the prompt, "
        "and - reads it from stdin (see %s --help)\n",
        name.c_str(), Printable(stdin_mark_, 100).c_str(), name.c_str());
    return kExitUsage;
  }
  if (from_stdin_ != nullptr) {
    *from_stdin_ = stdin_mark_ == "-";
    if (checkpoint_ != nullptr && *checkpoint_ == "-") {
      checkpoint_->clear();
      *from_stdin_ = true;
    }
  }
  if (checkpoint_ == nullptr || (checkpoint_->empty() && !has_default_)) return -1;
  const std::string wrong = models::Resolve(checkpoint_, tokenizer_);
  if (!wrong.empty()) std::fprintf(stderr, "%s: %s\n", name.c_str(), wrong.c_str());
  return wrong.empty() ? -1 : kExitSetup;
}

}  // namespace options
