// SPDX-License-Identifier: MIT
// wrapper CHECKPOINT VOCABULARY [PROMPT]: two sessions continue a text side by side.
//   c++ -std=c++20 wrapper.cc $(pkg-config --cflags --libs clamma) -o wrapper
#include <clamma.hpp>
#include <iostream>

int main(int argc, char** argv) try {
  if (argc < 3) return 2;
  const clamma::Model model({.checkpoint = argv[1], .tokenizer = argv[2]});
  clamma::Query query;
  if (argc > 3) query.prompt = argv[3];

  // One session prints the likeliest text as it is generated; the other collects a random one.
  clamma::Session likeliest(model);
  likeliest.Start(query, [](std::string_view piece) {
    return static_cast<bool>(std::cout << piece << std::flush);  // false: stop
  });
  std::string other;
  clamma::Session chosen(model);
  query.temperature = 1;
  query.topp = 0.9F;
  chosen.Start(query, [&](std::string_view piece) {
    other += piece;
    return true;
  });
  clamma::Run();  // until both have ended

  std::cout << "\n\nWith seed " << chosen.Facts().rng_seed << ":\n" << other << '\n';
  std::cout << "\nThe perplexity of \"Once upon a time\" is "
            << model.Score("Once upon a time").perplexity << '\n';
  return 0;
} catch (const std::exception& e) {
  std::cerr << "wrapper: " << e.what() << '\n';
  return 1;
}
