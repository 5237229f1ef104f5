// SPDX-License-Identifier: MIT
// What a receipt states of a model and its options. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_RECEIPT_FACTS_H_
#define CLAMMA_APPS_COMMON_RECEIPT_FACTS_H_

#include <clamma.h>

#include <string>
#include <vector>

#include "options.h"
#include "receipt.h"

namespace receipt {

// Hashes the files of a model, all parts of a split one. Returns "" or the reason of a failure.
std::string HashModel(const std::string& checkpoint, std::vector<File>* files);
std::string HashFile(const std::string& path, File* file);

// Sets what a receipt states of the library, the open model and, for a chat, the template; hashes
// files. Returns "" or the reason of a failure.
std::string Describe(const options::Model& o, const txf* model, bool chat, Receipt* receipt);

// The template of chats, if it is known.
Template DescribeTemplate(const options::Model& o, const txf* model);
// Whether that template writes the date, so that the same prompt has other tokens on another day.
bool WritesDate(const options::Model& o, const txf* model);

// Encodes a query with texts as clamma-gen does. Returns false on failure, with the reason in the
// log.
bool Encode(const txf* model, const Query& query, std::vector<tok_id_t>* tokens);

// The messages of a chat, valid as long as the query.
std::vector<clamma_message_t> Messages(const Query& query);

Query QueryOf(const options::Prompt& prompt, bool chat);
options::Sampling ToOptions(const Sampling& sampling);
Sampling FromOptions(const options::Sampling& o);

}  // namespace receipt

#endif  // CLAMMA_APPS_COMMON_RECEIPT_FACTS_H_
