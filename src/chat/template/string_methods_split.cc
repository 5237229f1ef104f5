// SPDX-License-Identifier: MIT
// split(), rsplit(), splitlines(), partition() and rpartition() of texts.
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"

namespace clamma {
namespace {

// The bounds of pieces of a text, a growing array.
struct Pieces {
  Bump& bump;
  size_t* bounds = nullptr;  // begin, end, begin, end ...
  size_t n = 0;
  size_t capacity = 0;

  bool Add(size_t begin, size_t end) {
    if (n == capacity) {
      const size_t more = capacity == 0 ? 8 : 2 * capacity;
      auto* const grown = bump.New<size_t>(uint64_t{2} * more);
      if (grown == nullptr) return false;
      for (size_t i = 0; i < 2 * n; ++i) grown[i] = bounds[i];
      bounds = grown;
      capacity = more;
    }
    bounds[2 * n] = begin;
    bounds[2 * n + 1] = end;
    ++n;
    return true;
  }
};

// Whether str.splitlines() treats the character as the end of a line.
bool EndsLine(uint32_t c) {
  return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

bool Interpreter::PiecesToList(const Str& text, const size_t* pieces, size_t n, bool is_reversed,
                               Value* out) {
  List* const list = NewList(bump_, n);
  if (list == nullptr) return FailMemory();
  for (size_t i = 0; i < n; ++i) {
    const size_t* const piece = pieces + 2 * (is_reversed ? n - 1 - i : i);
    if (!NewTextPart(text, piece[0], piece[1], &list->items[i])) return false;
  }
  *out = Value::Of(Kind::kList, list);
  return Step(n);
}

bool Interpreter::SplitBy(const Str& text, const Str& separator, int64_t max, bool from_right,
                          Value* out) {
  if (separator.size == 0) return Fail("split(): the separator is empty");
  Pieces pieces{bump_};
  size_t from = 0;
  if (from_right && max >= 0) {  // find the separators from the right
    size_t end = text.size;
    for (size_t i = text.size; max > 0 && i >= separator.size; --i) {
      const std::string_view here(text.data + i - separator.size, separator.size);
      if (!Step(1 + separator.size / 64)) return false;
      if (here != separator.view()) continue;
      if (!pieces.Add(i, end)) return FailMemory();
      end = i - separator.size;
      i = end + 1;
      --max;
    }
    return (pieces.Add(0, end) || FailMemory()) &&
           PiecesToList(text, pieces.bounds, pieces.n, true, out);
  }
  for (; max != 0; --max) {
    size_t at = 0;
    bool found = false;
    if (!FindText(text.view(), separator.view(), from, &at, &found)) return false;
    if (!found) break;
    if (!pieces.Add(from, at)) return FailMemory();
    from = at + separator.size;
  }
  return (pieces.Add(from, text.size) || FailMemory()) &&
         PiecesToList(text, pieces.bounds, pieces.n, false, out);
}

// Splits at runs of white space; those at the ends are dropped.
bool Interpreter::SplitBySpace(const Str& text, int64_t max, bool from_right, Value* out) {
  const std::string_view view = text.view();
  Pieces pieces{bump_};
  if (!StepText(view.size())) return false;
  const auto skip = [&view](size_t i, bool spaces) {
    while (i < view.size()) {
      const Character c = CharacterAt(view, i);
      if (IsSpace(c.code_point) != spaces) break;
      i += c.length;
    }
    return i;
  };
  const auto skip_back = [&view](size_t i, bool spaces) {
    while (i > 0) {
      const Character c = CharacterBefore(view, i);
      if (IsSpace(c.code_point) != spaces) break;
      i -= c.length;
    }
    return i;
  };
  if (from_right) {
    for (size_t end = skip_back(view.size(), true); end > 0; --max) {
      const size_t begin = max == 0 ? 0 : skip_back(end, false);
      if (!pieces.Add(begin, end)) return FailMemory();
      end = max == 0 ? 0 : skip_back(begin, true);
    }
    return PiecesToList(text, pieces.bounds, pieces.n, true, out);
  }
  for (size_t begin = skip(0, true); begin < view.size(); --max) {
    const size_t end = max == 0 ? view.size() : skip(begin, false);
    if (!pieces.Add(begin, end)) return FailMemory();
    begin = max == 0 ? view.size() : skip(end, true);
  }
  return PiecesToList(text, pieces.bounds, pieces.n, false, out);
}

bool Interpreter::StringSplit(const Value& self, const Arguments& arguments, Value* out) {
  Value given[2];
  int64_t max = -1;
  if (!BindArguments(arguments, "split()", "?sep ?maxsplit", given)) return false;
  if (!IsUnset(given[1]) && !ToIndex(given[1], &max)) return false;
  if (IsUnset(given[0]) || given[0].Is(Kind::kNone)) {
    return SplitBySpace(*self.str, max, false, out);
  }
  if (!given[0].Is(Kind::kString)) return FailType("split(): a text is expected", given[0]);
  return SplitBy(*self.str, *given[0].str, max, false, out);
}

bool Interpreter::StringRightSplit(const Value& self, const Arguments& arguments, Value* out) {
  Value given[2];
  int64_t max = -1;
  if (!BindArguments(arguments, "rsplit()", "?sep ?maxsplit", given)) return false;
  if (!IsUnset(given[1]) && !ToIndex(given[1], &max)) return false;
  if (IsUnset(given[0]) || given[0].Is(Kind::kNone)) {
    return SplitBySpace(*self.str, max, true, out);
  }
  if (!given[0].Is(Kind::kString)) return FailType("rsplit(): a text is expected", given[0]);
  const auto all = static_cast<int64_t>(self.str->size) + 1;
  return SplitBy(*self.str, *given[0].str, max < 0 ? all : max, true, out);
}

bool Interpreter::StringSplitLines(const Value& self, const Arguments& arguments, Value* out) {
  Value given;
  bool keeps = false;
  if (!BindArguments(arguments, "splitlines()", "?keepends", &given)) return false;
  if (!IsUnset(given) && !Truth(given, &keeps)) return false;
  const std::string_view view = self.str->view();
  Pieces pieces{bump_};
  for (size_t begin = 0; begin < view.size();) {
    size_t end = begin, next = view.size();
    for (; end < view.size();) {
      const Character c = CharacterAt(view, end);
      if (EndsLine(c.code_point)) {
        const bool is_pair = c.code_point == '\r' && end + 1 < view.size() && view[end + 1] == '\n';
        next = end + c.length + (is_pair ? 1 : 0);
        break;
      }
      end += c.length;
    }
    if (!pieces.Add(begin, keeps ? next : end)) return FailMemory();
    begin = next;
  }
  return StepText(view.size()) && PiecesToList(*self.str, pieces.bounds, pieces.n, false, out);
}

bool Interpreter::PartitionAt(const Str& text, const Str& separator, size_t at, bool is_right,
                              Value* out) {
  List* const list = NewList(bump_, 3);
  if (list == nullptr) return FailMemory();
  const bool found = at <= text.size;
  const size_t left = found ? at : is_right ? 0 : text.size;
  const size_t right = found ? at + separator.size : left;
  if (!NewTextPart(text, 0, left, &list->items[0]) ||
      !NewTextPart(text, right, text.size, &list->items[2])) {
    return false;
  }
  *out = Value::Of(Kind::kTuple, list);
  if (found) {
    list->items[1] = Value::String(&separator);
    return true;
  }
  return NewTextCopy({}, &list->items[1]);
}

bool Interpreter::StringPartition(const Value& self, const Arguments& arguments, Value* out) {
  Value separator;
  size_t at = 0;
  bool found = false;
  if (!BindArguments(arguments, "partition()", "/sep", &separator)) return false;
  if (!separator.Is(Kind::kString)) return FailType("partition(): a text is expected", separator);
  if (separator.str->size == 0) return Fail("partition(): the separator is empty");
  if (!FindText(self.str->view(), separator.str->view(), 0, &at, &found)) return false;
  return PartitionAt(*self.str, *separator.str, found ? at : SIZE_MAX, false, out);
}

bool Interpreter::StringRightPartition(const Value& self, const Arguments& arguments, Value* out) {
  Value separator;
  if (!BindArguments(arguments, "rpartition()", "/sep", &separator)) return false;
  if (!separator.Is(Kind::kString)) return FailType("rpartition(): a text is expected", separator);
  if (separator.str->size == 0) return Fail("rpartition(): the separator is empty");
  size_t latest = SIZE_MAX;
  for (size_t from = 0;;) {
    size_t at = 0;
    bool found = false;
    if (!FindText(self.str->view(), separator.str->view(), from, &at, &found)) return false;
    if (!found) break;
    latest = at;
    from = at + 1;
  }
  return PartitionAt(*self.str, *separator.str, latest, true, out);
}

}  // namespace clamma
