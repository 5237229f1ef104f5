// SPDX-License-Identifier: MIT
#include "receipt.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <utility>

#include "json.h"
#include "printable.h"
#include "sha256.h"

namespace receipt {
namespace {

constexpr uint64_t kFormat = 1;
constexpr size_t kMaxName = 255;
constexpr uint64_t kMaxContext = uint64_t{1} << 24;
constexpr char kSeal[] = R"(  "sha256": ")";  // before the checksum, which is of all before this

// --- Writing ---

// The double with the shortest decimal form of a float: 0.9, not 0.899999976.
double Shortest(float number) {
  char text[64];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), number);
  double shortest = 0;
  std::from_chars(text, end.ptr, shortest);
  return static_cast<float>(shortest) == number ? shortest : static_cast<double>(number);
}

Json TextOrNull(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

Json JsonOf(const File& file) {
  return Json::Object({{"name", file.name}, {"sha256", file.sha256}});
}

Json JsonOf(const Query& query) {
  if (query.sha256) return Json::Object({{"chat", query.chat}, {"sha256", *query.sha256}});
  return Json::Object({{"chat", query.chat},
                       {"system", TextOrNull(query.system)},
                       {"prompt", TextOrNull(query.prompt)}});
}

Json JsonOf(const Sampling& s) {
  return Json::Object({{"temperature", Shortest(s.temperature)},
                       {"top_p", Shortest(s.top_p)},
                       {"top_k", s.top_k},
                       {"min_p", Shortest(s.min_p)},
                       {"repetition_penalty", Shortest(s.repetition_penalty)},
                       {"frequency_penalty", Shortest(s.frequency_penalty)},
                       {"presence_penalty", Shortest(s.presence_penalty)}});
}

Json JsonOf(const std::vector<int32_t>& ids) {
  Json json = Json::Array();
  for (const int32_t id : ids) json.Add(static_cast<uint32_t>(id));
  return json;
}

Json::Field ModelField(const Receipt& r) {
  Json files = Json::Array();
  for (const File& file : r.model) files.Add(JsonOf(file));
  return {"model", files};
}

std::vector<Json::Field> FieldsOf(const Receipt& r) {
  Json hashes = Json::Array();
  for (const uint64_t hash : r.hashes) hashes.Add(Hex(hash));
  const std::optional<Template>& chat = r.chat_template;
  return {{"clamma_receipt", kFormat},
          {"library", r.library},
          {"sum_order", r.sum_order},
          {"date", r.date},
          ModelField(r),
          {"vocabulary", r.vocabulary ? JsonOf(*r.vocabulary) : Json()},
          {"pre_tokenizer", r.pre_tokenizer.empty() ? Json() : Json(r.pre_tokenizer)},
          {"kv", r.kv},
          {"context", r.context},
          {"template",
           chat ? Json::Object({{"format", chat->format}, {"sha256", chat->sha256}}) : Json()},
          {"query", JsonOf(r.query)},
          {"sampling", JsonOf(r.sampling)},
          {"seed", r.seed},
          {"prompt_ids", r.query.sha256 ? Json() : JsonOf(r.prompt_ids)},
          {"ids", JsonOf(r.ids)},
          {"hashes", hashes}};
}

// All but the checksum, one field a line. Returns nothing if a text is not UTF-8.
std::optional<std::string> Body(const Receipt& r) {
  std::string text = "{\n";
  for (const Json::Field& field : FieldsOf(r)) {
    const std::optional<std::string> value = field.value.Exact();
    if (!value) return std::nullopt;
    text += "  \"" + field.name + "\": " + *value + ",\n";
  }
  return text;
}

std::string Sha256Of(std::string_view text) {
  Sha256 sum;
  sum.Add(text.data(), text.size());
  return sum.Hex();
}

// --- Reading ---

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Reads fields, and keeps the first reason for a refusal.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  std::string Run(Receipt* r);

 private:
  bool Fail(const std::string& name, const char* what) {
    if (wrong_.empty()) wrong_ = name + ": " + what;
    return false;
  }
  // The field of an object; a null, with a reason, if it is missing.
  const Json& Get(const Json& object, const std::string& name);
  // Refuses fields of other names.
  void Only(const Json& object, std::initializer_list<std::string_view> names,
            const std::string& of);
  uint64_t Whole(const Json& object, const std::string& name, uint64_t min, uint64_t max);
  float Number(const Json& object, const std::string& name, float min, float max);
  std::string Text(const Json& object, const std::string& name, size_t max);
  std::optional<std::string> TextOrNull(const Json& object, const std::string& name);
  std::string Digits(const Json& object, const std::string& name);
  File ReadFile(const Json& json, const std::string& name);
  std::vector<int32_t> Ids(const std::string& name);
  void ReadOrigin(Receipt* r);
  void ReadQuery(Query* query);
  void ReadSampling(Sampling* s);
  void ReadTokens(Receipt* r);

  const Json& json_;
  const Json null_;
  std::string wrong_;
};

const Json& Reader::Get(const Json& object, const std::string& name) {
  const Json* found = object.Find(name);
  if (found == nullptr) Fail(name, "is missing");
  return found == nullptr ? null_ : *found;
}

void Reader::Only(const Json& object, std::initializer_list<std::string_view> names,
                  const std::string& of) {
  for (const Json::Field& field : object.fields()) {
    if (std::find(names.begin(), names.end(), field.name) != names.end()) continue;
    Fail(of + Printable(field.name, 40), "is not a field of a receipt");
  }
}

uint64_t Reader::Whole(const Json& object, const std::string& name, uint64_t min, uint64_t max) {
  const Json& json = Get(object, name);
  const bool good = json.is_whole() && json.whole() >= min && json.whole() <= max;
  if (!good) Fail(name, "is not a number in the allowed range");
  return good ? json.whole() : min;
}

float Reader::Number(const Json& object, const std::string& name, float min, float max) {
  const Json& json = Get(object, name);
  const bool good = json.is_number() && json.number() >= static_cast<double>(min) &&
                    json.number() <= static_cast<double>(max);
  if (!good) Fail(name, "is not a number in the allowed range");
  return good ? static_cast<float>(json.number()) : min;
}

std::string Reader::Text(const Json& object, const std::string& name, size_t max) {
  const Json& json = Get(object, name);
  const bool good = json.is_text() && !json.text().empty() && json.text().size() <= max &&
                    Printable(json.text()) == json.text();
  if (!good) Fail(name, "is not a printable text of the allowed length");
  return good ? json.text() : "";
}

std::optional<std::string> Reader::TextOrNull(const Json& object, const std::string& name) {
  const Json& json = Get(object, name);
  if (json.is_null()) return std::nullopt;
  if (!json.is_text()) Fail(name, "is not a text");
  if (json.text().find('\0') != std::string::npos) Fail(name, "has a NUL byte in it");
  return json.text();
}

std::string Reader::Digits(const Json& object, const std::string& name) {
  const Json& json = Get(object, name);
  if (!json.is_text() || !IsHex(json.text(), 64)) Fail(name, "is not a SHA-256");
  return json.text();
}

File Reader::ReadFile(const Json& json, const std::string& name) {
  Only(json, {"name", "sha256"}, name + ".");
  File file = {Text(json, "name", kMaxName), Digits(json, "sha256")};
  if (file.name.find('/') != std::string::npos || file.name == "." || file.name == "..") {
    Fail(name, "is not the name of a file");
  }
  return file;
}

std::vector<int32_t> Reader::Ids(const std::string& name) {
  std::vector<int32_t> ids;
  const Json& json = Get(json_, name);
  if (!json.is_array()) Fail(name, "is not an array");
  for (const Json& item : json.items()) {
    if (!item.is_whole() || item.whole() > INT32_MAX) {
      Fail(name, "has an item that is not the id of a token");
      break;
    }
    ids.push_back(static_cast<int32_t>(item.whole()));
  }
  return ids;
}

void Reader::ReadOrigin(Receipt* r) {
  r->library = Text(json_, "library", 32);
  r->sum_order = static_cast<uint32_t>(Whole(json_, "sum_order", 1, UINT32_MAX));
  r->date = Text(json_, "date", 32);
  if (const std::string wrong = CheckDate(r->date); !wrong.empty()) Fail("date", wrong.c_str());
  const Json& model = Get(json_, "model");
  if (!model.is_array() || model.items().empty()) Fail("model", "is not a list of files");
  for (const Json& file : model.items()) r->model.push_back(ReadFile(file, "model"));
  if (const Json& json = Get(json_, "vocabulary"); !json.is_null()) {
    r->vocabulary = ReadFile(json, "vocabulary");
  }
  if (!Get(json_, "pre_tokenizer").is_null()) {
    r->pre_tokenizer = Text(json_, "pre_tokenizer", kMaxName);
  }
  r->kv = Text(json_, "kv", 8);
  if (r->kv != "f32" && r->kv != "f16" && r->kv != "q8") Fail("kv", "is none of f32, f16, q8");
  r->context = static_cast<uint32_t>(Whole(json_, "context", 1, kMaxContext));
  if (const Json& json = Get(json_, "template"); !json.is_null()) {
    Only(json, {"format", "sha256"}, "template.");
    r->chat_template = {Text(json, "format", kMaxName), Digits(json, "sha256")};
  }
}

void Reader::ReadQuery(Query* query) {
  const Json& json = Get(json_, "query");
  const Json& chat = Get(json, "chat");
  if (chat.kind() != Json::Kind::kBool) Fail("query.chat", "is neither true nor false");
  query->chat = chat.boolean();
  if (json.Find("sha256") != nullptr) {
    Only(json, {"chat", "sha256"}, "query.");
    query->sha256 = Digits(json, "sha256");
    return;
  }
  Only(json, {"chat", "system", "prompt"}, "query.");
  query->system = TextOrNull(json, "system");
  query->prompt = TextOrNull(json, "prompt");
}

void Reader::ReadSampling(Sampling* s) {
  constexpr float kMax = 3.0e38f;
  const Json& json = Get(json_, "sampling");
  Only(json,
       {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "frequency_penalty",
        "presence_penalty"},
       "sampling.");
  s->temperature = Number(json, "temperature", 0, kMax);
  s->top_p = Number(json, "top_p", 0, 1);
  s->top_k = static_cast<uint32_t>(Whole(json, "top_k", 0, UINT32_MAX));
  s->min_p = Number(json, "min_p", 0, 1);
  s->repetition_penalty = Number(json, "repetition_penalty", 0, kMax);
  s->frequency_penalty = Number(json, "frequency_penalty", -kMax, kMax);
  s->presence_penalty = Number(json, "presence_penalty", -kMax, kMax);
}

void Reader::ReadTokens(Receipt* r) {
  if (!r->query.sha256) {
    r->prompt_ids = Ids("prompt_ids");
    if (r->prompt_ids.empty()) Fail("prompt_ids", "is empty");
  } else if (!Get(json_, "prompt_ids").is_null()) {
    Fail("prompt_ids", "is given, though the prompt is only a hash");
  }
  r->ids = Ids("ids");
  const Json& hashes = Get(json_, "hashes");
  if (!hashes.is_array() || hashes.items().size() != r->ids.size()) {
    Fail("hashes", "must be as many as ids");
  }
  for (const Json& item : hashes.items()) {
    if (!item.is_text() || !IsHex(item.text(), 16)) {
      Fail("hashes", "has an item that is not a hash of 16 digits");
      break;
    }
    uint64_t hash = 0;
    std::from_chars(item.text().data(), item.text().data() + item.text().size(), hash, 16);
    r->hashes.push_back(hash);
  }
}

std::string Reader::Run(Receipt* r) {
  Only(json_,
       {"clamma_receipt", "library", "sum_order", "date", "model", "vocabulary", "pre_tokenizer",
        "kv", "context", "template", "query", "sampling", "seed", "prompt_ids", "ids", "hashes",
        "sha256"},
       "");
  if (Get(json_, "clamma_receipt").whole() != kFormat) {
    Fail("clamma_receipt", "is not a version that this program knows");
  }
  ReadOrigin(r);
  ReadQuery(&r->query);
  if (r->query.chat != r->chat_template.has_value()) {
    Fail("template", "belongs to a chat, and only to a chat");
  }
  ReadSampling(&r->sampling);
  r->seed = Whole(json_, "seed", 1, UINT64_MAX);
  ReadTokens(r);
  Digits(json_, "sha256");
  return wrong_;
}

}  // namespace

std::string Hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(number));
  return text;
}

// The length of each text goes before it; that of an absent one is 2^64-1.
std::string Query::Hash() const {
  Sha256 sum;
  sum.Add(chat ? "chat" : "text", 4);
  for (const std::optional<std::string>* text : {&system, &prompt}) {
    const uint64_t size = *text ? (*text)->size() : UINT64_MAX;
    for (unsigned shift = 0; shift < 64; shift += 8) {
      const auto byte = static_cast<uint8_t>(size >> shift);
      sum.Add(&byte, 1);
    }
    if (*text) sum.Add((*text)->data(), (*text)->size());
  }
  return sum.Hex();
}

std::string Write(const Receipt& receipt, std::string* text) {
  if (receipt.ids.size() + receipt.prompt_ids.size() / 2 > kMaxTokens) {
    return "a receipt cannot have so many tokens";
  }
  const std::optional<std::string> body = Body(receipt);
  if (!body) return "the prompt is not UTF-8: a receipt can contain only its hash";
  *text = *body + kSeal + Sha256Of(*body) + "\"\n}\n";
  return text->size() > kMaxBytes
             ? "the receipt would be too long: it can contain only the prompt's hash"
             : "";
}

std::string Read(std::string_view text, Receipt* receipt) {
  if (text.size() > kMaxBytes) return "is too long for a receipt";
  const std::optional<Json> json = Json::Parse(text, kMaxValues);
  if (!json || !json->is_object()) return "is not a receipt: it is not a JSON object, or too large";
  *receipt = {};
  if (std::string wrong = Reader(*json).Run(receipt); !wrong.empty()) return wrong;
  const std::optional<std::string> body = Body(*receipt);
  if (!body) return "has a text that is not UTF-8";
  const std::string& checksum = json->Find("sha256")->text();
  if (text != *body + kSeal + checksum + "\"\n}\n") {
    return "is not written as receipts are: a field is repeated, or has another form";
  }
  receipt->checksum_holds = checksum == Sha256Of(*body);
  return "";
}

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  char text[32] = "";
  if (gmtime_r(&now, &utc) != nullptr) {
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  }
  return text;
}

std::string CheckDate(const std::string& date) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  const char* const wrong = "is not a date such as 2026-12-01T06:00:00Z";
  if (date.size() != kForm.size()) return wrong;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool is_digit = date[i] >= '0' && date[i] <= '9';
    if (kForm[i] == '0' ? !is_digit : date[i] != kForm[i]) return wrong;
  }
  const auto in = [&](size_t at, int min, int max) {
    const int number = (date[at] - '0') * 10 + (date[at + 1] - '0');
    return number >= min && number <= max;
  };
  const bool good = in(5, 1, 12) && in(8, 1, 31) && in(11, 0, 23) && in(14, 0, 59) && in(17, 0, 60);
  return good ? "" : wrong;
}

}  // namespace receipt
