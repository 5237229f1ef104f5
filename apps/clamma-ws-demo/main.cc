// SPDX-License-Identifier: MIT
// clamma-ws-demo: a web page that chats with its visitors or, with a model that has no chat format,
// generates two stories for each of them at once. Where it is served goes to stdout, all else to
// stderr.
//
// Exit codes: 0 ended by SIGTERM or SIGINT, after draining; 1 the model or the server could not be
// set up; 2 the command line is wrong; 3 serving failed on the way.
#include <clamma-extra.h>
#include <clamma.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "admission_queue.h"
#include "chat_setup.h"
#include "command_line.h"
#include "generator.h"
#include "listener.h"
#include "log.h"
#include "messages.h"
#include "metrics.h"
#include "origins.h"
#include "process.h"
#include "server.h"
#include "standard_streams.h"
#include "waker.h"

namespace {

constexpr size_t kChatSteps = 512;  // the default for tokens of an answer

struct Options {
  options::Model model;
  options::Sampling sampling;
  bool stories = false;
  std::string address = "127.0.0.1";
  unsigned port = 7681;
  std::vector<std::string> origins;
  unsigned max_sessions = 0;
  size_t buffer = 65536;
  demo::Server::Limits limits;
};

// Values that differ between stories and a chat are those of stories until SetUpChat().
void DeclareModel(options::CommandLine& line, Options& o) {
  line.Add(o.model);
  options::AddTemplate(line, o.model);
  line.Add("-c,--context", o.model.context,
           "Most tokens of a text and its prompt, 0 = as many as the model was trained for")
      .WholeNumber()
      .ShowDefault();
  line.Add("--stories", o.stories, "Generate stories, even if the model has a chat format")
      .Excludes(line.Find("--template"));
  line.Add(o.sampling);
  line.Find("--temperature")
      .Describe("0 = always the likeliest token (in a chat: 0.7, or as the model's file says)");
  line.Find("--steps").Describe(
      "Most tokens of a story or (in a chat: 512) an answer, 0 = until the context is full");
}

void DeclareServer(options::CommandLine& line, Options& o) {
  line.Add("--port", o.port, "TCP port, 0 = any free port")
      .WholeNumber()
      .In(0, 65535)
      .ShowDefault();
  line.Add("--bind", o.address, "Address to listen on").ShowDefault();
  line.Add("--allow-origin", o.origins,
           "Further origin to serve, such as https://stories.example.org; may be repeated");
  line.Add("--max-sessions", o.max_sessions,
           "Most sessions, two per visitor, one in a chat, 0 = all")
      .WholeNumber()
      .ShowDefault();
  web::Declare(line, o.limits.connections);
  line.Add("--buffer", o.buffer, "Most bytes of text that wait for a slow visitor")
      .Size()
      .ShowDefault();
  line.Add("--idle", o.limits.idle, "Seconds that a visitor may stay without a request")
      .WholeNumber()
      .In(1, 86400)
      .ShowDefault();
  line.Add("--drain", o.limits.drain, "Seconds that texts may continue after a signal")
      .WholeNumber()
      .In(0, 3600)
      .ShowDefault();
}

void OnLog(void*, const char* message) { web::Log("", message); }

void Report(const std::string& reason) {
  std::fprintf(stderr, "clamma-ws-demo: %s\n", reason.c_str());
}

int Fail(const std::string& reason) {
  Report(reason);
  return options::kExitSetup;
}

// A chat if the model has a chat format or a template is given, else stories.
demo::Mode ChooseMode(const Options& o, const clamma_txf_facts_t& facts) {
  if (o.stories) return demo::Mode::kStories;
  const bool is_instruct = facts.chat_format != nullptr && std::string_view(facts.format) == "GGUF";
  return is_instruct || !o.model.chat_template.empty() ? demo::Mode::kChat : demo::Mode::kStories;
}

void SetUpChat(const txf* model, const clamma_txf_facts_t& facts, const options::CommandLine& line,
               options::Sampling& sampling) {
  if (!line.IsGiven("--steps")) sampling.steps = kChatSteps;
  if (!line.IsGiven("--temperature")) sampling.temperature = options::kChatTemperature;
  if (!line.IsGiven("--topp")) sampling.topp = options::kChatTopp;
  options::TakeModelSampling(model, line, &sampling);
  sampling.temperature = std::min(sampling.temperature, demo::kMaxTemperature);
  if (facts.chat_format_is_guessed != 0) {
    Report("the file has no chat template: using that of " + std::string(facts.chat_format) +
           ", which its vocabulary shows");
  }
}

demo::AdmissionQueue::Rules MakeRules(const Options& o, const clamma_txf_facts_t& facts,
                                      demo::Mode mode) {
  demo::AdmissionQueue::Rules rules;
  unsigned sessions = facts.max_sessions;
  if (o.max_sessions != 0) sessions = std::min(sessions, o.max_sessions);
  rules.seats = sessions / demo::StreamsOf(mode);
  rules.buffer = o.buffer;
  rules.defaults.mode = mode;
  rules.defaults.temperature = o.sampling.temperature;
  rules.defaults.topp = o.sampling.topp;
  rules.defaults.seed = o.sampling.seed;
  rules.defaults.max_length = o.sampling.steps;
  return rules;
}

int Serve(const Options& o, const demo::AdmissionQueue::Rules& rules, txf* model,
          web::Listener& listener, const web::Origins& origins) {
  web::Waker waker;
  demo::Metrics metrics;
  demo::Generator generator(model, o.sampling, metrics);
  demo::AdmissionQueue queue(generator, metrics, rules, [&waker] { waker.Wake(); });
  demo::Server server(queue, metrics, waker, origins, o.limits);
  int end_fd = -1;
  if (const std::string wrong = web::HandleSignals(false, &end_fd); !wrong.empty()) {
    return Fail(wrong);
  }
  const std::string url = listener.url();
  if (!server.Start(listener, end_fd)) return Fail("libwebsockets cannot be set up");
  std::fprintf(stderr, "%s\n", options::Banner(rules.model).c_str());
  std::printf("Serving %s/\n", url.c_str());
  if (std::fflush(stdout) != 0) Report("cannot write to stdout: serving " + url + "/");
  return server.Run() ? 0 : options::kExitGeneration;
}

int OpenAndServe(Options& o, const options::CommandLine& line, web::Listener& listener,
                 const web::Origins& origins) {
  std::string description;
  const options::ModelPtr model = options::Open(o.model, OnLog, &description);
  if (model == nullptr) return options::kExitSetup;  // the log has the reason
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model.get(), &facts);
  if (facts.context > facts.trained_context) {
    return Fail("the model was trained for a context of " + std::to_string(facts.trained_context));
  }
  if (facts.warning != nullptr) Report(facts.warning);
  const demo::Mode mode = ChooseMode(o, facts);
  if (mode == demo::Mode::kChat) SetUpChat(model.get(), facts, line, o.sampling);
  demo::AdmissionQueue::Rules rules = MakeRules(o, facts, mode);
  rules.model = description;
  rules.thinks =
      mode == demo::Mode::kChat && options::BeginsInThoughts(model.get(), o.model, nullptr);
  if (rules.seats == 0) return Fail("a visitor needs two sessions, but there is only one");
  return Serve(o, rules, model.get(), listener, origins);
}

// Returns "" or the reason of a failure.
std::string ReadOrigins(const std::vector<std::string>& texts, web::Origins& origins) {
  for (const std::string& text : texts) {
    if (const std::string wrong = origins.Add(text); !wrong.empty()) {
      return "--allow-origin: " + wrong;
    }
  }
  return "";
}

int Run(int argc, char** argv) {
  web::SetLog("clamma-ws-demo");
  Options o;
  options::CommandLine line(
      "clamma-ws-demo",
      "Serves a page that chats with its visitors or, with a model that has no chat format, "
      "generates two stories side by side for each of them.",
      "Files are looked for in the working directory, then in the model directory.\n"
      "Exit codes: 0 ended by SIGTERM or SIGINT, 1 set-up failed, 2 wrong command line,\n"
      "3 serving failed.");
  DeclareModel(line, o);
  DeclareServer(line, o);
  if (const int code = line.Parse(argc, argv); code >= 0) return code;
  KeepStandardStreams();
  web::Origins origins;
  std::string wrong = options::ReadTemplate(&o.model);
  if (wrong.empty()) wrong = ReadOrigins(o.origins, origins);
  if (!wrong.empty()) {
    Report(wrong);
    return options::kExitUsage;
  }
  if (!web::HaveDescriptors(o.limits.connections.total)) {
    return Fail("the system's limit of open files (ulimit -n) is too low for so many connections");
  }
  web::Listener listener;
  wrong = listener.Open(o.address, o.port);
  return wrong.empty() ? OpenAndServe(o, line, listener, origins) : Fail(wrong);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& e) {
    return Fail(e.what());
  }
}
