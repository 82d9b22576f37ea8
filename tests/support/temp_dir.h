// SPDX-License-Identifier: Apache-2.0
// A directory of a test's own, and small files in it.
#pragma once

#include <string>
#include <string_view>

namespace cordwood::testing {

// Removed with everything in it when destroyed, unless kept.
class TempDir {
 public:
  TempDir();  // under $TMPDIR, else /tmp
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string Sub(std::string_view name) const { return path_ + "/" + std::string(name); }
  void Keep() { keep_ = true; }

 private:
  std::string path_;
  bool keep_ = false;
};

// "" if there is no such file.
std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, std::string_view bytes);
// Inverts the byte at `at`, counted from the end if negative; fails the process if the file is shorter.
void FlipByte(const std::string& path, long at);

}  // namespace cordwood::testing
