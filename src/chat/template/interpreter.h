// SPDX-License-Identifier: MIT
// Renders a syntax tree. Each object renders once.
//
// A function that returns bool returns false on failure, with the reason in status_; its other
// results are then undefined.
#ifndef CLAMMA_CHAT_TEMPLATE_INTERPRETER_H_
#define CLAMMA_CHAT_TEMPLATE_INTERPRETER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/chat_template.h"
#include "chat/template/bump.h"
#include "chat/template/node.h"
#include "chat/template/text_builder.h"
#include "chat/template/value.h"

namespace clamma {

struct Binding {
  const Str* name;  // equal names are the same Str
  Value value;
  Binding* next;
};

struct Scope {
  Scope* parent;
  Binding* first;
};

struct Macro {
  const TemplateNode* node;  // a kMacro; without a name if it belongs to a call block
  Scope* scope;              // where it was defined
};

// A running for loop. It takes elements one by one, because the condition may depend on the effects
// of the body.
struct Loop {
  const TemplateNode* node;
  Scope* outer;
  const Value* items;
  size_t n_items;
  size_t next;       // index of the next item to examine
  bool is_filtered;  // elements for which the condition is false are skipped
  bool has_after;    // the next element is known: it is `after`, unless at_end
  bool at_end;
  Value after;
  int64_t index0;
  int64_t length;  // negative: not known yet
  Value previous, current;
  const Value* changed;  // the arguments of the last changed()
  size_t n_changed;
};

struct Cycler {
  List* items;
  size_t at;
};

struct Joiner {
  Value separator;
  bool is_used;
};

struct Arguments {
  Value* values;
  size_t n;
  const Str** names;  // of the keywords
  Value* keywords;
  size_t n_keywords;
};

class Interpreter;
using MethodFunction = bool (Interpreter::*)(const Value& self, const Arguments& arguments,
                                             Value* out);
struct Method {
  Value self;
  MethodFunction call;
};

// The parsed specification of a %-format or a {}-format.
struct FormatSpec {
  char fill;
  char align;  // '<', '>', '^', '=' or 0
  bool plus, space, alternate, zero;
  int64_t width;
  int64_t precision;  // negative: none
  char type;          // 0: none
};

class Interpreter {
 public:
  Interpreter(Bump& bump, std::string_view source, const RenderOptions& options,
              const Value& context)
      : bump_(bump),
        source_(source),
        options_(options),
        context_(context),
        output_(bump, options.limits.max_output),
        out_(&output_) {}

  bool Run(const TemplateNode* root);
  const TextBuilder& output() const { return output_; }
  const Status& status() const { return status_; }
  bool was_raised() const { return was_raised_; }

 private:
  enum class Flow : uint8_t { kFailed, kNext, kBreak, kContinue };

  // --- interpreter.cc
  CLAMMA_PRINTF_LIKE(2, 3) bool Fail(const char* format, ...);
  bool FailMemory();
  bool FailBuilder(const TextBuilder& text);
  bool FailUndefined(const Value& value);
  bool FailType(const char* what, const Value& value);
  bool Step(uint64_t n = 1);
  bool StepText(size_t bytes) { return Step(bytes / 64 + 1); }
  bool Enter(const TemplateNode* node);
  Scope* NewScope(Scope* parent);
  bool Bind(Scope* scope, const Str* name, const Value& value);
  bool Resolve(const Str* name, Value* out);
  bool NewMissing(std::string_view name, Missing::Reason reason, Kind owner, Value* out);

  // --- statements.cc
  Flow Execute(const TemplateNode* first);
  Flow ExecuteOne(const TemplateNode* node);
  Flow ExecuteIf(const TemplateNode* node);
  Flow ExecuteFor(const TemplateNode* node);
  Flow ExecuteBody(const TemplateNode* first, Scope* scope);
  bool ExecutePrint(const TemplateNode* node);
  bool ExecuteSet(const TemplateNode* node);
  Flow ExecuteCapture(const TemplateNode* node);
  bool ExecuteCallBlock(const TemplateNode* node);
  Flow ExecuteWith(const TemplateNode* node);
  bool ExecuteMacro(const TemplateNode* node);
  bool Assign(const TemplateNode* target, const Value& value);
  bool AssignNamespace(const TemplateNode* target, const Value& value);
  bool PrintValue(const Value& value);
  bool StartLoop(const TemplateNode* node, Loop** loop);
  bool Advance(Loop* loop, Value* item, bool* has_item);
  bool LookAhead(Loop* loop);
  bool FindNext(Loop* loop, Value* item, bool* has_item);
  bool LoopLength(Loop* loop, int64_t* length);
  bool LoopAttribute(Loop* loop, std::string_view name, Value* out, bool* found);
  bool LoopCycle(const Value& self, const Arguments& arguments, Value* out);
  bool LoopChanged(const Value& self, const Arguments& arguments, Value* out);
  bool CallMacro(const Macro& macro, const Arguments& arguments, Value* out);
  bool BindParameters(const Macro& macro, const Arguments& arguments, Scope* scope);
  bool BindSpecials(const Macro& macro, const Arguments& arguments, size_t n_parameters,
                    const bool* used, Scope* scope);
  bool NewMacro(const TemplateNode* node, Value* out);

  // --- expressions.cc
  bool Eval(const TemplateNode* node, Value* out);
  bool EvalNode(const TemplateNode* node, Value* out);
  bool EvalItems(const TemplateNode* node, Kind kind, Value* out);
  bool EvalDict(const TemplateNode* node, Value* out);
  bool EvalLogic(const TemplateNode* node, Value* out);
  bool EvalCompare(const TemplateNode* node, Value* out);
  bool EvalMath(const TemplateNode* node, Value* out);
  bool EvalConcat(const TemplateNode* node, Value* out);
  bool EvalSign(const TemplateNode* node, Value* out);
  bool EvalConditional(const TemplateNode* node, Value* out);
  bool EvalChain(const TemplateNode* node, Value* out);
  bool ApplyLink(const TemplateNode* link, Value* value);
  bool ApplySlice(const TemplateNode* link, Value* value);
  bool ApplyCall(const TemplateNode* link, Value* value);
  bool ApplyFilterNode(const TemplateNode* link, Value* value);
  bool ApplyTestNode(const TemplateNode* link, Value* value);
  bool EvalArguments(const TemplateNode* first, Arguments* out);
  bool ExpandArguments(const TemplateNode* first, const Value* evaluated, Arguments* out);
  bool AddKeywords(const Value& value, Arguments* out);
  bool CompareBy(const TemplateNode* operand, const Value& a, const Value& b, bool* result);

  // --- operators.cc
  bool Truth(const Value& value, bool* result);
  bool TestEqual(const Value& a, const Value& b, bool* result);
  bool IsKey(const Value& value, bool* result);  // whether it can be a key of a dict
  bool CheckKey(const Value& value);
  bool Order(const Value& a, const Value& b, int* order, unsigned depth = 0);  // 2: NaN, no order
  bool Contains(const Value& container, const Value& item, bool* result);
  bool FindText(std::string_view text, std::string_view part, size_t from, size_t* at, bool* found);
  bool Items(const Value& value, const Value** items, size_t* n);
  bool CharactersOf(const Str& text, const Value** items, size_t* n);
  bool Length(const Value& value, int64_t* length);
  bool Add(const Value& a, const Value& b, Value* out);
  bool AddStrings(const Str& a, const Str& b, Value* out);
  bool Arithmetic(TokenKind op, const Value& a, const Value& b, Value* out);
  bool IntArithmetic(TokenKind op, int64_t a, int64_t b, Value* out);
  bool FloatArithmetic(TokenKind op, double a, double b, Value* out);
  bool Power(const Value& a, const Value& b, Value* out);
  bool Repeat(const Value& a, int64_t n, Value* out);
  bool GetAttribute(const Value& object, const Str& name, Value* out);
  bool FindAttribute(const Value& object, std::string_view name, Value* out, bool* found);
  bool GetElement(const Value& object, const Value& index, Value* out);
  bool ElementAt(const Value& object, int64_t index, Value* out, bool* found);
  bool Slice(const Value& object, const Value& start, const Value& stop, const Value& step,
             Value* out);
  bool SliceText(const Str& text, int64_t first, int64_t step, int64_t n, Value* out);
  bool IsPlainPath(const Value& path);
  bool GetPath(const Value& object, const Value& path, Value* out);  // such as "a.b.0"

  // --- functions.cc
  bool Call(const Value& callee, const Arguments& arguments, Value* out);
  bool CallFunction(uint8_t which, const Arguments& arguments, Value* out);
  bool CallRange(const Arguments& arguments, Value* out);
  bool CallDict(Kind kind, const Arguments& arguments, Value* out);
  bool CallStrftime(const Arguments& arguments, Value* out);
  bool CallCycler(const Arguments& arguments, Value* out);
  bool CyclerNext(const Value& self, const Arguments& arguments, Value* out);
  bool CyclerReset(const Value& self, const Arguments& arguments, Value* out);
  bool CallJoiner(Joiner* joiner, const Arguments& arguments, Value* out);
  bool UpdateDict(Dict* dict, const Value& value);
  // Binds arguments to a signature: names separated by spaces. A '?' before a name makes it
  // optional; a missing one IsUnset(). A '/' at the front makes all arguments positional only.
  bool BindArguments(const Arguments& arguments, const char* function, const char* signature,
                     Value* out);
  static bool IsUnset(const Value& value);
  bool NewMethod(const Value& self, MethodFunction call, Value* out);
  bool ToIndex(const Value& value, int64_t* index);  // an int, or a bool
  bool NewText(TextBuilder* text, Value* out);
  bool NewTextPart(const Str& text, size_t begin, size_t end, Value* out);
  bool NewTextCopy(std::string_view text, Value* out);

  // --- dict_methods.cc: methods of dicts, lists and tuples
  bool FindDictMethod(const Value& object, std::string_view name, Value* out, bool* found);
  bool FindListMethod(const Value& object, std::string_view name, Value* out, bool* found);
  bool DictGet(const Value& self, const Arguments& arguments, Value* out);
  bool DictView(const Value& self, const Arguments& arguments, uint8_t part, Value* out);
  bool DictKeys(const Value& self, const Arguments& arguments, Value* out);
  bool DictValues(const Value& self, const Arguments& arguments, Value* out);
  bool DictItems(const Value& self, const Arguments& arguments, Value* out);
  bool DictCopy(const Value& self, const Arguments& arguments, Value* out);
  bool ListCopy(const Value& self, const Arguments& arguments, Value* out);
  bool ListCount(const Value& self, const Arguments& arguments, Value* out);
  bool ListIndex(const Value& self, const Arguments& arguments, Value* out);

  // --- string_methods.cc, string_methods_split.cc
  bool FindStringMethod(const Value& object, std::string_view name, Value* out, bool* found);
  bool StringStrip(const Value& self, const Arguments& arguments, Value* out);
  bool StringLeftStrip(const Value& self, const Arguments& arguments, Value* out);
  bool StringRightStrip(const Value& self, const Arguments& arguments, Value* out);
  bool StripWith(const Str& text, const Arguments& arguments, bool left, bool right, Value* out);
  bool Strip(const Str& text, const Str* characters, bool left, bool right, Value* out);
  bool StringSplit(const Value& self, const Arguments& arguments, Value* out);
  bool StringRightSplit(const Value& self, const Arguments& arguments, Value* out);
  bool SplitBy(const Str& text, const Str& separator, int64_t max, bool from_right, Value* out);
  bool SplitBySpace(const Str& text, int64_t max, bool from_right, Value* out);
  bool PiecesToList(const Str& text, const size_t* pieces, size_t n, bool is_reversed, Value* out);
  bool StringSplitLines(const Value& self, const Arguments& arguments, Value* out);
  bool StringPartition(const Value& self, const Arguments& arguments, Value* out);
  bool StringRightPartition(const Value& self, const Arguments& arguments, Value* out);
  bool PartitionAt(const Str& text, const Str& separator, size_t at, bool is_right, Value* out);
  bool StringStartsWith(const Value& self, const Arguments& arguments, Value* out);
  bool StringEndsWith(const Value& self, const Arguments& arguments, Value* out);
  bool HasAffix(const Str& text, const Arguments& arguments, bool at_end, Value* out);
  bool StringRemovePrefix(const Value& self, const Arguments& arguments, Value* out);
  bool StringRemoveSuffix(const Value& self, const Arguments& arguments, Value* out);
  bool StringReplace(const Value& self, const Arguments& arguments, Value* out);
  bool Replace(const Str& text, const Str& old, const Str& with, int64_t max, Value* out);
  bool StringFind(const Value& self, const Arguments& arguments, Value* out);
  bool StringRightFind(const Value& self, const Arguments& arguments, Value* out);
  bool StringIndex(const Value& self, const Arguments& arguments, Value* out);
  bool StringRightIndex(const Value& self, const Arguments& arguments, Value* out);
  bool FindIn(const Str& text, const Arguments& arguments, bool from_right, int64_t* index);
  bool Bounds(const Str& text, const Value& start, const Value& end, size_t* begin_byte,
              size_t* end_byte, bool* is_empty);
  bool StringCount(const Value& self, const Arguments& arguments, Value* out);
  bool StringJoin(const Value& self, const Arguments& arguments, Value* out);
  bool Join(const Str& separator, const Value* items, size_t n, bool converts, Value* out);
  bool StringLower(const Value& self, const Arguments& arguments, Value* out);
  bool StringUpper(const Value& self, const Arguments& arguments, Value* out);
  bool StringTitle(const Value& self, const Arguments& arguments, Value* out);
  bool StringCapitalize(const Value& self, const Arguments& arguments, Value* out);
  enum class Casing : uint8_t { kLower, kUpper, kTitle, kCapitalize, kFilterTitle };
  bool ChangeCase(const Str& text, Casing casing, Value* out);
  bool StringCenter(const Value& self, const Arguments& arguments, Value* out);
  bool StringLeftJustify(const Value& self, const Arguments& arguments, Value* out);
  bool StringRightJustify(const Value& self, const Arguments& arguments, Value* out);
  bool Justify(const Str& text, const Arguments& arguments, char align, Value* out);
  bool StringZeroFill(const Value& self, const Arguments& arguments, Value* out);
  bool TestCharacters(const Value& self, const Arguments& arguments, bool (*is)(uint32_t),
                      bool when_empty, Value* out);
  bool StringIsDigit(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsDecimal(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsNumeric(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsAlpha(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsAlnum(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsSpace(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsAscii(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsPrintable(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsUpper(const Value& self, const Arguments& arguments, Value* out);
  bool StringIsLower(const Value& self, const Arguments& arguments, Value* out);
  bool StringFormat(const Value& self, const Arguments& arguments, Value* out);
  bool RefuseMethod(const Value& self, const Arguments& arguments, Value* out);

  // --- to_text.cc
  bool ToStr(const Value& value, const Str** out);
  bool AddText(const Value& value, TextBuilder* text);
  bool AddRepr(const Value& value, TextBuilder* text);
  bool AddReprItems(const Value* items, size_t n, TextBuilder* text);
  bool AddReprList(const Value& value, TextBuilder* text);
  bool AddReprDict(const Dict& dict, TextBuilder* text);
  void AddReprString(const Str& str, TextBuilder* text);
  void AddFloat(double value, TextBuilder* text);
  struct JsonStyle {
    bool ascii;
    bool sorts;
    const Str* indent;  // nullptr: all on one line
    const Str* item_separator;
    const Str* key_separator;
  };

  // --- to_json.cc
  bool FilterToJson(const Value& value, const Arguments& arguments, Value* out);
  bool ReadJsonStyle(const Value* given, JsonStyle* style);
  bool AddJson(const Value& value, const JsonStyle& style, unsigned level, TextBuilder* text);
  bool AddJsonList(const Value& value, const JsonStyle& style, unsigned level, TextBuilder* text);
  bool AddJsonDict(const Dict& dict, const JsonStyle& style, unsigned level, TextBuilder* text);
  bool AddJsonKey(const Value& key, const JsonStyle& style, TextBuilder* text);
  void AddJsonString(const Str& str, bool ascii, TextBuilder* text);
  void AddJsonBreak(const JsonStyle& style, unsigned level, TextBuilder* text);
  void AddJsonFloat(double value, TextBuilder* text);
  bool SortKeys(const Dict& dict, const Value** order);

  // --- formatting.cc
  bool FormatPercent(const Str& format, const Value& arguments, Value* out);
  bool FormatPercentWith(const Str& format, const Value* items, size_t n, const Dict* by_name,
                         bool allows_unused, Value* out);
  bool ReadPercentName(std::string_view view, const Dict* by_name, size_t* i, Value* value);
  bool ReadPercentSpec(std::string_view view, size_t* i, FormatSpec* spec);
  bool FormatOne(const FormatSpec& spec, const Value& value, TextBuilder* text);
  bool FormatNumber(const FormatSpec& spec, const Value& value, TextBuilder* text);
  bool FormatBraces(const Str& format, const Arguments& arguments, Value* out);
  bool FormatField(const Str& format, size_t begin, size_t end, const Arguments& arguments,
                   size_t* automatic, TextBuilder* text);
  bool ReadFormatSpec(std::string_view spec, FormatSpec* out);
  void Pad(const FormatSpec& spec, const Str& piece, char default_align, TextBuilder* text);

  // --- date_text.cc
  bool AddDate(std::string_view format, TextBuilder* text);

  // --- filters.cc and others
  using FilterFunction = bool (Interpreter::*)(const Value& value, const Arguments& arguments,
                                               Value* out);
  struct FilterEntry {
    std::string_view name;
    FilterFunction apply;
  };
  static const FilterEntry kFilters[];
  static const size_t kFilterCount;
  bool ApplyFilter(std::string_view name, const Value& value, const Arguments& arguments,
                   Value* out);
  bool FilterAbs(const Value& value, const Arguments& arguments, Value* out);
  bool FilterAttr(const Value& value, const Arguments& arguments, Value* out);
  bool FilterBatch(const Value& value, const Arguments& arguments, Value* out);
  bool FilterCapitalize(const Value& value, const Arguments& arguments, Value* out);
  bool FilterCenter(const Value& value, const Arguments& arguments, Value* out);
  bool FilterDefault(const Value& value, const Arguments& arguments, Value* out);
  bool FilterDictSort(const Value& value, const Arguments& arguments, Value* out);
  bool FilterEscape(const Value& value, const Arguments& arguments, Value* out);
  bool FilterFirst(const Value& value, const Arguments& arguments, Value* out);
  bool FilterFloat(const Value& value, const Arguments& arguments, Value* out);
  bool FilterFormat(const Value& value, const Arguments& arguments, Value* out);
  bool FilterGroupBy(const Value& value, const Arguments& arguments, Value* out);
  bool FilterIndent(const Value& value, const Arguments& arguments, Value* out);
  bool FilterInt(const Value& value, const Arguments& arguments, Value* out);
  bool FilterItems(const Value& value, const Arguments& arguments, Value* out);
  bool FilterJoin(const Value& value, const Arguments& arguments, Value* out);
  bool FilterLast(const Value& value, const Arguments& arguments, Value* out);
  bool FilterLength(const Value& value, const Arguments& arguments, Value* out);
  bool FilterList(const Value& value, const Arguments& arguments, Value* out);
  bool FilterLower(const Value& value, const Arguments& arguments, Value* out);
  bool FilterMap(const Value& value, const Arguments& arguments, Value* out);
  bool FilterMax(const Value& value, const Arguments& arguments, Value* out);
  bool FilterMin(const Value& value, const Arguments& arguments, Value* out);
  bool Extreme(const Value& value, const Arguments& arguments, int sign, Value* out);
  bool FilterReject(const Value& value, const Arguments& arguments, Value* out);
  bool FilterRejectAttr(const Value& value, const Arguments& arguments, Value* out);
  bool FilterSelect(const Value& value, const Arguments& arguments, Value* out);
  bool FilterSelectAttr(const Value& value, const Arguments& arguments, Value* out);
  bool SelectBy(const Value& value, const Arguments& arguments, bool by_attribute, bool keeps,
                Value* out);
  bool ItemsIfTrue(const Value& value, const Value** items, size_t* n);
  bool FilterReplace(const Value& value, const Arguments& arguments, Value* out);
  bool FilterReverse(const Value& value, const Arguments& arguments, Value* out);
  bool FilterRound(const Value& value, const Arguments& arguments, Value* out);
  bool FilterSafe(const Value& value, const Arguments& arguments, Value* out);
  bool FilterSlice(const Value& value, const Arguments& arguments, Value* out);
  bool FilterSort(const Value& value, const Arguments& arguments, Value* out);
  bool FilterString(const Value& value, const Arguments& arguments, Value* out);
  bool FilterSum(const Value& value, const Arguments& arguments, Value* out);
  bool FilterTitle(const Value& value, const Arguments& arguments, Value* out);
  bool FilterTrim(const Value& value, const Arguments& arguments, Value* out);
  bool FilterTruncate(const Value& value, const Arguments& arguments, Value* out);
  bool FilterUnique(const Value& value, const Arguments& arguments, Value* out);
  bool FilterUpper(const Value& value, const Arguments& arguments, Value* out);
  bool FilterUrlEncode(const Value& value, const Arguments& arguments, Value* out);
  bool FilterWordCount(const Value& value, const Arguments& arguments, Value* out);
  // For sorting: an element and its sort key.
  struct Keyed {
    Value key;
    Value value;
  };
  bool MakeKeyed(const Value* items, size_t n, const Value& attribute, bool folds_case,
                 Keyed** out);
  bool FoldCase(const Value& value, Value* out);
  bool SortKeyed(Keyed* items, size_t n, bool reverse, bool allows_equal);
  bool UnaryText(const Value& value, const Arguments& arguments, const char* name, Casing casing,
                 Value* out);

  // --- tests.cc
  bool ApplyTest(std::string_view name, const Value& value, const Arguments& arguments,
                 bool* result);
  bool TestWithArgument(std::string_view name, const Value& value, const Value& argument,
                        bool* result, bool* found);
  bool TestAlone(std::string_view name, const Value& value, bool* result, bool* found);
  bool IsSame(const Value& a, const Value& b, bool* result);

  Bump& bump_;
  std::string_view source_;
  const RenderOptions& options_;
  const Value& context_;
  TextBuilder output_;
  TextBuilder* out_;
  Scope* scope_ = nullptr;
  size_t offset_ = 0;  // of the current node in the source
  uint64_t steps_ = 0;
  unsigned depth_ = 0;
  bool was_raised_ = false;
  Status status_;
};

// Finds a function of functions.cc by its name; false if there is none.
bool FindFunction(std::string_view name, Value* out);

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_INTERPRETER_H_
