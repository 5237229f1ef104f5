// SPDX-License-Identifier: MIT
#include "platform/cores.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "platform/threads.h"
#include "temporary_folder.h"

namespace clamma {
namespace {

TEST(Cores, AreTheLeastOfMaskAndQuotaRoundedDown) {
  struct Case {
    unsigned in_mask;
    uint64_t quota_milli;
    unsigned usable;
  };
  for (const Case& c :
       {Case{8, 0, 8}, Case{8, 500, 1}, Case{8, 1, 1}, Case{8, 1000, 1}, Case{8, 1999, 1},
        Case{8, 2000, 2}, Case{8, 2500, 2}, Case{8, 7999, 7}, Case{8, 8000, 8}, Case{8, 64000, 8},
        Case{1, 4000, 1}, Case{0, 0, 1}, Case{8, UINT64_MAX, 8}}) {
    const Cores cores = CoresOf(c.in_mask, c.quota_milli);
    EXPECT_EQ(cores.usable, c.usable) << c.in_mask << " cores, quota " << c.quota_milli;
    EXPECT_EQ(cores.quota_milli, c.quota_milli);
  }
}

#if LIBCLAMMA_THREADING_PTHREADS && defined(__linux__)

// A folder with the files of a system.
class CpuQuotaTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(folder_.path(path)).parent_path());
    folder_.Write(path, text);
  }
  // Writes a process's mountinfo and cgroup, which also have other lines.
  void Mount(const std::string& mounts, const std::string& groups) const {
    Write("proc/self/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n" +
                                     mounts + "40 22 0:5 / /proc rw - proc proc rw\n");
    Write("proc/self/cgroup", groups);
  }
  uint64_t Quota() const { return FindQuotaMilli(folder_.path().c_str()); }

  const clamma_test::TemporaryFolder folder_;
  const std::string v2_ = "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
  const std::string v1_ =
      "31 22 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
      "32 22 0:28 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory\n";
};

TEST_F(CpuQuotaTest, ThereIsNoneWithoutControlGroups) {
  EXPECT_EQ(Quota(), 0u) << "no files";
  Mount("", "");
  EXPECT_EQ(Quota(), 0u) << "no mount";
  Mount(v2_, "0::/\n");
  EXPECT_EQ(Quota(), 0u) << "no cpu.max, as in the root of all groups";
}

TEST_F(CpuQuotaTest, OfVersion2IsInCpuMax) {
  struct Case {
    const char* text;
    uint64_t milli;
  };
  Mount(v2_, "0::/\n");
  for (const Case& c :
       {Case{"max 100000\n", 0}, Case{"50000 100000\n", 500}, Case{"250000 100000\n", 2500},
        Case{"200000 100000", 2000}, Case{"1000 1000000\n", 1}, Case{"1 1000000\n", 1},
        Case{"33333 100000\n", 333}, Case{"", 0}, Case{"\n", 0}, Case{"50000\n", 0},
        Case{"50000 0\n", 0}, Case{"-1 100000\n", 0}, Case{"x 100000\n", 0},
        Case{"99999999999999999999 100000\n", 0}, Case{"0 100000\n", 0}}) {
    Write("sys/fs/cgroup/cpu.max", c.text);
    EXPECT_EQ(Quota(), c.milli) << "cpu.max: " << c.text;
  }
}

TEST_F(CpuQuotaTest, TheSmallestOnTheWayUpCounts) {
  Mount(v2_, "0::/a.slice/b.scope\n");
  Write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/a.slice/cpu.max", "max 100000\n");
  EXPECT_EQ(Quota(), 0u);
  Write("sys/fs/cgroup/a.slice/cpu.max", "300000 100000\n");
  EXPECT_EQ(Quota(), 3000u) << "of the one above";
  Write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "400000 100000\n");
  EXPECT_EQ(Quota(), 3000u) << "the one above is smaller";
  Write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "150000 100000\n");
  EXPECT_EQ(Quota(), 1500u) << "the one below is";
  Write("sys/fs/cgroup/cpu.max", "70000 100000\n");
  EXPECT_EQ(Quota(), 700u) << "the top is";
  Write("sys/fs/cgroup/other.slice/cpu.max", "1000 100000\n");
  EXPECT_EQ(Quota(), 700u) << "another group is not ours";
}

TEST_F(CpuQuotaTest, OfVersion1IsInTwoFiles) {
  Mount(v1_, "5:memory:/mem\n4:cpu,cpuacct:/docker/1234\n1:name=systemd:/docker/1234\n0::/\n");
  const std::string top = "sys/fs/cgroup/cpu,cpuacct";
  Write(top + "/docker/1234/cpu.cfs_quota_us", "-1\n");
  Write(top + "/docker/1234/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 0u) << "-1 is none";
  Write(top + "/docker/1234/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(Quota(), 500u);
  Write(top + "/docker/1234/cpu.cfs_quota_us", "300000\n");
  Write(top + "/docker/1234/cpu.cfs_period_us", "200000\n");
  EXPECT_EQ(Quota(), 1500u);
  Write(top + "/docker/cpu.cfs_quota_us", "120000\n");
  Write(top + "/docker/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 1200u) << "of the one above";
  std::filesystem::remove(folder_.path(top + "/docker/1234/cpu.cfs_period_us"));
  EXPECT_EQ(Quota(), 1200u) << "a quota without its period is none";
}

TEST_F(CpuQuotaTest, AContainerMaySeeItsGroupAtTheTop) {
  // Version 1 without a cgroup namespace: the path is the host's, but the mount contains only its
  // end.
  Mount("31 22 0:27 /docker/1234 /sys/fs/cgroup/cpu ro master:9 - cgroup cgroup rw,cpu\n",
        "4:cpu:/docker/1234\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 2500u);
  Mount("31 22 0:27 /docker/1234 /sys/fs/cgroup/cpu ro master:9 - cgroup cgroup rw,cpu\n",
        "4:cpu:/docker/1234/inner\n");
  Write("sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "100000\n");
  Write("sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 1000u) << "a group inside";
  for (const char* elsewhere : {"/docker/12345", "/user.slice", "/../other", "/docker/1234/.."}) {
    Mount("31 22 0:27 /docker/1234 /sys/fs/cgroup/cpu ro master:9 - cgroup cgroup rw,cpu\n",
          "4:cpu:" + std::string(elsewhere) + "\n");
    EXPECT_EQ(Quota(), 2500u) << elsewhere << ": what is seen at the top is taken";
  }
}

TEST_F(CpuQuotaTest, BothVersionsMayBeMounted) {
  Mount(v1_ + "33 22 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        "4:cpu,cpuacct:/a\n0::/b\n");
  Write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 3000u);
  Write("sys/fs/cgroup/unified/b/cpu.max", "200000 100000\n");
  EXPECT_EQ(Quota(), 2000u);
}

TEST_F(CpuQuotaTest, PathsWithSpacesAndLongLinesAreRead) {
  const std::string overlay =
      "50 22 0:40 / /var/lib/overlay rw - overlay overlay rw,lowerdir=" + std::string(5000, 'l') +
      "\n";
  Mount(overlay + "30 22 0:26 / /sys/fs/c\\040group rw - cgroup2 cgroup2 rw\n" + overlay,
        std::string(3000, 'x') + "\n0::/a group\n");
  Write("sys/fs/c group/a group/cpu.max", "600000 100000\n");
  EXPECT_EQ(Quota(), 6000u);
  Mount(v2_, "0::/" + std::string(1500, 'p') + "\n");
  EXPECT_EQ(Quota(), 0u) << "a path that is longer than any";
}

TEST(CpuQuota, OfThisSystemIsReadWithoutARoot) {
  EXPECT_EQ(FindCores().quota_milli, FindQuotaMilli(""));
  EXPECT_LE(FindCores().usable, FindQuotaMilli("") == 0 ? 100000u : FindQuotaMilli("") / 1000 + 1);
}

#endif

TEST(Cores, OneAtLeastIsUsable) {
  EXPECT_GE(UsableCores(), 1u);
  if (!kHasThreads) {
    EXPECT_EQ(UsableCores(), 1u);
    EXPECT_EQ(FindCores().quota_milli, 0u);
  }
}

}  // namespace
}  // namespace clamma
