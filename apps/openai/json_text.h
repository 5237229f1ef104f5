// SPDX-License-Identifier: MIT
// Writes JSON by hand: answers are written token by token, so this must be cheap.
#ifndef CLAMMA_APPS_OPENAI_JSON_TEXT_H_
#define CLAMMA_APPS_OPENAI_JSON_TEXT_H_

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace openai {

// Append `text` between quotation marks, or without them. Bytes that are not UTF-8 become U+FFFD.
void AppendQuoted(std::string_view text, std::string* out);
void AppendEscaped(std::string_view text, std::string* out);

// Appends the shortest decimal that is this number again; what is not finite becomes null.
void AppendNumber(double number, std::string* out);
void AppendNumber(float number, std::string* out);

// Returns the length of the UTF-8 character that begins `text`, 0 if none does.
size_t CharacterAt(std::string_view text);
bool IsUtf8(std::string_view text);
size_t CountCharacters(std::string_view text);

// Writes an object or a list member by member:
//   JsonWriter w; w.Open('{'); w.Text("id", id); w.Open("list", '['); ... w.Close(); w.Close();
class JsonWriter {
 public:
  JsonWriter& Open(char bracket) { return Begin(bracket); }
  JsonWriter& Open(std::string_view name, char bracket) {
    Name(name);
    return Begin(bracket);
  }
  JsonWriter& Close() {
    out_ += closing_.back();
    closing_.pop_back();
    is_first_ = false;
    return *this;
  }

  JsonWriter& Text(std::string_view name, std::string_view text) {
    Name(name);
    AppendQuoted(text, &out_);
    return *this;
  }
  JsonWriter& Bool(std::string_view name, bool value) {
    return Raw(name, value ? "true" : "false");
  }
  JsonWriter& Null(std::string_view name) { return Raw(name, "null"); }
  template <std::integral T>
  JsonWriter& Number(std::string_view name, T number) {
    return Raw(name, std::to_string(number));
  }
  template <std::floating_point T>
  JsonWriter& Number(std::string_view name, T number) {
    Name(name);
    AppendNumber(number, &out_);
    return *this;
  }
  // A value that is JSON already.
  JsonWriter& Raw(std::string_view name, std::string_view json) {
    Name(name);
    out_ += json;
    return *this;
  }
  // Items of a list.
  JsonWriter& Item(std::string_view text) {
    Comma();
    AppendQuoted(text, &out_);
    return *this;
  }
  template <std::integral T>
  JsonWriter& Item(T number) {
    return RawItem(std::to_string(number));
  }
  JsonWriter& RawItem(std::string_view json) {
    Comma();
    out_ += json;
    return *this;
  }
  JsonWriter& OpenItem(char bracket) {
    Comma();
    return Begin(bracket);
  }

  const std::string& text() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  void Comma() {
    if (!is_first_) out_ += ',';
    is_first_ = false;
  }
  void Name(std::string_view name) {
    Comma();
    AppendQuoted(name, &out_);
    out_ += ':';
  }
  JsonWriter& Begin(char bracket) {
    out_ += bracket;
    closing_ += bracket == '{' ? '}' : ']';
    is_first_ = true;
    return *this;
  }

  std::string out_;
  std::string closing_;
  bool is_first_ = true;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_JSON_TEXT_H_
