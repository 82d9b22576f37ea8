// SPDX-License-Identifier: Apache-2.0
// A real text file of this machine through the shard and back, byte for byte, also when nobody says goodbye.
#include <fstream>
#include <sstream>

#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

std::string ReadRealFile() {
  for (const char* path : {"/var/log/dpkg.log", "/etc/services", "/etc/passwd"}) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    if (file && bytes << file.rdbuf() && !bytes.str().empty()) return bytes.str();
  }
  return "";
}

// Every line a record, `lines` of them to a batch; a line keeps its \n, so that the file is the records put together.
std::vector<SharedBytes> BatchesOfLines(const std::string& text, std::size_t lines) {
  std::vector<SharedBytes> batches;
  std::vector<std::string> values;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    values.push_back(text.substr(at, end - at));
    at = end;
    if (values.size() < lines && at < text.size()) continue;
    batches.push_back(BatchOfText(values));
    values.clear();
  }
  return batches;
}

class RealFileTest : public ShardFixture {
 protected:
  void AppendFile(std::size_t lines_per_batch) {
    text_ = ReadRealFile();
    ASSERT_FALSE(text_.empty());
    for (SharedBytes& batch : BatchesOfLines(text_, lines_per_batch)) ASSERT_OK(Append(std::move(batch)).status());
  }
  std::string ReadBack() {
    std::string text;
    for (const std::string& value : ReadAll()) text += value;
    return text;
  }
  std::string text_;
};

TEST_F(RealFileTest, ComesBackByteForByte) {
  Start();
  AppendFile(1);
  EXPECT_TRUE(ReadBack() == text_);
}

TEST_F(RealFileTest, IsThereAfterACrashOfTheProcess) {
  Start();
  AppendFile(50);
  Reopen();
  EXPECT_TRUE(ReadBack() == text_);
  EXPECT_FALSE(store_->recovery().clean_stop);
}

TEST_F(RealFileTest, IsThereAfterACleanStop) {
  Start();
  AppendFile(500);
  CloseStore();
  ASSERT_OK(Open());
  ASSERT_OK(OpenLog());
  EXPECT_TRUE(ReadBack() == text_);
  EXPECT_TRUE(store_->recovery().clean_stop);
}

}  // namespace
}  // namespace cordwood::testing
