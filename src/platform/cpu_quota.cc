// SPDX-License-Identifier: MIT
// Finds the CPU quota of a container. The formats are Linux's:
// Documentation/admin-guide/cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst, and proc(5) for
// /proc/self/cgroup and /proc/self/mountinfo.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "platform/cores.h"
#include "platform/format.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr size_t kMaxLine = 2048;
constexpr size_t kMaxPath = 1024;

// Reads a file line by line. Skips lines that are longer than kMaxLine: mounts may have long
// options, but those of control groups do not.
class Lines {
 public:
  explicit Lines(const char* path) {
    do {
      descriptor_ = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    } while (descriptor_ < 0 && errno == EINTR);
  }
  ~Lines() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  // Gets the next line, without its newline, valid until the next call. False: there is none.
  bool Next(std::string_view* line) {
    bool too_long = false;
    if (descriptor_ < 0) return false;
    for (;;) {
      const std::string_view rest = {bytes_ + begin_, end_ - begin_};
      const size_t newline = rest.find('\n');
      if (newline != std::string_view::npos || (ended_ && !rest.empty())) {
        const size_t size = newline == std::string_view::npos ? rest.size() : newline;
        *line = Front(rest, size);
        begin_ += size < rest.size() ? size + 1 : size;
        if (!too_long) return true;
        too_long = false;
        continue;
      }
      if (ended_) return false;
      std::memmove(bytes_, bytes_ + begin_, rest.size());
      end_ = rest.size();
      begin_ = 0;
      if (end_ == kMaxLine) {
        too_long = true;
        end_ = 0;
      }
      Fill();
    }
  }

 private:
  void Fill() {
    ssize_t got = 0;
    do {
      got = read(descriptor_, bytes_ + end_, kMaxLine - end_);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) ended_ = true;
    if (got > 0) end_ += static_cast<size_t>(got);
  }

  int descriptor_ = -1;
  bool ended_ = false;
  size_t begin_ = 0;  // bytes [begin_, end_) are read, but not returned yet
  size_t end_ = 0;
  char bytes_[kMaxLine] = {};
};

// Removes everything up to the first `separator` from *text and returns it without the separator.
// Without a separator, takes all of *text.
std::string_view TakeFront(std::string_view* text, char separator) {
  const size_t at = text->find(separator);
  const std::string_view front = Front(*text, at);
  text->remove_prefix(at == std::string_view::npos ? text->size() : at + 1);
  return front;
}

bool HasItem(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    if (TakeFront(&list, ',') == item) return true;
  }
  return false;
}

// Parses a decimal number without a sign. Returns UINT64_MAX if it is invalid or too large.
uint64_t Number(std::string_view text) {
  uint64_t number = text.empty() ? UINT64_MAX : 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || number > (UINT64_MAX - 9) / 10) return UINT64_MAX;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

// A quota in thousandths of a core, at least 1; 0: no quota, as for "max", -1 and invalid numbers.
uint64_t Milli(std::string_view quota, std::string_view period) {
  const uint64_t numerator = Number(quota);
  const uint64_t denominator = Number(period);
  if (numerator == 0 || denominator == 0 || denominator == UINT64_MAX) return 0;
  if (numerator > UINT64_MAX / 1000) return 0;
  const uint64_t milli = numerator * 1000 / denominator;
  return milli == 0 ? 1 : milli;
}

// Copies the first line of folder/name to `text`. False: there is none, or it does not fit.
bool ReadLine(const char* folder, const char* name, char* text, size_t size) {
  char path[kMaxPath + 32];
  if (Format(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path)) return false;
  Lines lines(path);
  std::string_view line;
  if (!lines.Next(&line) || line.size() >= size) return false;
  std::memcpy(text, line.data(), line.size());
  text[line.size()] = '\0';
  return true;
}

// The quota in a group's own files; 0: none.
uint64_t QuotaOfGroup(const char* folder, bool is_v2) {
  char quota[64];
  char period[64];
  if (is_v2) {
    if (!ReadLine(folder, "cpu.max", quota, sizeof(quota))) return 0;
    std::string_view rest = quota;
    const std::string_view first = TakeFront(&rest, ' ');
    return Milli(first, rest);
  }
  return ReadLine(folder, "cpu.cfs_quota_us", quota, sizeof(quota)) &&
                 ReadLine(folder, "cpu.cfs_period_us", period, sizeof(period))
             ? Milli(quota, period)
             : 0;
}

// A mount of a hierarchy of control groups.
struct Mount {
  bool is_v2 = false;
  std::string_view group;  // the group at the top of the mount
  std::string_view place;
};

// Parses a line of mountinfo. False: it is another file system, or a hierarchy without the CPU
// controller.
bool ParseMount(std::string_view line, Mount* mount) {
  for (int i = 0; i < 3; ++i) TakeFront(&line, ' ');  // the mount's numbers
  mount->group = TakeFront(&line, ' ');
  mount->place = TakeFront(&line, ' ');
  while (!line.empty() && TakeFront(&line, ' ') != "-") continue;
  const std::string_view type = TakeFront(&line, ' ');
  TakeFront(&line, ' ');  // the mount's source
  mount->is_v2 = type == "cgroup2";
  return mount->is_v2 || (type == "cgroup" && HasItem(line, "cpu"));
}

// Whether a line of /proc/self/cgroup belongs to such a hierarchy. Sets *group to this process's
// group.
bool ParseGroup(std::string_view line, bool is_v2, std::string_view* group) {
  const std::string_view number = TakeFront(&line, ':');
  const std::string_view controllers = TakeFront(&line, ':');
  *group = line;
  return is_v2 ? number == "0" && controllers.empty() : HasItem(controllers, "cpu");
}

// The path of `group` below a mount's top; "" if it is the top, or not visible. A container may see
// its own group at the top, but get its path in the host.
std::string_view PathBelow(std::string_view group, std::string_view top) {
  if (top == "/") top = "";
  if (!StartsWith(group, top)) return "";
  group.remove_prefix(top.size());
  if (group == "/" || !StartsWith(group, "/") || group.find("/..") != std::string_view::npos) {
    return "";
  }
  return group;
}

// Appends a path of mountinfo, in which space, tab, newline and \ are encoded as \ and three octal
// digits. False: there is no room.
bool AppendPlace(std::string_view place, char* text, size_t size) {
  size_t at = std::strlen(text);
  while (!place.empty() && at + 1 < size) {
    size_t used = 1;
    char c = place[0];
    if (c == '\\' && place.size() >= 4) {
      c = static_cast<char>((place[1] - '0') * 64 + (place[2] - '0') * 8 + (place[3] - '0'));
      used = 4;
    }
    text[at++] = c;
    place.remove_prefix(used);
  }
  text[at] = '\0';
  return place.empty();
}

uint64_t Smaller(uint64_t a, uint64_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

// The smallest quota of the group at `path` and of those above it, up to the mount, which is the
// first `top` bytes of `path`. Changes `path`.
uint64_t QuotaUpFrom(char* path, size_t top, bool is_v2) {
  uint64_t smallest = 0;
  for (;;) {
    smallest = Smaller(smallest, QuotaOfGroup(path, is_v2));
    char* slash = std::strrchr(path, '/');
    if (slash == nullptr || static_cast<size_t>(slash - path) < top) return smallest;
    *slash = '\0';
  }
}

uint64_t QuotaOfMount(const char* root, const Mount& mount) {
  char path[kMaxPath] = "";
  if (Format(path, sizeof(path), "%s/proc/self/cgroup", root) >= sizeof(path)) return 0;
  Lines groups(path);
  std::string_view group;
  std::string_view line;
  bool found = false;
  while (!found && groups.Next(&line)) found = ParseGroup(line, mount.is_v2, &group);
  if (!found || Format(path, sizeof(path), "%s", root) >= sizeof(path) ||
      !AppendPlace(mount.place, path, sizeof(path))) {
    return 0;
  }
  const size_t top = std::strlen(path);
  const std::string_view below = PathBelow(group, mount.group);
  if (top + below.size() >= sizeof(path)) return 0;
  std::memcpy(path + top, below.data(), below.size());
  path[top + below.size()] = '\0';
  return QuotaUpFrom(path, top, mount.is_v2);
}

}  // namespace

uint64_t FindQuotaMilli(const char* root) {
  char path[kMaxPath];
  if (Format(path, sizeof(path), "%s/proc/self/mountinfo", root) >= sizeof(path)) return 0;
  Lines mounts(path);
  std::string_view line;
  uint64_t smallest = 0;
  Mount mount;
  while (mounts.Next(&line)) {
    if (ParseMount(line, &mount)) smallest = Smaller(smallest, QuotaOfMount(root, mount));
  }
  return smallest;
}

}  // namespace clamma
