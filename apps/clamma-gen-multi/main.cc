// SPDX-License-Identifier: MIT
// clamma-gen-multi: several sessions continue one text side by side, each in its own file. A
// description of the sessions and their speed goes to stdout, all other output to stderr.
//
// Exit codes: 0 all texts ended or reached their limit; 1 the model or the folder could not be set
// up; 2 the command line is wrong; 3 a session or its file failed; 130 interrupted.
#include <clamma-extra.h>
#include <clamma.h>

#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "command_line.h"
#include "live_lines.h"
#include "output_file.h"
#include "standard_streams.h"
#include "text_generation.h"

namespace {

using options::kExitGeneration;
using options::kExitInterrupted;
using options::kExitSetup;
using options::kExitUsage;
using Clock = std::chrono::steady_clock;

struct Options {
  options::Model model;
  options::Sampling sampling;
  options::Prompt prompt;
  unsigned count = 2;
  std::string folder = "/tmp";
};

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// A session, and the file that it writes.
struct Author {
  txf_session* session =
      nullptr;  // owned by the transformer; nullptr: its file could not be opened
  uint64_t seed = 0;
  std::string path;
  std::unique_ptr<std::FILE, FileCloser> file;  // until its text has ended
  bool failed = false;
  TextGeneration generation;
};

int Parse(int argc, char** argv, Options& o) {
  options::CommandLine line(
      "clamma-gen-multi",
      "Continues a text with several sessions side by side, each in its own file.",
      "Session N has the seed SEED + N and writes the prompt and its text to DIR/outN.txt.\n"
      "An earlier file of the same user is overwritten. If the file is a link, belongs to\n"
      "another user or is being written by another process, that session ends and the others\n"
      "continue. Files are created with mode 0600.\n"
      "The sizes of sessions are those at full context. The tok/s of a session are measured\n"
      "from its first token to its last; those of the total include the time for the prompt.\n"
      "Models are looked for in the working directory, then in the model directory.\n"
      "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 a session or its file\n"
      "failed, 130 interrupted.");
  line.Add(o.model);
  line.Add("-c,--count", o.count, "Number of sessions, up to the limit of the build")
      .WholeNumber()
      .Check([](const std::string& count) -> std::string {
        return count == "0" ? "at least 1 is needed" : "";
      })
      .ShowDefault();
  line.Add("-o,--output", o.folder, "Folder for the texts; created if it does not exist")
      .TypeName("DIR")
      .ShowDefault();
  line.Add(o.sampling);
  line.Add(o.prompt);
  return line.Parse(argc, argv);
}

LiveLines& Lines() {
  static LiveLines lines;
  return lines;
}

// Ctrl-C ends the texts; a second Ctrl-C erases the live lines and ends the program at once.
void CatchSecondInterrupt() {
  struct sigaction on_interrupt = {};
  on_interrupt.sa_handler = [](int signal) {
    if (interrupted != 0) LiveLines::EndBySignal(signal);
    interrupted = 1;
  };
  sigaction(SIGINT, &on_interrupt, nullptr);
}

void Complain(const std::string& message) {
  Lines().Erase();
  std::fprintf(stderr, "clamma-gen-multi: %s\n", message.c_str());
}

void OnLog(void*, const char* message) { Complain(message); }

[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

// Starts a session and its query for each. Returns false on failure; the log has the reason.
bool StartQueries(const Options& o, const txf* model, std::vector<Author>& authors) {
  clamma_txf_info_t info = options::MakeInfo(o.model);
  options::Apply(o.sampling, info);
  options::Apply(o.prompt, info);
  uint64_t seed = o.sampling.seed;
  if (seed == 0) seed = options::SeedFromClock();
  for (Author& author : authors) {
    author.seed = seed++;
    if (seed == 0) ++seed;  // 0 would mean "from the clock"
    info.rng_seed = author.seed;
    author.session = clamma_session_construct(model);
    if (author.session == nullptr || !author.generation.Start(author.session, info)) return false;
  }
  return true;
}

bool MakeFolder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error && !std::filesystem::is_directory(folder, error) && !error) {
    error = std::make_error_code(std::errc::not_a_directory);
  }
  if (error) Complain(folder + ": " + error.message());
  return !error;
}

// Closes the file, which is complete.
void Close(Author& author) {
  int error = author.generation.output->error();
  if (error == 0 && !author.generation.output->Write("\n"))
    error = author.generation.output->error();
  if (std::fclose(author.file.release()) != 0 && error == 0) error = errno;
  if (interrupted != 0 && error == EINTR) error = 0;  // an interrupted write is not a failure
  author.failed = error != 0 || author.generation.why() == CLAMMA_DONE_ERROR;
  if (error != 0) Complain(author.path + ": " + std::strerror(error));
}

bool SameFile(const std::string& a, const std::string& b) {
  std::error_code none_there;
  return std::filesystem::equivalent(a, b, none_there);
}

void OpenFiles(const Options& o, std::vector<Author>& authors) {
  for (size_t i = 0; i < authors.size(); ++i) {
    Author& author = authors[i];
    author.path = (std::filesystem::path(o.folder) / Format("out%zu.txt", i)).string();
    std::string reason = "is the model";
    if (!SameFile(author.path, o.model.checkpoint) && !SameFile(author.path, o.model.tokenizer)) {
      author.file.reset(OpenOutput(author.path, &reason));
    }
    if (author.file != nullptr) {
      author.generation.output.emplace(author.file.get());
      continue;
    }
    Complain(author.path + ": " + reason);
    author.failed = true;
    clamma_session_destroy(author.session);
    author.session = nullptr;
  }
}

size_t Tokens(const Author& author) {
  return author.session == nullptr ? 0 : author.generation.Facts().generated_tokens;
}

const char* State(const Author& author) {
  if (author.failed) return "failed";
  if (!author.generation.ended())
    return author.generation.started() ? "writing" : "reading the prompt";
  switch (author.generation.why()) {
    case CLAMMA_DONE_END_OF_TEXT:
      return "end of text";
    case CLAMMA_DONE_LIMIT:
      return "limit reached";
    case CLAMMA_DONE_CONTEXT_FULL:
      return "context full";
    default:
      return "interrupted";
  }
}

std::vector<std::string> Describe(const std::vector<Author>& authors) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < authors.size(); ++i) {
    const size_t tokens = Tokens(authors[i]);
    lines.push_back(Format("%3zu: %6zu tokens, %9.1f tok/s, %s", i, tokens,
                           authors[i].generation.Speed(tokens), State(authors[i])));
  }
  return lines;
}

// Steps until all queries have ended. Returns the elapsed seconds.
double Generate(const Options& o, std::vector<Author>& authors) {
  const Clock::time_point start = Clock::now();
  for (Author& author : authors) {
    if (author.session == nullptr || author.generation.output->Write(o.prompt.text.c_str()))
      continue;
    clamma_sessions_query_cancel(author.session);
  }
  while (clamma_sessions_step_next() != 0) {
    for (Author& author : authors) {
      if (author.file == nullptr) continue;
      author.generation.Watch();
      if (interrupted != 0) clamma_sessions_query_cancel(author.session);
      if (author.generation.ended()) Close(author);
    }
    if (Lines().Due()) Lines().Draw(Describe(authors));
  }
  const std::chrono::duration<double> time = Clock::now() - start;
  Lines().Draw(Describe(authors));
  Lines().Keep();
  return time.count();
}

// Prints the model, and a line for each session that writes.
void PrintStart(const Options& o, const std::string& desc, const std::vector<Author>& authors) {
  std::printf("%s\n", options::Banner(desc).c_str());
  for (size_t i = 0; i < authors.size(); ++i) {
    const Author& author = authors[i];
    if (author.session == nullptr) continue;
    const std::string what =
        options::DescribeSession(author.generation.Facts(), o.sampling, author.seed);
    std::printf("Session %zu: %s, in %s\n", i, what.c_str(), author.path.c_str());
  }
  std::fflush(stdout);
}

void PrintEnd(const std::vector<Author>& authors, double seconds) {
  size_t total = 0;
  for (size_t i = 0; i < authors.size(); ++i) {
    const size_t tokens = Tokens(authors[i]);
    total += tokens;
    std::printf("Session %zu: %zu tokens, tok/s: %.3f\n", i, tokens,
                authors[i].generation.Speed(tokens));
  }
  std::printf("Total: %zu tokens, tok/s: %.3f, %.3f s\n", total,
              seconds > 0 ? static_cast<double>(total) / seconds : 0, seconds);
}

int Run(int argc, char** argv) {
  Options o;
  if (const int code = Parse(argc, argv, o); code >= 0) return code;
  KeepStandardStreams();
  HandleSignals();
  CatchSecondInterrupt();

  std::string desc;
  const options::ModelPtr model = options::Open(o.model, OnLog, &desc);
  if (model == nullptr) return kExitSetup;  // OnLog() has printed the reason
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model.get(), &facts);
  if (o.count > facts.max_sessions) {
    Complain(Format("-c %u: this build of the library allows up to %u sessions", o.count,
                    facts.max_sessions));
    return kExitUsage;
  }
  std::vector<Author> authors(o.count);
  // The files are opened last, so that a refused query does not overwrite earlier texts.
  if (!StartQueries(o, model.get(), authors) || !MakeFolder(o.folder)) return kExitSetup;
  OpenFiles(o, authors);
  PrintStart(o, desc, authors);
  const double seconds = Generate(o, authors);
  PrintEnd(authors, seconds);
  const bool flushed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (!flushed) Complain("cannot write to stdout");
  if (interrupted != 0) return kExitInterrupted;
  for (const Author& author : authors) {
    if (author.failed) return kExitGeneration;
  }
  return flushed ? 0 : kExitGeneration;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "clamma-gen-multi: %s\n", e.what());
    return kExitSetup;
  }
}
