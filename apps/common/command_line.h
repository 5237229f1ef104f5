// SPDX-License-Identifier: MIT
// The command line of an app: the options of options.h, and those that it has for itself. CLI11
// takes ten times as long to compile as an app, so that command_line.cc alone includes it. Copy
// this folder with the app that you start from.
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
// in which they are named. Valid as long as its command line.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& ShowDefault();  // the variable's value as it is now
  Option& Describe(const char* what);
  Option& TypeName(const char* name);
  Option& Required(bool required = true);
  Option& Needs(const Option& other);
  Option& Excludes(const Option& other);

  Option& WholeNumber();  // from 0 to 2^64-1, in decimal digits
  Option& Size();         // bytes, with a unit such as kb or mb behind the number if wanted
  Option& Amount();       // a finite number from 0
  Option& Share();        // a number from 0 to 1
  Option& In(int min, int max);
  Option& In(unsigned min, unsigned max);
  Option& OneOf(std::vector<std::string> values);
  Option& Check(std::string (*wrong)(const std::string& text));  // "": it is right

 private:
  CLI::Option* option_;
};

// Options are declared by Add(), then Parse() sets their variables, which must live until then.
class CommandLine {
 public:
  // -h has always been the threads, so help is --help alone.
  CommandLine(const char* program, const char* purpose, const char* footer);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  // Names such as "-z,--tokenizer"; without a dash, an argument by its place.
  Option Add(const char* names, std::string& value, const char* what);
  Option Add(const char* names, std::vector<std::string>& values, const char* what);
  Option Add(const char* names, int& value, const char* what);
  Option Add(const char* names, unsigned& value, const char* what);
  // size_t and uint64_t, whichever these are.
  Option Add(const char* names, unsigned long& value, const char* what);
  Option Add(const char* names, unsigned long long& value, const char* what);
  Option Add(const char* names, float& value, const char* what);
  Option Add(const char* names, bool& value, const char* what);  // true where it is given

  void Add(Model& o);
  // For an app that declares a model's options in its own way: they hold a name. "" is the default
  // model if `has_default`, else it stays "".
  void FindModel(std::string& checkpoint, std::string& tokenizer, bool has_default = false);
  void Add(Prompt& o);
  void Add(Sampling& o);
  // A last argument "-", also where no model is named: the prompt comes from stdin.
  Option AddStdin(bool& from_stdin);

  // One that was added, by one of its names.
  Option Find(const char* name);

  // Behind Parse(): whether the user gave it.
  bool IsGiven(const char* name) const;

  // Returns -1 to go on, else the exit code; what is wrong is on stderr. A model that was added has
  // the paths of its files then, whatever name its user gave it (models.h).
  int Parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
  std::string* checkpoint_ = nullptr;  // of a model to be found by its name
  std::string* tokenizer_ = nullptr;
  bool* from_stdin_ = nullptr;
  std::string stdin_mark_;    // "-" or ""
  bool has_default_ = false;  // ... which is the default one where none is named
};

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_COMMAND_LINE_H_
