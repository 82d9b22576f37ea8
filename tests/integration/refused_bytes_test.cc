// SPDX-License-Identifier: Apache-2.0
// Bytes that are no message, messages that are empty, frames that are cut.
#include "storage/base/coding.h"
#include "tests/integration/refusal_fixture.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

class RefusedBytesTest : public RefusalTest {
 protected:
  static inline const std::string kProduce = "/cordwood.v1.Log/Produce", kFetch = "/cordwood.v1.Log/Fetch";
  static inline const std::string kRubbish = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
  Status Raw(const std::string& method, std::string_view bytes) { return CallRaw(client().channel(), method, bytes).status(); }
  static std::string GrpcMessage(std::string_view payload, std::uint32_t claimed) {
    std::string message(5, '\0');
    StoreBigEndian(message.data() + 1, claimed);
    return message.append(payload);
  }
};

TEST_F(RefusedBytesTest, MalformedProtobufOnThePaths) {
  ExpectRefused("produce: bytes that are no message", Raw(kProduce, kRubbish), Reason::kMalformedRequest);
  ExpectRefused("fetch: bytes that are no message", Raw(kFetch, kRubbish), Reason::kMalformedRequest);
  const auto produce = CallRawStream(client().channel(), "/cordwood.v1.Log/ProduceStream", kRubbish);
  ExpectRefused("produce stream: bytes that are no message", produce.status(), Reason::kMalformedRequest);
  const auto fetch = CallRawStream(client().channel(), "/cordwood.v1.Log/FetchStream", kRubbish);
  ExpectRefused("fetch stream: bytes that are no message", fetch.status(), Reason::kMalformedRequest);
}

TEST_F(RefusedBytesTest, MalformedProtobufOnEveryOtherMethod) {
  for (const char* method : {"Log/ListOffsets", "Log/DeleteRecords", "Log/InitProducer", "Log/GetMetadata", "Log/OffsetForLeaderEpoch", "Admin/CreateTopic",
                             "Admin/DeleteTopic", "Admin/ListTopics", "Admin/DescribeTopic", "Admin/CreatePartitions",
                             "Admin/AlterTopicConfig", "Admin/DescribeBroker", "Admin/DescribeCluster"}) {
    ExpectRefused(std::string(method) + ": bytes that are no message", Raw(std::string("/cordwood.v1.") + method, kRubbish),
                  Reason::kMalformedRequest, {method});
  }
}

TEST_F(RefusedBytesTest, AProduceCutAtEveryLengthAppendsNothing) {
  const std::string whole = BatchesRequest("orders", 0, Batch({"x"})).SerializeAsString();
  for (std::size_t length = 1; length < whole.size(); ++length) {
    const auto answer = CallRaw(client().channel(), kProduce, std::string_view(whole).substr(0, length));
    if (answer.ok()) {
      v1::ProduceResponse response;
      ASSERT_TRUE(response.ParseFromString(*answer)) << length;
      for (const v1::Done& done : response.done()) EXPECT_GT(done.errors_size(), 0) << length;
    } else {
      EXPECT_TRUE(ReasonOf(answer.status()) == Reason::kMalformedRequest || ReasonOf(answer.status()) == Reason::kInvalidRequest)
          << length << ": " << answer.status();
    }
  }
}

TEST_F(RefusedBytesTest, EmptyMessages) {
  ExpectRefused("produce: an empty message", Raw(kProduce, ""), Reason::kInvalidRequest);
  ExpectRefused("fetch: an empty message", Raw(kFetch, ""), Reason::kInvalidRequest);
  ExpectRefused("create topic: an empty message", Raw("/cordwood.v1.Admin/CreateTopic", ""), Reason::kInvalidTopic);
  for (const char* method : {"DeleteTopic", "DescribeTopic", "CreatePartitions", "AlterTopicConfig"}) {
    const Status status = Raw(std::string("/cordwood.v1.Admin/") + method, "");
    ShowRefusal(std::string(method) + ": an empty message", status);
    EXPECT_FALSE(status.ok()) << method;
    EXPECT_NE(ReasonOf(status), Reason::kUnknownServerError) << method << ": " << status;
  }
}

TEST_F(RefusedBytesTest, AnUnknownMethod) {
  const Status status = Raw("/cordwood.v1.Log/Nothing", "");
  ShowRefusal("an unknown method", status);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
}

TEST_F(RefusedBytesTest, AStreamThatOnlyEnds) {
  ProduceStream stream(client());
  stream.CloseSending();
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(RefusedBytesTest, AMessageCutByTheEndOfTheStreamAppendsNothing) {
  const std::string whole = BatchesRequest("orders", 0, Batch({"x"})).SerializeAsString();
  for (const std::size_t kept : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    RawConnection connection(broker_->address());
    const std::string cut = GrpcMessage(whole.substr(0, kept), static_cast<std::uint32_t>(whole.size()));
    ASSERT_TRUE(connection.Send(Http2Opening() + GrpcRequestHeaders(kProduce) + Http2Frame(kDataFrame, kEndStream, 1, cut)));
    const std::string answer = connection.ReadUntil([](const std::string& bytes) { return !FrameTypes(bytes, 1).empty(); });
    EXPECT_NE(FrameTypes(answer, 1), "") << kept;
  }
}

TEST_F(RefusedBytesTest, ConnectionsCutInTheMiddleOfAFrame) {
  const std::string whole = BatchesRequest("orders", 0, Batch({"x"})).SerializeAsString();
  const std::string sent = Http2Opening() + GrpcRequestHeaders(kProduce) +
                           Http2Frame(kDataFrame, kEndStream, 1, GrpcMessage(whole, static_cast<std::uint32_t>(whole.size())));
  for (std::size_t length = 1; length < sent.size(); length += 3) {
    RawConnection connection(broker_->address());
    ASSERT_TRUE(connection.Send(sent.substr(0, length)));
  }
  EXPECT_EQ(client().LogEnd("orders").value_or(-1), 3);
}

TEST_F(RefusedBytesTest, RubbishOnEitherPort) {
  for (const std::string& address : {broker_->address(), broker_->http_address()}) {
    RawConnection connection(address);
    connection.Send(std::string(4096, '\x7f') + "\r\n\r\n");
    connection.ReadUntil([](const std::string& bytes) { return !bytes.empty(); });
  }
  EXPECT_EQ(HttpGet(broker_->http_address(), "/livez").code, 200);
}

}  // namespace
}  // namespace cordwood::testing
