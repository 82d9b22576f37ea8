// SPDX-License-Identifier: Apache-2.0
// mkdtemp, and remove_all at the end.
#include "tests/support/temp_dir.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "storage/base/check.h"

namespace cordwood::testing {

TempDir::TempDir() {
  const char* root = std::getenv("TMPDIR");
  path_ = std::string(root != nullptr && *root != '\0' ? root : "/tmp") + "/cordwood-test-XXXXXX";
  CORDWOOD_CHECK(mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  std::error_code ignored;
  if (!keep_) std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  if (const std::ifstream file(path, std::ios::binary); file.is_open()) text << file.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  CORDWOOD_CHECK(file.good());
}

void FlipByte(const std::string& path, long at) {
  std::string bytes = ReadFile(path);
  const long place = at < 0 ? static_cast<long>(bytes.size()) + at : at;
  CORDWOOD_CHECK(place >= 0 && place < static_cast<long>(bytes.size()));
  bytes[static_cast<std::size_t>(place)] = static_cast<char>(~bytes[static_cast<std::size_t>(place)]);
  WriteFile(path, bytes);
}

}  // namespace cordwood::testing
