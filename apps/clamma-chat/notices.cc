// SPDX-License-Identifier: MIT
#include "notices.h"

#include "terminal.h"

namespace {

int holders = 0;
std::string held;

}  // namespace

void Tell(const std::string& what) {
  const std::string line = "clamma-chat: " + what + "\n";
  if (holders > 0) {
    held += line;
  } else {
    terminal::Print(line);
  }
}

HeldNotices::HeldNotices() { ++holders; }

HeldNotices::~HeldNotices() {
  if (--holders > 0) return;
  terminal::Print(held);
  held.clear();
}

void HeldNotices::Drop() { held.clear(); }
