// SPDX-License-Identifier: MIT
// The command line of an app: the options in options.h, and the app's own. Only command_line.cc
// includes CLI11, which takes ten times as long to compile as an app. If you copy an app, copy this
// folder too.
#ifndef CLAMMA_APPS_COMMON_COMMAND_LINE_H_
#define CLAMMA_APPS_COMMON_COMMAND_LINE_H_

#include <memory>
#include <string>
#include <vector>

#include "options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace options {

// An option of a command line: what it accepts, and how --help shows it. Checks apply in the order
// of their calls. An object is valid as long as its command line.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& ShowDefault();  // --help shows the variable's present value as the default
  Option& Describe(const char* what);
  Option& TypeName(const char* name);
  Option& Required(bool required = true);
  Option& Needs(const Option& other);
  Option& Excludes(const Option& other);
  Option& OneEach();  // of a list: one value each time that the option is given

  Option& WholeNumber();  // from 0 to 2^64-1, in decimal digits
  Option& Size();         // a number of bytes, which may have a unit such as kb or mb
  Option& Amount();       // a finite number from 0
  Option& Share();        // a number from 0 to 1
  Option& In(int min, int max);
  Option& In(unsigned min, unsigned max);
  Option& OneOf(std::vector<std::string> values);
  Option& Check(std::string (*wrong)(const std::string& text));  // returns the error, "": none

 private:
  CLI::Option* option_;
};

// Add() declares options, and Parse() sets their variables, which must live until then.
class CommandLine {
 public:
  // Help is only --help, as -h is the number of threads, as in earlier versions.
  CommandLine(const char* program, const char* purpose, const char* footer);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  // Adds an option with names such as "-z,--tokenizer"; a name without a dash is a positional
  // argument.
  Option Add(const char* names, std::string& value, const char* what);
  Option Add(const char* names, std::vector<std::string>& values, const char* what);
  Option Add(const char* names, int& value, const char* what);
  Option Add(const char* names, unsigned& value, const char* what);
  // size_t and uint64_t are one of these two types.
  Option Add(const char* names, unsigned long& value, const char* what);
  Option Add(const char* names, unsigned long long& value, const char* what);
  Option Add(const char* names, float& value, const char* what);
  Option Add(const char* names, bool& value, const char* what);  // true if it is given

  void Add(Model& o);
  // For an app that declares the options of a model itself: Parse() replaces the name of a model in
  // these variables by paths. "" becomes the default model if `has_default`, else it stays "".
  void FindModel(std::string& checkpoint, std::string& tokenizer, bool has_default = false);
  void AddKvType(std::string& name);  // as KvTypeOf() in kv_type.h takes it
  void Add(Prompt& o);
  void Add(Sampling& o);
  // Accepts "-" as the last argument, even if no model is named: the prompt is read from stdin.
  Option AddStdin(bool& from_stdin);

  // Adds an option for a file that gives options: NAME=VALUE on a line, NAME without its dashes.
  // Those of the command line take precedence, and unknown names are an error.
  void TakeConfigFile(const char* names, const char* what);

  // Returns the option that was added with this name.
  Option Find(const char* name);

  // Returns whether the user gave the option. Call it after Parse().
  bool IsGiven(const char* name) const;

  // Returns -1 if the app is to continue, else the exit code; errors are written to stderr. The
  // name of a model, whatever its form (models.h), is replaced by the paths of its files.
  int Parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
  std::string* checkpoint_ = nullptr;  // set if Parse() is to find a model by its name
  std::string* tokenizer_ = nullptr;
  bool* from_stdin_ = nullptr;
  std::string stdin_mark_;    // "-" or ""
  bool has_default_ = false;  // whether "" is the default model
};

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_COMMAND_LINE_H_
