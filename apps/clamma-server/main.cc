// SPDX-License-Identifier: MIT
// clamma-server: an HTTP server with the OpenAI API, and a web page to chat on. Its address goes to
// stdout, all other output to stderr.
//
// Exit codes: 0 ended by SIGTERM or SIGINT, after draining; 1 a model or a socket could not be set
// up; 2 the command line is wrong; 3 serving failed later.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command_line.h"
#include "listener.h"
#include "loader.h"
#include "log.h"
#include "process.h"
#include "server.h"
#include "settings.h"
#include "site.h"
#include "standard_streams.h"
#include "tls.h"
#include "waker.h"

namespace {

using Listeners = std::vector<std::unique_ptr<web::Listener>>;

int Fail(const std::string& reason) {
  web::Report(reason);
  return options::kExitSetup;
}

// Opens the sockets, or takes those that systemd passes. Returns "" or the reason of a failure.
std::string OpenSockets(const server::Settings& o, Listeners* listeners) {
  const int inherited = web::CountInherited();
  for (int i = 0; i < inherited; ++i) {
    listeners->push_back(std::make_unique<web::Listener>());
    std::string wrong = listeners->back()->Inherit(web::kFirstInherited + i);
    if (!wrong.empty()) return wrong;
  }
  if (inherited > 0) return "";
  listeners->push_back(std::make_unique<web::Listener>());
  web::Listener& listener = *listeners->back();
  return o.unix_path.empty() ? listener.Open(o.host, o.port) : listener.OpenUnix(o.unix_path);
}

// The addresses to show, one a line.
std::vector<std::string> UrlsOf(const Listeners& listeners, bool is_tls) {
  std::vector<std::string> urls;
  for (const auto& listener : listeners) {
    std::string url = listener->url();
    if (is_tls && url.starts_with("http:")) url.insert(4, "s");
    if (url.starts_with("http")) url += "/";
    urls.push_back(std::move(url));
  }
  return urls;
}

// Serving, from the moment at which the sockets are open.
class Program {
 public:
  Program(const server::Settings& o, server::Site& site, std::vector<std::string> urls)
      : site_(site),
        urls_(std::move(urls)),
        certificate_(o.tls_certificate, o.tls_key),
        server_(site, waker_, certificate_, o.limits, [this] { return OnWake(); }) {
    site.ready = std::make_shared<server::ReadyList>([this] { waker_.Wake(); });
  }

  int Run(const server::Settings& o, std::vector<openai::Service::Model> models,
          Listeners& listeners) {
    if (certificate_.is_wanted()) {
      if (const std::string wrong = certificate_.Check(); !wrong.empty()) return Fail(wrong);
    }
    int signal_fd = -1;
    std::string wrong = web::HandleSignals(true, &signal_fd);
    if (wrong.empty()) wrong = server_.Start(listeners, signal_fd);
    if (!wrong.empty()) return Fail(wrong);
    openai::Service::Options service = o.service;
    service.log = [](std::string_view line) { web::Log("", line); };
    loader_ = std::make_unique<server::Loader>(std::move(models), std::move(service),
                                               [this] { waker_.Wake(); });
    const bool is_good = server_.Run();
    server_.Stop();
    // Loading cannot be stopped, and has nothing to lose.
    if (is_good && loader_->is_loading()) std::_Exit(0);
    loader_.reset();
    site_.service = nullptr;
    site_.left.clear();
    service_.reset();
    if (failed_) return options::kExitSetup;
    return is_good ? 0 : options::kExitGeneration;
  }

 private:
  // Takes the service when the models are loaded.
  bool OnWake() {
    if (site_.service != nullptr || loader_ == nullptr) return true;
    std::string reason;
    const auto state = loader_->Poll(&service_, &reason);
    if (state == server::Loader::State::kFailed) {
      failed_ = true;
      web::Report(reason);
      return false;
    }
    if (state == server::Loader::State::kLoading) return true;
    site_.service = service_.get();
    if (site_.draining) service_->Drain();
    for (const std::string& url : urls_) std::printf("Serving %s\n", url.c_str());
    if (std::fflush(stdout) != 0) web::Report("cannot write to stdout: serving " + urls_.front());
    return true;
  }

  server::Site& site_;
  const std::vector<std::string> urls_;
  web::Waker waker_;
  server::Certificate certificate_;
  server::Server server_;
  std::unique_ptr<openai::Service> service_;
  std::unique_ptr<server::Loader> loader_;
  bool failed_ = false;
};

int Serve(server::Settings& o, server::Site& site) {
  std::vector<openai::Service::Model> models;
  if (const std::string wrong = server::FindModels(o.models, &models); !wrong.empty()) {
    return Fail(wrong);
  }
  if (!web::HaveDescriptors(o.limits.connections.total)) {
    return Fail("the system's limit of open files (ulimit -n) is too low for --max-connections");
  }
  Listeners listeners;
  if (const std::string wrong = OpenSockets(o, &listeners); !wrong.empty()) return Fail(wrong);
  for (const auto& listener : listeners) {
    if (!listener->is_public() || !site.access.keys().empty() || o.no_auth) continue;
    web::Report("other machines can reach " + listener->url() +
                ": give keys (--key-file, CLAMMA_API_KEY), or --no-auth if everybody may use it");
    return options::kExitUsage;
  }
  site.limits.body_bytes = o.service.max_body_bytes;
  site.max_bodies = 16 * o.service.max_body_bytes;
  Program program(o, site, UrlsOf(listeners, !o.tls_certificate.empty()));
  return program.Run(o, std::move(models), listeners);
}

int Run(int argc, char** argv) {
  web::SetLog("clamma-server");
  server::Settings o;
  options::CommandLine line(
      "clamma-server", "Serves models through the OpenAI API, and a web page to chat with them.",
      "Files are looked for in the working directory, then in the model directory.\n"
      "Exit codes: 0 ended by SIGTERM or SIGINT, 1 set-up failed, 2 wrong command line,\n"
      "3 serving failed.");
  server::Declare(line, o);
  if (const int code = line.Parse(argc, argv); code >= 0) return code;
  KeepStandardStreams();
  using Form = server::RequestLog::Form;
  const Form form = o.log == "off" ? Form::kOff : o.log == "json" ? Form::kJson : Form::kText;
  if (form == Form::kJson) web::SetLog("clamma-server", web::LogForm::kJson);
  server::Site site(server::RequestLog(form, o.log_content));
  if (const std::string wrong = server::Complete(line, o, site.access); !wrong.empty()) {
    web::Report(wrong);
    return options::kExitUsage;
  }
  return Serve(o, site);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& e) {
    return Fail(e.what());
  }
}
