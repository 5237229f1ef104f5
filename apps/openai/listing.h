// SPDX-License-Identifier: MIT
// The answers about models: /v1/models, /props and /tokenizer_info.
#ifndef CLAMMA_APPS_OPENAI_LISTING_H_
#define CLAMMA_APPS_OPENAI_LISTING_H_

#include <memory>
#include <string>
#include <vector>

#include "openai/model.h"
#include "openai/service.h"

namespace openai {

std::string ListModels(const std::vector<std::unique_ptr<Model>>& models);
std::string DescribeModel(const Model& model);
// What lm_eval must know to count tokens as the model does.
std::string DescribeTokenizer(const Model& model);
std::string DescribeProps(const std::vector<std::unique_ptr<Model>>& models,
                          const Service::Options& options);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_LISTING_H_
