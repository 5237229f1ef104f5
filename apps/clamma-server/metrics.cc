// SPDX-License-Identifier: MIT
#include "metrics.h"

#include <span>

#include "prometheus.h"

namespace server {
namespace {

using Histogram = openai::Service::Histogram;

void AddHistogram(web::MetricsText* text, std::string_view name, std::string_view help,
                  const Histogram& values) {
  text->Histogram(name, help, Histogram::kBuckets,
                  std::span(values.counts).first(Histogram::kBuckets.size()), values.count,
                  values.sum);
}

// A label's value: what the operator named the model, with the marks of the format escaped.
std::string Quoted(std::string_view value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + '"';
}

void AddModels(web::MetricsText* text, const openai::Service::Counts& counts) {
  const auto add = [&](std::string_view name, std::string_view type, std::string_view help,
                       uint64_t openai::Service::ModelCounts::*value) {
    text->Head(name, type, help);
    for (const openai::Service::ModelCounts& model : counts.models) {
      text->Value(std::string(name) + "{model=" + Quoted(model.id) + "}", model.*value);
    }
  };
  using Model = openai::Service::ModelCounts;
  add("model_bytes", "gauge", "Bytes of the model's file.", &Model::model_bytes);
  add("kv_bytes", "gauge", "Bytes of keys and values.", &Model::kv_bytes);
  add("kv_idle_bytes", "gauge", "Of those, bytes that only the prefix cache holds.",
      &Model::kv_idle_bytes);
  add("prefix_hits_total", "counter", "Prompts that began like an earlier one.",
      &Model::prefix_hits);
  add("prefix_tokens_saved_total", "counter", "Tokens of prompts that were not computed again.",
      &Model::prefix_tokens_saved);
}

void AddService(web::MetricsText* text, const openai::Service::Counts& counts) {
  text->Metric("requests_parsing", "gauge", "Requests that are being parsed and rendered.",
               uint64_t{counts.parsing});
  text->Metric("requests_waiting", "gauge", "Requests that wait for a session.",
               uint64_t{counts.waiting});
  text->Metric("texts_running", "gauge", "Texts that are being generated.",
               uint64_t{counts.running});
  text->Metric("sessions", "gauge", "Texts that can be generated at the same time.",
               uint64_t{counts.sessions});
  text->Metric("requests_cancelled_total", "counter", "Requests whose client left.",
               counts.cancelled);
  text->Metric("prompt_tokens_total", "counter", "Tokens of prompts.", counts.prompt_tokens);
  text->Metric("cached_tokens_total", "counter", "Of those, tokens from the prefix cache.",
               counts.cached_tokens);
  text->Metric("generated_tokens_total", "counter", "Tokens generated.", counts.generated_tokens);
  AddHistogram(text, "time_to_first_token_seconds", "Times from a request to its first token.",
               counts.first_token);
  AddHistogram(text, "time_between_tokens_seconds", "Times between the tokens of a text.",
               counts.between_tokens);
  AddModels(text, counts);
}

}  // namespace

void Metrics::AddRequest(std::string_view route, int status) { ++requests_[{route, status / 100}]; }

std::string Metrics::Text(const openai::Service::Counts* counts, uint64_t bodies) const {
  web::MetricsText text("clamma_server_");
  text.Metric("ready", "gauge", "Whether the models are loaded.",
              uint64_t{counts == nullptr ? 0U : 1U});
  text.Head("http_requests_total", "counter",
            "Requests by path and status; left: the client did not wait for the whole answer.");
  for (const auto& [key, count] : requests_) {
    const std::string status = key.second == 0 ? "left" : std::to_string(key.second) + "xx";
    text.Value(
        "http_requests_total{path=\"" + std::string(key.first) + "\",status=\"" + status + "\"}",
        count);
  }
  text.Metric("connections", "gauge", "Open connections.", connections_);
  text.Metric("body_bytes", "gauge", "Bytes of bodies that are being received.", bodies);
  text.Metric("connections_refused_total", "counter",
              "Connections that were refused because there were too many.", refused_connections_);
  text.Metric("slow_readers_total", "counter",
              "Answers that ended because their client did not fetch them.", slow_readers_);
  if (counts != nullptr) AddService(&text, *counts);
  return text.text();
}

}  // namespace server
