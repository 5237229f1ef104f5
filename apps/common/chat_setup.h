// SPDX-License-Identifier: MIT
// The setup of apps that chat: the template, the sampling options in the model's file, and a
// context that fits in memory. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_CHAT_SETUP_H_
#define CLAMMA_APPS_COMMON_CHAT_SETUP_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "command_line.h"
#include "options.h"

namespace options {

// Adds --template. After Parse(), ReadTemplate() replaces the path of a file by its text; it
// returns "" or the error.
void AddTemplate(CommandLine& line, Model& o);
std::string ReadTemplate(Model* o);

// The sampling of answers if neither the user nor the file specifies any.
constexpr float kChatTemperature = 0.7f;
constexpr float kChatTopp = 0.9f;

// Sets the sampling options that the user has not given to those in a GGUF file's metadata
// (general.sampling.*).
void TakeModelSampling(const txf* model, const CommandLine& line, Sampling* o);

// Returns the number of positions of a context: the model's, or fewer if a session with a full
// context would take more than four fifths of the available memory.
size_t FittingContext(const txf* model, const txf_session* session);

// Returns how many bytes can be allocated without swapping; UINT64_MAX if the system does not
// report it.
uint64_t AvailableMemory();

// Returns whether answers begin with the model's reasoning, as the template ends with <think>.
bool BeginsInThoughts(const txf* model, const Model& o, const char* arguments);

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_CHAT_SETUP_H_
