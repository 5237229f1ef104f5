// SPDX-License-Identifier: MIT
// Measures what drafts gain on tasks that quote or edit a text, and what they cost where nothing
// repeats: speculation_bench MODEL TEXTS [DRAFTS [REPEATS]]. TEXTS is the folder bench/texts.
//
// The answer to a task is forced, token by token, so that it is the same for every model. With
// drafts and without take turns; the figures are medians.
#include <clamma-extra.h>
#include <clamma.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct TxfDeleter {
  void operator()(txf* model) const { clamma_txf_destroy(model); }
};
struct SessionDeleter {
  void operator()(txf_session* session) const { clamma_session_destroy(session); }
};
using ModelPtr = std::unique_ptr<txf, TxfDeleter>;
using SessionPtr = std::unique_ptr<txf_session, SessionDeleter>;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "speculation_bench: cannot read %s\n", path.c_str());
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

// Splits a text at lines that are `mark`.
std::vector<std::string> Split(const std::string& text, const std::string& mark) {
  std::vector<std::string> parts;
  const std::string line = "\n" + mark + "\n";
  size_t begin = 0;
  for (size_t end = text.find(line); end != std::string::npos; end = text.find(line, begin)) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end + line.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Result {
  double tokens_per_second = 0;
  size_t generated = 0, drafted = 0, accepted = 0;
};

// Runs the same query on each of some sessions.
Result Run(const txf* model, const std::vector<clamma_txf_info_t>& queries) {
  std::vector<SessionPtr> sessions;
  for (const clamma_txf_info_t& query : queries) {
    sessions.emplace_back(clamma_session_construct(model));
    if (sessions.back() == nullptr || clamma_session_query(sessions.back().get(), &query) != 0) {
      std::exit(1);  // the library has said why
    }
  }
  const auto all = [&](auto get) {
    size_t sum = 0;
    for (const SessionPtr& session : sessions) {
      clamma_query_facts_t facts = {};
      clamma_query_facts(session.get(), &facts);
      sum += get(facts);
    }
    return sum;
  };
  const auto generated = [](const clamma_query_facts_t& facts) { return facts.generated_tokens; };
  // The time of the prompts does not count.
  while (all([](const auto& facts) { return facts.generated_tokens == 0 ? 1u : 0u; }) > 0) {
    if (clamma_sessions_step_next() == 0) break;
  }
  const size_t before = all(generated);
  const Clock::time_point begin = Clock::now();
  while (clamma_sessions_step_next() != 0) continue;
  const std::chrono::duration<double> taken = Clock::now() - begin;
  Result result;
  result.generated = all(generated);
  result.tokens_per_second = static_cast<double>(result.generated - before) / taken.count();
  result.drafted = all([](const auto& facts) { return facts.drafted_tokens; });
  result.accepted = all([](const auto& facts) { return facts.accepted_tokens; });
  return result;
}

struct Comparison {
  double plain = 0, drafted = 0, ratio = 0;
  Result last;
};

Comparison Compare(const txf* model, std::vector<clamma_txf_info_t> queries, unsigned drafts,
                   unsigned repeats) {
  std::vector<double> plain;
  std::vector<double> drafted;
  std::vector<double> ratios;
  Comparison comparison;
  for (unsigned i = 0; i < repeats; ++i) {
    for (clamma_txf_info_t& query : queries) query.draft_tokens = 0;
    plain.push_back(Run(model, queries).tokens_per_second);
    for (clamma_txf_info_t& query : queries) query.draft_tokens = drafts;
    comparison.last = Run(model, queries);
    drafted.push_back(comparison.last.tokens_per_second);
    ratios.push_back(drafted.back() / plain.back());
  }
  comparison.plain = Median(plain);
  comparison.drafted = Median(drafted);
  comparison.ratio = Median(ratios);
  return comparison;
}

void Print(const std::string& name, const Comparison& c) {
  std::printf("%-22s %8.1f %8.1f %6.2f %9zu %8zu %8zu\n", name.c_str(), c.plain, c.drafted, c.ratio,
              c.last.generated, c.last.drafted, c.last.accepted);
}

clamma_txf_info_t NewQuery(const std::string& prompt) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.prompt = prompt.c_str();
  info.rng_seed = 1;
  return info;
}

// A grammar that allows exactly the tokens of a text.
std::string Forcing(const txf* model, const std::string& text) {
  std::vector<tok_id_t> tokens(text.size() + 1);
  size_t count = 0;
  if (clamma_encode(model, text.data(), text.size(), 0, tokens.data(), tokens.size(), &count) !=
      0) {
    std::exit(1);
  }
  std::string grammar = "root ::=";
  for (size_t i = 0; i < count; ++i) grammar += " <[" + std::to_string(tokens[i]) + "]>";
  return grammar;
}

void Measure(const txf* model, const std::string& folder, unsigned drafts, unsigned repeats) {
  std::printf("%-22s %8s %8s %6s %9s %8s %8s\n", "", "plain", "drafts", "ratio", "generated",
              "drafted", "right");
  for (const char* name : {"rename", "typos", "quote", "json"}) {
    const std::vector<std::string> parts =
        Split(ReadFile(folder + "/" + name + ".txt"), "=== answer");
    const std::string prompt = parts.at(0) + "\n";
    const std::string grammar = Forcing(model, parts.at(1));
    clamma_txf_info_t query = NewQuery(prompt);
    query.grammar = grammar.c_str();
    Print(name, Compare(model, {query}, drafts, repeats));
  }
  const std::vector<std::string> prompts = Split(ReadFile(folder + "/plain.txt"), "=== text");
  std::vector<double> ratios;
  std::vector<clamma_txf_info_t> together;
  for (size_t i = 0; i < prompts.size(); ++i) {
    clamma_txf_info_t query = NewQuery(prompts[i]);
    query.limit = 160;
    query.temperature = 1;
    query.topp = 0.9f;
    query.rng_seed = i + 1;
    together.push_back(query);
    const Comparison comparison = Compare(model, {query}, drafts, repeats);
    ratios.push_back(comparison.ratio);
    Print("plain text " + std::to_string(i + 1), comparison);
  }
  std::printf("plain texts, one session: median ratio %.3f\n", Median(ratios));
  Print(std::to_string(together.size()) + " sessions", Compare(model, together, drafts, repeats));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: speculation_bench MODEL TEXTS [DRAFTS [REPEATS]]\n");
    return 2;
  }
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = argv[1];
  info.kv_type = CLAMMA_KV_AUTO;
  const ModelPtr model(clamma_txf_construct(&info));
  if (model == nullptr) return 1;
  const unsigned drafts = argc > 3 ? static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10)) : 10;
  const unsigned repeats = argc > 4 ? static_cast<unsigned>(std::strtoul(argv[4], nullptr, 10)) : 5;
  Measure(model.get(), argv[2], drafts, repeats);
  return 0;
}
