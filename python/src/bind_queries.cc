// SPDX-License-Identifier: MIT
// Request: what a query is to do. Query: what it has generated. Waker: wakes an event loop.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <vector>

#include "bind.h"

namespace nb = nanobind;

namespace clamma_python {
namespace {

// Defines an attribute for a member of Request::query.
template <auto kMember, typename Class>
void DefineOption(Class& type, const char* name) {
  using Value = std::remove_cvref_t<decltype(std::declval<Request>().query.*kMember)>;
  type.def_prop_rw(
      name, [](const Request& request) { return request.query.*kMember; },
      [](Request& request, Value value) { request.query.*kMember = std::move(value); },
      nb::arg("value").none());
}

void SetLogitBias(Request& request, const std::vector<std::pair<int, float>>& biases) {
  request.query.logit_bias.clear();
  for (const auto& [token, bias] : biases) request.query.logit_bias.push_back({token, bias});
}

void AddMessage(Request& request, std::string role, std::string content, std::string content_parts,
                std::string name, std::string reasoning, std::string tool_calls,
                std::string tool_call_id) {
  request.chat.messages.push_back({.role = std::move(role),
                                   .content = std::move(content),
                                   .content_parts = std::move(content_parts),
                                   .name = std::move(name),
                                   .reasoning = std::move(reasoning),
                                   .tool_calls = std::move(tool_calls),
                                   .tool_call_id = std::move(tool_call_id)});
}

void BindRequest(nb::module_& m) {
  nb::class_<Request> type(m, "Request");
  type.def(nb::init<>());
  DefineOption<&clamma::Query::prompt>(type, "prompt");
  DefineOption<&clamma::Query::system>(type, "system");
  DefineOption<&clamma::Query::limit>(type, "limit");
  DefineOption<&clamma::Query::temperature>(type, "temperature");
  DefineOption<&clamma::Query::topp>(type, "top_p");
  DefineOption<&clamma::Query::seed>(type, "seed");
  DefineOption<&clamma::Query::top_k>(type, "top_k");
  DefineOption<&clamma::Query::min_p>(type, "min_p");
  DefineOption<&clamma::Query::repetition_penalty>(type, "repetition_penalty");
  DefineOption<&clamma::Query::frequency_penalty>(type, "frequency_penalty");
  DefineOption<&clamma::Query::presence_penalty>(type, "presence_penalty");
  DefineOption<&clamma::Query::stop_strings>(type, "stop");
  DefineOption<&clamma::Query::stop_tokens>(type, "stop_tokens");
  DefineOption<&clamma::Query::top_logprobs>(type, "top_logprobs");
  DefineOption<&clamma::Query::grammar>(type, "grammar");
  DefineOption<&clamma::Query::regex>(type, "regex");
  DefineOption<&clamma::Query::json_schema>(type, "json_schema");
  DefineOption<&clamma::Query::json_schema_loose>(type, "json_schema_loose");
  DefineOption<&clamma::Query::grammar_trigger>(type, "grammar_trigger");
  DefineOption<&clamma::Query::grammar_repeats>(type, "grammar_repeats");
  DefineOption<&clamma::Query::prefix_salt>(type, "prefix_salt");
  DefineOption<&clamma::Query::draft_tokens>(type, "draft_tokens");
  type.def_rw("wants_logprobs", &Request::wants_logprobs);
  type.def_rw("wants_progress", &Request::wants_progress);
  type.def("set_logit_bias", &SetLogitBias);
  type.def("add_message", &AddMessage);
  type.def("set_chat", [](Request& request, std::string tools, std::string arguments) {
    request.is_chat = true;
    request.chat.tools = std::move(tools);
    request.chat.arguments = std::move(arguments);
  });
}

// A piece of text as str, a token as (id, logprob, [(id, logprob)...]), progress as (processed,
// total).
nb::object ToPython(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kText:
      return nb::str(event.text.data(), event.text.size());
    case Event::Kind::kToken:
      return nb::make_tuple(event.token, event.logprob, event.top);
    case Event::Kind::kProgress:
      break;
  }
  return nb::make_tuple(event.processed, event.total);
}

nb::list Take(const PyQuery& self) {
  nb::list events;
  for (const Event& event : self.get().Take()) events.append(ToPython(event));
  return events;
}

nb::dict EndOf(const PyQuery& self) {
  constexpr const char* kWhy[] = {"end_of_text", "limit",     "context_full",
                                  "stop_string", "cancelled", "error"};
  const End end = self.get().end();
  nb::dict facts;
  facts["why"] = kWhy[end.why];
  facts["reason"] = end.reason;
  facts["token_ids"] = end.tokens;
  facts["prompt_tokens"] = end.query.prompt_tokens;
  facts["cached_tokens"] = end.query.cached_tokens;
  facts["seed"] = end.session.rng_seed;
  facts["next_seed"] = end.session.rng_state;
  facts["waiting_seconds"] = end.query.waiting_seconds;
  facts["prompt_seconds"] = end.query.prompt_seconds;
  facts["generation_seconds"] = end.query.generation_seconds;
  facts["drafted_tokens"] = end.query.drafted_tokens;
  facts["accepted_tokens"] = end.query.accepted_tokens;
  return facts;
}

}  // namespace

void BindQueries(nb::module_& m) {
  BindRequest(m);
  nb::class_<Owned<Waker>>(m, "Waker")
      .def("__init__", [](Owned<Waker>* self) { new (self) Owned<Waker>(MakeShared<Waker>()); })
      .def_prop_ro("descriptor", [](const Owned<Waker>& self) { return self.get()->descriptor(); })
      .def("take", [](const Owned<Waker>& self) { return self.get()->Take(); });
  nb::class_<PyQuery>(m, "Query")
      .def("wait", [](const PyQuery& self) { self.get().Wait(); })
      .def("wait_for_end", [](const PyQuery& self) { self.get().WaitForEnd(); })
      .def("has_news", [](const PyQuery& self) { return self.get().HasNews(); })
      .def("ended", [](const PyQuery& self) { return self.get().ended(); })
      .def("take", &Take)
      .def("set_waker", [](const PyQuery& self, const Owned<Waker>& waker,
                           uint64_t id) { self.get().SetWaker(waker.get(), id); })
      .def("end", &EndOf)
      .def("cancel", [](const PyQuery& self) { self.get().Cancel(); });
}

}  // namespace clamma_python
