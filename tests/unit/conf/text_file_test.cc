#include "conf/text_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_directory.h"

namespace sportello::conf {
namespace {

TEST(TextFile, IsReadWholeWithWhoElseMayReadIt) {
  const testing_support::TemporaryDirectory directory;
  const std::string text(100'000, 'x');
  const std::string path = directory.write("file", text);
  const TextFile file = read_text_file(path);
  EXPECT_TRUE(file.ok());
  EXPECT_EQ(file.text, text);
  EXPECT_FALSE(file.is_open_to_others);
  chmod(path.c_str(), 0644);
  EXPECT_TRUE(read_text_file(path).is_open_to_others);
}

TEST(TextFile, WhatIsNoRegularFileIsRefusedWithoutWaiting) {
  const testing_support::TemporaryDirectory directory;
  ASSERT_EQ(mkfifo(directory.path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_text_file(directory.path("fifo")).problem, "it is no regular file");
  EXPECT_EQ(read_text_file(directory.path("")).problem, "it is a directory");
  EXPECT_EQ(read_text_file("/dev/zero").problem, "it is no regular file");
  EXPECT_EQ(read_text_file(directory.path("none")).problem, "No such file or directory");
}

TEST(TextFile, NamesAreSeenFromTheFileThatSaysThem) {
  EXPECT_EQ(path_beside("/etc/sportello/a.toml", "users"), "/etc/sportello/users");
  EXPECT_EQ(path_beside("/etc/sportello/a.toml", "../users"), "/etc/users");
  EXPECT_EQ(path_beside("/etc/sportello/a.toml", "/x/y"), "/x/y");
  EXPECT_EQ(path_beside("a.toml", "users"), "users");
}

}  // namespace
}  // namespace sportello::conf
