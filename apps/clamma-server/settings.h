// SPDX-License-Identifier: MIT
// What the command line and the configuration file say.
#ifndef CLAMMA_SERVER_SETTINGS_H_
#define CLAMMA_SERVER_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "command_line.h"
#include "keys.h"
#include "openai/service.h"
#include "server.h"
#include "site.h"

namespace server {

struct Settings {
  std::vector<std::string> models;  // NAME=PATH or PATH
  openai::Service::Options service;
  std::string kv = "auto";
  std::string date, shared_prefix;

  std::string host = "127.0.0.1";
  unsigned port = 8080;
  std::string unix_path;
  std::string tls_certificate, tls_key;
  std::vector<std::string> origins, cors;

  std::string key_file;
  KeyLimits key_limits;
  bool no_auth = false;

  Server::Limits limits;
  std::string log = "text";
  bool log_content = false;
};

void Declare(options::CommandLine& line, Settings& o);

// Completes settings after the command line has been parsed; reads keys and CLAMMA_API_KEY. Returns
// "" or what is wrong.
std::string Complete(const options::CommandLine& line, Settings& o, Access& access);

// Finds the models; the default one if none is named. Returns "" or the reason of a failure.
std::string FindModels(const std::vector<std::string>& names,
                       std::vector<openai::Service::Model>* models);

}  // namespace server

#endif  // CLAMMA_SERVER_SETTINGS_H_
